/*
 * Names in directories: making, linking, removing and renaming (mkdir(2), mknod(2), link(2),
 * symlink(2), unlink(2), rmdir(2), rename(2)), and reading symbolic links.
 *
 * rename_lock is held over a rename between directories, from the look at who lies below whom to
 * its end, so that no two of them can close a circle. It stands above the locks of directories.
 */
#include "linux/core/errno.h"
#include "linux/core/heap.h"
#include "linux/core/syscalls.h"
#include "linux/file/file.h"
#include "linux/file/notify.h"
#include "linux/file/user_path.h"
#include "linux/file/walk.h"
#include "linux/proc/capability.h"

#define RENAME_NOREPLACE 1u
#define RENAME_EXCHANGE  2u

static struct mutex rename_lock;

/* A name in a directory, and what it is a name of (NULL: nothing yet). */
struct entry {
    struct path directory;
    struct last_name last;
    struct inode *inode;
};

static void entry_put(struct entry *entry)
{
    path_put(&entry->directory);
    inode_put(entry->inode);
}

/* Its directory and name; afterwards entry_put, whatever comes. -EEXIST: no such last name. */
static long entry_find(int directory_fd, uint64_t user_path, struct entry *entry)
{
    entry->directory.inode = NULL;
    entry->inode = NULL;
    return user_path_find_parent(directory_fd, user_path, &entry->directory, &entry->last);
}

/* What it names, itself and not what is mounted there. -ENOENT. */
static long entry_look(struct entry *entry)
{
    struct inode *directory = entry->directory.inode;
    struct inode *found;
    long result = directory->operations->lookup(directory, entry->last.name,
                                                entry->last.length_bytes, &found);
    if (result == 0) {
        entry->inode = found;
    }
    return result;
}

/* --- making ---------------------------------------------------------------------------------- */

/* Is the name free? A slash may only follow the name of a directory. */
static long entry_free(struct entry *entry, bool is_directory)
{
    long result = entry_look(entry);
    if (result == 0) {
        return -EEXIST;
    }
    if (result != -ENOENT) {
        return result;
    }
    return entry->last.slash && !is_directory ? -ENOENT : 0;
}

static long make_at(int directory_fd, uint64_t user_path, struct creation *creation)
{
    struct entry entry;
    long result = entry_find(directory_fd, user_path, &entry);
    if (result == 0) {
        result = entry_free(&entry, (creation->mode & S_IFMT) == S_IFDIR);
    }
    if (result == 0) {
        result = path_create(&entry.directory, &entry.last, creation, NULL);
    }
    entry_put(&entry);
    return result;
}

long linux_mkdirat(uint64_t directory_fd, uint64_t path, uint64_t mode, uint64_t d, uint64_t e,
                   uint64_t f)
{
    (void)d, (void)e, (void)f;
    struct creation creation = {.mode = S_IFDIR | mode_masked((uint32_t)mode & 01777)};
    return make_at((int)directory_fd, path, &creation);
}

long linux_mkdir(uint64_t path, uint64_t mode, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
    (void)c, (void)d, (void)e, (void)f;
    return linux_mkdirat((uint64_t)AT_FDCWD, path, mode, 0, 0, 0);
}

long linux_mknodat(uint64_t directory_fd, uint64_t path, uint64_t mode, uint64_t device, uint64_t e,
                   uint64_t f)
{
    (void)e, (void)f;
    struct creation creation = {.mode = mode_masked((uint32_t)mode & 07777)};
    uint32_t type = (uint32_t)mode & S_IFMT;
    switch (type) {
    case 0:
        type = S_IFREG;
        break;
    case S_IFREG:
    case S_IFIFO:
    case S_IFSOCK:
        break;
    case S_IFCHR:
    case S_IFBLK:
        if (!task_capable(CAP_MKNOD)) {
            return -EPERM;
        }
        creation.device = (uint32_t)device;
        break;
    case S_IFDIR:
        return -EPERM;
    default:
        return -EINVAL;
    }
    creation.mode |= type;
    return make_at((int)directory_fd, path, &creation);
}

long linux_mknod(uint64_t path, uint64_t mode, uint64_t device, uint64_t d, uint64_t e, uint64_t f)
{
    (void)d, (void)e, (void)f;
    return linux_mknodat((uint64_t)AT_FDCWD, path, mode, device, 0, 0);
}

long linux_symlinkat(uint64_t user_target, uint64_t directory_fd, uint64_t path, uint64_t d,
                     uint64_t e, uint64_t f)
{
    (void)d, (void)e, (void)f;
    char *target = heap_alloc(PATH_MAX);
    if (target == NULL) {
        return -ENOMEM;
    }
    long result = user_path_copy(target, user_target);
    if (result == 0) {
        result = -ENOENT;
    }
    if (result > 0) {
        struct creation creation = {.mode = S_IFLNK | 0777, .target = target};
        result = make_at((int)directory_fd, path, &creation);
    }
    heap_free(target);
    return result;
}

long linux_symlink(uint64_t target, uint64_t path, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
    (void)c, (void)d, (void)e, (void)f;
    return linux_symlinkat(target, (uint64_t)AT_FDCWD, path, 0, 0, 0);
}

/* --- links ----------------------------------------------------------------------------------- */

/* Whoever does not own a file may give it another name only when he could write it anyway (Linux
 * with fs.protected_hardlinks, as distributions set it). */
static bool link_source_allowed(const struct inode *inode)
{
    if (inode_owner_or_capable(inode)) {
        return true;
    }
    bool runs_as_group = (inode->mode & (S_ISGID | 0010)) == (S_ISGID | 0010);
    return inode_is(inode, S_IFREG) && !(inode->mode & S_ISUID) && !runs_as_group &&
           inode_permission(inode, 6) == 0;
}

static long link_entry(struct entry *entry, const struct path *target)
{
    struct inode *directory = entry->directory.inode;
    long result = entry_free(entry, false);
    if (result != 0) {
        return result;
    }
    if (entry->directory.mount != target->mount) {
        return -EXDEV;
    }
    if (!link_source_allowed(target->inode)) {
        return -EPERM;
    }
    if (path_read_only(&entry->directory)) {
        return -EROFS;
    }
    result = inode_permission(directory, 3);
    if (result != 0) {
        return result;
    }
    if (inode_is(target->inode, S_IFDIR) || directory->operations->link == NULL) {
        return -EPERM;
    }
    result = directory->operations->link(directory, entry->last.name, entry->last.length_bytes,
                                         target->inode);
    if (result == 0) {
        notify_inode(target->inode, NOTIFY_ATTRIB);
        notify_name(directory, &entry->last, false, NOTIFY_CREATE, 0);
    }
    return result;
}

long linux_linkat(uint64_t from_fd, uint64_t from, uint64_t to_fd, uint64_t to, uint64_t at_flags,
                  uint64_t f)
{
    (void)f;
    if (at_flags & ~(uint64_t)(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH)) {
        return -EINVAL;
    }
    uint32_t walk_flags = at_flags & AT_SYMLINK_FOLLOW ? 0 : WALK_NO_FOLLOW;
    struct path target;
    long result = user_path_find((int)from_fd, from, at_flags & AT_EMPTY_PATH, walk_flags, &target);
    if (result != 0) {
        return result;
    }
    /* By a descriptor alone: what one owns, whatever the way it was come by (open(2), O_TMPFILE).
     */
    if ((at_flags & AT_EMPTY_PATH) && !inode_is_own(target.inode) &&
        !task_capable(CAP_DAC_READ_SEARCH)) {
        path_put(&target);
        return -ENOENT;
    }
    struct entry entry;
    result = entry_find((int)to_fd, to, &entry);
    if (result == 0) {
        result = link_entry(&entry, &target);
    }
    entry_put(&entry);
    path_put(&target);
    return result;
}

long linux_link(uint64_t from, uint64_t to, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
    (void)c, (void)d, (void)e, (void)f;
    return linux_linkat((uint64_t)AT_FDCWD, from, (uint64_t)AT_FDCWD, to, 0, 0);
}

static long readlink_path(const struct path *path, uint64_t buffer, uint32_t capacity_bytes)
{
    char target[PATH_MAX];
    struct inode *inode = path->inode;
    if (!inode_is(inode, S_IFLNK) || inode->operations->readlink == NULL) {
        return -EINVAL;
    }
    long length = inode->operations->readlink(inode, target, sizeof(target));
    if (length < 0) {
        return length;
    }
    length = MIN(length, (long)MIN(capacity_bytes, sizeof(target)));
    return copy_to_user(buffer, target, (uint64_t)length) == 0 ? length : -EFAULT;
}

long linux_readlinkat(uint64_t directory_fd, uint64_t user_path, uint64_t buffer,
                      uint64_t capacity_bytes, uint64_t e, uint64_t f)
{
    (void)e, (void)f;
    if ((int32_t)capacity_bytes <= 0) {
        return -EINVAL;
    }
    uint64_t at_flags = (int)directory_fd == AT_FDCWD ? 0 : AT_EMPTY_PATH;
    struct path path;
    long result = user_path_find((int)directory_fd, user_path, at_flags, WALK_NO_FOLLOW, &path);
    if (result == 0) {
        result = readlink_path(&path, buffer, (uint32_t)capacity_bytes);
        path_put(&path);
    }
    return result;
}

long linux_readlink(uint64_t path, uint64_t buffer, uint64_t capacity_bytes, uint64_t d, uint64_t e,
                    uint64_t f)
{
    (void)d, (void)e, (void)f;
    return linux_readlinkat((uint64_t)AT_FDCWD, path, buffer, capacity_bytes, 0, 0);
}

/* --- removing -------------------------------------------------------------------------------- */

/* May the task remove the name? */
static long entry_removable(const struct entry *entry, bool as_directory)
{
    const struct inode *directory = entry->directory.inode;
    const struct inode *inode = entry->inode;
    long result = inode_permission(directory, 3);
    if (result != 0) {
        return result;
    }
    if ((directory->mode & S_ISVTX) && !inode_owner_or_capable(inode) &&
        !inode_owner_or_capable(directory)) {
        return -EPERM;
    }
    if (inode_is(inode, S_IFDIR) != as_directory) {
        return as_directory ? -ENOTDIR : -EISDIR;
    }
    return __atomic_load_n(&inode->mounts, __ATOMIC_ACQUIRE) != 0 ? -EBUSY : 0;
}

/* What is gone for good tells so before its directory does. */
static void removed_tell(struct entry *entry, bool as_directory)
{
    if (!as_directory) {
        notify_inode(entry->inode, NOTIFY_ATTRIB); /* a name less */
    }
    inode_put(entry->inode);
    entry->inode = NULL;
    notify_name(entry->directory.inode, &entry->last, as_directory, NOTIFY_DELETE, 0);
}

static long remove_entry(struct entry *entry, bool as_directory)
{
    struct inode *directory = entry->directory.inode;
    if (path_read_only(&entry->directory)) {
        return -EROFS;
    }
    long result = entry_look(entry);
    if (result != 0) {
        return result;
    }
    if (!as_directory && entry->last.slash) {
        return inode_is(entry->inode, S_IFDIR) ? -EISDIR : -ENOTDIR;
    }
    result = entry_removable(entry, as_directory);
    if (result != 0) {
        return result;
    }
    if (directory->operations->unlink == NULL) {
        return -EPERM;
    }
    result = directory->operations->unlink(directory, entry->last.name, entry->last.length_bytes,
                                           as_directory);
    if (result == 0) {
        removed_tell(entry, as_directory);
    }
    return result;
}

/* What unlink and rmdir say of "/", "." and "..". */
static long remove_special(const struct last_name *last, bool as_directory)
{
    if (!as_directory) {
        return -EISDIR;
    }
    return last->length_bytes == 0 ? -EBUSY : last->length_bytes == 1 ? -EINVAL : -ENOTEMPTY;
}

static long remove_at(int directory_fd, uint64_t user_path, bool as_directory)
{
    struct entry entry;
    long result = entry_find(directory_fd, user_path, &entry);
    if (result == 0) {
        result = remove_entry(&entry, as_directory);
    } else if (result == -EEXIST) {
        result = remove_special(&entry.last, as_directory);
    }
    entry_put(&entry);
    return result;
}

long linux_unlink(uint64_t path, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
    (void)b, (void)c, (void)d, (void)e, (void)f;
    return remove_at(AT_FDCWD, path, false);
}

long linux_rmdir(uint64_t path, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
    (void)b, (void)c, (void)d, (void)e, (void)f;
    return remove_at(AT_FDCWD, path, true);
}

long linux_unlinkat(uint64_t directory_fd, uint64_t path, uint64_t at_flags, uint64_t d, uint64_t e,
                    uint64_t f)
{
    (void)d, (void)e, (void)f;
    if (at_flags & ~(uint64_t)AT_REMOVEDIR) {
        return -EINVAL;
    }
    return remove_at((int)directory_fd, path, at_flags & AT_REMOVEDIR);
}

/* --- renaming -------------------------------------------------------------------------------- */

/* Does `inode` lie on the way from the directory up to the root of its mount? */
static bool lies_above(struct inode *inode, struct inode *directory)
{
    inode_get(directory);
    while (directory != inode) {
        struct inode *parent;
        if (directory->operations->parent == NULL ||
            directory->operations->parent(directory, &parent) != 0) {
            break;
        }
        bool root = parent == directory;
        inode_put(directory);
        directory = parent;
        if (root) {
            break;
        }
    }
    bool found = directory == inode;
    inode_put(directory);
    return found;
}

/* Both ends of the rename exist as they have to, and slashes follow directories only. */
static long rename_look(struct entry *from, struct entry *to, uint32_t flags)
{
    long result = entry_look(from);
    if (result != 0) {
        return result;
    }
    result = entry_look(to);
    if (result != 0 && result != -ENOENT) {
        return result;
    }
    bool exchange = flags & RENAME_EXCHANGE;
    if (to->inode != NULL && (flags & RENAME_NOREPLACE)) {
        return -EEXIST;
    }
    if (exchange && to->inode == NULL) {
        return -ENOENT;
    }
    if (exchange && to->last.slash && !inode_is(to->inode, S_IFDIR)) {
        return -ENOTDIR;
    }
    if (!inode_is(from->inode, S_IFDIR) && (from->last.slash || (!exchange && to->last.slash))) {
        return -ENOTDIR;
    }
    return 0;
}

static long rename_allowed(const struct entry *from, const struct entry *to, uint32_t flags)
{
    bool is_directory = inode_is(from->inode, S_IFDIR);
    bool exchange = flags & RENAME_EXCHANGE;
    bool moves = from->directory.inode != to->directory.inode;
    long result = entry_removable(from, is_directory);
    if (result == 0) {
        result = to->inode == NULL
                     ? inode_permission(to->directory.inode, 3)
                     : entry_removable(to, exchange ? inode_is(to->inode, S_IFDIR) : is_directory);
    }
    /* A directory that moves gets another "..". */
    if (result == 0 && moves && is_directory) {
        result = inode_permission(from->inode, 2);
    }
    if (result == 0 && moves && exchange && inode_is(to->inode, S_IFDIR)) {
        result = inode_permission(to->inode, 2);
    }
    return result;
}

static void moved_tell(const struct entry *from, const struct entry *to)
{
    uint32_t cookie = notify_cookie();
    bool is_directory = inode_is(from->inode, S_IFDIR);
    notify_name(from->directory.inode, &from->last, is_directory, NOTIFY_MOVED_FROM, cookie);
    notify_name(to->directory.inode, &to->last, is_directory, NOTIFY_MOVED_TO, cookie);
}

static void renamed_tell(const struct entry *from, const struct entry *to, uint32_t flags)
{
    if (!notify_active()) {
        return;
    }
    moved_tell(from, to);
    if (to->inode != NULL && !(flags & RENAME_EXCHANGE)) {
        notify_inode(to->inode, NOTIFY_ATTRIB); /* a name less */
    }
    notify_inode(from->inode, NOTIFY_MOVE_SELF);
    if (flags & RENAME_EXCHANGE) {
        moved_tell(to, from);
        notify_inode(to->inode, NOTIFY_MOVE_SELF);
    }
}

static long rename_entries(struct entry *from, struct entry *to, uint32_t flags)
{
    struct inode *from_directory = from->directory.inode;
    struct inode *to_directory = to->directory.inode;
    long result = rename_look(from, to, flags);
    if (result != 0) {
        return result;
    }
    if (inode_is(from->inode, S_IFDIR) && lies_above(from->inode, to_directory)) {
        return -EINVAL;
    }
    if (to->inode != NULL && inode_is(to->inode, S_IFDIR) &&
        lies_above(to->inode, from_directory)) {
        return flags & RENAME_EXCHANGE ? -EINVAL : -ENOTEMPTY;
    }
    if (from->inode == to->inode) {
        return 0;
    }
    result = rename_allowed(from, to, flags);
    if (result != 0) {
        return result;
    }
    if (from_directory->operations->rename == NULL) {
        return -EPERM;
    }
    return from_directory->operations->rename(from_directory, from->last.name,
                                              from->last.length_bytes, to_directory, to->last.name,
                                              to->last.length_bytes, flags);
}

static long rename_found(struct entry *from, struct entry *to, uint32_t flags)
{
    if (from->directory.mount != to->directory.mount) {
        return -EXDEV;
    }
    if (path_read_only(&from->directory)) {
        return -EROFS;
    }
    bool moves = from->directory.inode != to->directory.inode;
    if (moves) {
        mutex_lock(&rename_lock);
    }
    long result = rename_entries(from, to, flags);
    if (moves) {
        mutex_unlock(&rename_lock);
    }
    if (result == 0 && from->inode != to->inode) {
        renamed_tell(from, to, flags);
    }
    return result;
}

static long rename_at(int from_fd, uint64_t from_path, int to_fd, uint64_t to_path, uint32_t flags)
{
    if ((flags & ~(RENAME_NOREPLACE | RENAME_EXCHANGE)) ||
        flags == (RENAME_NOREPLACE | RENAME_EXCHANGE)) {
        return -EINVAL;
    }
    struct entry from;
    struct entry to;
    long result = entry_find(from_fd, from_path, &from);
    if (result != 0 && result != -EEXIST) {
        entry_put(&from);
        return result;
    }
    bool special = result == -EEXIST;
    result = entry_find(to_fd, to_path, &to);
    if (special && (result == 0 || result == -EEXIST)) {
        result = -EBUSY;
    } else if (result == -EEXIST && !(flags & RENAME_NOREPLACE)) {
        result = -EBUSY;
    } else if (result == 0) {
        result = rename_found(&from, &to, flags);
    }
    entry_put(&from);
    entry_put(&to);
    return result;
}

long linux_rename(uint64_t from, uint64_t to, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
    (void)c, (void)d, (void)e, (void)f;
    return rename_at(AT_FDCWD, from, AT_FDCWD, to, 0);
}

long linux_renameat(uint64_t from_fd, uint64_t from, uint64_t to_fd, uint64_t to, uint64_t e,
                    uint64_t f)
{
    (void)e, (void)f;
    return rename_at((int)from_fd, from, (int)to_fd, to, 0);
}

long linux_renameat2(uint64_t from_fd, uint64_t from, uint64_t to_fd, uint64_t to, uint64_t flags,
                     uint64_t f)
{
    (void)f;
    return rename_at((int)from_fd, from, (int)to_fd, to, (uint32_t)flags);
}
