/* Connections and datagrams without end: connections that nobody accepts, reads or closes, threads
 * that use and close one socket at once, two ends that are full, ports that run out, netlink
 * requests of random bytes. */
#include "tests/linux/attack/attack.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

static int listener_make(struct sockaddr_in *name)
{
    socklen_t length = sizeof(*name);
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    *name = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    if (bind(listener, (struct sockaddr *)name, sizeof(*name)) != 0 || listen(listener, 200) != 0 ||
        getsockname(listener, (struct sockaddr *)name, &length) != 0) {
        _exit(1);
    }
    return listener;
}

static int connection_make(const struct sockaddr_in *name)
{
    int client = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    (void)connect(client, (const struct sockaddr *)name, sizeof(*name));
    return client;
}

/* Many processes, each with as many connections as it gets; full of bytes that nobody reads. */
static void connections_many(uint64_t processes)
{
    static uint8_t bytes[65536];
    struct sockaddr_in name;
    setpgid(0, 0);
    for (uint64_t i = 0; i < processes; i++) {
        if (fork() != 0) {
            continue;
        }
        int listener = listener_make(&name);
        for (int client = 0; client >= 0;) {
            client = connection_make(&name);
            int server = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
            while (write(client, bytes, sizeof(bytes)) > 0) {
            }
            while (write(server, bytes, 1) > 0) {
            }
        }
        for (;;) {
            pause();
        }
    }
    sleep_ms(5000);
    kill(0, SIGKILL);
}

static void backlog_fill(uint64_t limit)
{
    struct sockaddr_in name;
    (void)listener_make(&name);
    for (uint64_t i = 0; i < limit; i++) {
        int client = connection_make(&name);
        (void)!write(client, "x", 1);
        if (i % 2) {
            close(client);
        }
    }
}

/* Each leaves a connection that time has to take away. */
static void connections_short(uint64_t limit)
{
    struct sockaddr_in name;
    int listener = listener_make(&name);
    for (uint64_t i = 0; i < limit; i++) {
        int client = connection_make(&name);
        int server = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
        (void)!write(client, "x", 1);
        if (i % 3 == 0) {
            shutdown(client, SHUT_WR);
        }
        close(i % 2 ? client : server);
        close(i % 2 ? server : client);
    }
}

/* Both ends are full and neither reads: they must not answer each other for ever. */
static void ends_full(uint64_t rounds)
{
    static uint8_t bytes[4096];
    struct sockaddr_in name;
    int listener = listener_make(&name);
    int client = connection_make(&name);
    int server = accept(listener, NULL, NULL);
    for (uint64_t i = 0; i < rounds; i++) {
        for (int j = 0; j < 40; j++) {
            (void)!send(client, bytes, sizeof(bytes), MSG_DONTWAIT);
            (void)!send(server, bytes, sizeof(bytes), MSG_DONTWAIT);
        }
        (void)!recv(i % 2 ? client : server, bytes, 1 + random_next() % 100, MSG_DONTWAIT);
    }
    sleep_ms(500);
}

static void ports_all(uint64_t limit)
{
    for (uint64_t i = 0; i < limit; i++) {
        struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
        int one = socket(AF_INET, i % 2 ? SOCK_STREAM : SOCK_DGRAM, 0);
        if (one < 0 || bind(one, (struct sockaddr *)&name, sizeof(name)) != 0) {
            break;
        }
    }
}

/* Small datagrams to those who do not read. */
static void datagrams_many(uint64_t sockets)
{
    struct sockaddr_in name[64];
    int sender = socket(AF_INET, SOCK_DGRAM, 0);
    for (uint64_t i = 0; i < sockets; i++) {
        socklen_t length = sizeof(name[i]);
        int receiver = socket(AF_INET, SOCK_DGRAM, 0);
        name[i] = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
        (void)bind(receiver, (struct sockaddr *)&name[i], sizeof(name[i]));
        (void)getsockname(receiver, (struct sockaddr *)&name[i], &length);
    }
    for (uint64_t i = 0; i < 60000; i++) {
        (void)!sendto(sender, "x", i % 2, 0, (struct sockaddr *)&name[i % sockets],
                      sizeof(name[0]));
    }
}

static volatile int shared[8];
static struct sockaddr_in shared_name;

static int racer(void *argument)
{
    uint64_t seed = (uint64_t)argument;
    char text[256] = {0};
    for (uint64_t i = 0; i < 4000; i++) {
        seed = seed * 6364136223846793005ull + 1442695040888963407ull;
        int descriptor = shared[seed >> 33 & 7];
        volatile int *other = &shared[seed >> 40 & 7];
        int on = (int)(seed >> 63);
        switch (seed >> 50 & 15) {
        case 0:
            close(descriptor);
            break;
        case 1:
        case 2:
            *other = connection_make(&shared_name);
            break;
        case 3:
        case 4:
            *other = accept4(3, NULL, NULL, SOCK_NONBLOCK);
            break;
        case 5:
            shutdown(descriptor, (int)(seed >> 60 & 3));
            break;
        case 6:
            setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
            break;
        case 7:
            listen(descriptor, (int)(seed >> 60));
            break;
        case 8: {
            struct sockaddr_in name = shared_name;
            name.sin_family = on ? AF_UNSPEC : AF_INET; /* also of what others read and write */
            connect(descriptor, (struct sockaddr *)&name, sizeof(name));
            break;
        }
        case 9:
        case 10:
        case 11:
            recv(descriptor, text, sizeof(text), MSG_DONTWAIT | (int)(seed >> 60 & 2));
            break;
        default:
            send(descriptor, text, 1 + (seed >> 55), MSG_DONTWAIT | MSG_NOSIGNAL);
            break;
        }
        if (i % 64 == 0) {
            close(4 + (int)(seed >> 20 & 63));
        }
    }
    return 0;
}

static void races(uint64_t threads)
{
    if (listener_make(&shared_name) != 3 || fcntl(3, F_SETFL, O_NONBLOCK) != 0) {
        _exit(0);
    }
    for (uint64_t i = 1; i < threads; i++) {
        thread_start(racer, (void *)(i * 7919), 0);
    }
    racer((void *)104729);
    sleep_ms(200);
}

/* Datagrams with control messages of random bytes, some of them with kinds that are known. */
static void notes_random(uint64_t seed)
{
    static const int levels[] = {SOL_SOCKET, IPPROTO_IP, IPPROTO_IPV6};
    static const int types[] = {1, 2, IP_PKTINFO, 50, 52, 67};
    int descriptors[2] = {socket(AF_INET, SOCK_DGRAM, 0), socket(AF_INET6, SOCK_DGRAM, 0)};
    random_seed(seed);
    for (int i = 0; i < 20000; i++) {
        uint64_t control[64];
        struct sockaddr_in6 name = {.sin6_family = AF_INET6, .sin6_port = 9};
        char byte = 0;
        struct iovec part = {&byte, 1};
        struct msghdr header = {.msg_name = &name,
                                .msg_namelen = sizeof(name),
                                .msg_iov = &part,
                                .msg_iovlen = 1,
                                .msg_control = control,
                                .msg_controllen = random_next() % sizeof(control)};
        for (size_t at = 0; at < ARRAY_LENGTH(control); at++) {
            control[at] = random_next();
        }
        for (size_t at = 0; at + 1 < ARRAY_LENGTH(control);) {
            uint64_t length = random_next() % 40;
            control[at] = length;
            control[at + 1] = (uint64_t)types[random_next() % ARRAY_LENGTH(types)] << 32 |
                              (uint64_t)levels[random_next() % ARRAY_LENGTH(levels)];
            at += (length + 7) / 8 + (length < 16 ? 2 : 0);
        }
        name.sin6_addr = (struct in6_addr)IN6ADDR_LOOPBACK_INIT;
        name.sin6_family = i % 2 ? AF_INET6 : AF_INET;
        sendmsg(descriptors[i % 2], &header, MSG_DONTWAIT);
    }
}

static void netlink_random(uint64_t seed)
{
    static uint8_t bytes[8192];
    random_seed(seed);
    int netlink = socket(AF_NETLINK, SOCK_RAW, 0);
    for (int i = 0; i < 20000; i++) {
        uint32_t length = (uint32_t)(random_next() % 64);
        for (uint32_t j = 0; j < 64; j += 8) {
            uint64_t word = random_next();
            memcpy(bytes + j, &word, sizeof(word));
        }
        if (i % 4) {
            uint32_t said = random_next() % 8 == 0 ? (uint32_t)random_next() : length;
            uint16_t type = (uint16_t)(16 + random_next() % 12);
            uint16_t flags = (uint16_t)(0x301 + random_next() % 8);
            memcpy(bytes, &said, sizeof(said));
            memcpy(bytes + 4, &type, sizeof(type));
            memcpy(bytes + 6, &flags, sizeof(flags));
        }
        (void)!send(netlink, bytes, i % 100 ? length : sizeof(bytes), MSG_DONTWAIT);
        if (i % 3 == 0) {
            (void)!recv(netlink, bytes, random_next() % 2000, MSG_DONTWAIT);
        }
    }
}

/* A listener that an error has been left at: it waits, and can be ended. */
static void accept_failed(uint64_t unused)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons(1)};
    int listener = connection_make(&name);
    (void)unused;
    sleep_ms(50);
    name.sin_addr.s_addr = htonl(0x08080808);
    (void)connect(listener, (const struct sockaddr *)&name, sizeof(name));
    (void)listen(listener, 5);
    fcntl(listener, F_SETFL, 0);
    (void)accept(listener, NULL, NULL);
}

/* Every port is taken, by sockets in several processes; then one more is to send. */
static void datagram_ports_all(uint64_t limit)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    setpgid(0, 0);
    for (uint64_t done = 0; done < limit; done += 900) {
        if (fork() == 0) {
            for (int i = 0; i < 900; i++) {
                (void)bind(socket(AF_INET, SOCK_DGRAM, 0), (struct sockaddr *)&name, sizeof(name));
            }
            for (;;) {
                pause();
            }
        }
    }
    sleep_ms(3000);
    name.sin_port = htons(9);
    (void)sendto(socket(AF_INET, SOCK_DGRAM, 0), "x", 1, 0, (struct sockaddr *)&name, sizeof(name));
    kill(0, SIGKILL);
}

int main(void)
{
    attack("connections without end", connections_many, 4, 12000);
    attack_that_ends("a full backlog", backlog_fill, 900, 30000);
    attack_that_ends("short connections", connections_short, 3000, 60000);
    attack_that_ends("both ends full", ends_full, 300, 30000);
    attack("all ports", ports_all, 70000, 20000);
    attack_that_ends("datagrams to nobody", datagrams_many, 50, 60000);
    for (int i = 0; i < 3; i++) {
        attack("threads against each other", races, 4, 20000);
    }
    attack("accept after an error", accept_failed, 0, 1000);
    attack_that_ends("all ports of datagrams", datagram_ports_all, 28800, 30000);
    attack_that_ends("netlink", netlink_random, 7, 30000);
    attack_that_ends("control messages", notes_random, 11, 60000);
    return attacks_result();
}
