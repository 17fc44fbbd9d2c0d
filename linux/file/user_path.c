/* Finding what a system call's path names. */
#include "linux/file/user_path.h"

long user_path_find(int directory_fd, uint64_t user_path, uint64_t at_flags, uint32_t walk_flags,
                    struct path *out)
{
    char path[PATH_MAX];
    long length = user_path_copy(path, user_path);
    if (length < 0) {
        return length;
    }
    if (at_flags & AT_SYMLINK_NOFOLLOW) {
        walk_flags |= WALK_NO_FOLLOW;
    }
    if (at_flags & AT_EMPTY_PATH) {
        walk_flags |= WALK_EMPTY;
    }
    return path_find(directory_fd, path, walk_flags, out);
}

long user_path_find_parent(int directory_fd, uint64_t user_path, struct path *directory,
                           struct last_name *last)
{
    char path[PATH_MAX];
    long length = user_path_copy(path, user_path);
    return length < 0 ? length : path_find_parent(directory_fd, path, directory, last);
}
