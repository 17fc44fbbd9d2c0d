/* /sys, and the container's limits in /sys/fs/cgroup as cgroup v2 shows them. */
#pragma once

#define SYSFS_MAGIC   0x62656572u
#define CGROUP2_MAGIC 0x63677270u

struct inode;
struct proc_entry;

/* What is mounted on /sys; the directory in it that control groups are mounted on; what is mounted
 * there. They live for ever. */
struct inode *sys_root_inode(void);
struct inode *cgroup_place_inode(void);
struct inode *cgroup_root_inode(void);

/* cgroup.c: what is in /sys/fs/cgroup. */
extern const struct proc_entry cgroup_root;
