/* What files and file systems are: stat and its family, statfs, access. Layouts: the x86-64 ABI. */
#include "linux/core/container.h"
#include "linux/core/errno.h"
#include "linux/core/syscalls.h"
#include "linux/file/descriptor.h"
#include "linux/file/file.h"
#include "linux/file/tree_fs.h"
#include "linux/file/user_path.h"
#include "linux/file/walk.h"

#define NS_PER_S           1000000000ll
#define BLOCK_BYTES        4096u
#define ANONYMOUS_FS_MAGIC 0x09041934u
#define PIPE_FS_MAGIC      0x50495045u
#define ST_RELATIME        4096
#define ST_VALID           32

#define STATX_BASIC_STATS     0x7ffu
#define STATX_MNT_ID          0x1000u
#define STATX_RESERVED        0x80000000u
#define STATX_ATTR_MOUNT_ROOT 0x2000u
#define AT_STATX_SYNC         0x6000u

struct linux_stat {
    uint64_t device;
    uint64_t number;
    uint64_t links;
    uint32_t mode;
    uint32_t uid;
    uint32_t gid;
    uint32_t padding;
    uint64_t device_number;
    int64_t size_bytes;
    int64_t block_bytes;
    int64_t blocks;
    int64_t access_s, access_ns;
    int64_t modify_s, modify_ns;
    int64_t change_s, change_ns;
    int64_t unused[3];
};

_Static_assert(sizeof(struct linux_stat) == 144, "struct stat");
_Static_assert(offsetof(struct linux_stat, device_number) == 40, "st_rdev");
_Static_assert(offsetof(struct linux_stat, size_bytes) == 48, "st_size");
_Static_assert(offsetof(struct linux_stat, access_s) == 72, "st_atime");

struct statx_time {
    int64_t seconds;
    uint32_t nanoseconds;
    int32_t reserved;
};

struct linux_statx {
    uint32_t mask;
    uint32_t block_bytes;
    uint64_t attributes;
    uint32_t links;
    uint32_t uid;
    uint32_t gid;
    uint16_t mode;
    uint16_t padding;
    uint64_t number;
    uint64_t size_bytes;
    uint64_t blocks;
    uint64_t attributes_mask;
    struct statx_time access, birth, change, modify;
    uint32_t device_number_major, device_number_minor;
    uint32_t device_major, device_minor;
    uint64_t mount_id;
    uint64_t unused[13];
};

_Static_assert(sizeof(struct linux_statx) == 256, "struct statx");
_Static_assert(offsetof(struct linux_statx, number) == 32, "stx_ino");
_Static_assert(offsetof(struct linux_statx, access) == 64, "stx_atime");
_Static_assert(offsetof(struct linux_statx, device_number_major) == 128, "stx_rdev_major");
_Static_assert(offsetof(struct linux_statx, mount_id) == 144, "stx_mnt_id");

struct linux_statfs {
    uint64_t type;
    uint64_t block_bytes;
    uint64_t blocks, blocks_free, blocks_available;
    uint64_t files, files_free;
    uint64_t id;
    uint64_t name_bytes;
    uint64_t fragment_bytes;
    uint64_t flags;
    uint64_t unused[4];
};

_Static_assert(sizeof(struct linux_statfs) == 120, "struct statfs");

/* --- stat ------------------------------------------------------------------------------------ */

static void time_split(int64_t time_ns, int64_t *seconds, int64_t *nanoseconds)
{
    *seconds = time_ns / NS_PER_S;
    *nanoseconds = time_ns % NS_PER_S;
    if (*nanoseconds < 0) {
        *seconds -= 1;
        *nanoseconds += NS_PER_S;
    }
}

/* What stat says, and what only statx does. */
struct stat_more {
    uint64_t mount_id;
    bool is_mount_root;
};

static void stat_fill(const struct path *path, struct linux_stat *out, struct stat_more *more)
{
    struct inode *inode = path->inode;
    if (inode->operations->refresh != NULL) {
        inode->operations->refresh(inode);
    }
    *out = (struct linux_stat){
        .device = path_device(path),
        .number = inode->number,
        .links = inode->links,
        .mode = inode->mode,
        .uid = inode->uid,
        .gid = inode->gid,
        .device_number = inode->device_number,
        .size_bytes = (int64_t)inode->size_bytes,
        .block_bytes = BLOCK_BYTES,
        .blocks = (int64_t)inode->blocks,
    };
    time_split(inode->access_ns, &out->access_s, &out->access_ns);
    time_split(inode->modify_ns, &out->modify_s, &out->modify_ns);
    time_split(inode->change_ns, &out->change_s, &out->change_ns);
    if (more != NULL) {
        more->mount_id = path->mount == NULL ? 0 : path->mount->device & 0xff;
        more->is_mount_root = path->mount != NULL && path->mount->root == inode;
    }
}

static long stat_descriptor(int fd, struct linux_stat *out, struct stat_more *more)
{
    struct file *file = descriptor_get(fd);
    if (file == NULL) {
        return -EBADF;
    }
    stat_fill(&file->path, out, more);
    file_put(file);
    return 0;
}

/* An empty path with AT_EMPTY_PATH is what C libraries make of fstat: no walk then. */
static long stat_path(int directory_fd, uint64_t user_path, uint32_t at_flags,
                      struct linux_stat *out, struct stat_more *more)
{
    char first;
    if ((at_flags & AT_EMPTY_PATH) && directory_fd != AT_FDCWD) {
        if (user_path == 0) {
            return stat_descriptor(directory_fd, out, more);
        }
        if (copy_from_user(&first, user_path, 1) != 0) {
            return -EFAULT;
        }
        if (first == '\0') {
            return stat_descriptor(directory_fd, out, more);
        }
    }
    struct path path;
    long result = user_path_find(directory_fd, user_path, at_flags, 0, &path);
    if (result == 0) {
        stat_fill(&path, out, more);
        path_put(&path);
    }
    return result;
}

static long stat_put(int directory_fd, uint64_t user_path, uint32_t at_flags, uint64_t user_out)
{
    struct linux_stat out;
    long result = stat_path(directory_fd, user_path, at_flags, &out, NULL);
    return result == 0 ? copy_to_user(user_out, &out, sizeof(out)) : result;
}

long linux_stat(uint64_t path, uint64_t out, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
    (void)c, (void)d, (void)e, (void)f;
    return stat_put(AT_FDCWD, path, 0, out);
}

long linux_lstat(uint64_t path, uint64_t out, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
    (void)c, (void)d, (void)e, (void)f;
    return stat_put(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, out);
}

long linux_fstat(uint64_t fd, uint64_t user_out, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
    (void)c, (void)d, (void)e, (void)f;
    struct linux_stat out;
    long result = stat_descriptor((int)fd, &out, NULL);
    return result == 0 ? copy_to_user(user_out, &out, sizeof(out)) : result;
}

long linux_newfstatat(uint64_t directory_fd, uint64_t path, uint64_t out, uint64_t at_flags,
                      uint64_t e, uint64_t f)
{
    (void)e, (void)f;
    if ((uint32_t)at_flags & ~(AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH)) {
        return -EINVAL;
    }
    return stat_put((int)directory_fd, path, (uint32_t)at_flags, out);
}

static struct statx_time statx_time(int64_t seconds, int64_t nanoseconds)
{
    return (struct statx_time){.seconds = seconds, .nanoseconds = (uint32_t)nanoseconds};
}

long linux_statx(uint64_t directory_fd, uint64_t path, uint64_t at_flags, uint64_t mask,
                 uint64_t user_out, uint64_t f)
{
    (void)f;
    uint32_t known = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH | AT_STATX_SYNC;
    if (((uint32_t)mask & STATX_RESERVED) || ((uint32_t)at_flags & ~known) ||
        (at_flags & AT_STATX_SYNC) == AT_STATX_SYNC) {
        return -EINVAL;
    }
    struct linux_stat stat;
    struct stat_more more;
    long result = stat_path((int)directory_fd, path, (uint32_t)at_flags, &stat, &more);
    if (result != 0) {
        return result;
    }
    const struct linux_statx out = {
        .mask = STATX_BASIC_STATS | STATX_MNT_ID,
        .attributes = more.is_mount_root ? STATX_ATTR_MOUNT_ROOT : 0,
        .attributes_mask = STATX_ATTR_MOUNT_ROOT,
        .block_bytes = BLOCK_BYTES,
        .links = (uint32_t)stat.links,
        .uid = stat.uid,
        .gid = stat.gid,
        .mode = (uint16_t)stat.mode,
        .number = stat.number,
        .size_bytes = (uint64_t)stat.size_bytes,
        .blocks = (uint64_t)stat.blocks,
        .access = statx_time(stat.access_s, stat.access_ns),
        .change = statx_time(stat.change_s, stat.change_ns),
        .modify = statx_time(stat.modify_s, stat.modify_ns),
        .device_number_major = device_major(stat.device_number),
        .device_number_minor = device_minor(stat.device_number),
        .device_major = device_major(stat.device),
        .device_minor = device_minor(stat.device),
        .mount_id = more.mount_id,
    };
    return copy_to_user(user_out, &out, sizeof(out));
}

/* --- statfs ---------------------------------------------------------------------------------- */

/* A tree without a limit of its own may use what the container has left. */
static void statfs_tree(const struct inode *inode, struct linux_statfs *out)
{
    struct tree_usage usage = {0};
    tree_fs_usage(inode, &usage);
    struct container_memory memory = container_memory_read();
    uint64_t free_bytes = memory.total_bytes - MIN(memory.used_bytes, memory.total_bytes);
    if (usage.limit_bytes != 0) {
        free_bytes = MIN(free_bytes, usage.limit_bytes - MIN(usage.used_bytes, usage.limit_bytes));
    }
    uint64_t total_bytes =
        usage.limit_bytes != 0 ? usage.limit_bytes : usage.used_bytes + free_bytes;
    out->blocks = total_bytes / BLOCK_BYTES;
    out->blocks_free = free_bytes / BLOCK_BYTES;
    out->blocks_available = out->blocks_free;
    out->files = usage.files + out->blocks_free;
    out->files_free = out->blocks_free;
}

static long statfs_put(const struct path *path, uint64_t user_out)
{
    const struct mount *mount = path->mount;
    struct linux_statfs out = {
        .block_bytes = BLOCK_BYTES,
        .fragment_bytes = BLOCK_BYTES,
        .name_bytes = NAME_MAX,
        .flags = ST_VALID | ST_RELATIME,
    };
    if (mount == NULL) {
        out.type = inode_is(path->inode, S_IFIFO) ? PIPE_FS_MAGIC : ANONYMOUS_FS_MAGIC;
    } else {
        out.type = mount->magic;
        out.id = mount->device;
        out.flags |= mount->flags;
    }
    if (tree_fs_is(path->inode)) {
        statfs_tree(path->inode, &out);
    }
    return copy_to_user(user_out, &out, sizeof(out));
}

long linux_statfs(uint64_t user_path, uint64_t out, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
    (void)c, (void)d, (void)e, (void)f;
    struct path path;
    long result = user_path_find(AT_FDCWD, user_path, 0, 0, &path);
    if (result == 0) {
        result = statfs_put(&path, out);
        path_put(&path);
    }
    return result;
}

long linux_fstatfs(uint64_t fd, uint64_t out, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
    (void)c, (void)d, (void)e, (void)f;
    struct file *file = descriptor_get((int)fd);
    if (file == NULL) {
        return -EBADF;
    }
    long result = statfs_put(&file->path, out);
    file_put(file);
    return result;
}

/* --- access ---------------------------------------------------------------------------------- */

static long access_path(int directory_fd, uint64_t user_path, uint32_t wanted, uint32_t at_flags)
{
    if ((wanted & ~7u) || (at_flags & ~(AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))) {
        return -EINVAL;
    }
    bool real = !(at_flags & AT_EACCESS);
    struct path path;
    long result = user_path_find(directory_fd, user_path, at_flags, real ? WALK_REAL : 0, &path);
    if (result != 0) {
        return result;
    }
    const struct inode *inode = path.inode;
    bool stored = inode_is(inode, S_IFREG) || inode_is(inode, S_IFDIR) || inode_is(inode, S_IFLNK);
    result = real ? inode_permission_real(inode, wanted) : inode_permission(inode, wanted);
    if (result == 0 && (wanted & 2) && stored && path_read_only(&path)) {
        result = -EROFS;
    }
    if (result == 0 && (wanted & 1) && inode_is(inode, S_IFREG) && path_has(&path, MOUNT_NOEXEC)) {
        result = -EACCES;
    }
    path_put(&path);
    return result;
}

long linux_access(uint64_t path, uint64_t mode, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
    (void)c, (void)d, (void)e, (void)f;
    return access_path(AT_FDCWD, path, (uint32_t)mode, 0);
}

long linux_faccessat(uint64_t directory_fd, uint64_t path, uint64_t mode, uint64_t d, uint64_t e,
                     uint64_t f)
{
    (void)d, (void)e, (void)f;
    return access_path((int)directory_fd, path, (uint32_t)mode, 0);
}

long linux_faccessat2(uint64_t directory_fd, uint64_t path, uint64_t mode, uint64_t at_flags,
                      uint64_t e, uint64_t f)
{
    (void)e, (void)f;
    return access_path((int)directory_fd, path, (uint32_t)mode, (uint32_t)at_flags);
}
