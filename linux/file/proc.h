/*
 * /proc: what the container's processes, and what little of the machine they may know, look like
 * as files. Nothing in it is stored: inodes are made when they are looked up, content is made when
 * it is read from its beginning.
 */
#pragma once

#include "lib/base/types.h"

struct inode;

/* To be mounted on /proc; it lives for ever. */
struct inode *proc_root(void);

/* The process whose directory /proc/PID the inode is; 0: it is something else. */
int proc_directory_pid(const struct inode *inode);
/* Of such a directory: whether that process still exists, and not another of its number. */
bool proc_directory_alive(struct inode *inode);
