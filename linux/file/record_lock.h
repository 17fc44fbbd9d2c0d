/*
 * Advisory locks: flock's, owned by an open file and over the whole of it, and fcntl's, over ranges
 * of bytes and owned by a process (its descriptor table) or, with F_OFD_*, by an open file.
 */
#pragma once

#include "lib/base/types.h"

struct file;
struct file_table;
struct proc_target;
struct proc_text;

/* struct flock of the system calls. */
struct flock_request {
    int16_t type; /* F_RDLCK and so on */
    int16_t whence;
    int32_t padding;
    int64_t start;
    int64_t length;
    int32_t pid;
    int32_t padding_end;
};

_Static_assert(sizeof(struct flock_request) == 32, "struct flock of x86-64");

#define F_RDLCK 0
#define F_WRLCK 1
#define F_UNLCK 2

/* flock(2); may wait: -ERESTARTSYS. */
long record_lock_whole(struct file *file, uint32_t operation);
/* F_GETLK: turns the request into the lock that stands in its way, or F_UNLCK. */
long record_lock_test(struct file *file, bool by_file, struct flock_request *request);
/* F_SETLK and, waiting, F_SETLKW. */
long record_lock_set(struct file *file, bool by_file, bool wait,
                     const struct flock_request *request);

/* A descriptor of that table was closed: the process loses its locks on the file. */
void record_locks_closed(struct file *file, const struct file_table *table);
/* That table is gone. */
void record_locks_table_gone(const struct file_table *table);
/* The open file itself is gone. */
void record_locks_released(struct file *file);

/* /proc/locks: the locks that are held, not who waits. */
long record_locks_make(const struct proc_target *target, struct proc_text *text);
