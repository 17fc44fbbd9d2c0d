/* SO_LINGER: a close that waits until its bytes have arrived, or for so long. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "tests/linux/programs/program.h"

struct connection {
    int client;
    int served;
};

static struct connection connection_make(void)
{
    struct connection made;
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(name);
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    must(bind(listener, (struct sockaddr *)&name, sizeof(name)) == 0, "bind");
    must(listen(listener, 1) == 0, "listen");
    must(getsockname(listener, (struct sockaddr *)&name, &length) == 0, "getsockname");
    made.client = socket(AF_INET, SOCK_STREAM, 0);
    must(connect(made.client, (struct sockaddr *)&name, sizeof(name)) == 0, "connect");
    made.served = accept(listener, NULL, NULL);
    close(listener);
    return made;
}

static void linger(int descriptor, int seconds)
{
    struct linger wanted = {.l_onoff = 1, .l_linger = seconds};
    must(setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &wanted, sizeof(wanted)) == 0, "SO_LINGER");
}

/* More than the peer's window takes; how many bytes. */
static long fill(int descriptor)
{
    static char bytes[4096];
    long total = 0;
    ssize_t sent;
    while ((sent = send(descriptor, bytes, sizeof(bytes), MSG_DONTWAIT)) > 0) {
        total += sent;
    }
    return total;
}

static long drain(int descriptor)
{
    static char bytes[65536];
    long total = 0;
    ssize_t moved;
    while ((moved = recv(descriptor, bytes, sizeof(bytes), 0)) > 0) {
        total += moved;
    }
    return total;
}

/* A close that takes so long at least. */
static void close_say(const char *what, int descriptor, int64_t least_ms)
{
    int64_t begun = now_ms();
    say_result(what, close(descriptor));
    say("%s: it waited %d", what, now_ms() - begun >= least_ms);
}

static void arrives_check(void)
{
    struct connection made = connection_make();
    linger(made.client, 30);
    long sent = fill(made.client);
    int down[2];
    must(pipe(down) == 0, "pipe");
    pid_t reader = fork();
    if (reader == 0) {
        close(made.client);
        byte_send(down[1]);
        sleep_ms(300);
        _exit(drain(made.served) == sent ? 3 : 4);
    }
    close(made.served);
    byte_receive(down[0]);
    close(dup(made.client)); /* not its last */
    close_say("a reader comes", made.client, 100);
    say_status("the reader", child_wait(reader));
}

static void timeout_check(void)
{
    struct connection made = connection_make();
    linger(made.client, 1);
    long sent = fill(made.client);
    close_say("no reader comes", made.client, 900);
    say("all of it came %d", drain(made.served) == sent);
    close(made.served);
}

/* dup2 closes what it puts another file in place of. */
static void replaced_check(void)
{
    struct connection made = connection_make();
    int other = open("/dev/null", O_RDWR);
    linger(made.client, 1);
    long sent = fill(made.client);
    int64_t begun = now_ms();
    say("replaced: %d", dup2(other, made.client) == made.client);
    say("replaced: it waited %d", now_ms() - begun >= 900);
    close(other);
    close(made.client);
    say("all of it came %d", drain(made.served) == sent);
    close(made.served);
}

static void nothing_check(void)
{
    struct connection made = connection_make();
    linger(made.client, 30);
    char byte;
    must(send(made.client, "x", 1, 0) == 1 && recv(made.served, &byte, 1, 0) == 1, "a byte");
    close_say("nothing is left", made.client, 20000);
    close(made.served);
}

int main(void)
{
    arrives_check();
    timeout_check();
    replaced_check();
    nothing_check();
    return 0;
}
