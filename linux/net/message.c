/*
 * The system calls that move messages: send and receive with one buffer, with a struct msghdr, and
 * with many.
 */
#include "linux/core/container.h"
#include "linux/core/errno.h"
#include "linux/core/heap.h"
#include "linux/core/syscalls.h"
#include "linux/core/user.h"
#include "linux/file/file.h"
#include "linux/net/calls.h"
#include "linux/net/control.h"

#define VECTORS_ON_STACK 8
#define MESSAGES_MAX     1024u
#define NS_PER_SECOND    1000000000ull

struct message_header { /* struct msghdr */
    uint64_t name;
    uint32_t name_bytes;
    uint32_t padding_1;
    uint64_t vector;
    uint64_t vector_count;
    uint64_t control;
    uint64_t control_bytes;
    uint32_t flags;
    uint32_t padding_2;
};

struct many_header { /* struct mmsghdr */
    struct message_header header;
    uint32_t moved_bytes;
    uint32_t padding;
};

_Static_assert(sizeof(struct message_header) == 56, "struct msghdr");
_Static_assert(sizeof(struct many_header) == 64, "struct mmsghdr");

/* --- one buffer ------------------------------------------------------------------------------ */

long linux_sendto(uint64_t fd, uint64_t buffer, uint64_t length_bytes, uint64_t flags,
                  uint64_t user_address, uint64_t address_bytes)
{
    struct socket_address address;
    struct io io;
    struct socket_message message = {.io = &io};
    struct file *file;
    if (!user_range(buffer, length_bytes)) {
        return -EFAULT;
    }
    long result = socket_file_get(fd, &file);
    if (result != 0) {
        return result;
    }
    if (user_address != 0) {
        result = address_read(&address, user_address, address_bytes);
        message.address = &address;
    }
    if (result == 0) {
        io_init_user(&io, buffer, MIN(length_bytes, IO_BYTES_MAX));
        result = socket_send(file, &message, (uint32_t)flags);
    }
    file_put(file);
    return result;
}

long linux_recvfrom(uint64_t fd, uint64_t buffer, uint64_t length_bytes, uint64_t flags,
                    uint64_t user_address, uint64_t user_address_bytes)
{
    struct socket_address address = {.length_bytes = 0};
    struct io io;
    struct socket_message message = {.io = &io, .address = user_address == 0 ? NULL : &address};
    struct file *file;
    if (!user_range(buffer, length_bytes)) {
        return -EFAULT;
    }
    long result = socket_file_get(fd, &file);
    if (result != 0) {
        return result;
    }
    io_init_user(&io, buffer, MIN(length_bytes, IO_BYTES_MAX));
    result = socket_receive(file, &message, (uint32_t)flags);
    rights_drop(message.rights);
    if (result >= 0 && user_address != 0) {
        long written = address_write(&address, user_address, user_address_bytes);
        result = written != 0 ? written : result;
    }
    file_put(file);
    return result;
}

/* --- struct msghdr --------------------------------------------------------------------------- */

/* The header and the buffers of one message. */
struct gathered {
    struct message_header header;
    struct io io;
    struct io_vector few[VECTORS_ON_STACK];
    struct io_vector *vector;
    struct socket_address address;
    struct socket_notes notes;
    struct socket_message message;
};

/* Afterwards gathered_end, whatever comes. */
static long gathered_begin(struct gathered *gathered, uint64_t user_header)
{
    struct message_header *header = &gathered->header;
    gathered->vector = gathered->few;
    gathered->notes.count = 0;
    gathered->notes.unkept = false;
    gathered->message = (struct socket_message){.io = &gathered->io, .notes = &gathered->notes};
    if (copy_from_user(header, user_header, sizeof(*header)) != 0) {
        return -EFAULT;
    }
    if (header->vector_count > IO_VECTORS_MAX) {
        return -EMSGSIZE;
    }
    if ((int32_t)header->name_bytes < 0) {
        return -EINVAL;
    }
    if (header->vector_count > VECTORS_ON_STACK) {
        gathered->vector = heap_alloc(header->vector_count * sizeof(struct io_vector));
        if (gathered->vector == NULL) {
            return -ENOMEM;
        }
    }
    return io_init_vectors(&gathered->io, gathered->vector, header->vector,
                           (uint32_t)header->vector_count);
}

static void gathered_end(struct gathered *gathered)
{
    rights_drop(gathered->message.rights);
    if (gathered->vector != gathered->few) {
        heap_free(gathered->vector);
    }
}

static long message_send(struct file *file, uint64_t user_header, uint32_t flags)
{
    struct gathered gathered;
    const struct message_header *header = &gathered.header;
    struct socket_message *message = &gathered.message;
    long result = gathered_begin(&gathered, user_header);
    if (result == 0 && header->name != 0 && header->name_bytes != 0) {
        uint32_t name_bytes = MIN(header->name_bytes, (uint32_t)sizeof(gathered.address.bytes));
        result = address_read(&gathered.address, header->name, name_bytes);
        message->address = &gathered.address;
    }
    if (result == 0) {
        result = control_read(file_socket(file), message, header->control, header->control_bytes);
    }
    if (result == 0) {
        result = socket_send(file, message, flags);
    }
    gathered_end(&gathered);
    return result;
}

/* What the call says beside the bytes: address, control, flags. */
static long results_write(const struct socket *socket, struct gathered *gathered,
                          uint64_t user_header)
{
    const struct message_header *header = &gathered->header;
    uint64_t used_bytes = 0;
    if (header->name != 0) {
        long result = address_write(&gathered->address, header->name,
                                    user_header + offsetof(struct message_header, name_bytes));
        if (result != 0) {
            return result;
        }
    }
    long result = control_write(socket, &gathered->message, header->control,
                                header->control == 0 ? 0 : header->control_bytes, &used_bytes);
    if (result != 0) {
        return result;
    }
    uint32_t flags = gathered->message.result_flags | (gathered->message.flags & MSG_CMSG_CLOEXEC);
    if (put_user_u64(user_header + offsetof(struct message_header, control_bytes), used_bytes) !=
            0 ||
        put_user_u32(user_header + offsetof(struct message_header, flags), flags) != 0) {
        return -EFAULT;
    }
    return 0;
}

static long message_receive(struct file *file, uint64_t user_header, uint32_t flags)
{
    struct gathered gathered;
    long result = gathered_begin(&gathered, user_header);
    if (result == 0) {
        gathered.address.length_bytes = 0;
        gathered.message.address = gathered.header.name == 0 ? NULL : &gathered.address;
        result = socket_receive(file, &gathered.message, flags);
    }
    if (result >= 0) {
        long written = results_write(file_socket(file), &gathered, user_header);
        result = written != 0 ? written : result;
    }
    gathered_end(&gathered);
    return result;
}

long linux_sendmsg(uint64_t fd, uint64_t header, uint64_t flags, uint64_t d, uint64_t e, uint64_t f)
{
    (void)d, (void)e, (void)f;
    struct file *file;
    long result = socket_file_get(fd, &file);
    if (result != 0) {
        return result;
    }
    result = message_send(file, header, (uint32_t)flags);
    file_put(file);
    return result;
}

long linux_recvmsg(uint64_t fd, uint64_t header, uint64_t flags, uint64_t d, uint64_t e, uint64_t f)
{
    (void)d, (void)e, (void)f;
    struct file *file;
    long result = socket_file_get(fd, &file);
    if (result != 0) {
        return result;
    }
    result = message_receive(file, header, (uint32_t)flags);
    file_put(file);
    return result;
}

/* --- many ------------------------------------------------------------------------------------ */

static long moved_write(uint64_t user_header, long moved_bytes)
{
    return put_user_u32(user_header + offsetof(struct many_header, moved_bytes),
                        (uint32_t)moved_bytes);
}

long linux_sendmmsg(uint64_t fd, uint64_t headers, uint64_t count, uint64_t flags, uint64_t e,
                    uint64_t f)
{
    (void)e, (void)f;
    struct file *file;
    long result = socket_file_get(fd, &file);
    if (result != 0) {
        return result;
    }
    uint32_t done = 0;
    uint32_t wanted = MIN((uint32_t)count, MESSAGES_MAX);
    while (done < wanted) {
        uint64_t user_header = headers + done * sizeof(struct many_header);
        result = message_send(file, user_header, (uint32_t)flags);
        if (result >= 0) {
            result = moved_write(user_header, result);
        }
        if (result != 0) {
            break;
        }
        done++;
    }
    file_put(file);
    return done > 0 ? (long)done : result;
}

/* recvmmsg's timeout is looked at after each message only, as on Linux. */
static long many_deadline(uint64_t user_timeout, uint64_t *deadline_ns)
{
    struct {
        int64_t seconds;
        int64_t nanoseconds;
    } timeout;
    *deadline_ns = DEADLINE_NEVER;
    if (user_timeout == 0) {
        return 0;
    }
    if (copy_from_user(&timeout, user_timeout, sizeof(timeout)) != 0) {
        return -EFAULT;
    }
    if (timeout.seconds < 0 || timeout.nanoseconds < 0 ||
        (uint64_t)timeout.nanoseconds >= NS_PER_SECOND) {
        return -EINVAL;
    }
    *deadline_ns = clock_now_ns() + MIN((uint64_t)timeout.seconds, 1ull << 33) * NS_PER_SECOND +
                   (uint64_t)timeout.nanoseconds;
    return 0;
}

long linux_recvmmsg(uint64_t fd, uint64_t headers, uint64_t count, uint64_t flags, uint64_t timeout,
                    uint64_t f)
{
    (void)f;
    uint64_t deadline_ns;
    struct file *file;
    long result = many_deadline(timeout, &deadline_ns);
    if (result == 0) {
        result = socket_file_get(fd, &file);
    }
    if (result != 0) {
        return result;
    }
    uint32_t done = 0;
    uint32_t wanted = MIN((uint32_t)count, MESSAGES_MAX);
    uint32_t each = (uint32_t)flags & ~MSG_WAITFORONE;
    while (done < wanted) {
        uint64_t user_header = headers + done * sizeof(struct many_header);
        result = message_receive(file, user_header, each);
        if (result >= 0) {
            result = moved_write(user_header, result);
        }
        if (result != 0) {
            break;
        }
        done++;
        if (flags & MSG_WAITFORONE) {
            each |= MSG_DONTWAIT;
        }
        if (deadline_ns != DEADLINE_NEVER && clock_now_ns() >= deadline_ns) {
            break;
        }
    }
    file_put(file);
    return done > 0 ? (long)done : result;
}
