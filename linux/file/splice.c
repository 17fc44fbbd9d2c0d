/*
 * splice, tee, vmsplice: bytes between pipes and other files, through a buffer of our own. What a
 * splice takes out of a pipe stays there until it has arrived, so that nothing is lost when the
 * other end takes less, or a signal comes.
 */
#include "linux/core/errno.h"
#include "linux/core/heap.h"
#include "linux/core/syscalls.h"
#include "linux/core/user.h"
#include "linux/file/descriptor.h"
#include "linux/file/file.h"
#include "linux/file/pipe.h"
#include "linux/proc/task.h"

#define SPLICE_F_NONBLOCK 2u
#define SPLICE_F_ALL      15u
#define BUFFER_BYTES      (16u << 10)

struct splice {
    struct file *in;
    struct file *out;
    uint64_t *in_at; /* NULL: at its own position */
    uint64_t *out_at;
    uint64_t length_bytes;
    bool wait_in;
    bool wait_out;
    uint8_t *buffer;
};

static bool may_wait(const struct file *file, uint32_t flags)
{
    return !(flags & SPLICE_F_NONBLOCK) &&
           !(__atomic_load_n(&file->flags, __ATOMIC_RELAXED) & O_NONBLOCK);
}

static long buffer_move(struct file *file, uint8_t *buffer, uint64_t length_bytes, bool write,
                        uint64_t *at)
{
    struct io io;
    io_init_kernel(&io, buffer, length_bytes);
    return file_move(file, &io, write, at);
}

/* --- one step: at most a buffer --------------------------------------------------------------- */

/* Out of a pipe, into anything; *over: it took less, or the end has come. */
static long step_out_of_pipe(struct splice *splice, uint32_t wanted, bool wait, bool *over)
{
    if (file_is_pipe(splice->out)) {
        long room = pipe_room(splice->out, wait && splice->wait_out);
        if (room < 0) {
            /* The write tells of a pipe that nobody reads, with its signal. */
            return room == -EPIPE ? buffer_move(splice->out, splice->buffer, 1, true, NULL) : room;
        }
        wanted = (uint32_t)MIN((long)wanted, room);
    }
    long length = pipe_look(splice->in, splice->buffer, wanted, wait && splice->wait_in, true);
    if (length <= 0) {
        return length;
    }
    long moved = buffer_move(splice->out, splice->buffer, (uint64_t)length, true, splice->out_at);
    pipe_carried(splice->in, moved > 0 ? (uint32_t)moved : 0);
    *over = moved < length;
    return moved;
}

/* Into a pipe, out of anything else: no more than there is room for. */
static long step_into_pipe(struct splice *splice, uint32_t wanted, bool wait, bool *over)
{
    long room = pipe_room(splice->out, wait && splice->wait_out);
    if (room < 0) {
        return room == -EPIPE ? buffer_move(splice->out, splice->buffer, 1, true, NULL) : room;
    }
    wanted = (uint32_t)MIN((long)wanted, room);
    uint64_t at = 0;
    bool seeks = splice->in->operations->seek != NULL;
    if (splice->in_at != NULL) {
        at = *splice->in_at;
    } else if (seeks) {
        at = __atomic_load_n(&splice->in->position, __ATOMIC_RELAXED);
    }
    long length = buffer_move(splice->in, splice->buffer, wanted, false, seeks ? &at : NULL);
    if (length <= 0) {
        return length;
    }
    long moved = buffer_move(splice->out, splice->buffer, (uint64_t)length, true, NULL);
    if (moved > 0 && splice->in_at != NULL) {
        *splice->in_at += (uint64_t)moved;
    } else if (moved > 0 && seeks) {
        mutex_lock(&splice->in->position_lock);
        splice->in->position = at - (uint64_t)(length - moved);
        mutex_unlock(&splice->in->position_lock);
    }
    *over = moved < (long)wanted;
    return moved;
}

/* Until all was moved, or nothing more is there at once: a splice waits for its first bytes only.
 */
static long splice_run(struct splice *splice)
{
    uint64_t total = 0;
    long result = 0;
    bool over = false;
    splice->buffer = heap_alloc(BUFFER_BYTES);
    if (splice->buffer == NULL) {
        return -ENOMEM;
    }
    while (total < splice->length_bytes && !over) {
        uint32_t wanted = (uint32_t)MIN(splice->length_bytes - total, (uint64_t)BUFFER_BYTES);
        result = file_is_pipe(splice->in) ? step_out_of_pipe(splice, wanted, total == 0, &over)
                                          : step_into_pipe(splice, wanted, total == 0, &over);
        if (result <= 0) {
            break;
        }
        total += (uint64_t)result;
        over = over || task_signal_pending(task_current());
        /* What is no file may have to be waited for. */
        over = over || (!file_is_pipe(splice->in) && splice->in->operations->seek == NULL);
    }
    heap_free(splice->buffer);
    return total > 0 ? (long)total : result;
}

/* --- splice ----------------------------------------------------------------------------------- */

/* The position that the user gives for an end; a pipe has none. */
static long offset_take(const struct file *file, uint64_t user_offset, uint64_t *offset,
                        uint64_t **at)
{
    *at = NULL;
    if (user_offset == 0) {
        return 0;
    }
    if (file_is_pipe(file)) {
        return -ESPIPE;
    }
    if (file->operations->seek == NULL) {
        return -EINVAL;
    }
    if (copy_from_user(offset, user_offset, sizeof(*offset)) != 0) {
        return -EFAULT;
    }
    *at = offset;
    return (int64_t)*offset < 0 ? -EINVAL : 0;
}

static long splice_check(const struct splice *splice)
{
    const struct file *in = splice->in;
    const struct file *out = splice->out;
    if (!file_readable(in) || !file_writable(out)) {
        return -EBADF;
    }
    bool pipes = file_is_pipe(in) || file_is_pipe(out);
    bool same = in->path.inode == out->path.inode;
    bool works = in->operations->read != NULL && out->operations->write != NULL;
    bool appends = __atomic_load_n(&out->flags, __ATOMIC_RELAXED) & O_APPEND;
    return pipes && works && !(same && file_is_pipe(in)) && !(appends && !file_is_pipe(out)) &&
                   !inode_is(in->path.inode, S_IFDIR)
               ? 0
               : -EINVAL;
}

static long splice_files(struct splice *splice, uint64_t user_in, uint64_t user_out,
                         uint64_t length_bytes, uint32_t flags)
{
    uint64_t in_offset;
    uint64_t out_offset;
    long result = splice_check(splice);
    if (result == 0) {
        result = offset_take(splice->in, user_in, &in_offset, &splice->in_at);
    }
    if (result == 0) {
        result = offset_take(splice->out, user_out, &out_offset, &splice->out_at);
    }
    if (result != 0) {
        return result;
    }
    splice->length_bytes = MIN(length_bytes, (uint64_t)INT32_MAX);
    splice->wait_in = may_wait(splice->in, flags);
    splice->wait_out = may_wait(splice->out, flags);
    result = splice_run(splice);
    if (result > 0 && ((user_in != 0 && put_user_u64(user_in, in_offset) != 0) ||
                       (user_out != 0 && put_user_u64(user_out, out_offset) != 0))) {
        return -EFAULT;
    }
    return result;
}

long linux_splice(uint64_t in_fd, uint64_t user_in, uint64_t out_fd, uint64_t user_out,
                  uint64_t length_bytes, uint64_t flags)
{
    if (length_bytes == 0) {
        return 0;
    }
    if ((uint32_t)flags & ~SPLICE_F_ALL) {
        return -EINVAL;
    }
    struct splice splice = {.in = descriptor_get_open((int)in_fd)};
    if (splice.in == NULL) {
        return -EBADF;
    }
    splice.out = descriptor_get_open((int)out_fd);
    long result = splice.out == NULL
                      ? -EBADF
                      : splice_files(&splice, user_in, user_out, length_bytes, (uint32_t)flags);
    if (splice.out != NULL) {
        file_put(splice.out);
    }
    file_put(splice.in);
    return result;
}

/* --- tee -------------------------------------------------------------------------------------- */

/* What the one pipe holds at its start, into the other; it stays where it is. */
static long tee_files(struct file *in, struct file *out, uint64_t length_bytes, uint32_t flags)
{
    if (!file_readable(in) || !file_writable(out)) {
        return -EBADF;
    }
    if (!file_is_pipe(in) || !file_is_pipe(out) || in->path.inode == out->path.inode) {
        return -EINVAL;
    }
    uint8_t *buffer = heap_alloc(BUFFER_BYTES);
    if (buffer == NULL) {
        return -ENOMEM;
    }
    long result = pipe_room(out, may_wait(out, flags));
    uint32_t wanted =
        result <= 0 ? 0
                    : (uint32_t)MIN(MIN(length_bytes, (uint64_t)BUFFER_BYTES), (uint64_t)result);
    if (result > 0) {
        result = pipe_look(in, buffer, wanted, may_wait(in, flags), false);
    }
    if (result > 0 || result == -EPIPE) {
        result = buffer_move(out, buffer, result > 0 ? (uint64_t)result : 1, true, NULL);
    }
    heap_free(buffer);
    return result;
}

long linux_tee(uint64_t in_fd, uint64_t out_fd, uint64_t length_bytes, uint64_t flags, uint64_t e,
               uint64_t f)
{
    (void)e, (void)f;
    if ((uint32_t)flags & ~SPLICE_F_ALL) {
        return -EINVAL;
    }
    if (length_bytes == 0) {
        return 0;
    }
    struct file *in = descriptor_get_open((int)in_fd);
    if (in == NULL) {
        return -EBADF;
    }
    struct file *out = descriptor_get_open((int)out_fd);
    long result = out == NULL ? -EBADF : tee_files(in, out, length_bytes, (uint32_t)flags);
    if (out != NULL) {
        file_put(out);
    }
    file_put(in);
    return result;
}

/* --- vmsplice --------------------------------------------------------------------------------- */

/* Pages are copied, not lent: as writev or readv, which is what a program sees of it. */
long linux_vmsplice(uint64_t fd, uint64_t vector, uint64_t count, uint64_t flags, uint64_t e,
                    uint64_t f)
{
    (void)e, (void)f;
    if ((uint32_t)flags & ~SPLICE_F_ALL) {
        return -EINVAL;
    }
    struct file *file = descriptor_get_open((int)fd);
    if (file == NULL) {
        return -EBADF;
    }
    long result = file_is_pipe(file) ? 0 : -EBADF;
    bool writes = file_writable(file);
    if (result == 0 && (flags & SPLICE_F_NONBLOCK)) {
        uint32_t events = file->operations->poll(file, NULL);
        result = events & (writes ? WAIT_POLLOUT | WAIT_POLLERR : WAIT_POLLIN | WAIT_POLLHUP)
                     ? 0
                     : -EAGAIN;
    }
    file_put(file);
    return result != 0 ? result
           : writes    ? linux_writev(fd, vector, count, 0, 0, 0)
                       : linux_readv(fd, vector, count, 0, 0, 0);
}
