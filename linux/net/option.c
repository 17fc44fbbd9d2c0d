/*
 * setsockopt and getsockopt: the options of SOL_SOCKET that are alike in all families; the rest
 * goes to the family.
 */
#include "lib/base/string.h"
#include "linux/core/errno.h"
#include "linux/core/missing.h"
#include "linux/core/syscalls.h"
#include "linux/core/user.h"
#include "linux/file/file.h"
#include "linux/net/calls.h"
#include "linux/proc/task.h"

#define SOL_SOCKET 1

#define SO_DEBUG        1
#define SO_REUSEADDR    2
#define SO_TYPE         3
#define SO_ERROR        4
#define SO_DONTROUTE    5
#define SO_BROADCAST    6
#define SO_SNDBUF       7
#define SO_RCVBUF       8
#define SO_KEEPALIVE    9
#define SO_OOBINLINE    10
#define SO_NO_CHECK     11
#define SO_PRIORITY     12
#define SO_LINGER       13
#define SO_REUSEPORT    15
#define SO_PASSCRED     16
#define SO_RCVLOWAT     18
#define SO_SNDLOWAT     19
#define SO_RCVTIMEO     20
#define SO_SNDTIMEO     21
#define SO_ACCEPTCONN   30
#define SO_SNDBUFFORCE  32
#define SO_RCVBUFFORCE  33
#define SO_PROTOCOL     38
#define SO_DOMAIN       39
#define SO_RCVTIMEO_NEW 66
#define SO_SNDTIMEO_NEW 67

#define OPTION_BYTES_MAX 256u
#define NS_PER_SECOND    1000000000ull
#define SECONDS_MAX      (1ull << 33)

/* Kept as bits and shown again. */
#define FLAG_OPTIONS                                                                               \
    (1u << SO_DEBUG | 1u << SO_REUSEADDR | 1u << SO_DONTROUTE | 1u << SO_BROADCAST |               \
     1u << SO_KEEPALIVE | 1u << SO_OOBINLINE | 1u << SO_NO_CHECK | 1u << SO_REUSEPORT |            \
     1u << SO_PASSCRED)

struct user_timeval {
    int64_t seconds;
    int64_t microseconds;
};

struct user_linger {
    int32_t on;
    int32_t seconds;
};

static bool is_flag(int name)
{
    return name > 0 && name < 32 && (FLAG_OPTIONS >> name & 1) != 0;
}

/* --- setting --------------------------------------------------------------------------------- */

static uint32_t buffer_bytes(int wanted, uint32_t least)
{
    uint32_t half = (uint32_t)MIN((uint32_t)MAX(wanted, 0), SOCKET_BUFFER_MAX_BYTES / 2);
    return MAX(half * 2, least);
}

static long timeout_set(uint64_t *timeout_ns, const void *value, uint32_t length_bytes)
{
    struct user_timeval time;
    if (length_bytes < sizeof(time)) {
        return -EINVAL;
    }
    memcpy(&time, value, sizeof(time));
    if (time.microseconds < 0 || time.microseconds >= 1000000) {
        return -EDOM;
    }
    uint64_t whole = time.seconds < 0 ? 0 : MIN((uint64_t)time.seconds, SECONDS_MAX);
    /* A negative time is over at once; 0 means none. */
    *timeout_ns = time.seconds < 0 ? 1 : whole * NS_PER_SECOND + (uint64_t)time.microseconds * 1000;
    return 0;
}

static long linger_set(struct socket *socket, const void *value, uint32_t length_bytes)
{
    struct user_linger linger;
    if (length_bytes < sizeof(linger)) {
        return -EINVAL;
    }
    memcpy(&linger, value, sizeof(linger));
    socket->linger_seconds = linger.on != 0 ? MAX(linger.seconds, 0) : -1;
    return 0;
}

static long option_set_common(struct socket *socket, int name, int number, const void *value,
                              uint32_t length_bytes)
{
    if (is_flag(name)) {
        if (number != 0) {
            __atomic_fetch_or(&socket->options, 1u << name, __ATOMIC_RELAXED);
        } else {
            __atomic_fetch_and(&socket->options, ~(1u << name), __ATOMIC_RELAXED);
        }
        return 0;
    }
    switch (name) {
    case SO_SNDBUF:
    case SO_SNDBUFFORCE:
        socket->send_limit_bytes = buffer_bytes(number, SOCKET_SEND_MIN_BYTES);
        wait_queue_wake(&socket->write_wait, WAIT_POLLOUT);
        return 0;
    case SO_RCVBUF:
    case SO_RCVBUFFORCE:
        socket->receive_limit_bytes = buffer_bytes(number, SOCKET_RECEIVE_MIN_BYTES);
        return 0;
    case SO_LINGER:
        return linger_set(socket, value, length_bytes);
    case SO_RCVTIMEO:
    case SO_RCVTIMEO_NEW:
        return timeout_set(&socket->receive_timeout_ns, value, length_bytes);
    case SO_SNDTIMEO:
    case SO_SNDTIMEO_NEW:
        return timeout_set(&socket->send_timeout_ns, value, length_bytes);
    case SO_PRIORITY:
    case SO_RCVLOWAT:
        return 0; /* no use is made of them */
    case SO_TYPE:
    case SO_ERROR:
    case SO_PROTOCOL:
    case SO_DOMAIN:
    case SO_SNDLOWAT:
    case SO_ACCEPTCONN:
        return -ENOPROTOOPT;
    default:
        return socket->operations->option_set(socket, SOL_SOCKET, name, value, length_bytes);
    }
}

static long option_set(struct socket *socket, int level, int name, const void *value,
                       uint32_t length_bytes)
{
    int number = 0;
    if (level != SOL_SOCKET) {
        return socket->operations->option_set(socket, level, name, value, length_bytes);
    }
    if (length_bytes < sizeof(number)) {
        return -EINVAL;
    }
    memcpy(&number, value, sizeof(number));
    long result = option_set_common(socket, name, number, value, length_bytes);
    if (result == 0 && socket->operations->option_changed != NULL) {
        socket->operations->option_changed(socket);
    }
    return result;
}

long linux_setsockopt(uint64_t fd, uint64_t level, uint64_t name, uint64_t user_value,
                      uint64_t length_bytes, uint64_t f)
{
    (void)f;
    uint8_t value[OPTION_BYTES_MAX] = {0};
    struct file *file;
    if ((int)length_bytes < 0) {
        return -EINVAL;
    }
    long result = socket_file_get(fd, &file);
    if (result != 0) {
        return result;
    }
    uint32_t length = MIN((uint32_t)length_bytes, OPTION_BYTES_MAX);
    result = copy_from_user(value, user_value, length);
    if (result == 0) {
        result = option_set(file_socket(file), (int)level, (int)name, value, length);
        if (result == -ENOPROTOOPT) {
            missing_count(MISSING_SET_OPTION, MISSING_OPTION(level, name));
        }
    }
    file_put(file);
    return result;
}

/* --- getting --------------------------------------------------------------------------------- */

static long number_get(int number, void *value, uint32_t *length_bytes)
{
    *length_bytes = MIN(*length_bytes, (uint32_t)sizeof(number));
    memcpy(value, &number, *length_bytes);
    return 0;
}

static long timeout_get(uint64_t timeout_ns, void *value, uint32_t *length_bytes)
{
    const struct user_timeval time = {(int64_t)(timeout_ns / NS_PER_SECOND),
                                      (int64_t)(timeout_ns % NS_PER_SECOND / 1000)};
    *length_bytes = MIN(*length_bytes, (uint32_t)sizeof(time));
    memcpy(value, &time, *length_bytes);
    return 0;
}

static long linger_get(const struct socket *socket, void *value, uint32_t *length_bytes)
{
    const struct user_linger linger = {socket->linger_seconds >= 0, MAX(socket->linger_seconds, 0)};
    *length_bytes = MIN(*length_bytes, (uint32_t)sizeof(linger));
    memcpy(value, &linger, *length_bytes);
    return 0;
}

static long option_get(struct socket *socket, int level, int name, void *value,
                       uint32_t *length_bytes)
{
    if (level != SOL_SOCKET) {
        return socket->operations->option_get(socket, level, name, value, length_bytes);
    }
    if (is_flag(name)) {
        return number_get((int)(socket->options >> name & 1), value, length_bytes);
    }
    switch (name) {
    case SO_TYPE:
        return number_get(socket->type, value, length_bytes);
    case SO_DOMAIN:
        return number_get(socket->domain, value, length_bytes);
    case SO_PROTOCOL:
        return number_get(socket->protocol, value, length_bytes);
    case SO_ERROR:
        return number_get((int)-socket_error_take(socket), value, length_bytes);
    case SO_ACCEPTCONN:
        return number_get(socket->listens, value, length_bytes);
    case SO_SNDBUF:
        return number_get((int)socket->send_limit_bytes, value, length_bytes);
    case SO_RCVBUF:
        return number_get((int)socket->receive_limit_bytes, value, length_bytes);
    case SO_PRIORITY:
        return number_get(0, value, length_bytes);
    case SO_RCVLOWAT:
    case SO_SNDLOWAT:
        return number_get(1, value, length_bytes);
    case SO_LINGER:
        return linger_get(socket, value, length_bytes);
    case SO_RCVTIMEO:
    case SO_RCVTIMEO_NEW:
        return timeout_get(socket->receive_timeout_ns, value, length_bytes);
    case SO_SNDTIMEO:
    case SO_SNDTIMEO_NEW:
        return timeout_get(socket->send_timeout_ns, value, length_bytes);
    default:
        return socket->operations->option_get(socket, SOL_SOCKET, name, value, length_bytes);
    }
}

long linux_getsockopt(uint64_t fd, uint64_t level, uint64_t name, uint64_t user_value,
                      uint64_t user_length, uint64_t f)
{
    (void)f;
    uint8_t value[OPTION_BYTES_MAX] = {0};
    int capacity_bytes;
    struct file *file;
    long result = socket_file_get(fd, &file);
    if (result != 0) {
        return result;
    }
    if (copy_from_user(&capacity_bytes, user_length, sizeof(capacity_bytes)) != 0) {
        result = -EFAULT;
    } else if (capacity_bytes < 0) {
        result = -EINVAL;
    }
    uint32_t length_bytes = MIN((uint32_t)capacity_bytes, OPTION_BYTES_MAX);
    if (result == 0) {
        result = option_get(file_socket(file), (int)level, (int)name, value, &length_bytes);
        if (result == -ENOPROTOOPT) {
            missing_count(MISSING_GET_OPTION, MISSING_OPTION(level, name));
        }
    }
    /* Who has too little room for a list is told how much it takes. */
    if ((result == 0 && copy_to_user(user_value, value, length_bytes) != 0) ||
        ((result == 0 || result == -ERANGE) && put_user_u32(user_length, length_bytes) != 0)) {
        result = -EFAULT;
    }
    file_put(file);
    return result;
}
