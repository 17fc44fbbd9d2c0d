/*
 * Readiness told by a signal (fcntl(2), "Managing signals"): an open file with O_ASYNC sends SIGIO,
 * or what F_SETSIG says, to the owner that F_SETOWN names.
 *
 * The file stands as a waiter in its own wait queues. What they tell is noted, once until it is
 * sent; a thread of the personality, made with the first such file, sends it: signals need locks
 * that stand above wait queues.
 *
 * Locks: async_change_lock, above what asking a file needs, serialises the changes of all files;
 * async_lock, below wait queues, guards what the thread takes.
 */
#pragma once

#include "linux/file/file.h"

enum async_kind { /* of struct f_owner_ex */
    ASYNC_TASK = 0,
    ASYNC_PROCESS = 1,
    ASYNC_GROUP = 2,
};

struct async_owner {
    int32_t kind;
    int32_t number; /* 0: nobody */
};

/* F_SETOWN_EX for the current task, whose right to send signals counts: -EINVAL, -ESRCH, -ENOMEM.
 */
long async_owner_set(struct file *file, const struct async_owner *owner);
struct async_owner async_owner_get(const struct file *file);
/* 0: SIGIO. -EINVAL, -ENOMEM. */
long async_signal_set(struct file *file, uint64_t number);
int async_signal_get(const struct file *file);

/* O_ASYNC, set by that descriptor, or taken away: -ENOMEM, -EAGAIN. */
long async_switch(struct file *file, int fd, bool on);

/* The last reference to a file with file->async is gone. */
void async_file_gone(struct file *file);
