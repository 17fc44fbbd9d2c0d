/* Open files that lie in no file system and have no inode of their own: epoll, eventfd and the like
 * (anon_inodefs of Linux). */
#pragma once

#include "linux/file/file.h"

/* `kind` is what /proc/self/fd shows, for example "[eventfd]"; a constant. NULL: no memory. */
struct file *anonymous_file_new(const char *kind, uint32_t flags,
                                const struct file_operations *operations, void *data);

/* The same into the current task's table: the descriptor, -EMFILE or -ENOMEM. `data` belongs to the
 * operations' release from now on, also on failure. */
long anonymous_descriptor_new(const char *kind, uint32_t flags,
                              const struct file_operations *operations, void *data);
