/*
 * Pseudo terminals (pty(7)): a tty whose other end is a file, the master. Opening /dev/ptmx makes
 * one; its tty is found as /dev/pts/NUMBER (pts.c) until the master is closed.
 */
#pragma once

#include "linux/file/inode.h"

struct file;

/* Each costs some 16 KiB of the container's personality. */
#define PTY_MAX 1024

/* Make the file the master of a new pseudo terminal. -ENOSPC: PTY_MAX are there; -ENOMEM. */
long pty_master_open(struct file *file);

/* The inode of the tty of that number, with a reference; NULL: there is none. */
struct inode *pty_find(uint32_t number);
/* The lowest number in use from that one on; -1: none. */
int pty_next(uint32_t from);

/* The directory of ttys, to be mounted on /dev/pts; it lives for ever. */
#define DEVPTS_MAGIC 0x1cd1u
struct inode *pts_root(void);
/* An open file of /dev/pts/NUMBER, as TIOCGPTPEER gives it: -EIO when the master is gone. */
long pts_open(struct inode *inode, uint32_t number, uint32_t flags, struct file **out);
