/* Opening and creating files (open(2)). */
#include "lib/base/format.h"
#include "linux/core/container.h"
#include "linux/core/errno.h"
#include "linux/core/heap.h"
#include "linux/core/syscalls.h"
#include "linux/core/user.h"
#include "linux/file/descriptor.h"
#include "linux/file/file.h"
#include "linux/file/notify.h"
#include "linux/file/user_path.h"
#include "linux/file/walk.h"
#include "linux/proc/capability.h"

#define O_ONLY_OPEN (O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_CLOEXEC | OPEN_EXECUTE)
#define O_WITH_PATH (O_DIRECTORY | O_NOFOLLOW | O_PATH | O_CLOEXEC)
/* All that open knows; only openat2 refuses others. */
#define O_KNOWN                                                                                    \
    (O_ACCMODE | O_ONLY_OPEN | O_WITH_PATH | O_APPEND | O_NONBLOCK | O_NOATIME | O_TMPFILE |       \
     O_ASYNC | O_DIRECT | O_LARGEFILE | O_DSYNC | O_SYNC)

#define RESOLVE_KNOWN                                                                              \
    (RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH |             \
     RESOLVE_IN_ROOT | RESOLVE_CACHED)

/* What was found or made: its path, and where and as what it lies (directory.inode NULL: unknown).
 */
struct opened {
    struct path path;
    struct path directory;
    struct last_name last;
    bool created;
};

uint32_t mode_masked(uint32_t mode)
{
    const struct task *task = task_current();
    uint32_t mask = task == NULL ? 022 : __atomic_load_n(&task->fs->mask, __ATOMIC_RELAXED);
    return mode & ~mask;
}

/* The group that a directory gives on, and the set-group-id bit (inode_init_owner of Linux). */
static void creation_owner(const struct inode *directory, struct creation *creation)
{
    const struct task *task = task_current();
    creation->uid = task == NULL ? 0 : task->credentials->fsuid;
    creation->gid = task == NULL ? 0 : task->credentials->fsgid;
    if (!(directory->mode & S_ISGID)) {
        return;
    }
    creation->gid = directory->gid;
    if ((creation->mode & S_IFMT) == S_IFDIR) {
        creation->mode |= S_ISGID;
    } else if ((creation->mode & (S_ISGID | 0010)) == (S_ISGID | 0010) &&
               !task_in_group(creation->gid) && !task_capable(CAP_FSETID)) {
        creation->mode &= ~S_ISGID;
    }
}

long path_create(const struct path *directory, const struct last_name *last,
                 struct creation *creation, struct inode **out)
{
    struct inode *inode = directory->inode;
    if (path_read_only(directory)) {
        return -EROFS;
    }
    long result = inode_permission(inode, 3);
    if (result != 0) {
        return result;
    }
    if (inode->operations->create == NULL) {
        return (creation->mode & S_IFMT) == S_IFREG ? -EACCES : -EPERM;
    }
    creation_owner(inode, creation);
    struct inode *made;
    result = inode->operations->create(inode, last->name, last->length_bytes, creation, &made);
    if (result != 0) {
        return result;
    }
    notify_name(inode, last, inode_is(made, S_IFDIR), NOTIFY_CREATE, 0);
    if (out != NULL) {
        *out = made;
    } else {
        inode_put(made);
    }
    return 0;
}

/* --- finding or making ----------------------------------------------------------------------- */

/* The name is not there: make it. */
static long open_create(struct walk *walk, uint32_t mode, struct opened *opened)
{
    struct creation creation = {.mode = S_IFREG | mode_masked(mode & 07777)};
    struct inode *inode;
    long result = path_create(&walk->at, &opened->last, &creation, &inode);
    if (result == 0) {
        opened->path = (struct path){walk->at.mount, inode};
        opened->created = true;
    }
    return result;
}

/* Somebody may make the name between our look and our try: then look again, not for ever. */
static long open_look(struct walk *walk, uint32_t flags, uint32_t mode, struct opened *opened)
{
    const struct last_name *last = &opened->last;
    long result = -EEXIST;
    for (int tries = 0; result == -EEXIST && tries < 100; tries++) {
        result = walk_lookup(walk, last->name, last->length_bytes, &opened->path);
        if (result != -ENOENT || !(flags & O_CREAT)) {
            return result;
        }
        result = open_create(walk, mode, opened);
        if (flags & O_EXCL) {
            return result;
        }
    }
    return result;
}

/* The last component of the path, which O_CREAT and O_NOFOLLOW treat in their own ways. True in
 * *again: it was a link, and the walk goes on at its target. */
static long open_last(struct walk *walk, uint32_t flags, uint32_t mode, struct opened *opened,
                      bool *again)
{
    *again = false;
    if ((flags & O_CREAT) && opened->last.slash) {
        return -EISDIR;
    }
    long result = open_look(walk, flags, mode, opened);
    if (result != 0 || opened->created) {
        return result;
    }
    if ((flags & O_CREAT) && (flags & O_EXCL)) {
        path_put(&opened->path);
        return -EEXIST;
    }
    if (!inode_is(opened->path.inode, S_IFLNK) || ((flags & O_NOFOLLOW) && !opened->last.slash)) {
        return 0;
    }
    bool jumped;
    result = walk_link(walk, &opened->path, &jumped);
    if (result == 0 && jumped) {
        opened->path = walk->at;
        path_get(&opened->path);
        opened->last.length_bytes = 0;
    }
    *again = result == 0 && !jumped;
    return result;
}

static long open_walk(struct walk *walk, uint32_t flags, uint32_t mode, struct opened *opened)
{
    struct last_name *last = &opened->last;
    bool directory = flags & O_DIRECTORY;
    bool again = true;
    while (again) {
        long result = walk_parents(walk, last);
        if (result != 0) {
            return result;
        }
        directory = directory || last->slash;
        if (last->length_bytes == 0 || name_is_dots(last->name, last->length_bytes)) {
            result = last->length_bytes == 2 ? walk_up(walk) : 0;
            if (result != 0) {
                return result;
            }
            opened->path = walk->at;
            path_get(&walk->at);
            last->length_bytes = 0;
            break;
        }
        result = open_last(walk, flags, mode, opened, &again);
        if (result != 0) {
            return result;
        }
    }
    if (last->length_bytes != 0) {
        opened->directory = walk->at;
        path_get(&opened->directory);
    }
    return directory && !inode_is(opened->path.inode, S_IFDIR) ? -ENOTDIR : 0;
}

/* O_TMPFILE: a file without a name in the directory that was found. */
static long open_nameless(struct opened *opened, uint32_t flags, uint32_t mode)
{
    struct inode *directory = opened->path.inode;
    struct creation creation = {
        .mode = S_IFREG | mode_masked(mode & 07777),
        .nameless = true,
        .linkable = !(flags & O_EXCL),
    };
    if (!inode_is(directory, S_IFDIR)) {
        return -ENOTDIR;
    }
    if (path_read_only(&opened->path)) {
        return -EROFS;
    }
    long result = inode_permission(directory, 3);
    if (result == 0 && directory->operations->create_nameless == NULL) {
        result = -EOPNOTSUPP;
    }
    struct inode *made;
    if (result == 0) {
        creation_owner(directory, &creation);
        result = directory->operations->create_nameless(directory, &creation, &made);
    }
    if (result != 0) {
        return result;
    }
    path_put(&opened->directory);
    opened->last.length_bytes = (uint32_t)format_text(opened->last.name, sizeof(opened->last.name),
                                                      "#%lu", (unsigned long)made->number);
    opened->directory = opened->path; /* its reference moves */
    opened->path.inode = made;
    opened->created = true;
    return 0;
}

/* --- opening what was found ------------------------------------------------------------------ */

static long open_allowed(const struct opened *opened, uint32_t flags)
{
    const struct inode *inode = opened->path.inode;
    uint32_t access = flags & O_ACCMODE;
    uint32_t wanted = flags & OPEN_EXECUTE ? 1
                      : access == O_RDONLY ? 4
                      : access == O_WRONLY ? 2
                                           : 6;
    if (opened->created) {
        return 0;
    }
    if (inode_is(inode, S_IFREG) && (flags & O_TRUNC)) {
        wanted |= 2;
    }
    if ((flags & OPEN_EXECUTE) && !inode_is(inode, S_IFREG) && !inode_is(inode, S_IFLNK)) {
        return -EACCES;
    }
    switch (inode->mode & S_IFMT) {
    case S_IFLNK:
        return -ELOOP;
    case S_IFSOCK:
        return -ENXIO;
    case S_IFDIR:
        if (flags & O_CREAT) {
            return flags & O_EXCL ? -EEXIST : -EISDIR;
        }
        if ((wanted & 2) || (flags & O_TRUNC)) {
            return -EISDIR;
        }
        break;
    case S_IFREG:
        if ((wanted & 2) && path_read_only(&opened->path)) {
            return -EROFS;
        }
        if ((flags & OPEN_EXECUTE) && path_has(&opened->path, MOUNT_NOEXEC)) {
            return -EACCES;
        }
        break;
    case S_IFCHR:
    case S_IFBLK:
        if (path_has(&opened->path, MOUNT_NODEV)) {
            return -EACCES;
        }
        break;
    default:
        break;
    }
    long result = inode_permission(inode, wanted);
    if (result == 0 && (flags & O_NOATIME) && !inode_owner_or_capable(inode)) {
        result = -EPERM;
    }
    return result;
}

static long open_truncate(const struct file *file)
{
    struct inode *inode = file->path.inode;
    struct attributes attributes = {.modify_ns = (int64_t)clock_wall_ns()};
    set_id_drop(inode);
    long result = inode_change(inode, ATTRIBUTE_SIZE | ATTRIBUTE_MODIFY_TIME, &attributes);
    if (result == 0) {
        notify_file(file, NOTIFY_MODIFY);
    }
    return result;
}

static long open_operations(struct file *file, const struct opened *opened)
{
    struct inode *inode = file->path.inode;
    uint32_t flags = file->flags;
    if (inode->operations->open != NULL) {
        const struct file_operations *none = file->operations;
        long result = inode->operations->open(inode, file);
        if (result != 0) {
            file->operations = none; /* not open: nothing to release */
            return result;
        }
    } else if (!inode_is(inode, S_IFDIR)) {
        return -ENXIO;
    } else {
        file->operations = &directory_file_operations;
    }
    notify_file(file, NOTIFY_OPEN);
    if ((flags & O_TRUNC) && inode_is(inode, S_IFREG) && !opened->created) {
        return open_truncate(file);
    }
    return 0;
}

static long open_found(const struct opened *opened, uint32_t flags, struct file **out)
{
    struct file *file = file_new_at(&opened->path, opened->directory.inode, &opened->last, flags);
    if (file == NULL) {
        return -ENOMEM;
    }
    long result = 0;
    if (!(flags & O_PATH)) {
        result = open_allowed(opened, flags);
        if (result == 0 && inode_is(opened->path.inode, S_IFREG) && file_writable(file)) {
            result = file_claim_write(file);
        }
        if (result == 0) {
            result = open_operations(file, opened);
        }
    }
    if (result != 0) {
        file_put(file);
        return result;
    }
    __atomic_fetch_and(&file->flags, ~O_ONLY_OPEN, __ATOMIC_RELAXED);
    *out = file;
    return 0;
}

static long open_flags_check(uint32_t *flags)
{
    if (*flags & O_PATH) {
        *flags &= O_WITH_PATH;
        return 0;
    }
    if (*flags & O_TMPFILE) {
        bool writes = (*flags & O_ACCMODE) == O_WRONLY || (*flags & O_ACCMODE) == O_RDWR;
        return (*flags & O_DIRECTORY) && !(*flags & O_CREAT) && writes ? 0 : -EINVAL;
    }
    return (*flags & (O_DIRECTORY | O_CREAT)) == (O_DIRECTORY | O_CREAT) ||
                   (*flags & O_ACCMODE) == O_ACCMODE
               ? -EINVAL
               : 0;
}

static long open_narrow(int directory_fd, const char *path, uint32_t flags, uint32_t mode,
                        uint32_t resolve, struct file **out)
{
    struct walk walk;
    struct opened opened;
    long result = open_flags_check(&flags);
    if (result != 0) {
        return result;
    }
    opened.path.inode = NULL;
    opened.directory.inode = NULL;
    opened.created = false;
    result = walk_start_narrow(&walk, directory_fd, path, resolve);
    if (result == 0) {
        result = open_walk(&walk, flags, mode, &opened);
    }
    walk_end(&walk);
    if (result == 0 && (flags & O_TMPFILE)) {
        result = open_nameless(&opened, flags, mode);
    }
    if (result == 0) {
        result = open_found(&opened, flags, out);
    }
    path_put(&opened.path);
    path_put(&opened.directory);
    return result;
}

long path_open_at(int directory_fd, const char *path, uint32_t flags, uint32_t mode,
                  struct file **out)
{
    return open_narrow(directory_fd, path, flags, mode, 0, out);
}

long path_open(const char *path, uint32_t flags, uint32_t mode, struct file **out)
{
    return path_open_at(AT_FDCWD, path, flags, mode, out);
}

/* --- system calls ---------------------------------------------------------------------------- */

static long open_user(int directory_fd, uint64_t user_path, uint32_t flags, uint32_t mode,
                      uint32_t resolve)
{
    char path[PATH_MAX];
    long result = user_path_copy(path, user_path);
    if (result < 0) {
        return result;
    }
    /* What makes or empties a file comes after the limit was looked at. */
    if ((flags & (O_CREAT | O_TRUNC | O_TMPFILE)) && !descriptor_room()) {
        return -EMFILE;
    }
    struct file *file;
    result = open_narrow(directory_fd, path, flags & ~OPEN_EXECUTE, mode, resolve, &file);
    return result == 0 ? descriptor_add(file, flags & O_CLOEXEC) : result;
}

long linux_open(uint64_t path, uint64_t flags, uint64_t mode, uint64_t d, uint64_t e, uint64_t f)
{
    (void)d, (void)e, (void)f;
    return open_user(AT_FDCWD, path, (uint32_t)flags, (uint32_t)mode, 0);
}

long linux_openat(uint64_t directory_fd, uint64_t path, uint64_t flags, uint64_t mode, uint64_t e,
                  uint64_t f)
{
    (void)e, (void)f;
    return open_user((int)directory_fd, path, (uint32_t)flags, (uint32_t)mode, 0);
}

long linux_creat(uint64_t path, uint64_t mode, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
    (void)c, (void)d, (void)e, (void)f;
    return open_user(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, (uint32_t)mode, 0);
}

struct open_how { /* of openat2; may grow */
    uint64_t flags;
    uint64_t mode;
    uint64_t resolve;
};

/* What a later version of the structure has must be 0: -E2BIG. */
static long how_read(struct open_how *how, uint64_t user_how, uint64_t size_bytes)
{
    uint8_t later[64];
    if (size_bytes < sizeof(*how)) {
        return -EINVAL;
    }
    if (size_bytes > PAGE_SIZE) {
        return -E2BIG;
    }
    if (copy_from_user(how, user_how, sizeof(*how)) != 0) {
        return -EFAULT;
    }
    for (uint64_t at = sizeof(*how); at < size_bytes;) {
        uint64_t piece = MIN(size_bytes - at, sizeof(later));
        if (copy_from_user(later, user_how + at, piece) != 0) {
            return -EFAULT;
        }
        for (uint64_t i = 0; i < piece; i++) {
            if (later[i] != 0) {
                return -E2BIG;
            }
        }
        at += piece;
    }
    return 0;
}

static long how_check(const struct open_how *how)
{
    bool creates = how->flags & (O_CREAT | O_TMPFILE);
    bool scoped_twice = (how->resolve & RESOLVE_BENEATH) && (how->resolve & RESOLVE_IN_ROOT);
    if ((how->flags & ~(uint64_t)(O_KNOWN & ~OPEN_EXECUTE)) != 0 ||
        (how->resolve & ~(uint64_t)RESOLVE_KNOWN) != 0 || scoped_twice ||
        (creates ? how->mode & ~07777ull : how->mode) != 0 ||
        ((how->flags & O_PATH) && (how->flags & ~(uint64_t)O_WITH_PATH) != 0)) {
        return -EINVAL;
    }
    return (how->resolve & RESOLVE_CACHED) && (creates || (how->flags & O_TRUNC)) ? -EAGAIN : 0;
}

long linux_openat2(uint64_t directory_fd, uint64_t path, uint64_t user_how, uint64_t size_bytes,
                   uint64_t e, uint64_t f)
{
    (void)e, (void)f;
    struct open_how how;
    long result = how_read(&how, user_how, size_bytes);
    if (result == 0) {
        result = how_check(&how);
    }
    return result != 0 ? result
                       : open_user((int)directory_fd, path, (uint32_t)how.flags, (uint32_t)how.mode,
                                   (uint32_t)how.resolve);
}
