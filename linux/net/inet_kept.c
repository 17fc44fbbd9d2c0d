/*
 * Options that have nothing to do on lo, where nothing is lost and every hop is the last: they are
 * checked, kept and shown as Linux does, for programs look whether what they set is there.
 */
#include "linux/core/errno.h"
#include "linux/net/inet.h"

#define TCP_OPTION_CORK         3
#define TCP_OPTION_SYNCNT       7
#define TCP_OPTION_LINGER2      8
#define TCP_OPTION_DEFER_ACCEPT 9
#define TCP_OPTION_USER_TIMEOUT 18

#define IP_OPTION_MTU_DISCOVER 10
#define IP_OPTION_RECVERR      11
#define IP_OPTION_FREEBIND     15
#define IP_OPTION_BIND_NO_PORT 24

#define IP_OPTION_MULTICAST_TTL  33
#define IP_OPTION_MULTICAST_LOOP 34
#define IP_OPTION_MULTICAST_ALL  49

#define IPV6_OPTION_MULTICAST_LOOP 19
#define IPV6_OPTION_MTU_DISCOVER   23
#define IPV6_OPTION_RECVERR        25
#define IPV6_OPTION_MULTICAST_ALL  29

#define DISCOVER_WANT 1
#define DISCOVER_LAST 5
#define FIN_SECONDS   60 /* what a stream stays in FIN-WAIT-2 */

#define DEFER_SECONDS_MAX 120 /* between two attempts */
#define DEFER_ATTEMPTS    255

enum kept_kind {
    KEPT_FLAG,
    KEPT_RANGE, /* what is out of it is refused */
    KEPT_HOPS,  /* of datagrams; -1: as at first */
    KEPT_FIN_SECONDS,
    KEPT_DEFER_SECONDS,
};

static const struct kept_option {
    int level;
    int name;
    enum kept_kind kind;
    int first; /* as a socket begins with it */
    int least;
    int most;
} kept_options[INET_KEPT] = {
    {IPPROTO_TCP, TCP_OPTION_CORK, KEPT_FLAG, 0, 0, 0},
    {IPPROTO_TCP, TCP_OPTION_SYNCNT, KEPT_RANGE, 6, 1, 127},
    {IPPROTO_TCP, TCP_OPTION_LINGER2, KEPT_FIN_SECONDS, FIN_SECONDS, 0, 0},
    {IPPROTO_TCP, TCP_OPTION_USER_TIMEOUT, KEPT_RANGE, 0, 0, INT32_MAX},
    {IPPROTO_IP, IP_OPTION_MTU_DISCOVER, KEPT_RANGE, DISCOVER_WANT, 0, DISCOVER_LAST},
    {IPPROTO_IP, IP_OPTION_RECVERR, KEPT_FLAG, 0, 0, 0},
    {IPPROTO_IP, IP_OPTION_FREEBIND, KEPT_FLAG, 0, 0, 0},
    {IPPROTO_IP, IP_OPTION_BIND_NO_PORT, KEPT_FLAG, 0, 0, 0},
    {IPPROTO_IPV6, IPV6_OPTION_MTU_DISCOVER, KEPT_RANGE, DISCOVER_WANT, 0, DISCOVER_LAST},
    {IPPROTO_IPV6, IPV6_OPTION_RECVERR, KEPT_FLAG, 0, 0, 0},
    {IPPROTO_IP, IP_OPTION_MULTICAST_TTL, KEPT_HOPS, 1, -1, UINT8_MAX},
    {IPPROTO_IP, IP_OPTION_MULTICAST_LOOP, KEPT_FLAG, 1, 0, 0},
    {IPPROTO_IP, IP_OPTION_MULTICAST_ALL, KEPT_RANGE, 1, 0, 1},
    {IPPROTO_IPV6, IPV6_OPTION_MULTICAST_LOOP, KEPT_RANGE, 1, 0, 1},
    {IPPROTO_IPV6, IPV6_OPTION_MULTICAST_ALL, KEPT_FLAG, 1, 0, 0},
    /* The last: a connection has it not of its listener. */
    {IPPROTO_TCP, TCP_OPTION_DEFER_ACCEPT, KEPT_DEFER_SECONDS, 0, 0, 0},
};

static const struct kept_option *option_find(int level, int name)
{
    for (size_t i = 0; i < INET_KEPT; i++) {
        if (kept_options[i].level == level && kept_options[i].name == name) {
            return &kept_options[i];
        }
    }
    return NULL;
}

/* Attempts to begin a connection come ever later: as many seconds as some number of them takes. */
static int defer_seconds(int wanted)
{
    int pause = 1;
    int seconds = wanted > 0 ? 1 : 0;
    for (int attempt = 1; seconds < wanted && attempt < DEFER_ATTEMPTS; attempt++) {
        pause = MIN(pause * 2, DEFER_SECONDS_MAX);
        seconds += pause;
    }
    return seconds;
}

static int value_of(const struct kept_option *option, int number)
{
    switch (option->kind) {
    case KEPT_FLAG:
        return number != 0;
    case KEPT_FIN_SECONDS:
        return number < 0 ? -1 : number == 0 ? FIN_SECONDS : MIN(number, 2 * FIN_SECONDS);
    case KEPT_DEFER_SECONDS:
        return defer_seconds(number);
    case KEPT_HOPS:
        return number == -1 ? option->first : number;
    case KEPT_RANGE:
        break;
    }
    return number;
}

/* As a difference to the first value: a new socket has all of them 0. */
static int *kept_place(struct inet_socket *self, const struct kept_option *option)
{
    return &self->kept[option - kept_options];
}

long inet_kept_set(struct inet_socket *self, int level, int name, int number)
{
    const struct kept_option *option = option_find(level, name);
    if (option == NULL) {
        return -ENOPROTOOPT;
    }
    bool bounded = option->kind == KEPT_RANGE || option->kind == KEPT_HOPS;
    if ((bounded && (number < option->least || number > option->most)) ||
        (option->kind == KEPT_HOPS && inet_is_stream(self))) {
        return -EINVAL;
    }
    *kept_place(self, option) = value_of(option, number) - option->first;
    return 0;
}

long inet_kept_get(struct inet_socket *self, int level, int name, int *number)
{
    const struct kept_option *option = option_find(level, name);
    if (option == NULL) {
        return -ENOPROTOOPT;
    }
    *number = *kept_place(self, option) + option->first;
    return 0;
}

void inet_kept_inherit(struct inet_socket *made, const struct inet_socket *listener)
{
    for (size_t i = 0; i < INET_KEPT - 1; i++) {
        made->kept[i] = listener->kept[i];
    }
}
