/*
 * The calls on extended attributes, and who may use which: "user." with the permissions of the
 * file, "security.capability" to be read by all and set by root, "trusted." by nobody (it is for
 * the administrator of the machine), and no POSIX ACLs, as on a file system without them.
 *
 * Names and values are copied before anything looks at them.
 */
#include "linux/file/xattr.h"

#include "lib/base/string.h"
#include "linux/core/errno.h"
#include "linux/core/heap.h"
#include "linux/core/syscalls.h"
#include "linux/file/descriptor.h"
#include "linux/file/file.h"
#include "linux/file/notify.h"
#include "linux/file/user_path.h"
#include "linux/file/walk.h"
#include "linux/proc/capability.h"

#define USER       "user."
#define TRUSTED    "trusted."
#define SECURITY   "security."
#define CAPABILITY "security.capability"

/* What is asked of an inode; user_value may be NULL when only the length is wanted. */
struct xattr_request {
    char name[XATTR_NAME_MAX + 1];
    uint64_t user_value;
    uint64_t value_bytes;
    uint8_t *value; /* set: what the user gave, otherwise NULL */
    uint32_t flags;
};

typedef long (*xattr_call)(const struct path *path, struct xattr_request *request);

static bool starts_with(const char *name, const char *prefix)
{
    return strncmp(name, prefix, strlen(prefix)) == 0;
}

/* --- permission ------------------------------------------------------------------------------ */

static long user_permission(const struct inode *inode, bool write)
{
    if (!inode_is(inode, S_IFREG) && !inode_is(inode, S_IFDIR)) {
        return write ? -EPERM : -ENODATA;
    }
    if (write && inode_is(inode, S_IFDIR) && (inode->mode & S_ISVTX) &&
        !inode_owner_or_capable(inode)) {
        return -EPERM;
    }
    return inode_permission(inode, write ? 2 : 4);
}

static long xattr_permission(const struct path *path, const char *name, bool write)
{
    if (write && path_read_only(path)) {
        return -EROFS;
    }
    if (starts_with(name, USER)) {
        long result = user_permission(path->inode, write);
        return result != 0 || name[strlen(USER)] != '\0' ? result : -EINVAL;
    }
    if (starts_with(name, TRUSTED)) {
        return write ? -EPERM : -ENODATA;
    }
    if (starts_with(name, SECURITY)) {
        bool settable = strcmp(name, CAPABILITY) == 0 && task_capable(CAP_SETFCAP);
        return write && !settable ? -EPERM : 0;
    }
    return -EOPNOTSUPP;
}

/* --- one inode ------------------------------------------------------------------------------- */

static long get(const struct path *path, struct xattr_request *request)
{
    const struct inode_operations *operations = path->inode->operations;
    long result = xattr_permission(path, request->name, false);
    if (result != 0) {
        return result;
    }
    if (operations->xattr_get == NULL) {
        return -EOPNOTSUPP;
    }
    uint32_t capacity = (uint32_t)MIN(request->value_bytes, (uint64_t)XATTR_VALUE_MAX);
    uint8_t *value = capacity == 0 ? NULL : heap_alloc(capacity);
    if (value == NULL && capacity != 0) {
        return -ENOMEM;
    }
    result = operations->xattr_get(path->inode, request->name, value, capacity);
    if (result > 0 && value != NULL &&
        copy_to_user(request->user_value, value, (uint64_t)result) != 0) {
        result = -EFAULT;
    }
    heap_free(value);
    return result;
}

/* struct vfs_cap_data, revision 2, and 3 with the root user of a namespace. */
static bool is_capability(const struct xattr_request *request)
{
    const uint8_t *value = request->value;
    return (request->value_bytes == 20 && value[3] == 2) ||
           (request->value_bytes == 24 && value[3] == 3);
}

static long set(const struct path *path, struct xattr_request *request)
{
    const struct inode_operations *operations = path->inode->operations;
    if (strcmp(request->name, CAPABILITY) == 0 && !is_capability(request)) {
        return -EINVAL;
    }
    mutex_lock(&authority_lock);
    long result = xattr_permission(path, request->name, true);
    if (result == 0) {
        result = operations->xattr_set == NULL
                     ? -EOPNOTSUPP
                     : operations->xattr_set(path->inode, request->name, request->value,
                                             (uint32_t)request->value_bytes, request->flags);
    }
    mutex_unlock(&authority_lock);
    return result;
}

static long drop(const struct path *path, struct xattr_request *request)
{
    const struct inode_operations *operations = path->inode->operations;
    mutex_lock(&authority_lock);
    long result = xattr_permission(path, request->name, true);
    if (result == 0) {
        result = operations->xattr_remove == NULL
                     ? -EOPNOTSUPP
                     : operations->xattr_remove(path->inode, request->name);
    }
    mutex_unlock(&authority_lock);
    return result;
}

static long list(const struct path *path, struct xattr_request *request)
{
    const struct inode_operations *operations = path->inode->operations;
    if (operations->xattr_list == NULL) {
        return 0;
    }
    uint32_t capacity = (uint32_t)MIN(request->value_bytes, (uint64_t)XATTR_LIST_MAX);
    char *names = capacity == 0 ? NULL : heap_alloc(capacity);
    if (names == NULL && capacity != 0) {
        return -ENOMEM;
    }
    long result = operations->xattr_list(path->inode, names, capacity);
    if (result > 0 && names != NULL &&
        copy_to_user(request->user_value, names, (uint64_t)result) != 0) {
        result = -EFAULT;
    }
    heap_free(names);
    return result;
}

/* --- on a path or a descriptor --------------------------------------------------------------- */

static bool changes(xattr_call call)
{
    return call == set || call == drop;
}

static long on_path(uint64_t user_path, uint64_t at_flags, xattr_call call,
                    struct xattr_request *request)
{
    struct path path;
    long result = user_path_find(AT_FDCWD, user_path, at_flags, 0, &path);
    if (result == 0) {
        result = call(&path, request);
        if (result == 0 && changes(call)) {
            notify_path(AT_FDCWD, user_path, path.inode, NOTIFY_ATTRIB);
        }
        path_put(&path);
    }
    return result;
}

static long on_descriptor(int fd, xattr_call call, struct xattr_request *request)
{
    struct file *file = descriptor_get_open(fd);
    if (file == NULL) {
        return -EBADF;
    }
    long result = call(&file->path, request);
    if (result == 0 && changes(call)) {
        notify_file(file, NOTIFY_ATTRIB);
    }
    file_put(file);
    return result;
}

static long name_take(struct xattr_request *request, uint64_t user_name)
{
    long length = copy_string_from_user(request->name, user_name, sizeof(request->name));
    if (length < 0) {
        return length == -ENAMETOOLONG ? -ERANGE : length;
    }
    return length == 0 ? -ERANGE : 0;
}

static long value_take(struct xattr_request *request, uint64_t user_value, uint64_t value_bytes,
                       uint64_t flags)
{
    if ((uint32_t)flags & ~(XATTR_CREATE | XATTR_REPLACE)) {
        return -EINVAL;
    }
    if (value_bytes > XATTR_VALUE_MAX) {
        return -E2BIG;
    }
    request->flags = (uint32_t)flags;
    request->value_bytes = value_bytes;
    request->value = value_bytes == 0 ? NULL : heap_alloc(value_bytes);
    if (request->value == NULL) {
        return value_bytes == 0 ? 0 : -ENOMEM;
    }
    return copy_from_user(request->value, user_value, value_bytes);
}

enum place {
    PLACE_PATH,
    PLACE_LINK,
    PLACE_DESCRIPTOR,
};

static long apply(enum place place, uint64_t target, xattr_call call, struct xattr_request *request)
{
    return place == PLACE_DESCRIPTOR
               ? on_descriptor((int)target, call, request)
               : on_path(target, place == PLACE_LINK ? AT_SYMLINK_NOFOLLOW : 0, call, request);
}

static long set_at(enum place place, uint64_t target, uint64_t name, uint64_t value,
                   uint64_t value_bytes, uint64_t flags)
{
    struct xattr_request request = {.value = NULL};
    long result = (uint32_t)flags & ~(XATTR_CREATE | XATTR_REPLACE) ? -EINVAL : 0;
    if (result == 0) {
        result = name_take(&request, name);
    }
    if (result == 0) {
        result = value_take(&request, value, value_bytes, flags);
    }
    if (result == 0) {
        result = apply(place, target, set, &request);
    }
    heap_free(request.value);
    return result;
}

static long get_at(enum place place, uint64_t target, uint64_t name, uint64_t value,
                   uint64_t value_bytes)
{
    struct xattr_request request = {.user_value = value, .value_bytes = value_bytes};
    long result = name_take(&request, name);
    return result != 0 ? result : apply(place, target, get, &request);
}

static long list_at(enum place place, uint64_t target, uint64_t names, uint64_t capacity_bytes)
{
    struct xattr_request request = {.user_value = names, .value_bytes = capacity_bytes};
    return apply(place, target, list, &request);
}

static long remove_at(enum place place, uint64_t target, uint64_t name)
{
    struct xattr_request request = {.value = NULL};
    long result = name_take(&request, name);
    return result != 0 ? result : apply(place, target, drop, &request);
}

/* --- system calls ---------------------------------------------------------------------------- */

long linux_setxattr(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
    (void)f;
    return set_at(PLACE_PATH, a, b, c, d, e);
}

long linux_lsetxattr(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
    (void)f;
    return set_at(PLACE_LINK, a, b, c, d, e);
}

long linux_fsetxattr(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
    (void)f;
    return set_at(PLACE_DESCRIPTOR, a, b, c, d, e);
}

long linux_getxattr(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
    (void)e, (void)f;
    return get_at(PLACE_PATH, a, b, c, d);
}

long linux_lgetxattr(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
    (void)e, (void)f;
    return get_at(PLACE_LINK, a, b, c, d);
}

long linux_fgetxattr(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
    (void)e, (void)f;
    return get_at(PLACE_DESCRIPTOR, a, b, c, d);
}

long linux_listxattr(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
    (void)d, (void)e, (void)f;
    return list_at(PLACE_PATH, a, b, c);
}

long linux_llistxattr(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
    (void)d, (void)e, (void)f;
    return list_at(PLACE_LINK, a, b, c);
}

long linux_flistxattr(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
    (void)d, (void)e, (void)f;
    return list_at(PLACE_DESCRIPTOR, a, b, c);
}

long linux_removexattr(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
    (void)c, (void)d, (void)e, (void)f;
    return remove_at(PLACE_PATH, a, b);
}

long linux_lremovexattr(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
    (void)c, (void)d, (void)e, (void)f;
    return remove_at(PLACE_LINK, a, b);
}

long linux_fremovexattr(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
    (void)c, (void)d, (void)e, (void)f;
    return remove_at(PLACE_DESCRIPTOR, a, b);
}
