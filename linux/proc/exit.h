/* Ending, for exec. */
#pragma once

struct task;
struct vfork;

/* The parent that waits in vfork may go on. */
void vfork_release(struct task *task);
void vfork_put(struct vfork *vfork);

/* End every other task of the group; afterwards the caller is the leader. */
long group_become_single(struct task *task);
