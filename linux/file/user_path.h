/* Paths that system calls name: copied from the application before anything looks at them. */
#pragma once

#include "linux/core/errno.h"
#include "linux/core/user.h"
#include "linux/file/path.h"

#define AT_SYMLINK_NOFOLLOW 0x100u
#define AT_REMOVEDIR        0x200u
#define AT_EACCESS          0x200u
#define AT_SYMLINK_FOLLOW   0x400u
#define AT_NO_AUTOMOUNT     0x800u
#define AT_EMPTY_PATH       0x1000u

/* Into PATH_MAX bytes: the length, -EFAULT, -ENAMETOOLONG. */
static inline long user_path_copy(char *to, uint64_t user_path)
{
    return copy_string_from_user(to, user_path, PATH_MAX);
}

/* user_path.c: path_find of a path of the application. at_flags: AT_SYMLINK_NOFOLLOW and
 * AT_EMPTY_PATH count. */
long user_path_find(int directory_fd, uint64_t user_path, uint64_t at_flags, uint32_t walk_flags,
                    struct path *out);
/* path_find_parent of a path of the application. */
long user_path_find_parent(int directory_fd, uint64_t user_path, struct path *directory,
                           struct last_name *last);
