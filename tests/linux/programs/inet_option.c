/* Options of TCP, UDP, IPv4 and IPv6: what they take, and what they show of it. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "tests/linux/programs/program.h"

#ifndef IPV6_MULTICAST_ALL
#define IPV6_MULTICAST_ALL 29
#endif
#ifndef IP_BIND_ADDRESS_NO_PORT
#define IP_BIND_ADDRESS_NO_PORT 24
#endif

struct option {
    const char *title;
    int level;
    int name;
};

static const struct option tcp_options[] = {
    {"cork", IPPROTO_TCP, TCP_CORK},
    {"attempts", IPPROTO_TCP, TCP_SYNCNT},
    {"linger", IPPROTO_TCP, TCP_LINGER2},
    {"user timeout", IPPROTO_TCP, TCP_USER_TIMEOUT},
    {"deferred accept", IPPROTO_TCP, TCP_DEFER_ACCEPT},
};

static const struct option ip_options[] = {
    {"IPv4 path MTU", IPPROTO_IP, IP_MTU_DISCOVER},
    {"IPv4 errors", IPPROTO_IP, IP_RECVERR},
    {"IPv4 any address", IPPROTO_IP, IP_FREEBIND},
    {"IPv4 no port", IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT},
    {"IPv4 multicast hops", IPPROTO_IP, IP_MULTICAST_TTL},
    {"IPv4 multicast loop", IPPROTO_IP, IP_MULTICAST_LOOP},
    {"IPv4 multicast all", IPPROTO_IP, IP_MULTICAST_ALL},
};

static const struct option ip6_options[] = {
    {"IPv6 path MTU", IPPROTO_IPV6, IPV6_MTU_DISCOVER},
    {"IPv6 errors", IPPROTO_IPV6, IPV6_RECVERR},
    {"IPv6 multicast loop", IPPROTO_IPV6, IPV6_MULTICAST_LOOP},
    {"IPv6 multicast all", IPPROTO_IPV6, IPV6_MULTICAST_ALL},
};

static int value_of(int descriptor, const struct option *option)
{
    int value = -99;
    socklen_t length = sizeof(value);
    must(getsockopt(descriptor, option->level, option->name, &value, &length) == 0, option->title);
    return value;
}

static void set(int descriptor, const struct option *option, int value)
{
    int result = setsockopt(descriptor, option->level, option->name, &value, sizeof(value));
    if (result != 0) {
        say("%s set to %d: %s", option->title, value, error_name(errno));
    } else {
        say("%s set to %d: %d", option->title, value, value_of(descriptor, option));
    }
}

static void each(int descriptor, const struct option *options, size_t count)
{
    static const int values[] = {1,  0,  2,   3,   4,   5,    6,      7, 8,
                                 16, 60, 100, 127, 128, 1000, 100000, -1};
    for (size_t i = 0; i < count; i++) {
        say("%s at first: %d", options[i].title, value_of(descriptor, &options[i]));
        for (size_t j = 0; j < ARRAY_LENGTH(values); j++) {
            set(descriptor, &options[i], values[j]);
        }
    }
}

/* What an accepted connection has of its listener. */
static void inherited(void)
{
    static const int values[] = {0, 3, 20, 3000, 5};
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t length = sizeof(name);
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    for (size_t i = 0; i < ARRAY_LENGTH(tcp_options); i++) {
        set(listener, &tcp_options[i], values[i]);
    }
    set(listener, &ip_options[0], 0);
    must(bind(listener, (struct sockaddr *)&name, sizeof(name)) == 0, "bind");
    must(listen(listener, 1) == 0, "listen");
    must(getsockname(listener, (struct sockaddr *)&name, &length) == 0, "getsockname");
    int client = socket(AF_INET, SOCK_STREAM, 0);
    must(connect(client, (struct sockaddr *)&name, sizeof(name)) == 0, "connect");
    must(write(client, "x", 1) == 1, "write");
    int accepted = accept(listener, NULL, NULL);
    must(accepted >= 0, "accept");
    for (size_t i = 0; i < ARRAY_LENGTH(tcp_options); i++) {
        say("%s of a connection: %d", tcp_options[i].title, value_of(accepted, &tcp_options[i]));
    }
    say("%s of a connection: %d", ip_options[0].title, value_of(accepted, &ip_options[0]));
    close(accepted);
    close(client);
    close(listener);
}

int main(void)
{
    int stream = socket(AF_INET, SOCK_STREAM, 0);
    int stream6 = socket(AF_INET6, SOCK_STREAM, 0);
    int datagram = socket(AF_INET, SOCK_DGRAM, 0);
    int datagram6 = socket(AF_INET6, SOCK_DGRAM, 0);
    each(stream, tcp_options, ARRAY_LENGTH(tcp_options));
    set(stream, &ip_options[4], 3);
    each(stream6, ip6_options, ARRAY_LENGTH(ip6_options));
    each(datagram, ip_options, ARRAY_LENGTH(ip_options));
    each(datagram6, ip6_options, ARRAY_LENGTH(ip6_options));
    inherited();
    return 0;
}
