/* Round trips of one byte between two processes, and of a futex between two threads. */
#include "bench/linux/micro/micro.h"

#include <arpa/inet.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* Ours, and those of the process that sends back what it gets. */
static int read_end;
static int write_end;
static pid_t echo;

static void echo_start(int their_read_end, int their_write_end)
{
    echo = fork();
    must(echo >= 0, "fork");
    if (echo == 0) {
        close(read_end);
        close(write_end);
        char byte;
        while (read(their_read_end, &byte, 1) == 1 && write(their_write_end, &byte, 1) == 1) {
        }
        _exit(0);
    }
    close(their_read_end);
    close(their_write_end);
}

static void round_trip(void)
{
    char byte = 1;
    must(write(write_end, &byte, 1) == 1 && read(read_end, &byte, 1) == 1, "round trip");
}

static void echo_end(void)
{
    close(read_end);
    close(write_end);
    must(waitpid(echo, NULL, 0) == echo, "waitpid");
}

static void pipe_prepare(void)
{
    int there[2];
    int back[2];
    must(pipe(there) == 0 && pipe(back) == 0, "pipe");
    read_end = back[0];
    write_end = there[1];
    echo_start(there[0], back[1]);
}

static void unix_prepare(void)
{
    int ends[2];
    must(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0, "socketpair");
    read_end = ends[0];
    write_end = ends[0];
    echo_start(ends[1], ends[1]);
}

static void tcp_prepare(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(address);
    int one = 1;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    must(listener >= 0 && bind(listener, (struct sockaddr *)&address, length) == 0 &&
             listen(listener, 1) == 0 &&
             getsockname(listener, (struct sockaddr *)&address, &length) == 0,
         "listen");
    int client = socket(AF_INET, SOCK_STREAM, 0);
    must(client >= 0 && connect(client, (struct sockaddr *)&address, length) == 0, "connect");
    int server = accept(listener, NULL, NULL);
    must(server >= 0, "accept");
    setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    setsockopt(server, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    close(listener);
    read_end = client;
    write_end = client;
    echo_start(server, server);
}

/* --- futex --- */

/* futex(2): musl has no header of it. */
#define FUTEX_WAIT_PRIVATE 128
#define FUTEX_WAKE_PRIVATE 129

#define TURN_OURS   0
#define TURN_THEIRS 1
#define TURN_OVER   2

static uint32_t turn;
static pthread_t partner;

static void turn_set(uint32_t value)
{
    __atomic_store_n(&turn, value, __ATOMIC_RELEASE);
    syscall(SYS_futex, &turn, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

static void turn_await(uint32_t while_it_is)
{
    while (__atomic_load_n(&turn, __ATOMIC_ACQUIRE) == while_it_is) {
        syscall(SYS_futex, &turn, FUTEX_WAIT_PRIVATE, while_it_is, NULL, NULL, 0);
    }
}

static void *partner_run(void *argument)
{
    for (;;) {
        turn_await(TURN_OURS);
        if (__atomic_load_n(&turn, __ATOMIC_ACQUIRE) == TURN_OVER) {
            return argument;
        }
        turn_set(TURN_OURS);
    }
}

static void futex_prepare(void)
{
    turn = TURN_OURS;
    must(pthread_create(&partner, NULL, partner_run, NULL) == 0, "pthread_create");
}

static void futex_operate(void)
{
    turn_set(TURN_THEIRS);
    turn_await(TURN_THEIRS);
}

static void futex_finish(void)
{
    turn_set(TURN_OVER);
    must(pthread_join(partner, NULL) == 0, "pthread_join");
}

const struct item pair_items[] = {
    {"pipe.roundtrip", 1000, 1, pipe_prepare, round_trip, echo_end},
    {"unix.roundtrip", 1000, 1, unix_prepare, round_trip, echo_end},
    {"tcp.roundtrip", 1000, 1, tcp_prepare, round_trip, echo_end},
    {"futex.wake", 1000, 2, futex_prepare, futex_operate, futex_finish},
    {NULL, 0, 0, NULL, NULL, NULL},
};
