/*
 * memfd_create(2): files of memory without a name, and with seals. They are nodes of one tree that
 * is mounted nowhere, made when the first is asked for.
 */
#include "linux/file/memfd.h"

#include "lib/base/format.h"
#include "lib/base/string.h"
#include "linux/core/errno.h"
#include "linux/core/syscalls.h"
#include "linux/core/user.h"
#include "linux/file/descriptor.h"
#include "linux/file/file.h"
#include "linux/file/tree_fs.h"
#include "linux/file/walk.h"
#include "linux/proc/task.h"

#define MFD_CLOEXEC       1u
#define MFD_ALLOW_SEALING 2u
#define MFD_NOEXEC_SEAL   8u
#define MFD_EXEC          16u

#define PREFIX         "memfd:"
#define NAME_MAX_BYTES (NAME_MAX - (sizeof(PREFIX) - 1)) /* as Linux */

static struct {
    struct mutex lock;
    struct mount mount; /* root NULL: not made yet */
} memory;

static long mount_wanted(void)
{
    static char where[] = "/";
    long result = 0;
    mutex_lock(&memory.lock);
    if (memory.mount.root == NULL) {
        struct inode *root;
        result = tree_fs_empty(0700, 0, &root);
        if (result == 0) {
            memory.mount = (struct mount){.type = "tmpfs",
                                          .source = "tmpfs",
                                          .where = where,
                                          .device = DEVICE(0, 1),
                                          .magic = TMPFS_MAGIC,
                                          .root = root};
        }
    }
    mutex_unlock(&memory.lock);
    return result;
}

long memfd_pair(const char *name, uint64_t size_bytes, uint32_t mode, struct file *out[2])
{
    static const uint32_t flags[2] = {O_RDWR, O_RDONLY};
    const struct credentials *credentials = task_current()->credentials;
    const struct creation creation = {
        .mode = S_IFREG | (mode & 0777),
        .uid = credentials->fsuid,
        .gid = credentials->fsgid,
        .nameless = true,
    };
    const struct attributes size = {.size_bytes = size_bytes};
    struct path path = {.mount = &memory.mount};
    struct last_name last = {.slash = false};
    last.length_bytes = (uint32_t)format_text(last.name, sizeof(last.name), "%s", name);
    long result = mount_wanted();
    struct inode *root = memory.mount.root;
    if (result == 0) {
        result = root->operations->create_nameless(root, &creation, &path.inode);
    }
    if (result != 0) {
        return result;
    }
    result = path.inode->operations->set_attributes(path.inode, ATTRIBUTE_SIZE, &size);
    struct file *file[2] = {NULL, NULL};
    for (int i = 0; i < 2 && result == 0; i++) {
        file[i] = file_new_at(&path, root, &last, flags[i]);
        result = file[i] == NULL ? -ENOMEM : 0;
    }
    path_put(&path);
    if (result != 0) {
        if (file[0] != NULL) {
            file_put(file[0]);
        }
        return result;
    }
    memcpy(out, file, sizeof(file));
    return 0;
}

/* Opened as /memfd:NAME; `last` holds that name. */
static long memfd_make(const struct last_name *last, uint32_t flags, struct file **out)
{
    const struct credentials *credentials = task_current()->credentials;
    const struct creation creation = {
        .mode = S_IFREG | (flags & MFD_NOEXEC_SEAL ? 0666 : 0777),
        .uid = credentials->fsuid,
        .gid = credentials->fsgid,
        .nameless = true,
    };
    struct path path = {.mount = &memory.mount};
    struct inode *root = memory.mount.root;
    long result = root->operations->create_nameless(root, &creation, &path.inode);
    if (result != 0) {
        return result;
    }
    if (flags & (MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL)) {
        path.inode->seals = SEAL_NONE | (flags & MFD_NOEXEC_SEAL ? SEAL_EXEC : 0);
    }
    struct file *file = file_new_at(&path, root, last, O_RDWR);
    if (file == NULL) {
        result = -ENOMEM;
    } else {
        result = path.inode->operations->open(path.inode, file);
        if (result != 0) {
            file_put(file);
        }
    }
    path_put(&path);
    *out = file;
    return result;
}

long linux_memfd_create(uint64_t user_name, uint64_t flags, uint64_t c, uint64_t d, uint64_t e,
                        uint64_t f)
{
    (void)c, (void)d, (void)e, (void)f;
    char name[NAME_MAX_BYTES + 1];
    uint32_t known = MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL | MFD_EXEC;
    if (((uint32_t)flags & ~known) ||
        (flags & (MFD_EXEC | MFD_NOEXEC_SEAL)) == (MFD_EXEC | MFD_NOEXEC_SEAL)) {
        return -EINVAL;
    }
    long result = copy_string_from_user(name, user_name, sizeof(name));
    if (result < 0) {
        return result == -ENAMETOOLONG ? -EINVAL : result;
    }
    result = mount_wanted();
    struct last_name last = {.slash = false};
    last.length_bytes = (uint32_t)format_text(last.name, sizeof(last.name), PREFIX "%s", name);
    struct file *file = NULL;
    if (result == 0) {
        result = memfd_make(&last, (uint32_t)flags, &file);
    }
    return result != 0 ? result : descriptor_add(file, flags & MFD_CLOEXEC);
}
