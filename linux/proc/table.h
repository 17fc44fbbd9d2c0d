/* The table of tasks and the parts of a task, for the files of linux/proc. Under tasks_lock. */
#pragma once

#include "linux/proc/task.h"

int table_highest(void);
/* Gives the task its tid; -EAGAIN when there are too many. */
int table_enter(struct task *task);
void table_leave(struct task *task);
/* Exec by a thread: it takes over the leader's number. */
void table_take_tid(struct task *task, int tid);
void table_enter_group(struct thread_group *group);
void table_leave_group(struct thread_group *group);
/* Move a group from its process group and session, 0: none, to others: as long as it is there, no
 * new task has their numbers. */
void table_place_group(struct thread_group *group, int process_group, int session);
/* The tasks of a real user. */
uint32_t table_count_user(uint32_t uid);

struct thread_group *group_new(void);

/* Drop what a task that ends needs no more: files, fs, mm. Without tasks_lock. */
void task_resources_put(struct task *task);
/* All counted parts: those, and handlers and credentials, which others ask for as long as the task
 * is in its group. Without tasks_lock. */
void task_parts_put(struct task *task);
