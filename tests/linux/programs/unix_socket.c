/* Unix sockets carry streams, datagrams and records between names and pairs, with the ends, errors
 * and limits that Linux gives them. */
#include <poll.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>

#include "tests/linux/programs/program.h"

static void say_poll(const char *what, int descriptor)
{
    struct pollfd entry = {.fd = descriptor, .events = POLLIN | POLLOUT | POLLRDHUP};
    int result = poll(&entry, 1, 0);
    say("%s: poll %d,%s%s%s%s%s", what, result, entry.revents & POLLIN ? " IN" : "",
        entry.revents & POLLOUT ? " OUT" : "", entry.revents & POLLRDHUP ? " RDHUP" : "",
        entry.revents & POLLHUP ? " HUP" : "", entry.revents & POLLERR ? " ERR" : "");
}

static struct sockaddr_un address_of(const char *path, socklen_t *length)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t bytes = strlen(path);
    memcpy(address.sun_path, path, bytes);
    if (path[0] == '@') {
        address.sun_path[0] = '\0';
    }
    *length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + bytes + (path[0] != '@'));
    return address;
}

static int bind_to(int descriptor, const char *path)
{
    socklen_t length;
    struct sockaddr_un address = address_of(path, &length);
    return bind(descriptor, (struct sockaddr *)&address, length);
}

static int connect_to(int descriptor, const char *path)
{
    socklen_t length;
    struct sockaddr_un address = address_of(path, &length);
    return connect(descriptor, (struct sockaddr *)&address, length);
}

static void say_name(const char *what, int descriptor, bool of_peer)
{
    struct sockaddr_un address;
    socklen_t length = sizeof(address);
    memset(&address, 0, sizeof(address));
    int result = of_peer ? getpeername(descriptor, (struct sockaddr *)&address, &length)
                         : getsockname(descriptor, (struct sockaddr *)&address, &length);
    if (result != 0) {
        say_result(what, result);
        return;
    }
    if (length > 2 && address.sun_path[0] == '\0') {
        address.sun_path[0] = '@';
    }
    say("%s: family %d, length %u, '%s'", what, address.sun_family, length, address.sun_path);
}

static void say_option(const char *what, int descriptor, int name)
{
    int value = -1;
    socklen_t length = sizeof(value);
    int result = getsockopt(descriptor, SOL_SOCKET, name, &value, &length);
    if (result != 0) {
        say_result(what, result);
    } else {
        say("%s: %d (%u bytes)", what, value, length);
    }
}

static void making_check(void)
{
    say_result("unknown family", socket(60, SOCK_STREAM, 0));
    say_result("unknown type", socket(AF_UNIX, 9, 0));
    say_result("wrong flags", socket(AF_UNIX, SOCK_STREAM | 0x100, 0));
    say_result("wrong protocol", socket(AF_UNIX, SOCK_STREAM, 7));
    int one = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    say("flags: %#x %d", fcntl(one, F_GETFL), fcntl(one, F_GETFD));
    struct stat about;
    must(fstat(one, &about) == 0, "fstat");
    say("mode %o", about.st_mode);
    say_poll("new stream", one);
    char byte;
    say_result("read, not connected", read(one, &byte, 1));
    say_result("send, not connected", send(one, "x", 1, MSG_NOSIGNAL));
    say_result("listen without a name", listen(one, 1));
    say_result("accept without listen", accept(one, NULL, NULL));
    say_result("lseek", lseek(one, 0, SEEK_SET));
    say_name("own name", one, false);
    say_name("peer's name", one, true);
    say_option("type", one, SO_TYPE);
    say_option("domain", one, SO_DOMAIN);
    say_option("protocol", one, SO_PROTOCOL);
    say_option("accepts", one, SO_ACCEPTCONN);
    say_option("error", one, SO_ERROR);
    say_option("send buffer", one, SO_SNDBUF);
    say_option("receive buffer", one, SO_RCVBUF);
    int bytes = 10000;
    must(setsockopt(one, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes)) == 0, "SO_SNDBUF");
    say_option("send buffer", one, SO_SNDBUF);
    bytes = 1;
    must(setsockopt(one, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes)) == 0, "SO_SNDBUF");
    say_option("least send buffer", one, SO_SNDBUF);
    say_option("no such option", one, 999);
    say_result("option of another level", setsockopt(one, 6, 1, &bytes, sizeof(bytes)));
    say_result("setting the type", setsockopt(one, SOL_SOCKET, SO_TYPE, &bytes, sizeof(bytes)));
    say_result("too short", setsockopt(one, SOL_SOCKET, SO_REUSEADDR, &bytes, 3));
    close(one);
    int file = open("/", O_RDONLY);
    say_result("bind of a directory", bind_to(file, "x"));
    say_result("recv of a directory", recv(file, &byte, 1, 0));
    close(file);
    say_result("listen of nothing", listen(file, 1));
}

static void names_check(void)
{
    int one = socket(AF_UNIX, SOCK_STREAM, 0);
    int other = socket(AF_UNIX, SOCK_STREAM, 0);
    umask(027);
    say_result("bind to a path", bind_to(one, "here"));
    umask(022);
    struct stat about;
    must(stat("here", &about) == 0, "stat");
    say("the path: mode %o", about.st_mode);
    say_result("open of it", open("here", O_RDONLY));
    say_name("its name", one, false);
    say_result("bind again", bind_to(one, "there"));
    say_result("bind another to it", bind_to(other, "here"));
    say_result("bind where no folder is", bind_to(other, "no/where"));
    say_result("connect to what does not listen", connect_to(other, "here"));
    say_result("connect to nothing", connect_to(other, "nothing"));
    file_write("file", "x");
    say_result("connect to a file", connect_to(other, "file"));
    int datagram = socket(AF_UNIX, SOCK_DGRAM, 0);
    say_result("connect of another type", connect_to(datagram, "here"));
    close(datagram);
    must(listen(one, 5) == 0, "listen");
    say_option("accepts", one, SO_ACCEPTCONN);
    say_result("rename", rename("here", "moved"));
    say_result("connect by the new name", connect_to(other, "moved"));
    say_name("peer's name", other, true);
    close(one);
    close(other);
    say_result("still there", access("moved", F_OK));
    other = socket(AF_UNIX, SOCK_STREAM, 0);
    say_result("connect to a closed one", connect_to(other, "moved"));
    unlink("moved");
    one = socket(AF_UNIX, SOCK_STREAM, 0);
    say_result("abstract name", bind_to(one, "@oak-test"));
    say_name("its name", one, false);
    say_result("the same again", bind_to(other, "@oak-test"));
    say_result("a longer one", bind_to(other, "@oak-test-2"));
    must(listen(one, 0) == 0, "listen");
    close(other);
    other = socket(AF_UNIX, SOCK_STREAM, 0);
    say_result("connect", connect_to(other, "@oak-test"));
    int third = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    say_result("connect with a full backlog", connect_to(third, "@oak-test"));
    close(one);
    char byte;
    say_result("read, never accepted", read(other, &byte, 1));
    say_poll("never accepted", other);
    close(other);
    close(third);
    one = socket(AF_UNIX, SOCK_DGRAM, 0);
    struct sockaddr_un empty = {.sun_family = AF_UNIX};
    say_result("automatic name", bind(one, (struct sockaddr *)&empty, 2));
    socklen_t length = sizeof(empty);
    must(getsockname(one, (struct sockaddr *)&empty, &length) == 0, "getsockname");
    say("automatic name: %u bytes, first %d", length, empty.sun_path[0]);
    close(one);
    one = socket(AF_UNIX, SOCK_DGRAM, 0);
    char path[109];
    memset(path, 'p', 108);
    path[108] = '\0';
    memcpy(path, "./", 2);
    struct sockaddr_un full = {.sun_family = AF_UNIX};
    memcpy(full.sun_path, path, 108);
    say_result("a path without its NUL", bind(one, (struct sockaddr *)&full, sizeof(full)));
    length = sizeof(full);
    char larger[200];
    length = sizeof(larger);
    must(getsockname(one, (struct sockaddr *)(void *)larger, &length) == 0, "getsockname");
    say("its name: %u bytes", length);
    say_result("too long an address", bind(one, (struct sockaddr *)(void *)larger, 150));
    say_result("too short an address", bind(one, (struct sockaddr *)&full, 1));
    close(one);
}

static int server(void *argument)
{
    int listener = *(int *)argument;
    struct sockaddr_un address;
    socklen_t length = sizeof(address);
    int connection = accept4(listener, (struct sockaddr *)&address, &length, SOCK_CLOEXEC);
    say("accepted, peer's address of %u bytes", length);
    char text[64];
    ssize_t count = read(connection, text, sizeof(text));
    say("server got %.*s", (int)count, text);
    must(write(connection, "answer", 6) == 6, "write");
    shutdown(connection, SHUT_WR);
    count = read(connection, text, sizeof(text));
    say("server then got %zd: %.*s", count, (int)(count > 0 ? count : 0), text);
    close(connection);
    return 0;
}

static void stream_check(void)
{
    int listener = socket(AF_UNIX, SOCK_STREAM, 0);
    must(bind_to(listener, "server") == 0 && listen(listener, 3) == 0, "listen");
    pid_t pid = fork();
    if (pid == 0) {
        _exit(server(&listener));
    }
    int client = socket(AF_UNIX, SOCK_STREAM, 0);
    sleeping_wait(pid, 'S');
    must(connect_to(client, "server") == 0, "connect");
    struct iovec parts[2] = {{(char[]){"ques"}, 4}, {(char[]){"tion"}, 4}};
    must(writev(client, parts, 2) == 8, "writev");
    char text[64];
    ssize_t count = recv(client, text, 3, MSG_WAITALL);
    say("client got %.*s", (int)count, text);
    count = recv(client, text, sizeof(text), MSG_WAITALL);
    say("client got %.*s", (int)count, text);
    say_result("at the end", read(client, text, sizeof(text)));
    say_result("connect twice", connect_to(client, "server"));
    say_poll("half closed", client);
    must(write(client, "bye", 3) == 3, "write");
    say_status("server", child_wait(pid));
    say_poll("peer closed", client);
    say_result("write to a closed peer", send(client, "x", 1, MSG_NOSIGNAL));
    signal(SIGPIPE, SIG_IGN);
    say_result("the same by write", write(client, "x", 1));
    signal(SIGPIPE, SIG_DFL);
    say_result("shutdown", shutdown(client, SHUT_RDWR));
    say_result("shutdown with a wrong how", shutdown(client, 3));
    close(client);
    close(listener);
}

static int broken_writer(void *argument)
{
    return (int)write(*(int *)argument, "x", 1);
}

static void pair_check(void)
{
    int pair[2];
    char text[64];
    say_result("pair at a wild pointer", syscall(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, 8));
    must(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0, "socketpair");
    say_poll("new pair", pair[0]);
    say_name("name of a pair", pair[0], false);
    say_name("peer of a pair", pair[0], true);
    must(write(pair[0], "first", 5) == 5 && write(pair[0], "second", 6) == 6, "write");
    int waiting = 0;
    must(ioctl(pair[1], FIONREAD, &waiting) == 0, "FIONREAD");
    say("waiting: %d", waiting);
    say_result("look ahead", recv(pair[1], text, 8, MSG_PEEK));
    say("it is %.8s", text);
    say_result("read", read(pair[1], text, 7));
    say_result("read the rest", read(pair[1], text, sizeof(text)));
    say_result("read without waiting", recv(pair[1], text, 1, MSG_DONTWAIT));
    say_result("into nothing without waiting", recv(pair[1], text, 0, MSG_DONTWAIT));
    long total = 0;
    static char block[70000];
    int on = 1;
    must(ioctl(pair[0], FIONBIO, &on) == 0, "FIONBIO");
    ssize_t count;
    while ((count = write(pair[0], block, sizeof(block))) > 0) {
        total += count;
    }
    say("full: %s after more than 100000: %d", error_name(errno), total > 100000);
    say_poll("full", pair[0]);
    long got = 0;
    while ((count = recv(pair[1], block, sizeof(block), MSG_DONTWAIT)) > 0) {
        got += count;
    }
    say("all came: %d", got == total);
    say_poll("empty again", pair[0]);
    must(write(pair[0], "lost", 4) == 4, "write");
    close(pair[1]);
    say_result("read after the peer went with bytes unread", read(pair[0], text, 1));
    say_status("write to nobody", child_run(broken_writer, &pair[0]));
    close(pair[0]);

    must(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0, "socketpair");
    shutdown(pair[0], SHUT_RD);
    say_poll("peer reads no more", pair[1]);
    say_result("send to it", send(pair[1], "x", 1, MSG_NOSIGNAL));
    say_result("read of the end that was shut", read(pair[0], text, 1));
    must(write(pair[0], "still", 5) == 5, "write");
    say_result("the other way", read(pair[1], text, sizeof(text)));
    close(pair[0]);
    close(pair[1]);
}

static void datagram_check(void)
{
    int receiver = socket(AF_UNIX, SOCK_DGRAM, 0);
    int sender = socket(AF_UNIX, SOCK_DGRAM, 0);
    char text[64];
    socklen_t length;
    must(bind_to(receiver, "receiver") == 0 && bind_to(sender, "sender") == 0, "bind");
    struct sockaddr_un to = address_of("receiver", &length);
    say_result("send without a receiver", send(sender, "x", 1, 0));
    say_result("send", sendto(sender, "hello", 5, 0, (struct sockaddr *)&to, length));
    say_result("send nothing", sendto(sender, "", 0, 0, (struct sockaddr *)&to, length));
    say_result("send more", sendto(sender, "long message", 12, 0, (struct sockaddr *)&to, length));
    int waiting = 0;
    must(ioctl(receiver, FIONREAD, &waiting) == 0, "FIONREAD");
    say("waiting: %d", waiting);
    struct sockaddr_un from;
    length = sizeof(from);
    say_result("receive",
               recvfrom(receiver, text, sizeof(text), 0, (struct sockaddr *)&from, &length));
    say("from %s, %u bytes", from.sun_path, length);
    say_result("receive nothing", recv(receiver, text, sizeof(text), 0));
    say_result("look at it, cut", recv(receiver, text, 4, MSG_PEEK | MSG_TRUNC));
    struct iovec part = {text, 4};
    struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1};
    say_result("receive it, cut", recvmsg(receiver, &header, 0));
    say("flags %#x", header.msg_flags);
    say_result("nothing left", recv(receiver, text, 4, MSG_DONTWAIT));
    say_result("connect", connect_to(sender, "receiver"));
    say_result("send to the peer", write(sender, "peer", 4));
    say_result("it came", read(receiver, text, sizeof(text)));
    say_result("write nothing", write(sender, "", 0));
    say_result("it came", read(receiver, text, sizeof(text)));
    static char large[300000];
    say_result("too large", write(sender, large, sizeof(large)));
    int sent = 0;
    while (send(sender, "x", 1, MSG_DONTWAIT) == 1) {
        sent++;
    }
    say("full: %s, after ten or more: %d", error_name(errno), sent >= 10);
    say_poll("full", sender);
    must(connect_to(receiver, "sender") == 0, "connect back");
    int third = socket(AF_UNIX, SOCK_DGRAM, 0);
    say_result("connect to one that has a peer", connect_to(third, "receiver"));
    to = address_of("receiver", &length);
    say_result("send to it", sendto(third, "x", 1, 0, (struct sockaddr *)&to, length));
    struct sockaddr nobody = {.sa_family = AF_UNSPEC};
    say_result("disconnect", connect(receiver, &nobody, sizeof(nobody)));
    say_result("send to it now", sendto(third, "x", 1, 0, (struct sockaddr *)&to, length));
    close(receiver);
    say_result("send to a closed one", send(sender, "x", 1, 0));
    say_result("and again", send(sender, "x", 1, 0));
    close(sender);
    close(third);
    say_result("listen on datagrams", listen(sender, 1));
}

static int slow_receiver(void *argument)
{
    int receiver = *(int *)argument;
    char text[8];
    int count = 0;
    while (recv(receiver, text, sizeof(text), 0) == 1 && text[0] != 'e') {
        count++;
    }
    return count == 200 ? 0 : 1;
}

static void waiting_check(void)
{
    int receiver = socket(AF_UNIX, SOCK_DGRAM, 0);
    must(bind_to(receiver, "slow") == 0, "bind");
    pid_t pid = fork();
    if (pid == 0) {
        _exit(slow_receiver(&receiver));
    }
    int sender = socket(AF_UNIX, SOCK_DGRAM, 0);
    must(connect_to(sender, "slow") == 0, "connect");
    for (int i = 0; i < 200; i++) {
        must(send(sender, "x", 1, 0) == 1, "send");
    }
    must(send(sender, "e", 1, 0) == 1, "send");
    say_status("all datagrams came", child_wait(pid));
    struct timeval time = {.tv_usec = 20000};
    must(setsockopt(receiver, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof(time)) == 0, "SO_RCVTIMEO");
    char text[8];
    say_result("receive with a timeout", recv(receiver, text, sizeof(text), 0));
    close(receiver);
    close(sender);
}

static void record_check(void)
{
    int pair[2];
    char text[64];
    must(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) == 0, "socketpair");
    must(write(pair[0], "one", 3) == 3 && write(pair[0], "second", 6) == 6, "write");
    struct iovec part = {text, sizeof(text)};
    struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1};
    say_result("first record", recvmsg(pair[1], &header, 0));
    say("ends a record: %d", (header.msg_flags & MSG_EOR) != 0);
    say_result("second record, cut", read(pair[1], text, 2));
    say_result("no more", recv(pair[1], text, 2, MSG_DONTWAIT));
    close(pair[0]);
    say_result("at the end", read(pair[1], text, 2));
    say_result("write to nobody", send(pair[1], "x", 1, MSG_NOSIGNAL));
    close(pair[1]);
    int listener = socket(AF_UNIX, SOCK_SEQPACKET, 0);
    int client = socket(AF_UNIX, SOCK_SEQPACKET, 0);
    must(bind_to(listener, "records") == 0 && listen(listener, 1) == 0, "listen");
    must(connect_to(client, "records") == 0, "connect");
    int connection = accept(listener, NULL, NULL);
    must(write(client, "abc", 3) == 3, "write");
    say_result("over a connection", read(connection, text, sizeof(text)));
    close(listener);
    close(client);
    close(connection);
}

static void many_check(void)
{
    int pair[2];
    char text[4][8];
    must(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) == 0, "socketpair");
    struct iovec out[3] = {{(char[]){"a"}, 1}, {(char[]){"bb"}, 2}, {(char[]){"ccc"}, 3}};
    struct iovec in[4];
    struct mmsghdr messages[4];
    memset(messages, 0, sizeof(messages));
    for (int i = 0; i < 3; i++) {
        messages[i].msg_hdr = (struct msghdr){.msg_iov = &out[i], .msg_iovlen = 1};
    }
    say("sendmmsg: %d", sendmmsg(pair[0], messages, 3, 0));
    for (int i = 0; i < 4; i++) {
        in[i] = (struct iovec){text[i], 8};
        messages[i].msg_hdr = (struct msghdr){.msg_iov = &in[i], .msg_iovlen = 1};
    }
    int count = recvmmsg(pair[1], messages, 4, MSG_WAITFORONE, NULL);
    say("recvmmsg: %d, lengths %u %u %u", count, messages[0].msg_len, messages[1].msg_len,
        messages[2].msg_len);
    close(pair[0]);
    close(pair[1]);
}

/* What a full receiver does not take in time was not sent; nor is it later, without its bytes. */
static void timeout_check(void)
{
    int receiver = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    int sender = socket(AF_UNIX, SOCK_DGRAM, 0);
    struct timeval timeout = {.tv_usec = 50000};
    socklen_t length;
    struct sockaddr_un address = address_of("@slow", &length);
    must(bind_to(receiver, "@slow") == 0, "bind");
    must(setsockopt(sender, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout)) == 0, "timeout");
    int sent = 0;
    while (sendto(sender, "abc", 3, 0, (struct sockaddr *)&address, length) == 3) {
        sent++;
    }
    say("a full receiver: %s", error_name(errno));
    char text[8];
    ssize_t bytes;
    int empty = 0;
    while ((bytes = recv(receiver, text, sizeof(text), 0)) >= 0) {
        sent--;
        empty += bytes != 3;
    }
    say("left over: %d, empty: %d", sent, empty);
    close(sender);
    close(receiver);
}

/* Many connections that are not accepted yet: each may send a little, and all once it is. */
static void unaccepted_check(void)
{
    enum {
        CONNECTIONS = 40,
    };
    static char bytes[20000];
    int listener = socket(AF_UNIX, SOCK_STREAM, 0);
    int client[CONNECTIONS];
    int good = 0;
    must(bind_to(listener, "@queue") == 0 && listen(listener, CONNECTIONS) == 0, "listen");
    for (int i = 0; i < CONNECTIONS; i++) {
        client[i] = socket(AF_UNIX, SOCK_STREAM, 0);
        must(connect_to(client[i], "@queue") == 0, "connect");
        good += write(client[i], bytes, 1000) == 1000;
    }
    say("bytes before they are accepted: %d", good);
    pid_t pid = fork();
    if (pid == 0) {
        good = 0;
        for (int i = 0; i < CONNECTIONS; i++) {
            good += write(client[i], bytes, sizeof(bytes)) == sizeof(bytes);
        }
        say("more bytes: %d", good);
        _exit(0);
    }
    sleep_ms(50);
    int server[CONNECTIONS];
    for (int i = 0; i < CONNECTIONS; i++) {
        server[i] = accept(listener, NULL, NULL);
    }
    child_wait(pid);
    for (int i = 0; i < CONNECTIONS; i++) {
        close(server[i]);
        close(client[i]);
    }
    close(listener);
}

int main(void)
{
    making_check();
    names_check();
    stream_check();
    pair_check();
    datagram_check();
    waiting_check();
    record_check();
    many_check();
    timeout_check();
    unaccepted_check();
    return 0;
}
