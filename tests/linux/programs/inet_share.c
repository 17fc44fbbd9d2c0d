/* Sockets that share a port by SO_REUSEPORT: who may, and who of them gets what arrives. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include "tests/linux/programs/program.h"

#define SENDERS 64

static struct sockaddr_in here(int port)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static int socket_new(int type, bool reuse_port, bool reuse_address)
{
    int descriptor = socket(AF_INET, type, 0);
    int on = 1;
    must(descriptor >= 0, "socket");
    must(!reuse_port || setsockopt(descriptor, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) == 0,
         "SO_REUSEPORT");
    must(!reuse_address || setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0,
         "SO_REUSEADDR");
    return descriptor;
}

static int bind_to(int descriptor, int port)
{
    struct sockaddr_in name = here(port);
    return bind(descriptor, (struct sockaddr *)&name, sizeof(name));
}

static int connect_to(int descriptor, int port)
{
    struct sockaddr_in name = here(port);
    return connect(descriptor, (struct sockaddr *)&name, sizeof(name));
}

static int port_of(int descriptor)
{
    struct sockaddr_in name;
    socklen_t length = sizeof(name);
    must(getsockname(descriptor, (struct sockaddr *)&name, &length) == 0, "getsockname");
    return ntohs(name.sin_port);
}

static bool is_ready(int descriptor)
{
    struct pollfd entry = {.fd = descriptor, .events = POLLIN};
    return poll(&entry, 1, 0) == 1;
}

static int accept_all(int listener)
{
    int count = 0;
    while (is_ready(listener)) {
        int made = accept(listener, NULL, NULL);
        must(made >= 0, "accept");
        close(made);
        count++;
    }
    return count;
}

static int other_user_bind(void *argument)
{
    must(setgid(OTHER_GROUP) == 0 && setuid(OTHER_USER) == 0, "setuid");
    int other = socket_new(SOCK_STREAM, true, false);
    say_result("bind as another user", bind_to(other, *(int *)argument));
    return 0;
}

static void listeners_check(void)
{
    int first = socket_new(SOCK_STREAM, true, false);
    must(bind_to(first, 0) == 0, "bind");
    int port = port_of(first);
    int second = socket_new(SOCK_STREAM, true, false);
    say_result("bind of a second", bind_to(second, port));
    int without = socket_new(SOCK_STREAM, false, true);
    say_result("bind of one without the option", bind_to(without, port));
    child_run(other_user_bind, &port);
    say_result("listen of the first", listen(first, SENDERS));
    say_result("listen of the second", listen(second, SENDERS));
    int late = socket_new(SOCK_STREAM, true, false);
    say_result("bind while they listen", bind_to(late, port));
    close(late);
    int clients[SENDERS];
    for (int i = 0; i < SENDERS; i++) {
        clients[i] = socket_new(SOCK_STREAM, false, false);
        must(connect_to(clients[i], port) == 0, "connect");
    }
    int one = accept_all(first), two = accept_all(second);
    say("accepted: %d, by both: %s", one + two, one > 0 && two > 0 ? "yes" : "no");
    for (int i = 0; i < SENDERS; i++) {
        close(clients[i]);
    }
    close(first);
    int client = socket_new(SOCK_STREAM, false, false);
    say_result("connect when the first has gone", connect_to(client, port));
    say("accepted by the second: %d", accept_all(second));
    close(client);
    close(second);
    close(without);
}

/* Two that were bound by SO_REUSEADDR, of which one may listen. */
static void address_check(void)
{
    int first = socket_new(SOCK_STREAM, false, true);
    int second = socket_new(SOCK_STREAM, false, true);
    must(bind_to(first, 0) == 0, "bind");
    int port = port_of(first);
    say_result("SO_REUSEADDR: bind of a second", bind_to(second, port));
    say_result("listen of the first", listen(first, 1));
    say_result("listen of the second", listen(second, 1));
    close(first);
    say_result("listen of the second when the first has gone", listen(second, 1));
    close(second);
}

static void datagrams_check(void)
{
    int receivers[2];
    receivers[0] = socket_new(SOCK_DGRAM, true, false);
    must(bind_to(receivers[0], 0) == 0, "bind");
    int port = port_of(receivers[0]);
    receivers[1] = socket_new(SOCK_DGRAM, true, false);
    say_result("datagrams: bind of a second", bind_to(receivers[1], port));
    int without = socket_new(SOCK_DGRAM, false, false);
    say_result("bind of one without the option", bind_to(without, port));
    close(without);
    int got[2] = {0, 0};
    int split = 0;
    for (int i = 0; i < SENDERS; i++) {
        int sender = socket_new(SOCK_DGRAM, false, false);
        must(connect_to(sender, port) == 0, "connect");
        must(send(sender, "1", 1, 0) == 1 && send(sender, "2", 1, 0) == 1, "send");
        for (int j = 0; j < 2; j++) {
            int count = 0;
            char text[2];
            while (recv(receivers[j], text, sizeof(text), MSG_DONTWAIT) == 1) {
                count++;
            }
            got[j] += count;
            split += count == 1;
        }
        close(sender);
    }
    say("got: %d, by both: %s, of senders whose datagrams were parted: %d", got[0] + got[1],
        got[0] > 0 && got[1] > 0 ? "yes" : "no", split);
    int peer = socket_new(SOCK_DGRAM, false, false);
    must(bind_to(peer, 0) == 0, "bind");
    must(connect_to(receivers[0], port_of(peer)) == 0, "connect");
    struct sockaddr_in name = here(port);
    char text[2];
    must(sendto(peer, "3", 1, 0, (struct sockaddr *)&name, sizeof(name)) == 1, "sendto");
    say_result("the connected one gets what its peer sends",
               recv(receivers[0], text, sizeof(text), MSG_DONTWAIT));
    close(peer);
    close(receivers[0]);
    close(receivers[1]);
}

int main(void)
{
    listeners_check();
    address_check();
    datagrams_check();
    return 0;
}
