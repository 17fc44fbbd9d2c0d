/*
 * Sockets as open files: their life, reading and writing them, and how a call waits, whatever the
 * family. The socket itself belongs to its family.
 */
#include "linux/net/socket.h"

#include "linux/core/container.h"
#include "linux/core/errno.h"
#include "linux/event/time.h"
#include "linux/file/file.h"
#include "linux/net/control.h"
#include "linux/net/interface.h"
#include "linux/proc/task.h"

void socket_init(struct socket *socket, const struct socket_operations *operations, uint16_t domain,
                 uint16_t type, uint16_t protocol)
{
    socket->operations = operations;
    socket->references = 1;
    socket->domain = domain;
    socket->type = type;
    socket->protocol = protocol;
    socket->send_limit_bytes = SOCKET_BUFFER_BYTES;
    socket->receive_limit_bytes = SOCKET_BUFFER_BYTES;
    socket->linger_seconds = -1;
}

void socket_put(struct socket *socket)
{
    if (__atomic_sub_fetch(&socket->references, 1, __ATOMIC_ACQ_REL) == 0) {
        socket->operations->free(socket);
    }
}

static const struct inode_operations socket_inode_operations = {
    .release = inode_nameless_release,
};

struct file *socket_file_new(struct socket *socket, uint32_t flags)
{
    struct inode *inode = inode_new_nameless(S_IFSOCK | 0777, &socket_inode_operations);
    struct file *file = inode == NULL ? NULL
                                      : file_new(inode, O_RDWR | (flags & O_NONBLOCK),
                                                 &socket_file_operations, socket);
    if (file == NULL) {
        socket->operations->close(socket);
        socket_put(socket);
        return NULL;
    }
    socket->file = file;
    return file;
}

struct socket *file_socket(const struct file *file)
{
    return file->operations == &socket_file_operations ? file->data : NULL;
}

long socket_error_take(struct socket *socket)
{
    return -(long)__atomic_exchange_n(&socket->error, 0, __ATOMIC_ACQ_REL);
}

/* --- waiting --------------------------------------------------------------------------------- */

uint64_t socket_deadline(uint64_t timeout_ns)
{
    return timeout_ns == 0 ? DEADLINE_NEVER : clock_now_ns() + timeout_ns;
}

/* A call with a timeout is not restarted: it would wait for all of it again. */
long socket_wait_result(long result, uint64_t deadline_ns)
{
    return result == -ETIMEDOUT                                      ? -EAGAIN
           : result == -ERESTARTSYS && deadline_ns != DEADLINE_NEVER ? -EINTR
                                                                     : result;
}

struct expectation {
    struct socket *socket;
    uint32_t events;
    bool no_error; /* who waits would not take it: it is no reason to try again */
};

static bool expectation_met(void *context)
{
    const struct expectation *expectation = context;
    struct socket *socket = expectation->socket;
    return (socket->operations->poll(socket, NULL) & expectation->events) != 0 ||
           (!expectation->no_error && __atomic_load_n(&socket->error, __ATOMIC_ACQUIRE) != 0);
}

static long socket_wait(struct socket *socket, uint32_t event, uint64_t deadline_ns)
{
    struct expectation expectation = {.socket = socket,
                                      .events = event | WAIT_POLLERR | WAIT_POLLHUP};
    struct wait_queue *queue = event == WAIT_POLLIN ? &socket->read_wait : &socket->write_wait;
    return socket_wait_result(wait_event_until(queue, expectation_met, &expectation, deadline_ns),
                              deadline_ns);
}

/* A connection, or that none will come. An error of before, which SO_ERROR still shows, is neither,
 * as on Linux. */
static long connection_wait(struct socket *socket, uint64_t deadline_ns)
{
    struct expectation expectation = {
        .socket = socket, .events = WAIT_POLLIN | WAIT_POLLHUP, .no_error = true};
    return socket_wait_result(
        wait_event_until(&socket->read_wait, expectation_met, &expectation, deadline_ns),
        deadline_ns);
}

static uint32_t flags_of_file(const struct file *file)
{
    return __atomic_load_n(&file->flags, __ATOMIC_RELAXED) & O_NONBLOCK ? MSG_DONTWAIT : 0;
}

/* --- moving bytes ---------------------------------------------------------------------------- */

/* After an operation failed with `result`: 0 when it is worth another try. */
static long try_again(struct socket *socket, long result, uint32_t event,
                      const struct socket_message *message)
{
    if (result != -EAGAIN) {
        return result;
    }
    long error = socket_error_take(socket);
    if (error != 0) {
        return error;
    }
    return message->flags & MSG_DONTWAIT ? -EAGAIN
                                         : socket_wait(socket, event, message->deadline_ns);
}

static long send_all(struct socket *socket, struct socket_message *message, uint64_t *total)
{
    if (socket->operations->send == NULL) {
        return -EOPNOTSUPP;
    }
    for (;;) {
        long result = socket->operations->send(socket, message);
        if (result >= 0) {
            *total += (uint64_t)result;
            if (socket->type != SOCK_STREAM || message->io->left_bytes == 0) {
                return 0;
            }
            continue;
        }
        result = try_again(socket, result, WAIT_POLLOUT, message);
        if (result != 0) {
            return result;
        }
    }
}

long socket_send(struct file *file, struct socket_message *message, uint32_t flags)
{
    struct socket *socket = file->data;
    uint64_t total = 0;
    message->flags = flags | flags_of_file(file);
    message->deadline_ns = socket_deadline(socket->send_timeout_ns);
    long result = send_all(socket, message, &total);
    if (total > 0) {
        return (long)total;
    }
    if (result == -EPIPE && socket->type == SOCK_STREAM && !(flags & MSG_NOSIGNAL)) {
        signal_broken_pipe();
    }
    return result;
}

static long receive_all(struct socket *socket, struct socket_message *message, uint64_t *total)
{
    bool all = socket->type == SOCK_STREAM && (message->flags & MSG_WAITALL) &&
               !(message->flags & MSG_PEEK);
    if (socket->operations->receive == NULL) {
        return -EOPNOTSUPP;
    }
    for (;;) {
        long result = socket->operations->receive(socket, message);
        if (result >= 0) {
            *total += (uint64_t)result;
            bool ended = result == 0 || message->rights != NULL;
            if (!all || ended || message->io->left_bytes == 0) {
                return 0;
            }
            continue;
        }
        result = try_again(socket, result, WAIT_POLLIN, message);
        if (result != 0) {
            return result;
        }
    }
}

long socket_receive(struct file *file, struct socket_message *message, uint32_t flags)
{
    struct socket *socket = file->data;
    uint64_t total = 0;
    if (flags & MSG_ERRQUEUE) {
        return -EAGAIN; /* nothing is ever in it */
    }
    message->flags = flags | flags_of_file(file);
    message->deadline_ns = socket_deadline(socket->receive_timeout_ns);
    long result = receive_all(socket, message, &total);
    return total > 0 ? (long)total : result;
}

long socket_accept(struct file *file, struct socket **out)
{
    struct socket *socket = file->data;
    if (socket->operations->accept == NULL) {
        return -EOPNOTSUPP;
    }
    uint64_t deadline_ns = socket_deadline(socket->receive_timeout_ns);
    long result = socket->operations->accept(socket, out);
    while (result == -EAGAIN && !flags_of_file(file)) {
        result = connection_wait(socket, deadline_ns);
        if (result != 0) {
            return result;
        }
        result = socket->operations->accept(socket, out);
    }
    return result;
}

long socket_connect(struct file *file, const struct socket_address *address)
{
    struct socket *socket = file->data;
    if (socket->operations->connect == NULL) {
        return -EOPNOTSUPP;
    }
    bool wait = !flags_of_file(file);
    uint64_t deadline_ns = socket_deadline(socket->send_timeout_ns);
    long result = socket->operations->connect(socket, address, wait);
    if ((result != -EINPROGRESS && result != -EALREADY) || !wait) {
        return result;
    }
    result = socket_wait(socket, WAIT_POLLOUT, deadline_ns);
    return result == -EAGAIN ? -EINPROGRESS
           : result != 0     ? result
                             : socket->operations->connect(socket, address, wait);
}

/* --- as a file ------------------------------------------------------------------------------- */

static long socket_file_read(struct file *file, struct io *io, uint64_t *position)
{
    (void)position;
    struct socket_message message = {.io = io};
    long result = socket_receive(file, &message, 0);
    rights_drop(message.rights);
    return result;
}

static long socket_file_write(struct file *file, struct io *io, uint64_t *position)
{
    (void)position;
    struct socket_message message = {.io = io};
    return socket_send(file, &message, 0);
}

static uint32_t socket_file_poll(struct file *file, struct poll_table *table)
{
    struct socket *socket = file->data;
    poll_add(table, &socket->read_wait);
    poll_add(table, &socket->write_wait);
    uint32_t events = socket->operations->poll(socket, table);
    return events | (__atomic_load_n(&socket->error, __ATOMIC_ACQUIRE) != 0 ? WAIT_POLLERR : 0);
}

static long socket_file_ioctl(struct file *file, uint32_t request, uint64_t argument)
{
    struct socket *socket = file->data;
    long result = socket->operations->ioctl == NULL
                      ? -ENOTTY
                      : socket->operations->ioctl(socket, request, argument);
    return result == -ENOTTY ? interface_ioctl(request, argument) : result;
}

static bool all_sent(void *context)
{
    struct socket *socket = context;
    return !socket->operations->is_sending(socket);
}

/* SO_LINGER. A signal ends it, and what is left to send is sent nevertheless. */
static void socket_file_closing(struct file *file)
{
    struct socket *socket = file->data;
    if (socket->linger_seconds > 0 && socket->operations->is_sending != NULL && !all_sent(socket)) {
        (void)wait_event_until(&socket->write_wait, all_sent, socket,
                               socket_deadline((uint64_t)socket->linger_seconds * NS_PER_SECOND));
    }
}

static void socket_file_release(struct file *file)
{
    struct socket *socket = file->data;
    socket->operations->close(socket);
    socket_put(socket);
}

const struct file_operations socket_file_operations = {
    .read = socket_file_read,
    .write = socket_file_write,
    .poll = socket_file_poll,
    .ioctl = socket_file_ioctl,
    .closing = socket_file_closing,
    .release = socket_file_release,
    .tells_owner = true,
    .tells_room = true,
};
