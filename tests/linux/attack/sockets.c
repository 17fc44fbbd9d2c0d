/* Sockets with wild arguments, malformed control messages, circles and floods of files in flight,
 * and threads that close, connect and receive at once. */
#include "tests/linux/attack/attack.h"

#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>

#define CONTROL_BYTES 512

static const uint64_t interesting[] = {
    0,          1,          8,         0x7fffffff,      0x80000000,         0xffffffff,
    UINT64_MAX, INT64_MAX,  1ul << 47, (1ul << 47) - 8, 0xffff800000000000, 0xffffff0000000000,
    4096,       0x41414141, 253 * 4,   18432,
};

static uint64_t value_pick(void)
{
    uint64_t choice = random_next() % (2 * ARRAY_LENGTH(interesting));
    return choice < ARRAY_LENGTH(interesting) ? interesting[choice] : random_next() % 64;
}

static uint8_t *pages_new(void)
{
    uint8_t *pages =
        mmap(NULL, 4 * PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(pages + 3 * PAGE_BYTES, PAGE_BYTES);
    return pages;
}

static const int domains[] = {AF_UNIX, AF_INET, AF_INET6, AF_NETLINK};
static const int types[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET, SOCK_RAW};
static const int calls[] = {
    SYS_socket,     SYS_connect,    SYS_accept,     SYS_sendto,  SYS_recvfrom,    SYS_sendmsg,
    SYS_recvmsg,    SYS_shutdown,   SYS_bind,       SYS_listen,  SYS_getsockname, SYS_getpeername,
    SYS_socketpair, SYS_setsockopt, SYS_getsockopt, SYS_accept4, SYS_recvmmsg,    SYS_sendmmsg,
    SYS_ioctl,      SYS_read,       SYS_write,
};

/* An argument: a number, or an address of pages that end in nothing. */
static uint64_t argument_pick(uint8_t *pages)
{
    uint64_t offset =
        random_next() % 8 == 0 ? 3 * PAGE_BYTES - random_next() % 80 : random_next() % 256;
    return random_next() % 3 == 0 ? value_pick() : (uint64_t)(pages + offset);
}

static void calls_random(uint64_t seed)
{
    random_seed(seed);
    uint8_t *pages = pages_new();
    for (int i = 0; i < 4; i++) {
        for (int j = 0; j < 4; j++) {
            (void)socket(domains[i], types[j] | SOCK_NONBLOCK, 0);
        }
    }
    int pair[2];
    (void)socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair);
    (void)socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, pair);
    for (int i = 0; i < 20000; i++) {
        for (int j = 0; j < 8; j++) {
            uint64_t word = random_next() % 2 ? value_pick() : (uint64_t)pages + random_next() % 64;
            memcpy(pages + random_next() % 200, &word, sizeof(word));
        }
        pages[0] = (uint8_t)domains[random_next() % 4];
        pages[1] = 0;
        int call = calls[random_next() % ARRAY_LENGTH(calls)];
        uint64_t first =
            call == SYS_socket ? (uint64_t)domains[random_next() % 4] : 3 + random_next() % 24;
        uint64_t flags = random_next() % 2 ? MSG_DONTWAIT : MSG_DONTWAIT | random_next();
        syscall(call, first, argument_pick(pages), argument_pick(pages),
                call == SYS_ioctl ? argument_pick(pages) : flags, argument_pick(pages),
                argument_pick(pages));
    }
}

/* Control buffers whose headers say anything. */
static void control_random(uint64_t seed)
{
    static uint8_t control[CONTROL_BYTES];
    random_seed(seed);
    int pair[2];
    (void)socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, pair);
    for (int i = 0; i < 20000; i++) {
        char byte = 'x';
        struct iovec part = {&byte, 1};
        struct msghdr message = {.msg_iov = &part,
                                 .msg_iovlen = 1,
                                 .msg_control = control,
                                 .msg_controllen = (socklen_t)(random_next() % CONTROL_BYTES)};
        uint64_t at = 0;
        while (at + 32 < CONTROL_BYTES) {
            uint64_t length = random_next() % 4 == 0 ? value_pick() : 16 + random_next() % 40;
            int level = random_next() % 8 == 0 ? (int)random_next() : SOL_SOCKET;
            int type = 1 + (int)(random_next() % 3);
            memcpy(control + at, &length, sizeof(length));
            memcpy(control + at + 8, &level, sizeof(level));
            memcpy(control + at + 12, &type, sizeof(type));
            for (int j = 0; j < 6; j++) {
                int fd = (int)(random_next() % 6);
                memcpy(control + at + 16 + (size_t)j * 4, &fd, sizeof(fd));
            }
            at += 16 + random_next() % 64 / 8 * 8;
        }
        syscall(SYS_sendmsg, pair[0], &message, MSG_DONTWAIT);
        message.msg_controllen = (socklen_t)(random_next() % CONTROL_BYTES);
        syscall(SYS_recvmsg, pair[1], &message, MSG_DONTWAIT);
        for (int fd = 5; fd < 200 && i % 16 == 0; fd++) {
            close(fd);
        }
    }
}

static int file_send(int to, int file)
{
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {.header = {.cmsg_len = CMSG_LEN(sizeof(int)),
                            .cmsg_level = SOL_SOCKET,
                            .cmsg_type = SCM_RIGHTS}};
    char byte = 'x';
    struct iovec part = {&byte, 1};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof(control)};
    memcpy(CMSG_DATA(&control.header), &file, sizeof(file));
    return (int)sendmsg(to, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* Sockets sent through themselves until there are no more, over and over. */
static void circles_many(uint64_t limit)
{
    for (uint64_t i = 0; i < limit; i++) {
        int pair[2];
        if (socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) != 0) {
            break;
        }
        file_send(pair[0], pair[1]);
        file_send(pair[1], pair[0]);
        close(pair[0]);
        close(pair[1]);
    }
}

/* A chain of sockets, each in the packet of the next, that ends with the process. */
static void chain_long(uint64_t limit)
{
    int last = open("/", O_RDONLY);
    for (uint64_t i = 0; i < limit; i++) {
        int pair[2];
        if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0 || file_send(pair[0], last) != 1) {
            break;
        }
        close(pair[0]);
        close(last);
        last = pair[1];
    }
}

/* As much as sockets hold, in as many as there may be. */
static void bytes_many(uint64_t processes)
{
    static uint8_t bytes[65536];
    setpgid(0, 0);
    for (uint64_t i = 0; i < processes; i++) {
        if (fork() != 0) {
            continue;
        }
        int pair[2];
        while (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) == 0) {
            while (write(pair[0], bytes, sizeof(bytes)) > 0) {
            }
            while (write(pair[1], bytes, 1) > 0) {
            }
        }
        for (;;) {
            pause();
        }
    }
    sleep_ms(4000);
    kill(0, SIGKILL);
}

static volatile int shared[8];

static int racer(void *argument)
{
    uint64_t seed = (uint64_t)argument;
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "\0race"};
    char text[64];
    for (uint64_t i = 0; i < 3000; i++) {
        seed = seed * 6364136223846793005ull + 1442695040888963407ull;
        int descriptor = shared[seed >> 33 & 7];
        int other = shared[seed >> 40 & 7];
        switch (seed >> 50 & 15) {
        case 0:
            close(descriptor);
            break;
        case 1:
            shared[seed >> 33 & 7] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
            break;
        case 2:
            shared[seed >> 33 & 7] = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
            break;
        case 3:
            bind(descriptor, (struct sockaddr *)&address, 7);
            break;
        case 4:
            listen(descriptor, (int)(seed >> 60));
            break;
        case 5:
        case 6:
            connect(descriptor, (struct sockaddr *)&address, 7);
            break;
        case 7:
            shared[seed >> 33 & 7] = accept4(descriptor, NULL, NULL, SOCK_NONBLOCK);
            break;
        case 8:
            file_send(descriptor, other);
            break;
        case 9:
            shutdown(descriptor, (int)(seed >> 60 & 3));
            break;
        case 10: {
            int pair[2];
            if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) == 0) {
                shared[seed >> 33 & 7] = pair[0];
                shared[seed >> 40 & 7] = pair[1];
            }
            break;
        }
        case 11:
        case 12:
            recv(descriptor, text, sizeof(text), MSG_DONTWAIT | (int)(seed >> 60 & 2));
            break;
        default:
            send(descriptor, text, sizeof(text), MSG_DONTWAIT | MSG_NOSIGNAL);
            break;
        }
        if (i % 64 == 0) {
            close(3 + (int)(seed >> 20 & 63));
        }
    }
    return 0;
}

static void races(uint64_t threads)
{
    for (uint64_t i = 1; i < threads; i++) {
        thread_start(racer, (void *)(i * 7919), 0);
    }
    racer((void *)104729);
    sleep_ms(200);
}

int main(void)
{
    for (uint64_t seed = 1; seed <= 3; seed++) {
        attack("random calls of sockets", calls_random, seed, 20000);
        attack("random control messages", control_random, seed, 20000);
    }
    attack_that_ends("circles", circles_many, 3000, 60000);
    attack_that_ends("a long chain", chain_long, 12000, 60000);
    attack("all that sockets hold", bytes_many, 6, 10000);
    for (int i = 0; i < 3; i++) {
        attack("threads against each other", races, 4, 20000);
    }
    return attacks_result();
}
