/*
 * pidfds: open files that stand for a process, whatever becomes of its number (pidfd_open(2)).
 *
 * A `process_handle` ties them to the thread group: the group points to it while it is in the
 * table, and it to the group. Counted: by its files, and by the group. Its pointers and flags are
 * guarded by tasks_lock.
 */
#pragma once

#include "lib/base/types.h"

struct process_handle;
struct thread_group;

/* The handle of a descriptor, with a reference, and whether it does not want to wait. -EBADF: it is
 * no pidfd. */
long pidfd_handle(int fd, struct process_handle **out, bool *nonblocking);
/* The same, or the handle of a process whose directory in /proc it is. -EBADF, -ESRCH, -ENOMEM. */
long pidfd_or_proc_handle(int fd, struct process_handle **out);
void process_handle_put(struct process_handle *handle);

/* A descriptor of a process that is about to be made: tied to it by process_handle_attach, under
 * tasks_lock. The caller gets a reference of its own. -EMFILE, -ENOMEM. */
long pidfd_new(struct process_handle **out);
void process_handle_attach(struct process_handle *handle, struct thread_group *group);

/* All under tasks_lock. NULL: it was waited for. */
struct thread_group *process_handle_group(const struct process_handle *handle);
/* The last task of the group has ended. */
void process_handle_ended(struct thread_group *group);
/* The group is to be freed. */
void process_handle_detach(struct thread_group *group);
