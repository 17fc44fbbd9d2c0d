/* connect to AF_UNSPEC, which ends what a TCP socket is: idle, connected, listening. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include "tests/linux/programs/program.h"

static struct sockaddr_in name_of(int descriptor)
{
    struct sockaddr_in name;
    socklen_t length = sizeof(name);
    must(getsockname(descriptor, (struct sockaddr *)&name, &length) == 0, "getsockname");
    return name;
}

static int stream(void)
{
    int descriptor = socket(AF_INET, SOCK_STREAM, 0);
    must(descriptor >= 0, "socket");
    return descriptor;
}

static int listener_make(void)
{
    int descriptor = stream();
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    must(bind(descriptor, (struct sockaddr *)&name, sizeof(name)) == 0, "bind");
    must(listen(descriptor, 5) == 0, "listen");
    return descriptor;
}

static int connect_at(int descriptor, int listener)
{
    struct sockaddr_in name = name_of(listener);
    return connect(descriptor, (struct sockaddr *)&name, sizeof(name));
}

static int disconnect(int descriptor, socklen_t length)
{
    struct sockaddr name = {.sa_family = AF_UNSPEC};
    return connect(descriptor, &name, length);
}

static void state_say(const char *what, int descriptor)
{
    struct sockaddr_in peer;
    socklen_t length = sizeof(peer);
    struct pollfd events = {.fd = descriptor, .events = POLLIN | POLLOUT | POLLRDHUP};
    int error = 0;
    must(poll(&events, 1, 0) >= 0, "poll");
    say("%s: events %#x", what, (unsigned)events.revents);
    say_result(what, getpeername(descriptor, (struct sockaddr *)&peer, &length));
    length = sizeof(error);
    must(getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &error, &length) == 0, "SO_ERROR");
    say("%s: error %s", what, error_name(error));
    struct sockaddr_in name = name_of(descriptor);
    say("%s: address %s, a port %d", what, inet_ntoa(name.sin_addr), name.sin_port != 0);
}

static void connected_check(int listener)
{
    char text[16];
    int client = stream();
    say_result("idle", disconnect(client, sizeof(struct sockaddr)));
    state_say("idle", client);
    say_result("too short", disconnect(client, 1));
    must(connect_at(client, listener) == 0, "connect");
    int served = accept(listener, NULL, NULL);
    must(send(served, "unread", 6, 0) == 6, "send");
    say_result("connected", disconnect(client, sizeof(sa_family_t)));
    state_say("disconnected", client);
    say_result("its peer reads", recv(served, text, sizeof(text), 0));
    say_result("receive", recv(client, text, sizeof(text), 0));
    say_result("send", send(client, "x", 1, MSG_NOSIGNAL));
    close(served);
    say_result("connect again", connect_at(client, listener));
    served = accept(listener, NULL, NULL);
    must(send(served, "hello", 5, 0) == 5, "send");
    say_result("receive again", recv(client, text, sizeof(text), 0));
    state_say("connected again", client);
    close(client);
    close(served);
}

/* What bind gave stays, but not a port of the system's choice. */
static void name_check(int listener, const char *what, const char *address, bool port)
{
    int client = stream();
    struct sockaddr_in name = {.sin_family = AF_INET};
    must(inet_pton(AF_INET, address, &name.sin_addr) == 1, "inet_pton");
    if (port) {
        int other = listener_make();
        name.sin_port = name_of(other).sin_port;
        close(other);
    }
    must(bind(client, (struct sockaddr *)&name, sizeof(name)) == 0, "bind");
    must(connect_at(client, listener) == 0, "connect");
    int served = accept(listener, NULL, NULL);
    say_result(what, disconnect(client, sizeof(struct sockaddr)));
    state_say(what, client);
    if (port) {
        say("%s: the same port %d", what, name_of(client).sin_port == name.sin_port);
    }
    close(served);
    say_result("connect", connect_at(client, listener));
    state_say(what, client);
    close(accept(listener, NULL, NULL));
    close(client);
}

static void listening_check(void)
{
    int listener = listener_make();
    int waiting = stream();
    int late = stream();
    char text[4];
    struct sockaddr_in name = name_of(listener);
    must(connect_at(waiting, listener) == 0, "connect");
    say_result("listening", disconnect(listener, sizeof(struct sockaddr)));
    say_result("who waited", recv(waiting, text, sizeof(text), 0));
    say_result("who comes", connect(late, (struct sockaddr *)&name, sizeof(name)));
    say_result("accept", accept(listener, NULL, NULL));
    say_result("listen", listen(listener, 5));
    close(waiting);
    close(late);
    close(listener);
}

/* A reader is woken. */
static int reader_run(void *argument)
{
    char text[4];
    return recv(*(int *)argument, text, sizeof(text), 0) == -1 ? 7 : 0;
}

static void reader_check(int listener)
{
    int client = stream();
    must(connect_at(client, listener) == 0, "connect");
    int served = accept(listener, NULL, NULL);
    pid_t reader = fork();
    if (reader == 0) {
        _exit(reader_run(&client));
    }
    sleeping_wait(reader, 'S');
    say_result("under a reader", disconnect(client, sizeof(struct sockaddr)));
    say_status("the reader", child_wait(reader));
    close(client);
    close(served);
}

int main(void)
{
    int listener = listener_make();
    connected_check(listener);
    name_check(listener, "address and port", "127.0.0.5", true);
    name_check(listener, "address", "127.0.0.6", false);
    name_check(listener, "port", "0.0.0.0", true);
    listening_check();
    reader_check(listener);
    return 0;
}
