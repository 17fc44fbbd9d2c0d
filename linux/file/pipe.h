/*
 * Pipes and named pipes: a ring of 64 KiB that bytes go through, with readers on one end and
 * writers on the other. A write of at most PIPE_BUF bytes is never mixed with another's.
 */
#pragma once

#include "linux/file/inode.h"

#define PIPE_BYTES 65536u
#define PIPE_BUF   4096u

struct file;

/*
 * Open a named pipe: gives the file its operations. Blocks until the other end is open, as
 * open(2) of a FIFO does; -ENXIO for a writer that may not wait, -ERESTARTSYS, -ENOMEM.
 */
long fifo_open(struct inode *inode, struct file *file);
