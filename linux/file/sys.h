/* /sys, and the container's limits in /sys/fs/cgroup as cgroup v2 shows them. */
#pragma once

struct proc_entry;

/* Mount both; /sys must exist. */
long sys_mount(void);

/* cgroup.c: what is in /sys/fs/cgroup. */
extern const struct proc_entry cgroup_root;
