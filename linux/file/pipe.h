/*
 * Pipes and named pipes: a ring, at first of 64 KiB, that bytes go through, with readers on one end
 * and writers on the other. A write of at most PIPE_BUF bytes is never mixed with another's.
 */
#pragma once

#include "linux/file/inode.h"

#define PIPE_BYTES     65536u /* unless F_SETPIPE_SZ says something else */
#define PIPE_BYTES_MAX (1u << 20)
#define PIPE_BUF       4096u

struct file;

/*
 * Open a named pipe: gives the file its operations. Blocks until the other end is open, as
 * open(2) of a FIFO does; -ENXIO for a writer that may not wait, -ERESTARTSYS, -ENOMEM.
 */
long fifo_open(struct inode *inode, struct file *file);

/* The file is an end of a pipe; only of such a one are the next ones asked. */
bool file_is_pipe(const struct file *file);

/*
 * Copy the first bytes of the pipe: how many, 0 at its end, -EAGAIN when there are none and it may
 * not wait. `carry`: nobody else takes any until pipe_carried says how many have been brought away.
 */
long pipe_look(struct file *file, uint8_t *to, uint32_t capacity_bytes, bool wait, bool carry);
void pipe_carried(struct file *file, uint32_t length_bytes);
/* How many bytes there is room for, at least one; -EAGAIN, -EPIPE (without the signal). */
long pipe_room(struct file *file, bool wait);

uint32_t pipe_capacity(const struct file *file);
/* F_SETPIPE_SZ: the new size; -EBUSY: it holds more; -EPERM: beyond PIPE_BYTES_MAX, or
 * more than the user's pipes may have. */
long pipe_resize(struct file *file, uint64_t wanted_bytes);
