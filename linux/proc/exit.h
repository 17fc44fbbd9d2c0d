/* Ending, for exec and wait. */
#pragma once

struct task;
struct thread_group;
struct vfork;

/* The parent that waits in vfork may go on. */
void vfork_release(struct task *task);
void vfork_put(struct vfork *vfork);

/* End every other task of the group; afterwards the caller is the leader. */
long group_become_single(struct task *task);

/* A process that has ended was waited for, or nobody wants to: it is taken from its parent and
 * freed. Under tasks_lock. */
void group_reap(struct thread_group *group);

/* Tell who is to wait for the process, now that it has ended: its tracer, or then its parent; it is
 * freed when there is nobody. Under tasks_lock. */
void group_tell_end(struct thread_group *group);
