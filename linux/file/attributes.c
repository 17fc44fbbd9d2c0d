/* Changing what inodes say of themselves: mode, owner, size, times; and the umask. */
#include "linux/core/container.h"
#include "linux/core/errno.h"
#include "linux/core/syscalls.h"
#include "linux/file/descriptor.h"
#include "linux/file/file.h"
#include "linux/file/notify.h"
#include "linux/file/user_path.h"
#include "linux/file/walk.h"
#include "linux/proc/capability.h"
#include "linux/proc/limit.h"

#define NS_PER_S    1000000000ll
#define NS_PER_US   1000ll
#define US_PER_S    1000000ll
#define UTIME_NOW   0x3fffffffll
#define UTIME_OMIT  0x3ffffffell
#define SECONDS_MAX (INT64_MAX / NS_PER_S - 1)
#define ID_KEEP     UINT32_MAX

/* The object of a descriptor or of a path, and what is asked of it. */
typedef long (*path_change)(const struct path *path, const void *request);

/* `events`: what it is to who watches the object (notify.h). */
static long change_path(int directory_fd, uint64_t user_path, uint64_t at_flags, path_change change,
                        const void *request, uint32_t events)
{
    struct path path;
    long result = user_path_find(directory_fd, user_path, at_flags, 0, &path);
    if (result == 0) {
        result = path_read_only(&path) ? -EROFS : change(&path, request);
        if (result == 0) {
            notify_path(directory_fd, user_path, path.inode, events);
        }
        path_put(&path);
    }
    return result;
}

static long change_descriptor(int fd, path_change change, const void *request, uint32_t events)
{
    struct file *file = descriptor_get_open(fd);
    if (file == NULL) {
        return -EBADF;
    }
    long result = path_read_only(&file->path) ? -EROFS : change(&file->path, request);
    if (result == 0) {
        notify_file(file, events);
    }
    file_put(file);
    return result;
}

/* --- mode ------------------------------------------------------------------------------------ */

/* Under authority_lock. */
static long mode_change_locked(struct inode *inode, const void *request)
{
    struct attributes attributes = {.mode = *(const uint32_t *)request & 07777};
    if (!inode_owner_or_capable(inode)) {
        return -EPERM;
    }
    if (!task_capable(CAP_FSETID) && !task_in_group(inode->gid)) {
        attributes.mode &= ~S_ISGID;
    }
    if (inode_is(inode, S_IFLNK)) {
        return -EOPNOTSUPP;
    }
    return inode_change(inode, ATTRIBUTE_MODE, &attributes);
}

static long mode_change(const struct path *path, const void *request)
{
    mutex_lock(&authority_lock);
    long result = mode_change_locked(path->inode, request);
    mutex_unlock(&authority_lock);
    return result;
}

long linux_chmod(uint64_t path, uint64_t mode, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
    (void)c, (void)d, (void)e, (void)f;
    uint32_t request = (uint32_t)mode;
    return change_path(AT_FDCWD, path, 0, mode_change, &request, NOTIFY_ATTRIB);
}

long linux_fchmod(uint64_t fd, uint64_t mode, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
    (void)c, (void)d, (void)e, (void)f;
    uint32_t request = (uint32_t)mode;
    return change_descriptor((int)fd, mode_change, &request, NOTIFY_ATTRIB);
}

long linux_fchmodat(uint64_t directory_fd, uint64_t path, uint64_t mode, uint64_t d, uint64_t e,
                    uint64_t f)
{
    (void)d, (void)e, (void)f;
    uint32_t request = (uint32_t)mode;
    return change_path((int)directory_fd, path, 0, mode_change, &request, NOTIFY_ATTRIB);
}

long linux_umask(uint64_t mask, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
    (void)b, (void)c, (void)d, (void)e, (void)f;
    return __atomic_exchange_n(&task_current()->fs->mask, (uint32_t)mask & 0777, __ATOMIC_RELAXED);
}

/* --- owner ----------------------------------------------------------------------------------- */

struct owner_request {
    uint32_t uid; /* ID_KEEP: as it is */
    uint32_t gid;
};

/* Under authority_lock. */
static long owner_change_locked(struct inode *inode, const struct owner_request *request)
{
    struct attributes attributes = {.uid = request->uid, .gid = request->gid};
    uint32_t mask = 0;
    bool owner = inode_is_own(inode);
    bool capable = task_capable(CAP_CHOWN);
    if (request->uid != ID_KEEP) {
        mask |= ATTRIBUTE_UID;
        if (!capable && (!owner || request->uid != inode->uid)) {
            return -EPERM;
        }
    }
    if (request->gid != ID_KEEP) {
        mask |= ATTRIBUTE_GID;
        if (!capable && (!owner || (request->gid != inode->gid && !task_in_group(request->gid)))) {
            return -EPERM;
        }
    }
    if (mask != 0 && inode_is(inode, S_IFREG)) {
        /* Whoever becomes the owner has not decided that it runs as him. */
        uint32_t drop = S_ISUID | (inode->mode & 0010 ? S_ISGID : 0);
        if (inode->mode & drop) {
            attributes.mode = inode->mode & 07777 & ~drop;
            mask |= ATTRIBUTE_MODE;
        }
        file_capability_drop(inode);
    }
    return mask == 0 ? 0 : inode_change(inode, mask, &attributes);
}

static long owner_change(const struct path *path, const void *request)
{
    mutex_lock(&authority_lock);
    long result = owner_change_locked(path->inode, request);
    mutex_unlock(&authority_lock);
    return result;
}

long linux_fchownat(uint64_t directory_fd, uint64_t path, uint64_t uid, uint64_t gid,
                    uint64_t at_flags, uint64_t f)
{
    (void)f;
    if (at_flags & ~(uint64_t)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) {
        return -EINVAL;
    }
    const struct owner_request request = {(uint32_t)uid, (uint32_t)gid};
    return change_path((int)directory_fd, path, at_flags, owner_change, &request, NOTIFY_ATTRIB);
}

long linux_chown(uint64_t path, uint64_t uid, uint64_t gid, uint64_t d, uint64_t e, uint64_t f)
{
    (void)d, (void)e, (void)f;
    return linux_fchownat((uint64_t)AT_FDCWD, path, uid, gid, 0, 0);
}

long linux_lchown(uint64_t path, uint64_t uid, uint64_t gid, uint64_t d, uint64_t e, uint64_t f)
{
    (void)d, (void)e, (void)f;
    return linux_fchownat((uint64_t)AT_FDCWD, path, uid, gid, AT_SYMLINK_NOFOLLOW, 0);
}

long linux_fchown(uint64_t fd, uint64_t uid, uint64_t gid, uint64_t d, uint64_t e, uint64_t f)
{
    (void)d, (void)e, (void)f;
    const struct owner_request request = {(uint32_t)uid, (uint32_t)gid};
    return change_descriptor((int)fd, owner_change, &request, NOTIFY_ATTRIB);
}

/* --- size ------------------------------------------------------------------------------------ */

static long size_change(struct inode *inode, uint64_t size_bytes)
{
    struct attributes attributes = {
        .size_bytes = size_bytes,
        .modify_ns = (int64_t)clock_wall_ns(),
    };
    if (size_bytes > inode->size_bytes && size_bytes > limit_now(RLIMIT_FSIZE)) {
        return limit_file_exceeded();
    }
    set_id_drop(inode);
    return inode_change(inode, ATTRIBUTE_SIZE | ATTRIBUTE_MODIFY_TIME, &attributes);
}

long linux_truncate(uint64_t user_path, uint64_t size_bytes, uint64_t c, uint64_t d, uint64_t e,
                    uint64_t f)
{
    (void)c, (void)d, (void)e, (void)f;
    if ((int64_t)size_bytes < 0) {
        return -EINVAL;
    }
    struct path path;
    long result = user_path_find(AT_FDCWD, user_path, 0, 0, &path);
    if (result != 0) {
        return result;
    }
    if (!inode_is(path.inode, S_IFREG)) {
        result = inode_is(path.inode, S_IFDIR) ? -EISDIR : -EINVAL;
    } else if (path_read_only(&path)) {
        result = -EROFS;
    } else {
        result = inode_permission(path.inode, 2);
    }
    if (result == 0 && __atomic_load_n(&path.inode->writers, __ATOMIC_ACQUIRE) < 0) {
        result = -ETXTBSY;
    }
    if (result == 0) {
        result = size_change(path.inode, size_bytes);
    }
    if (result == 0) {
        notify_path(AT_FDCWD, user_path, path.inode, NOTIFY_MODIFY);
    }
    path_put(&path);
    return result;
}

long linux_ftruncate(uint64_t fd, uint64_t size_bytes, uint64_t c, uint64_t d, uint64_t e,
                     uint64_t f)
{
    (void)c, (void)d, (void)e, (void)f;
    if ((int64_t)size_bytes < 0) {
        return -EINVAL;
    }
    struct file *file = descriptor_get_open((int)fd);
    if (file == NULL) {
        return -EBADF;
    }
    bool allowed = inode_is(file->path.inode, S_IFREG) && file_writable(file);
    long result = allowed ? size_change(file->path.inode, size_bytes) : -EINVAL;
    if (result == 0) {
        notify_file(file, NOTIFY_MODIFY);
    }
    file_put(file);
    return result;
}

/* --- times ----------------------------------------------------------------------------------- */

struct times_request {
    struct attributes attributes;
    uint32_t mask;
    bool now; /* both, to now: also whoever may write */
};

static long times_change(const struct path *path, const void *context)
{
    const struct times_request *request = context;
    struct inode *inode = path->inode;
    if (!inode_owner_or_capable(inode)) {
        if (!request->now) {
            return -EPERM;
        }
        if (inode_permission(inode, 2) != 0) {
            return -EACCES;
        }
    }
    return inode_change(inode, request->mask, &request->attributes);
}

/* One struct timespec of utimensat. */
static long time_take(const int64_t *time, int64_t now_ns, uint32_t bit, uint32_t *mask,
                      int64_t *out)
{
    if (time[1] == UTIME_OMIT) {
        return 0;
    }
    *mask |= bit;
    if (time[1] == UTIME_NOW) {
        *out = now_ns;
        return 0;
    }
    if (time[1] < 0 || time[1] >= NS_PER_S) {
        return -EINVAL;
    }
    int64_t seconds = MAX(MIN(time[0], SECONDS_MAX), -SECONDS_MAX);
    *out = seconds * NS_PER_S + time[1];
    return 0;
}

/* time: access seconds and nanoseconds, modification seconds and nanoseconds; NULL: now. */
static long times_take(const int64_t *time, struct times_request *request)
{
    int64_t now_ns = (int64_t)clock_wall_ns();
    struct attributes *attributes = &request->attributes;
    *request = (struct times_request){
        .attributes = {.access_ns = now_ns, .modify_ns = now_ns},
        .mask = ATTRIBUTE_ACCESS_TIME | ATTRIBUTE_MODIFY_TIME,
        .now = true,
    };
    if (time == NULL) {
        return 0;
    }
    request->mask = 0;
    request->now = time[1] == UTIME_NOW && time[3] == UTIME_NOW;
    long result =
        time_take(time, now_ns, ATTRIBUTE_ACCESS_TIME, &request->mask, &attributes->access_ns);
    if (result == 0) {
        result = time_take(time + 2, now_ns, ATTRIBUTE_MODIFY_TIME, &request->mask,
                           &attributes->modify_ns);
    }
    return result;
}

static long times_set(int directory_fd, uint64_t user_path, const int64_t *time, uint64_t at_flags)
{
    struct times_request request;
    long result = times_take(time, &request);
    if (result != 0 || request.mask == 0) {
        return result;
    }
    uint32_t events = notify_of_change(request.mask);
    if (user_path == 0 && directory_fd != AT_FDCWD) {
        return at_flags != 0 ? -EINVAL
                             : change_descriptor(directory_fd, times_change, &request, events);
    }
    return change_path(directory_fd, user_path, at_flags, times_change, &request, events);
}

long linux_utimensat(uint64_t directory_fd, uint64_t path, uint64_t times, uint64_t at_flags,
                     uint64_t e, uint64_t f)
{
    (void)e, (void)f;
    int64_t time[4];
    if (at_flags & ~(uint64_t)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) {
        return -EINVAL;
    }
    if (times != 0 && copy_from_user(time, times, sizeof(time)) != 0) {
        return -EFAULT;
    }
    return times_set((int)directory_fd, path, times == 0 ? NULL : time, at_flags);
}

/* struct timeval: microseconds. */
long linux_futimesat(uint64_t directory_fd, uint64_t path, uint64_t times, uint64_t d, uint64_t e,
                     uint64_t f)
{
    (void)d, (void)e, (void)f;
    int64_t time[4];
    if (times == 0) {
        return times_set((int)directory_fd, path, NULL, 0);
    }
    if (copy_from_user(time, times, sizeof(time)) != 0) {
        return -EFAULT;
    }
    if (time[1] < 0 || time[1] >= US_PER_S || time[3] < 0 || time[3] >= US_PER_S) {
        return -EINVAL;
    }
    time[1] *= NS_PER_US;
    time[3] *= NS_PER_US;
    return times_set((int)directory_fd, path, time, 0);
}

long linux_utimes(uint64_t path, uint64_t times, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
    (void)c, (void)d, (void)e, (void)f;
    return linux_futimesat((uint64_t)AT_FDCWD, path, times, 0, 0, 0);
}

/* struct utimbuf: seconds. */
long linux_utime(uint64_t path, uint64_t times, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
    (void)c, (void)d, (void)e, (void)f;
    int64_t seconds[2];
    if (times == 0) {
        return times_set(AT_FDCWD, path, NULL, 0);
    }
    if (copy_from_user(seconds, times, sizeof(seconds)) != 0) {
        return -EFAULT;
    }
    const int64_t time[4] = {seconds[0], 0, seconds[1], 0};
    return times_set(AT_FDCWD, path, time, 0);
}
