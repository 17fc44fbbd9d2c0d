/* What is asked of a file's storage. Content lives in memory: there is nothing to bring or to keep.
 */
#include "linux/core/errno.h"
#include "linux/core/syscalls.h"
#include "linux/file/descriptor.h"
#include "linux/file/file.h"

#define SYNC_FILE_RANGE_ALL 7u

long linux_sync_file_range(uint64_t fd, uint64_t offset, uint64_t length_bytes, uint64_t flags,
                           uint64_t e, uint64_t f)
{
    (void)e, (void)f;
    struct file *file = descriptor_get_open((int)fd);
    if (file == NULL) {
        return -EBADF;
    }
    const struct inode *inode = file->path.inode;
    bool stored = inode_is(inode, S_IFREG) || inode_is(inode, S_IFDIR);
    file_put(file);
    if (((uint32_t)flags & ~SYNC_FILE_RANGE_ALL) || (int64_t)offset < 0 ||
        (int64_t)(offset + length_bytes) < 0 || offset + length_bytes < offset) {
        return -EINVAL;
    }
    return stored ? 0 : -ESPIPE;
}

long linux_readahead(uint64_t fd, uint64_t offset, uint64_t count, uint64_t d, uint64_t e,
                     uint64_t f)
{
    (void)offset, (void)count, (void)d, (void)e, (void)f;
    struct file *file = descriptor_get_open((int)fd);
    if (file == NULL) {
        return -EBADF;
    }
    bool reads = file_readable(file);
    bool stored = inode_is(file->path.inode, S_IFREG);
    file_put(file);
    return !reads ? -EBADF : stored ? 0 : -EINVAL;
}

/* As an overlay that cannot be exported: there are no handles. */
long linux_name_to_handle_at(uint64_t directory_fd, uint64_t path, uint64_t handle, uint64_t mount,
                             uint64_t flags, uint64_t f)
{
    (void)directory_fd, (void)path, (void)handle, (void)mount, (void)flags, (void)f;
    return -EOPNOTSUPP;
}

/* Whoever could open by one would need CAP_DAC_READ_SEARCH over the whole machine. */
long linux_open_by_handle_at(uint64_t mount_fd, uint64_t handle, uint64_t flags, uint64_t d,
                             uint64_t e, uint64_t f)
{
    (void)mount_fd, (void)handle, (void)flags, (void)d, (void)e, (void)f;
    return -EPERM;
}
