/* The system calls that make sockets, name them and connect them. */
#include "linux/net/calls.h"

#include "linux/core/errno.h"
#include "linux/core/syscalls.h"
#include "linux/core/user.h"
#include "linux/file/descriptor.h"
#include "linux/file/file.h"

#define SOCK_TYPE_MASK 0xfu
#define SOCK_CLOEXEC   O_CLOEXEC
#define SOCK_NONBLOCK  O_NONBLOCK

#define AF_MAX 46

/* --- for the other calls --------------------------------------------------------------------- */

long socket_file_get(uint64_t fd, struct file **out)
{
    struct file *file = descriptor_get_open((int)fd);
    if (file == NULL) {
        return -EBADF;
    }
    if (file_socket(file) == NULL) {
        file_put(file);
        return -ENOTSOCK;
    }
    *out = file;
    return 0;
}

long address_read(struct socket_address *address, uint64_t user_address, uint64_t length_bytes)
{
    *address = (struct socket_address){.length_bytes = 0};
    if ((int)length_bytes < 0 || (uint32_t)length_bytes > sizeof(address->bytes)) {
        return -EINVAL;
    }
    address->length_bytes = (uint32_t)length_bytes;
    return copy_from_user(address->bytes, user_address, address->length_bytes);
}

long address_write(const struct socket_address *address, uint64_t user_address,
                   uint64_t user_length)
{
    int capacity_bytes;
    if (copy_from_user(&capacity_bytes, user_length, sizeof(capacity_bytes)) != 0) {
        return -EFAULT;
    }
    if (capacity_bytes < 0) {
        return -EINVAL;
    }
    uint32_t length_bytes = MIN((uint32_t)capacity_bytes, address->length_bytes);
    if (copy_to_user(user_address, address->bytes, length_bytes) != 0) {
        return -EFAULT;
    }
    return put_user_u32(user_length, address->length_bytes);
}

/* --- making ---------------------------------------------------------------------------------- */

static long socket_new(uint64_t domain, uint64_t type, uint64_t protocol, struct socket **out)
{
    if ((uint32_t)type & ~(SOCK_TYPE_MASK | SOCK_CLOEXEC | SOCK_NONBLOCK)) {
        return -EINVAL;
    }
    uint16_t kind = (uint16_t)(type & SOCK_TYPE_MASK);
    switch ((uint32_t)domain) {
    case AF_UNIX:
        return unix_socket_new(kind, (int)protocol, out);
    case AF_INET:
    case AF_INET6:
        return inet_socket_new((uint16_t)domain, kind, (int)protocol, out);
    case AF_NETLINK:
        return netlink_socket_new(kind, (int)protocol, out);
    default:
        return -EAFNOSUPPORT;
    }
}

/* A descriptor for it; takes over the reference. */
static long socket_open(struct socket *socket, uint64_t flags)
{
    struct file *file = socket_file_new(socket, (uint32_t)flags);
    return file == NULL ? -ENOMEM : descriptor_add(file, flags & SOCK_CLOEXEC);
}

long linux_socket(uint64_t domain, uint64_t type, uint64_t protocol, uint64_t d, uint64_t e,
                  uint64_t f)
{
    (void)d, (void)e, (void)f;
    struct socket *socket;
    long result = socket_new(domain, type, protocol, &socket);
    return result != 0 ? result : socket_open(socket, type);
}

static void socket_abandon(struct socket *socket)
{
    socket->operations->close(socket);
    socket_put(socket);
}

static long pair_new(uint64_t domain, uint64_t type, uint64_t protocol, struct socket *pair[2])
{
    long result = socket_new(domain, type, protocol, &pair[0]);
    if (result != 0) {
        return result;
    }
    if (pair[0]->operations->pair == NULL) {
        socket_abandon(pair[0]);
        return -EOPNOTSUPP;
    }
    result = socket_new(domain, type, protocol, &pair[1]);
    if (result != 0) {
        socket_abandon(pair[0]);
        return result;
    }
    result = pair[0]->operations->pair(pair[0], pair[1]);
    if (result != 0) {
        socket_abandon(pair[0]);
        socket_abandon(pair[1]);
    }
    return result;
}

long linux_socketpair(uint64_t domain, uint64_t type, uint64_t protocol, uint64_t user_descriptors,
                      uint64_t e, uint64_t f)
{
    (void)e, (void)f;
    struct socket *pair[2];
    int descriptors[2];
    if (clear_user(user_descriptors, sizeof(descriptors)) != 0) {
        return -EFAULT;
    }
    long result = pair_new(domain, type, protocol, pair);
    if (result != 0) {
        return result;
    }
    long first = socket_open(pair[0], type);
    long second = socket_open(pair[1], type);
    descriptors[0] = (int)first;
    descriptors[1] = (int)second;
    if (first >= 0 && second >= 0 &&
        copy_to_user(user_descriptors, descriptors, sizeof(descriptors)) == 0) {
        return 0;
    }
    if (first >= 0) {
        (void)descriptor_close((int)first);
    }
    if (second >= 0) {
        (void)descriptor_close((int)second);
    }
    return first < 0 ? first : second < 0 ? second : -EFAULT;
}

/* --- names and connections ------------------------------------------------------------------- */

long linux_bind(uint64_t fd, uint64_t user_address, uint64_t length_bytes, uint64_t d, uint64_t e,
                uint64_t f)
{
    (void)d, (void)e, (void)f;
    struct socket_address address;
    struct file *file;
    long result = socket_file_get(fd, &file);
    if (result != 0) {
        return result;
    }
    struct socket *socket = file_socket(file);
    result = address_read(&address, user_address, length_bytes);
    if (result == 0) {
        result = socket->operations->bind == NULL ? -EOPNOTSUPP
                                                  : socket->operations->bind(socket, &address);
    }
    file_put(file);
    return result;
}

long linux_connect(uint64_t fd, uint64_t user_address, uint64_t length_bytes, uint64_t d,
                   uint64_t e, uint64_t f)
{
    (void)d, (void)e, (void)f;
    struct socket_address address;
    struct file *file;
    long result = socket_file_get(fd, &file);
    if (result != 0) {
        return result;
    }
    result = address_read(&address, user_address, length_bytes);
    if (result == 0) {
        result = socket_connect(file, &address);
    }
    file_put(file);
    return result;
}

long linux_listen(uint64_t fd, uint64_t backlog, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
    (void)c, (void)d, (void)e, (void)f;
    struct file *file;
    long result = socket_file_get(fd, &file);
    if (result != 0) {
        return result;
    }
    struct socket *socket = file_socket(file);
    result = socket->operations->listen == NULL ? -EOPNOTSUPP
                                                : socket->operations->listen(socket, (int)backlog);
    file_put(file);
    return result;
}

/* The peer's address goes out before the descriptor is there for others to close. */
static long accept_from(struct file *file, uint64_t user_address, uint64_t user_length,
                        uint64_t flags)
{
    struct socket *made;
    struct socket_address address;
    if (!descriptor_room()) {
        return -EMFILE;
    }
    long result = socket_accept(file, &made);
    if (result != 0) {
        return result;
    }
    if (user_address != 0) {
        result = made->operations->name(made, true, &address);
        result = result != 0 ? -ECONNABORTED : address_write(&address, user_address, user_length);
    }
    if (result != 0) {
        socket_abandon(made);
        return result;
    }
    return socket_open(made, flags);
}

long linux_accept4(uint64_t fd, uint64_t user_address, uint64_t user_length, uint64_t flags,
                   uint64_t e, uint64_t f)
{
    (void)e, (void)f;
    struct file *file;
    if ((uint32_t)flags & ~(SOCK_CLOEXEC | SOCK_NONBLOCK)) {
        return -EINVAL;
    }
    long result = socket_file_get(fd, &file);
    if (result != 0) {
        return result;
    }
    result = accept_from(file, user_address, user_length, flags);
    file_put(file);
    return result;
}

long linux_accept(uint64_t fd, uint64_t user_address, uint64_t user_length, uint64_t d, uint64_t e,
                  uint64_t f)
{
    (void)d, (void)e, (void)f;
    return linux_accept4(fd, user_address, user_length, 0, 0, 0);
}

static long name_to_user(uint64_t fd, bool of_peer, uint64_t user_address, uint64_t user_length)
{
    struct socket_address address;
    struct file *file;
    long result = socket_file_get(fd, &file);
    if (result != 0) {
        return result;
    }
    struct socket *socket = file_socket(file);
    result = socket->operations->name(socket, of_peer, &address);
    if (result == 0) {
        result = address_write(&address, user_address, user_length);
    }
    file_put(file);
    return result;
}

long linux_getsockname(uint64_t fd, uint64_t address, uint64_t length, uint64_t d, uint64_t e,
                       uint64_t f)
{
    (void)d, (void)e, (void)f;
    return name_to_user(fd, false, address, length);
}

long linux_getpeername(uint64_t fd, uint64_t address, uint64_t length, uint64_t d, uint64_t e,
                       uint64_t f)
{
    (void)d, (void)e, (void)f;
    return name_to_user(fd, true, address, length);
}

long linux_shutdown(uint64_t fd, uint64_t how, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
    (void)c, (void)d, (void)e, (void)f;
    struct file *file;
    long result = socket_file_get(fd, &file);
    if (result != 0) {
        return result;
    }
    struct socket *socket = file_socket(file);
    if ((uint32_t)how >= SHUT_BOTH) {
        result = -EINVAL;
    } else {
        result = socket->operations->shutdown == NULL
                     ? -EOPNOTSUPP
                     : socket->operations->shutdown(socket, (uint32_t)how + 1);
    }
    file_put(file);
    return result;
}
