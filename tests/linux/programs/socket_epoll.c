/* A server with one edge-triggered epoll for connections of both families, and clients that send
 * and read at once: nothing is lost, no wake-up is missed, ends arrive. */
#include <netinet/in.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "tests/linux/programs/program.h"

#define CLIENTS     8
#define TOTAL_BYTES 300000
#define HELD_BYTES  5000

/* A connection of the server, and what it has read and not yet written back. */
struct connection {
    int descriptor;
    size_t start;
    size_t held;
    bool ended;
    char bytes[HELD_BYTES];
};

static int listeners[2];
static struct sockaddr_in tcp_name;
static struct sockaddr_un unix_name = {.sun_family = AF_UNIX, .sun_path = "\0oak-epoll"};
static const socklen_t unix_bytes = offsetof(struct sockaddr_un, sun_path) + 10;

static void listeners_make(void)
{
    socklen_t length = sizeof(tcp_name);
    listeners[0] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    listeners[1] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    tcp_name.sin_family = AF_INET;
    tcp_name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    must(bind(listeners[0], (struct sockaddr *)&tcp_name, sizeof(tcp_name)) == 0 &&
             getsockname(listeners[0], (struct sockaddr *)&tcp_name, &length) == 0 &&
             listen(listeners[0], 16) == 0,
         "a listener of TCP");
    must(bind(listeners[1], (struct sockaddr *)&unix_name, unix_bytes) == 0 &&
             listen(listeners[1], 16) == 0,
         "a Unix listener");
}

static void accept_all(int epoll, int listener)
{
    for (;;) {
        int descriptor = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
        if (descriptor < 0) {
            must(errno == EAGAIN, "accept");
            return;
        }
        struct connection *connection = calloc(1, sizeof(*connection));
        must(connection != NULL, "calloc");
        connection->descriptor = descriptor;
        struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
                                    .data.ptr = connection};
        must(epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &event) == 0, "epoll_ctl");
    }
}

/* Move bytes until neither direction goes on; true: it is over. */
static bool echo(struct connection *connection)
{
    for (;;) {
        bool moved = false;
        if (connection->held == 0 && !connection->ended) {
            ssize_t count = read(connection->descriptor, connection->bytes, HELD_BYTES);
            must(count >= 0 || errno == EAGAIN, "read");
            connection->ended = count == 0;
            connection->start = 0;
            connection->held = count > 0 ? (size_t)count : 0;
            moved = count > 0;
        }
        if (connection->held > 0) {
            ssize_t count = write(connection->descriptor, connection->bytes + connection->start,
                                  connection->held);
            must(count > 0 || errno == EAGAIN, "write");
            if (count > 0) {
                connection->start += (size_t)count;
                connection->held -= (size_t)count;
                moved = true;
            }
        }
        if (connection->ended && connection->held == 0) {
            return true;
        }
        if (!moved) {
            return false;
        }
    }
}

static void *server(void *argument)
{
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    int over = 0;
    (void)argument;
    for (int i = 0; i < 2; i++) {
        struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.ptr = &listeners[i]};
        must(epoll_ctl(epoll, EPOLL_CTL_ADD, listeners[i], &event) == 0, "epoll_ctl");
    }
    while (over < CLIENTS) {
        struct epoll_event events[4];
        int count = epoll_wait(epoll, events, 4, 20000);
        must(count > 0, "epoll_wait");
        for (int i = 0; i < count; i++) {
            if (events[i].data.ptr == &listeners[0] || events[i].data.ptr == &listeners[1]) {
                accept_all(epoll, *(int *)events[i].data.ptr);
                continue;
            }
            struct connection *connection = events[i].data.ptr;
            if (echo(connection)) {
                close(connection->descriptor);
                free(connection);
                over++;
            }
        }
    }
    close(epoll);
    return NULL;
}

static uint8_t byte_at(int client, int at)
{
    return (uint8_t)(client * 31 + at * 7 + at / 253);
}

static void *writer(void *argument)
{
    int descriptor = ((int *)argument)[0];
    int client = ((int *)argument)[1];
    uint8_t bytes[3000];
    for (int at = 0; at < TOTAL_BYTES; at += (int)sizeof(bytes)) {
        for (int i = 0; i < (int)sizeof(bytes); i++) {
            bytes[i] = byte_at(client, at + i);
        }
        must(write(descriptor, bytes, sizeof(bytes)) == sizeof(bytes), "write");
    }
    must(shutdown(descriptor, SHUT_WR) == 0, "shutdown");
    return NULL;
}

static void *client(void *argument)
{
    int number = *(int *)argument;
    bool tcp = number % 2 == 0;
    int descriptor = socket(tcp ? AF_INET : AF_UNIX, SOCK_STREAM, 0);
    must(connect(descriptor, tcp ? (struct sockaddr *)&tcp_name : (struct sockaddr *)&unix_name,
                 tcp ? sizeof(tcp_name) : unix_bytes) == 0,
         "connect");
    int both[2] = {descriptor, number};
    pthread_t thread;
    must(pthread_create(&thread, NULL, writer, both) == 0, "pthread_create");
    uint8_t bytes[1700];
    int at = 0;
    ssize_t count;
    while ((count = read(descriptor, bytes, sizeof(bytes))) > 0) {
        for (int i = 0; i < count; i++) {
            must(bytes[i] == byte_at(number, at + i), "the right byte");
        }
        at += (int)count;
    }
    must(count == 0 && at == TOTAL_BYTES, "all bytes");
    pthread_join(thread, NULL);
    close(descriptor);
    return NULL;
}

int main(void)
{
    pthread_t threads[CLIENTS + 1];
    int numbers[CLIENTS];
    listeners_make();
    must(pthread_create(&threads[CLIENTS], NULL, server, NULL) == 0, "pthread_create");
    for (int i = 0; i < CLIENTS; i++) {
        numbers[i] = i;
        must(pthread_create(&threads[i], NULL, client, &numbers[i]) == 0, "pthread_create");
    }
    for (int i = 0; i <= CLIENTS; i++) {
        pthread_join(threads[i], NULL);
    }
    say("%d clients had their bytes back", CLIENTS);
    return 0;
}
