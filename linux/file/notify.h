/*
 * What happens to files and names, told to whoever watches them (event/inotify.c). Each operation
 * tells after it has succeeded. Where nothing is watched this costs a look.
 *
 * Takes notify_lock, which comes after the locks of files and before the wait queues.
 */
#pragma once

#include "linux/file/file.h"

/* The bits of inotify(7). */
#define NOTIFY_ACCESS        0x00000001u
#define NOTIFY_MODIFY        0x00000002u
#define NOTIFY_ATTRIB        0x00000004u
#define NOTIFY_CLOSE_WRITE   0x00000008u
#define NOTIFY_CLOSE_NOWRITE 0x00000010u
#define NOTIFY_OPEN          0x00000020u
#define NOTIFY_MOVED_FROM    0x00000040u
#define NOTIFY_MOVED_TO      0x00000080u
#define NOTIFY_CREATE        0x00000100u
#define NOTIFY_DELETE        0x00000200u
#define NOTIFY_DELETE_SELF   0x00000400u
#define NOTIFY_MOVE_SELF     0x00000800u

extern uint32_t notify_watches; /* atomic: how many there are in the container */

static inline bool notify_active(void)
{
    return __atomic_load_n(&notify_watches, __ATOMIC_RELAXED) != 0;
}

/* Of the inode itself. */
void notify_inode(struct inode *inode, uint32_t events);
/* Of a name in a directory. The two ends of a rename have a cookie in common; otherwise 0. */
void notify_name(struct inode *directory, const struct last_name *last, bool is_directory,
                 uint32_t events, uint32_t cookie);
uint32_t notify_cookie(void);
/* Of an open file: in the directory that it was opened in, and of itself. */
void notify_file(const struct file *file, uint32_t events);
/* The same of what a path of the application leads to. */
void notify_path(int directory_fd, uint64_t user_path, struct inode *inode, uint32_t events);

/* What a change of attributes (enum attribute_mask) is to who watches. */
uint32_t notify_of_change(uint32_t mask);
