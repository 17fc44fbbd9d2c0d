/* Connections over lo: how they begin, carry bytes, wait, fail and end, over IPv4 and IPv6. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "tests/linux/programs/program.h"

static void say_poll(const char *what, int descriptor)
{
    struct pollfd entry = {.fd = descriptor, .events = POLLIN | POLLOUT | POLLRDHUP};
    int result = poll(&entry, 1, 0);
    say("%s: poll %d,%s%s%s%s%s", what, result, entry.revents & POLLIN ? " IN" : "",
        entry.revents & POLLOUT ? " OUT" : "", entry.revents & POLLRDHUP ? " RDHUP" : "",
        entry.revents & POLLHUP ? " HUP" : "", entry.revents & POLLERR ? " ERR" : "");
}

static void events_wait(int descriptor, short events)
{
    struct pollfd entry = {.fd = descriptor, .events = events};
    must(poll(&entry, 1, 5000) == 1, "poll");
}

static struct sockaddr_in ip4(const char *address, int port)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    must(inet_pton(AF_INET, address, &name.sin_addr) == 1, "inet_pton");
    return name;
}

static struct sockaddr_in6 ip6(const char *address, int port)
{
    struct sockaddr_in6 name = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
    must(inet_pton(AF_INET6, address, &name.sin6_addr) == 1, "inet_pton");
    return name;
}

static int bind4(int descriptor, const char *address, int port)
{
    struct sockaddr_in name = ip4(address, port);
    return bind(descriptor, (struct sockaddr *)&name, sizeof(name));
}

static int bind6(int descriptor, const char *address, int port)
{
    struct sockaddr_in6 name = ip6(address, port);
    return bind(descriptor, (struct sockaddr *)&name, sizeof(name));
}

static int connect4(int descriptor, const char *address, int port)
{
    struct sockaddr_in name = ip4(address, port);
    return connect(descriptor, (struct sockaddr *)&name, sizeof(name));
}

static int connect6(int descriptor, const char *address, int port)
{
    struct sockaddr_in6 name = ip6(address, port);
    return connect(descriptor, (struct sockaddr *)&name, sizeof(name));
}

static int port_of(int descriptor)
{
    struct sockaddr_in6 name;
    socklen_t length = sizeof(name);
    must(getsockname(descriptor, (struct sockaddr *)&name, &length) == 0, "getsockname");
    return ntohs(name.sin6_port);
}

static void say_name(const char *what, int descriptor, bool of_peer, int port)
{
    struct sockaddr_in6 name;
    socklen_t length = sizeof(name);
    char text[64] = "";
    int result = of_peer ? getpeername(descriptor, (struct sockaddr *)&name, &length)
                         : getsockname(descriptor, (struct sockaddr *)&name, &length);
    if (result != 0) {
        say_result(what, result);
        return;
    }
    const struct sockaddr_in *name4 = (const struct sockaddr_in *)&name;
    const void *address = name.sin6_family == AF_INET ? (const void *)&name4->sin_addr
                                                      : (const void *)&name.sin6_addr;
    must(inet_ntop(name.sin6_family, address, text, sizeof(text)) != NULL, "inet_ntop");
    say("%s: %u bytes, %s, right port %d", what, length, text, ntohs(name.sin6_port) == port);
}

static void say_option(const char *what, int descriptor, int level, int name)
{
    int value = -1;
    socklen_t length = sizeof(value);
    int result = getsockopt(descriptor, level, name, &value, &length);
    if (result != 0) {
        say_result(what, result);
    } else {
        say("%s: %d (%u bytes)", what, value, length);
    }
}

static void option_set(int descriptor, int level, int name, int value)
{
    must(setsockopt(descriptor, level, name, &value, sizeof(value)) == 0, "setsockopt");
}

/* A listening socket, and a connection to it: [0] accepted, [1] that which connected. */
static int listen4(int backlog)
{
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    must(bind4(listener, "127.0.0.1", 0) == 0 && listen(listener, backlog) == 0, "listen");
    return listener;
}

static void connection_make(int connection[2])
{
    int listener = listen4(5);
    connection[1] = socket(AF_INET, SOCK_STREAM, 0);
    must(connect4(connection[1], "127.0.0.1", port_of(listener)) == 0, "connect");
    connection[0] = accept(listener, NULL, NULL);
    must(connection[0] >= 0, "accept");
    close(listener);
}

static void making_check(void)
{
    say_result("wrong protocol", socket(AF_INET, SOCK_STREAM, IPPROTO_UDP));
    say_result("wrong type", socket(AF_INET, SOCK_SEQPACKET, 0));
    int one = socket(AF_INET, SOCK_STREAM, 0);
    say_option("domain", one, SOL_SOCKET, SO_DOMAIN);
    say_option("type", one, SOL_SOCKET, SO_TYPE);
    say_option("protocol", one, SOL_SOCKET, SO_PROTOCOL);
    say_name("new", one, false, 0);
    say_name("its peer", one, true, 0);
    say_poll("new", one);
    char byte;
    say_result("read, not connected", read(one, &byte, 1));
    say_result("send, not connected", send(one, "x", 1, MSG_NOSIGNAL));
    say_result("shutdown, not connected", shutdown(one, SHUT_WR));
    say_result("accept without listen", accept(one, NULL, NULL));
    say_result("bind to an address that is not ours", bind4(one, "192.0.2.1", 0));
    struct sockaddr_in6 other = ip6("::1", 0);
    say_result("bind of the other family", bind(one, (struct sockaddr *)&other, sizeof(other)));
    say_result("bind with a short address", bind(one, (struct sockaddr *)&other, 8));
    option_set(one, IPPROTO_TCP, TCP_NODELAY, 1);
    say_option("no delay", one, IPPROTO_TCP, TCP_NODELAY);
    option_set(one, SOL_SOCKET, SO_KEEPALIVE, 1);
    option_set(one, IPPROTO_TCP, TCP_KEEPIDLE, 60);
    say_option("keep alive", one, SOL_SOCKET, SO_KEEPALIVE);
    say_option("idle time", one, IPPROTO_TCP, TCP_KEEPIDLE);
    say_option("interval", one, IPPROTO_TCP, TCP_KEEPINTVL);
    say_option("count", one, IPPROTO_TCP, TCP_KEEPCNT);
    say_option("unknown option", one, IPPROTO_TCP, 999);
    struct linger linger = {1, 5};
    socklen_t length = sizeof(linger);
    must(setsockopt(one, SOL_SOCKET, SO_LINGER, &linger, length) == 0, "SO_LINGER");
    linger = (struct linger){0, 0};
    must(getsockopt(one, SOL_SOCKET, SO_LINGER, &linger, &length) == 0, "SO_LINGER");
    say("linger: %d %d", linger.l_onoff, linger.l_linger);
    close(one);
}

static void connect_check(void)
{
    int listener = listen4(5);
    int port = port_of(listener);
    say_name("listener", listener, false, port);
    say_poll("listener", listener);
    int client = socket(AF_INET, SOCK_STREAM, 0);
    say_result("connect", connect4(client, "127.0.0.1", port));
    say_result("connect again", connect4(client, "127.0.0.1", port));
    say_name("peer", client, true, port);
    events_wait(listener, POLLIN);
    say_poll("listener with one waiting", listener);
    struct sockaddr_in from;
    socklen_t length = sizeof(from);
    int server = accept4(listener, (struct sockaddr *)&from, &length, SOCK_CLOEXEC | SOCK_NONBLOCK);
    say("accepted: %u bytes, right port %d, flags %#x %d", length,
        ntohs(from.sin_port) == port_of(client), fcntl(server, F_GETFL), fcntl(server, F_GETFD));
    say_name("accepted", server, false, port);
    say_poll("connected", client);
    say_result("connect of a listener", connect4(listener, "127.0.0.1", port));
    say_result("bind of a connected one", bind4(client, "127.0.0.1", 0));
    close(client);
    close(server);
    close(listener);
    client = socket(AF_INET, SOCK_STREAM, 0);
    say_result("connect to nobody", connect4(client, "127.0.0.1", port));
    close(client);
    client = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    say_result("connect to nobody without waiting", connect4(client, "127.0.0.1", port));
    events_wait(client, POLLOUT);
    say_poll("refused", client);
    say_option("error", client, SOL_SOCKET, SO_ERROR);
    say_option("error again", client, SOL_SOCKET, SO_ERROR);
    say_result("connect when the error was asked for", connect4(client, "127.0.0.1", port));
    say_result("connect after that", connect4(client, "127.0.0.1", port));
    events_wait(client, POLLOUT);
    say_result("connect when it was not", connect4(client, "127.0.0.1", port));
    say_option("error", client, SOL_SOCKET, SO_ERROR);
    listener = listen4(5);
    port = port_of(listener);
    say_result("connect to somebody", connect4(client, "127.0.0.1", port));
    events_wait(client, POLLOUT);
    say_result("connect when that is done", connect4(client, "127.0.0.1", port));
    say_result("connect once more", connect4(client, "127.0.0.1", port));
    say_option("error", client, SOL_SOCKET, SO_ERROR);
    close(listener);
    close(client);
    listener = listen4(5);
    client = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    say_result("connect without waiting", connect4(client, "127.0.0.1", port_of(listener)));
    events_wait(client, POLLOUT);
    say_option("error", client, SOL_SOCKET, SO_ERROR);
    say_result("accept without waiting", fcntl(listener, F_SETFL, O_NONBLOCK));
    server = accept(listener, NULL, NULL);
    say_result("accept when none waits", accept(listener, NULL, NULL));
    close(server);
    close(client);
    client = socket(AF_INET, SOCK_STREAM, 0);
    say_result("connect to all of 127", connect4(client, "127.1.2.3", port_of(listener)));
    close(client);
    close(listener);
    listener = socket(AF_INET, SOCK_STREAM, 0);
    must(bind4(listener, "127.1.2.3", 0) == 0 && listen(listener, 5) == 0, "listen");
    client = socket(AF_INET, SOCK_STREAM, 0);
    port = port_of(listener);
    say_result("connect to 127.1.2.3", connect4(client, "127.1.2.3", port));
    say_name("its peer", client, true, port);
    close(client);
    close(listener);
    listener = socket(AF_INET, SOCK_STREAM, 0);
    must(bind4(listener, "0.0.0.0", 0) == 0 && listen(listener, 5) == 0, "listen");
    port = port_of(listener);
    client = socket(AF_INET, SOCK_STREAM, 0);
    say_result("connect to 127.9.9.9 at the wildcard", connect4(client, "127.9.9.9", port));
    server = accept(listener, NULL, NULL);
    say_name("the accepted", server, false, port);
    close(server);
    close(client);
    client = socket(AF_INET, SOCK_STREAM, 0);
    say_result("connect to 0.0.0.0", connect4(client, "0.0.0.0", port));
    say_name("its peer", client, true, port);
    close(client);
    close(listener);
}

static int echo_server(void *argument)
{
    static char buffer[30000];
    int listener = *(int *)argument;
    int connection = accept(listener, NULL, NULL);
    ssize_t count;
    while ((count = read(connection, buffer, sizeof(buffer))) > 0) {
        must(write(connection, buffer, (size_t)count) == count, "write");
    }
    close(connection);
    return count == 0 ? 0 : 1;
}

static void bytes_check(void)
{
    enum {
        TOTAL = 1000000
    };
    static uint8_t out[TOTAL];
    static uint8_t in[TOTAL];
    for (int i = 0; i < TOTAL; i++) {
        out[i] = (uint8_t)(i * 7 + i / 251);
    }
    int listener = listen4(1);
    pid_t pid = fork();
    if (pid == 0) {
        _exit(echo_server(&listener));
    }
    int client = socket(AF_INET, SOCK_STREAM, 0);
    must(connect4(client, "127.0.0.1", port_of(listener)) == 0, "connect");
    for (int i = 0; i < 100; i++) {
        must(write(client, &out[i], 1) == 1 && read(client, &in[0], 1) == 1 && in[0] == out[i],
             "a byte and its echo");
    }
    pid_t writer = fork();
    if (writer == 0) {
        size_t done = 0;
        while (done < TOTAL) {
            ssize_t count = write(client, out + done, TOTAL - done);
            must(count > 0, "write");
            done += (size_t)count;
        }
        _exit(0);
    }
    say("echoed: %zd", recv(client, in, TOTAL, MSG_WAITALL));
    say("the same: %d", memcmp(in, out, TOTAL) == 0);
    say_status("writer", child_wait(writer));
    shutdown(client, SHUT_WR);
    say_result("the end", read(client, in, 1));
    say_status("echo", child_wait(pid));
    close(client);
    close(listener);
}

static void ends_check(void)
{
    int connection[2];
    char text[64];
    connection_make(connection);
    struct iovec parts[2] = {{(char[]){"two"}, 3}, {(char[]){"parts"}, 5}};
    must(writev(connection[0], parts, 2) == 8, "writev");
    events_wait(connection[1], POLLIN);
    int waiting = 0;
    must(ioctl(connection[1], FIONREAD, &waiting) == 0, "FIONREAD");
    say("waiting: %d", waiting);
    say_result("look ahead", recv(connection[1], text, 5, MSG_PEEK));
    say_result("read", read(connection[1], text, sizeof(text)));
    say("it is %.8s", text);
    say_result("without waiting", recv(connection[1], text, 1, MSG_DONTWAIT));
    must(shutdown(connection[0], SHUT_WR) == 0, "shutdown");
    events_wait(connection[1], POLLIN);
    say_poll("peer sends no more", connection[1]);
    say_result("read", read(connection[1], text, 1));
    say_result("write to it", write(connection[1], "still", 5));
    say_result("it reads", read(connection[0], text, sizeof(text)));
    say_result("it writes", send(connection[0], "x", 1, MSG_NOSIGNAL));
    must(shutdown(connection[1], SHUT_WR) == 0, "shutdown");
    events_wait(connection[0], POLLIN);
    say_poll("both ended", connection[0]);
    say_result("read", read(connection[0], text, 1));
    say_name("the name that is left", connection[0], true, port_of(connection[1]));
    close(connection[0]);
    close(connection[1]);

    connection_make(connection);
    must(write(connection[1], "unread", 6) == 6, "write");
    events_wait(connection[0], POLLIN);
    close(connection[0]);
    events_wait(connection[1], POLLIN);
    say_result("read after a close with bytes unread", read(connection[1], text, 1));
    say_poll("reset", connection[1]);
    say_result("write after it", send(connection[1], "x", 1, MSG_NOSIGNAL));
    close(connection[1]);

    connection_make(connection);
    const struct linger linger = {1, 0};
    must(setsockopt(connection[0], SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)) == 0, "linger");
    close(connection[0]);
    events_wait(connection[1], POLLIN);
    say_option("a close that lingers for no time", connection[1], SOL_SOCKET, SO_ERROR);
    close(connection[1]);

    connection_make(connection);
    close(connection[0]);
    events_wait(connection[1], POLLIN);
    say_result("read after a close", read(connection[1], text, 1));
    say_result("first write after it", send(connection[1], "x", 1, MSG_NOSIGNAL));
    events_wait(connection[1], POLLERR);
    say_result("second write", send(connection[1], "x", 1, MSG_NOSIGNAL));
    close(connection[1]);

    connection_make(connection);
    struct timeval time = {.tv_usec = 20000};
    must(setsockopt(connection[0], SOL_SOCKET, SO_RCVTIMEO, &time, sizeof(time)) == 0, "timeout");
    say_result("read with a timeout", read(connection[0], text, 1));
    must(shutdown(connection[0], SHUT_RD) == 0, "shutdown");
    say_result("read after its own shutdown", read(connection[0], text, 1));
    close(connection[0]);
    close(connection[1]);
}

static void full_check(void)
{
    int connection[2];
    static char block[100000];
    connection_make(connection);
    must(fcntl(connection[0], F_SETFL, O_NONBLOCK) == 0, "fcntl");
    long total = 0;
    ssize_t count;
    for (int quiet = 0; quiet < 5; quiet++) {
        while ((count = write(connection[0], block, sizeof(block))) > 0) {
            total += count;
            quiet = 0;
        }
        sleep_ms(5);
    }
    say("full: %s, after more than 50000: %d", error_name(errno), total > 50000);
    say_poll("full", connection[0]);
    long got = 0;
    while (got < total && (count = read(connection[1], block, sizeof(block))) > 0) {
        got += count;
    }
    say("all came: %d", got == total);
    events_wait(connection[0], POLLOUT);
    say_poll("empty again", connection[0]);
    close(connection[0]);
    close(connection[1]);
}

static void reuse_check(void)
{
    int listener = listen4(5);
    int port = port_of(listener);
    int other = socket(AF_INET, SOCK_STREAM, 0);
    say_result("bind to a port in use", bind4(other, "127.0.0.1", port));
    say_result("bind of the wildcard", bind4(other, "0.0.0.0", port));
    say_result("bind to another address", bind4(other, "127.0.0.2", port));
    close(other);
    other = socket(AF_INET, SOCK_STREAM, 0);
    option_set(other, SOL_SOCKET, SO_REUSEADDR, 1);
    option_set(listener, SOL_SOCKET, SO_REUSEADDR, 1);
    say_result("bind with reuse to one that listens", bind4(other, "127.0.0.1", port));
    int client = socket(AF_INET, SOCK_STREAM, 0);
    must(connect4(client, "127.0.0.1", port) == 0, "connect");
    int server = accept(listener, NULL, NULL);
    close(listener);
    say_result("bind with reuse while a connection is left", bind4(other, "127.0.0.1", port));
    say_result("listen", listen(other, 5));
    close(server);
    char byte;
    must(read(client, &byte, 1) == 0, "read");
    close(client);
    close(other);
    other = socket(AF_INET, SOCK_STREAM, 0);
    option_set(other, SOL_SOCKET, SO_REUSEADDR, 1);
    say_result("bind with reuse after all are closed", bind4(other, "127.0.0.1", port));
    close(other);
}

static void ip6_check(void)
{
    int listener = socket(AF_INET6, SOCK_STREAM, 0);
    say_option("IPv6 alone", listener, IPPROTO_IPV6, IPV6_V6ONLY);
    must(bind6(listener, "::", 0) == 0 && listen(listener, 5) == 0, "listen");
    int port = port_of(listener);
    say_name("listener", listener, false, port);
    int client = socket(AF_INET6, SOCK_STREAM, 0);
    say_result("connect to ::1", connect6(client, "::1", port));
    say_name("peer", client, true, port);
    int server = accept(listener, NULL, NULL);
    say_name("accepted", server, false, port);
    char byte;
    must(write(client, "6", 1) == 1 && read(server, &byte, 1) == 1, "a byte");
    close(client);
    close(server);
    client = socket(AF_INET, SOCK_STREAM, 0);
    say_result("connect by IPv4", connect4(client, "127.0.0.1", port));
    server = accept(listener, NULL, NULL);
    say_name("accepted", server, false, port);
    say_name("its peer", server, true, port_of(client));
    close(client);
    close(server);
    client = socket(AF_INET6, SOCK_STREAM, 0);
    say_result("connect to ::ffff:127.0.0.1", connect6(client, "::ffff:127.0.0.1", port));
    close(client);
    int other = socket(AF_INET, SOCK_STREAM, 0);
    say_result("bind of IPv4 to a port in use for both", bind4(other, "0.0.0.0", port));
    close(other);
    close(listener);
    listener = socket(AF_INET6, SOCK_STREAM, 0);
    option_set(listener, IPPROTO_IPV6, IPV6_V6ONLY, 1);
    must(bind6(listener, "::", 0) == 0 && listen(listener, 5) == 0, "listen");
    port = port_of(listener);
    client = socket(AF_INET, SOCK_STREAM, 0);
    say_result("connect by IPv4 to IPv6 alone", connect4(client, "127.0.0.1", port));
    close(client);
    close(listener);
}

/* Many connections that are not accepted yet: each may send a little, and all once it is. */
static void queue_check(void)
{
    enum {
        CONNECTIONS = 30,
        BYTES = 20000,
    };
    static char bytes[BYTES];
    int listener = listen4(CONNECTIONS);
    int client[CONNECTIONS];
    int good = 0;
    for (int i = 0; i < CONNECTIONS; i++) {
        client[i] = socket(AF_INET, SOCK_STREAM, 0);
        must(connect4(client[i], "127.0.0.1", port_of(listener)) == 0, "connect");
        events_wait(client[i], POLLOUT);
        good += write(client[i], bytes, 1000) == 1000;
    }
    say("sent before they are accepted: %d", good);
    pid_t pid = fork();
    if (pid == 0) {
        good = 0;
        for (int i = 0; i < CONNECTIONS; i++) {
            good += write(client[i], bytes, BYTES) == BYTES;
        }
        say("sent: %d", good);
        _exit(0);
    }
    sleep_ms(50);
    good = 0;
    int server[CONNECTIONS];
    for (int i = 0; i < CONNECTIONS; i++) {
        server[i] = accept(listener, NULL, NULL);
    }
    child_wait(pid);
    for (int i = 0; i < CONNECTIONS; i++) {
        good += recv(server[i], bytes, BYTES, MSG_WAITALL) == BYTES;
        good += recv(server[i], bytes, BYTES, 0) == 1000;
        close(server[i]);
        close(client[i]);
    }
    say("arrived: %d", good);
    close(listener);
}

int main(void)
{
    making_check();
    connect_check();
    bytes_check();
    ends_check();
    full_check();
    reuse_check();
    ip6_check();
    queue_check();
    return 0;
}
