/*
 * Reading and writing through descriptors, positions, copying between files, and what asks for
 * content to be kept.
 *
 * A file whose operations can seek has a position, which position_lock guards while bytes move. All
 * others are streams: they move bytes without that lock, so a reader that waits hinders nobody.
 */
#include "linux/core/errno.h"
#include "linux/core/heap.h"
#include "linux/core/syscalls.h"
#include "linux/core/user.h"
#include "linux/file/descriptor.h"
#include "linux/file/file.h"
#include "linux/file/notify.h"
#include "linux/file/walk.h"
#include "linux/proc/limit.h"

#define VECTORS_ON_STACK 8
#define SENDFILE_BYTES   4096
#define ADVICE_LAST      5
#define FALLOC_KEEP_SIZE 1u
#define FALLOC_PUNCH     2u
#define FALLOC_ZERO      16u

enum direction {
    READ,
    WRITE,
};

static bool is_stream(const struct file *file)
{
    return file->operations->seek == NULL;
}

/* The open file of a read or write, with a reference; NULL: -EBADF. */
static struct file *transfer_file(uint64_t fd, enum direction direction)
{
    struct file *file = descriptor_get((int)fd);
    if (file != NULL && !(direction == READ ? file_readable(file) : file_writable(file))) {
        file_put(file);
        return NULL;
    }
    return file;
}

static void written(struct file *file)
{
    struct inode *inode = file->path.inode;
    if ((inode->mode & (S_ISUID | S_ISGID)) || inode->file_capability) {
        set_id_drop(inode);
    }
}

static long transfer_at(struct file *file, struct io *io, enum direction direction,
                        uint64_t *position)
{
    const struct file_operations *operations = file->operations;
    struct inode *inode = file->path.inode;
    if (direction == READ) {
        if (operations->read == NULL) {
            return inode_is(inode, S_IFDIR) ? -EISDIR : -EINVAL;
        }
        long length = operations->read(file, io, position);
        if (length > 0) {
            notify_file(file, NOTIFY_ACCESS);
        }
        return length;
    }
    if (operations->write == NULL) {
        return -EINVAL;
    }
    if ((file->flags & O_APPEND) && !is_stream(file)) {
        *position = __atomic_load_n(&inode->size_bytes, __ATOMIC_RELAXED);
    }
    uint64_t beyond = 0;
    if (inode_is(inode, S_IFREG) && limit_now(RLIMIT_FSIZE) != LIMIT_NONE) {
        uint64_t limit = limit_now(RLIMIT_FSIZE);
        if (io->left_bytes > 0 && *position >= limit) {
            return limit_file_exceeded();
        }
        beyond = io->left_bytes > limit - *position ? io->left_bytes - (limit - *position) : 0;
    }
    io->left_bytes -= beyond;
    long result = operations->write(file, io, position);
    io->left_bytes += beyond;
    if (result > 0) {
        written(file);
        notify_file(file, NOTIFY_MODIFY);
    }
    return result;
}

/* At the file's own position. */
static long transfer(struct file *file, struct io *io, enum direction direction)
{
    if (is_stream(file)) {
        uint64_t ignored = 0;
        return transfer_at(file, io, direction, &ignored);
    }
    mutex_lock(&file->position_lock);
    long result = transfer_at(file, io, direction, &file->position);
    mutex_unlock(&file->position_lock);
    return result;
}

long file_move(struct file *file, struct io *io, bool write, uint64_t *at)
{
    enum direction direction = write ? WRITE : READ;
    return at == NULL ? transfer(file, io, direction) : transfer_at(file, io, direction, at);
}

/* At a position that the caller gives. */
static long transfer_there(struct file *file, struct io *io, enum direction direction,
                           uint64_t position)
{
    return is_stream(file) ? -ESPIPE : transfer_at(file, io, direction, &position);
}

/* One buffer, at the file's position or (at != NULL) at that one. */
static long transfer_buffer(uint64_t fd, uint64_t address, uint64_t length_bytes,
                            enum direction direction, const uint64_t *at)
{
    struct file *file = transfer_file(fd, direction);
    if (file == NULL) {
        return -EBADF;
    }
    long result;
    /* A device may have its own answer to a write of nothing, an eventfd and its like to both. */
    bool device = direction == WRITE && inode_is(file->path.inode, S_IFCHR) && !is_stream(file);
    bool datagram = direction == WRITE && inode_is(file->path.inode, S_IFSOCK);
    bool asked = device || datagram || file->kind != NULL;
    if (!user_range(address, length_bytes)) {
        result = -EFAULT;
    } else if (length_bytes == 0 && !asked && file->operations->write != NULL &&
               file->operations->read != NULL && (at == NULL || !is_stream(file))) {
        result = 0;
    } else {
        struct io io;
        io_init_user(&io, address, MIN(length_bytes, IO_BYTES_MAX));
        result =
            at == NULL ? transfer(file, &io, direction) : transfer_there(file, &io, direction, *at);
    }
    file_put(file);
    return result;
}

long linux_read(uint64_t fd, uint64_t buffer, uint64_t length_bytes, uint64_t d, uint64_t e,
                uint64_t f)
{
    (void)d, (void)e, (void)f;
    return transfer_buffer(fd, buffer, length_bytes, READ, NULL);
}

long linux_write(uint64_t fd, uint64_t buffer, uint64_t length_bytes, uint64_t d, uint64_t e,
                 uint64_t f)
{
    (void)d, (void)e, (void)f;
    return transfer_buffer(fd, buffer, length_bytes, WRITE, NULL);
}

long linux_pread64(uint64_t fd, uint64_t buffer, uint64_t length_bytes, uint64_t offset, uint64_t e,
                   uint64_t f)
{
    (void)e, (void)f;
    return (int64_t)offset < 0 ? -EINVAL : transfer_buffer(fd, buffer, length_bytes, READ, &offset);
}

long linux_pwrite64(uint64_t fd, uint64_t buffer, uint64_t length_bytes, uint64_t offset,
                    uint64_t e, uint64_t f)
{
    (void)e, (void)f;
    return (int64_t)offset < 0 ? -EINVAL
                               : transfer_buffer(fd, buffer, length_bytes, WRITE, &offset);
}

/* --- vectors --------------------------------------------------------------------------------- */

static long transfer_vectors(uint64_t fd, uint64_t user_vector, uint64_t count,
                             enum direction direction, const uint64_t *at)
{
    struct io_vector few[VECTORS_ON_STACK];
    struct io_vector *vector = few;
    struct file *file = transfer_file(fd, direction);
    if (file == NULL) {
        return -EBADF;
    }
    long result = count > IO_VECTORS_MAX ? -EINVAL : 0;
    if (result == 0 && count > VECTORS_ON_STACK) {
        vector = heap_alloc(count * sizeof(*vector));
        result = vector == NULL ? -ENOMEM : 0;
    }
    struct io io;
    if (result == 0) {
        result = io_init_vectors(&io, vector, user_vector, (uint32_t)count);
    }
    if (result == 0) {
        if (at == NULL) {
            result = io.left_bytes == 0 ? 0 : transfer(file, &io, direction);
        } else {
            result = transfer_there(file, &io, direction, *at);
        }
    }
    if (vector != few) {
        heap_free(vector);
    }
    file_put(file);
    return result;
}

long linux_readv(uint64_t fd, uint64_t vector, uint64_t count, uint64_t d, uint64_t e, uint64_t f)
{
    (void)d, (void)e, (void)f;
    return transfer_vectors(fd, vector, count, READ, NULL);
}

long linux_writev(uint64_t fd, uint64_t vector, uint64_t count, uint64_t d, uint64_t e, uint64_t f)
{
    (void)d, (void)e, (void)f;
    return transfer_vectors(fd, vector, count, WRITE, NULL);
}

long linux_preadv(uint64_t fd, uint64_t vector, uint64_t count, uint64_t offset, uint64_t e,
                  uint64_t f)
{
    (void)e, (void)f;
    return (int64_t)offset < 0 ? -EINVAL : transfer_vectors(fd, vector, count, READ, &offset);
}

long linux_pwritev(uint64_t fd, uint64_t vector, uint64_t count, uint64_t offset, uint64_t e,
                   uint64_t f)
{
    (void)e, (void)f;
    return (int64_t)offset < 0 ? -EINVAL : transfer_vectors(fd, vector, count, WRITE, &offset);
}

#define RWF_HIPRI  1u
#define RWF_DSYNC  2u
#define RWF_SYNC   4u
#define RWF_NOWAIT 8u
#define RWF_APPEND 16u

/* Nothing has to be waited for in a file of memory; what may have to wait is not asked to hurry. */
static long transfer_flags(uint64_t fd, uint64_t flags, uint64_t *at, bool *own)
{
    if ((uint32_t)flags & ~(RWF_HIPRI | RWF_DSYNC | RWF_SYNC | RWF_NOWAIT | RWF_APPEND)) {
        return -EOPNOTSUPP;
    }
    *own = (int64_t)*at == -1;
    struct file *file = descriptor_get_open((int)fd);
    if (file == NULL) {
        return -EBADF;
    }
    bool waits = !inode_is(file->path.inode, S_IFREG);
    if (flags & RWF_APPEND) {
        *own = *own && is_stream(file);
        *at = __atomic_load_n(&file->path.inode->size_bytes, __ATOMIC_RELAXED);
    }
    file_put(file);
    if ((flags & RWF_NOWAIT) && waits) {
        return -EOPNOTSUPP;
    }
    return !*own && (int64_t)*at < 0 ? -EINVAL : 0;
}

long linux_preadv2(uint64_t fd, uint64_t vector, uint64_t count, uint64_t offset, uint64_t e,
                   uint64_t flags)
{
    (void)e;
    bool own;
    long result = flags & RWF_APPEND ? -EOPNOTSUPP : transfer_flags(fd, flags, &offset, &own);
    return result != 0 ? result : transfer_vectors(fd, vector, count, READ, own ? NULL : &offset);
}

long linux_pwritev2(uint64_t fd, uint64_t vector, uint64_t count, uint64_t offset, uint64_t e,
                    uint64_t flags)
{
    (void)e;
    bool own;
    long result = transfer_flags(fd, flags, &offset, &own);
    return result != 0 ? result : transfer_vectors(fd, vector, count, WRITE, own ? NULL : &offset);
}

long linux_lseek(uint64_t fd, uint64_t offset, uint64_t whence, uint64_t d, uint64_t e, uint64_t f)
{
    (void)d, (void)e, (void)f;
    struct file *file = descriptor_get_open((int)fd);
    if (file == NULL) {
        return -EBADF;
    }
    long result = -ESPIPE;
    if (!is_stream(file)) {
        mutex_lock(&file->position_lock);
        result = file->operations->seek(file, (int64_t)offset, (uint32_t)whence);
        mutex_unlock(&file->position_lock);
    }
    file_put(file);
    return result;
}

/* --- sendfile -------------------------------------------------------------------------------- */

/* Write all of the buffer; the bytes written, or the error when there are none. */
static long write_all(struct file *out, uint8_t *buffer, uint64_t length_bytes)
{
    uint64_t done = 0;
    while (done < length_bytes) {
        struct io io;
        io_init_kernel(&io, buffer + done, length_bytes - done);
        long result = transfer(out, &io, WRITE);
        if (result <= 0) {
            return done == 0 ? result : (long)done;
        }
        done += (uint64_t)result;
    }
    return (long)done;
}

/* *position advances by what was written. */
static long copy_content(struct file *out, struct file *in, uint64_t *position, uint64_t count)
{
    uint8_t *buffer = heap_alloc(SENDFILE_BYTES);
    if (buffer == NULL) {
        return -ENOMEM;
    }
    uint64_t done = 0;
    long result = 0;
    while (done < count) {
        struct io io;
        uint64_t from = *position;
        io_init_kernel(&io, buffer, MIN(count - done, SENDFILE_BYTES));
        long length = transfer_at(in, &io, READ, &from);
        result = length <= 0 ? length : write_all(out, buffer, (uint64_t)length);
        if (result <= 0) {
            break;
        }
        done += (uint64_t)result;
        *position += (uint64_t)result;
        if (result < length || task_signal_pending(task_current())) {
            break;
        }
    }
    heap_free(buffer);
    return done > 0 ? (long)done : result;
}

static long sendfile_files(struct file *out, struct file *in, uint64_t user_offset, uint64_t count)
{
    if (is_stream(in)) {
        return user_offset != 0 ? -ESPIPE : -EINVAL;
    }
    if ((out->flags & O_APPEND) || (int64_t)count < 0) {
        return -EINVAL;
    }
    count = MIN(count, IO_BYTES_MAX);
    uint64_t position;
    if (user_offset != 0) {
        if (copy_from_user(&position, user_offset, sizeof(position)) != 0) {
            return -EFAULT;
        }
        if ((int64_t)position < 0) {
            return -EINVAL;
        }
        long result = copy_content(out, in, &position, count);
        return put_user_u64(user_offset, position) != 0 ? -EFAULT : result;
    }
    /* Not under in's lock: two copies in opposite directions would wait for each other. */
    mutex_lock(&in->position_lock);
    position = in->position;
    mutex_unlock(&in->position_lock);
    long result = copy_content(out, in, &position, count);
    if (result > 0) {
        mutex_lock(&in->position_lock);
        in->position = position;
        mutex_unlock(&in->position_lock);
    }
    return result;
}

long linux_sendfile(uint64_t out_fd, uint64_t in_fd, uint64_t offset, uint64_t count, uint64_t e,
                    uint64_t f)
{
    (void)e, (void)f;
    struct file *in = transfer_file(in_fd, READ);
    if (in == NULL) {
        return -EBADF;
    }
    struct file *out = transfer_file(out_fd, WRITE);
    long result = out == NULL ? -EBADF : sendfile_files(out, in, offset, count);
    if (out != NULL) {
        file_put(out);
    }
    file_put(in);
    return result;
}

/* --- copy_file_range -------------------------------------------------------------------------- */

/* The offset that the caller gives, or the file's own. */
static long range_offset(struct file *file, uint64_t user_offset, uint64_t *offset)
{
    if (user_offset != 0) {
        if (copy_from_user(offset, user_offset, sizeof(*offset)) != 0) {
            return -EFAULT;
        }
        return (int64_t)*offset < 0 ? -EINVAL : 0;
    }
    mutex_lock(&file->position_lock);
    *offset = file->position;
    mutex_unlock(&file->position_lock);
    return 0;
}

static long range_offset_set(struct file *file, uint64_t user_offset, uint64_t offset)
{
    if (user_offset != 0) {
        return put_user_u64(user_offset, offset);
    }
    mutex_lock(&file->position_lock);
    file->position = offset;
    mutex_unlock(&file->position_lock);
    return 0;
}

static long range_copy(struct file *in, uint64_t *from, struct file *out, uint64_t *to,
                       uint64_t count)
{
    uint8_t *buffer = heap_alloc(SENDFILE_BYTES);
    if (buffer == NULL) {
        return -ENOMEM;
    }
    uint64_t done = 0;
    long result = 0;
    while (done < count && !(done != 0 && task_signal_pending(task_current()))) {
        long length = file_read_kernel(in, buffer, MIN(count - done, SENDFILE_BYTES), *from);
        if (length <= 0) {
            result = length;
            break;
        }
        struct io io;
        io_init_kernel(&io, buffer, (uint64_t)length);
        result = transfer_at(out, &io, WRITE, to);
        if (result <= 0) {
            break;
        }
        *from += (uint64_t)result;
        done += (uint64_t)result;
    }
    heap_free(buffer);
    return done > 0 ? (long)done : result;
}

static long range_check(const struct file *in, const struct file *out)
{
    const struct inode *from = in->path.inode;
    const struct inode *to = out->path.inode;
    if (inode_is(from, S_IFDIR) || inode_is(to, S_IFDIR)) {
        return -EISDIR;
    }
    if (!inode_is(from, S_IFREG) || !inode_is(to, S_IFREG) || is_stream(in) || is_stream(out)) {
        return -EINVAL;
    }
    return out->flags & O_APPEND ? -EBADF : 0;
}

static long copy_range(struct file *in, uint64_t user_from, struct file *out, uint64_t user_to,
                       uint64_t count)
{
    uint64_t from;
    uint64_t to;
    long result = range_check(in, out);
    if (result == 0) {
        result = range_offset(in, user_from, &from);
    }
    if (result == 0) {
        result = range_offset(out, user_to, &to);
    }
    if (result != 0) {
        return result;
    }
    count = MIN(count, IO_BYTES_MAX);
    if (in->path.inode == out->path.inode && from < to + count && to < from + count) {
        return -EINVAL;
    }
    result = range_copy(in, &from, out, &to, count);
    if (result > 0 &&
        (range_offset_set(in, user_from, from) != 0 || range_offset_set(out, user_to, to) != 0)) {
        return -EFAULT;
    }
    return result;
}

long linux_copy_file_range(uint64_t in_fd, uint64_t user_from, uint64_t out_fd, uint64_t user_to,
                           uint64_t count, uint64_t flags)
{
    if (flags != 0) {
        return -EINVAL;
    }
    struct file *in = transfer_file(in_fd, READ);
    if (in == NULL) {
        return -EBADF;
    }
    struct file *out = transfer_file(out_fd, WRITE);
    long result = out == NULL ? -EBADF : copy_range(in, user_from, out, user_to, count);
    if (out != NULL) {
        file_put(out);
    }
    file_put(in);
    return result;
}

/* --- advice, room, and keeping --------------------------------------------------------------- */

long linux_fadvise64(uint64_t fd, uint64_t offset, uint64_t length_bytes, uint64_t advice,
                     uint64_t e, uint64_t f)
{
    (void)e, (void)f, (void)offset;
    struct file *file = descriptor_get_open((int)fd);
    if (file == NULL) {
        return -EBADF;
    }
    bool fifo = inode_is(file->path.inode, S_IFIFO);
    file_put(file);
    if (fifo) {
        return -ESPIPE;
    }
    return advice > ADVICE_LAST || (int64_t)length_bytes < 0 ? -EINVAL : 0;
}

static long allocate(struct file *file, uint32_t mode, int64_t offset, int64_t length_bytes)
{
    struct inode *inode = file->path.inode;
    if (offset < 0 || length_bytes <= 0) {
        return -EINVAL;
    }
    bool zero = (mode & ~FALLOC_KEEP_SIZE) == FALLOC_ZERO;
    bool punch = mode == (FALLOC_PUNCH | FALLOC_KEEP_SIZE) || zero;
    if (mode & ~FALLOC_KEEP_SIZE && !punch) {
        return -EOPNOTSUPP;
    }
    if (!file_writable(file)) {
        return -EBADF;
    }
    if (!inode_is(inode, S_IFREG)) {
        return inode_is(inode, S_IFIFO) ? -ESPIPE : inode_is(inode, S_IFDIR) ? -EISDIR : -ENODEV;
    }
    if (offset > INT64_MAX - length_bytes) {
        return -EFBIG;
    }
    if (punch) {
        long result =
            inode->operations->punch == NULL
                ? -EOPNOTSUPP
                : inode->operations->punch(inode, (uint64_t)offset, (uint64_t)length_bytes);
        if (!zero || result != 0) {
            return result;
        }
    }
    struct attributes attributes = {.size_bytes = (uint64_t)(offset + length_bytes)};
    if ((mode & FALLOC_KEEP_SIZE) || attributes.size_bytes <= inode->size_bytes) {
        return 0;
    }
    return attributes.size_bytes > limit_now(RLIMIT_FSIZE)
               ? limit_file_exceeded()
               : inode_change(inode, ATTRIBUTE_SIZE, &attributes);
}

long linux_fallocate(uint64_t fd, uint64_t mode, uint64_t offset, uint64_t length_bytes, uint64_t e,
                     uint64_t f)
{
    (void)e, (void)f;
    struct file *file = descriptor_get_open((int)fd);
    if (file == NULL) {
        return -EBADF;
    }
    long result = allocate(file, (uint32_t)mode, (int64_t)offset, (int64_t)length_bytes);
    if (result == 0) {
        notify_file(file, NOTIFY_MODIFY);
    }
    file_put(file);
    return result;
}

/* Content lives in memory: there is nothing to wait for. */
long linux_fsync(uint64_t fd, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
    (void)b, (void)c, (void)d, (void)e, (void)f;
    struct file *file = descriptor_get_open((int)fd);
    if (file == NULL) {
        return -EBADF;
    }
    const struct inode *inode = file->path.inode;
    long result = inode_is(inode, S_IFREG) || inode_is(inode, S_IFDIR) ? 0 : -EINVAL;
    file_put(file);
    return result;
}

long linux_sync(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
    (void)a, (void)b, (void)c, (void)d, (void)e, (void)f;
    return 0;
}

long linux_syncfs(uint64_t fd, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
    (void)b, (void)c, (void)d, (void)e, (void)f;
    struct file *file = descriptor_get_open((int)fd);
    if (file == NULL) {
        return -EBADF;
    }
    file_put(file);
    return 0;
}
