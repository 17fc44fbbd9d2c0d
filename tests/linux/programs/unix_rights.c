/* Open files and credentials travel over Unix sockets; circles of sockets in flight are taken
 * apart. */
#include <grp.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "tests/linux/programs/program.h"

#define FILES_MAX 253

union control {
    struct cmsghdr header;
    char bytes[CMSG_SPACE(sizeof(int) * (FILES_MAX + 1)) + CMSG_SPACE(sizeof(struct ucred))];
};

static ssize_t files_send(int to, const int *files, size_t count)
{
    static union control control;
    struct iovec part = {(char[]){"f"}, 1};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = (socklen_t)CMSG_SPACE(sizeof(int) * count)};
    control.header.cmsg_len = (socklen_t)CMSG_LEN(sizeof(int) * count);
    control.header.cmsg_level = SOL_SOCKET;
    control.header.cmsg_type = SCM_RIGHTS;
    memcpy(CMSG_DATA(&control.header), files, sizeof(int) * count);
    /* Not by the C library: musl has a limit of its own. */
    return syscall(SYS_sendmsg, to, &message, MSG_NOSIGNAL);
}

/* The number of files that came; the first is in *first. Says what else the call said. */
static int files_receive(const char *what, int from, int flags, size_t room, int *first)
{
    static union control control;
    char text[16];
    struct iovec part = {text, sizeof(text)};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = room == 0 ? NULL : &control,
                             .msg_controllen = (socklen_t)room};
    ssize_t bytes = recvmsg(from, &message, flags);
    if (bytes < 0) {
        say_result(what, bytes);
        return 0;
    }
    int count = 0;
    *first = -1;
    for (struct cmsghdr *at = CMSG_FIRSTHDR(&message); at != NULL; at = CMSG_NXTHDR(&message, at)) {
        if (at->cmsg_type == SCM_RIGHTS) {
            count = (int)((at->cmsg_len - CMSG_LEN(0)) / sizeof(int));
            int files[FILES_MAX];
            memcpy(files, CMSG_DATA(at), (size_t)count * sizeof(int));
            *first = files[0];
            for (int i = 1; i < count; i++) {
                close(files[i]);
            }
        }
    }
    say("%s: %zd bytes, %d files, control of %zu bytes, flags %#x", what, bytes, count,
        (size_t)message.msg_controllen, message.msg_flags & ~MSG_CMSG_CLOEXEC);
    return count;
}

static void rights_check(void)
{
    int pair[2];
    int first;
    must(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0, "socketpair");
    file_write("file", "content");
    int file = open("file", O_RDONLY);
    say_result("send a file", files_send(pair[0], &file, 1));
    close(file);
    files_receive("receive it", pair[1], MSG_CMSG_CLOEXEC, sizeof(union control), &first);
    char text[16] = {0};
    must(read(first, text, 7) == 7, "read");
    say("it reads '%s', close-on-exec %d", text, fcntl(first, F_GETFD));
    close(first);

    int files[FILES_MAX + 1];
    for (int i = 0; i <= FILES_MAX; i++) {
        files[i] = pair[0];
    }
    say_result("send as many as may be", files_send(pair[0], files, FILES_MAX));
    say_result("send one more", files_send(pair[0], files, FILES_MAX + 1));
    files_receive("receive with room for two", pair[1], 0, CMSG_SPACE(2 * sizeof(int)), &first);
    close(first);
    int wrong = 99;
    say_result("send what is not open", files_send(pair[0], &wrong, 1));
    say_result("send none", files_send(pair[0], files, 0));
    files_receive("receive none", pair[1], 0, sizeof(union control), &first);
    must(files_send(pair[0], files, 1) == 1, "send");
    files_receive("receive without room", pair[1], 0, 0, &first);
    must(files_send(pair[0], files, 1) == 1, "send");
    say_result("receive by read", read(pair[1], text, 16));

    /* What was sent with files ends a read. */
    must(write(pair[0], "ab", 2) == 2 && files_send(pair[0], files, 1) == 1 &&
             write(pair[0], "cd", 2) == 2,
         "send");
    files_receive("bytes around files", pair[1], 0, sizeof(union control), &first);
    close(first);
    files_receive("the rest", pair[1], 0, sizeof(union control), &first);
    must(files_send(pair[0], files, 2) == 1, "send");
    files_receive("look ahead", pair[1], MSG_PEEK, sizeof(union control), &first);
    say("the file of the look ahead: mode of a socket %d", fcntl(first, F_GETFD) == 0);
    close(first);
    files_receive("then receive", pair[1], 0, sizeof(union control), &first);
    close(first);
    close(pair[0]);
    close(pair[1]);
}

static void control_check(void)
{
    int pair[2];
    static union control control;
    struct iovec part = {(char[]){"x"}, 1};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control};
    must(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) == 0, "socketpair");
    control.header = (struct cmsghdr){.cmsg_len = 8, .cmsg_level = SOL_SOCKET, .cmsg_type = 1};
    message.msg_controllen = CMSG_SPACE(4);
    say_result("length below the header's", syscall(SYS_sendmsg, pair[0], &message, 0));
    control.header.cmsg_len = 1000;
    say_result("length beyond the buffer", syscall(SYS_sendmsg, pair[0], &message, 0));
    control.header.cmsg_len = CMSG_LEN(4);
    control.header.cmsg_type = 77;
    say_result("unknown type", syscall(SYS_sendmsg, pair[0], &message, 0));
    control.header.cmsg_level = 77;
    say_result("unknown level", syscall(SYS_sendmsg, pair[0], &message, 0));
    message.msg_controllen = 1 << 20;
    say_result("too long", syscall(SYS_sendmsg, pair[0], &message, 0));
    message.msg_control = (void *)8;
    message.msg_controllen = 64;
    say_result("wild pointer", syscall(SYS_sendmsg, pair[0], &message, 0));
    message.msg_controllen = 0;
    message.msg_iovlen = 2000;
    say_result("too many buffers", syscall(SYS_sendmsg, pair[0], &message, 0));
    say_result("wild message", syscall(SYS_sendmsg, pair[0], 8, 0));
    close(pair[0]);
    close(pair[1]);
}

static void say_credentials(const char *what, int from, pid_t expected)
{
    static union control control;
    char text[16];
    struct iovec part = {text, sizeof(text)};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof(control)};
    ssize_t bytes = recvmsg(from, &message, MSG_DONTWAIT);
    if (bytes < 0) {
        say_result(what, bytes);
        return;
    }
    struct cmsghdr *at = CMSG_FIRSTHDR(&message);
    if (at == NULL) {
        say("%s: %zd bytes, no credentials", what, bytes);
        return;
    }
    struct ucred credentials;
    memcpy(&credentials, CMSG_DATA(at), sizeof(credentials));
    say("%s: %zd bytes, type %d, length %zu, right pid %d, uid %u, gid %u", what, bytes,
        at->cmsg_type, (size_t)at->cmsg_len, credentials.pid == expected, credentials.uid,
        credentials.gid);
}

static ssize_t credentials_send(int to, pid_t pid, uid_t uid, gid_t gid)
{
    static union control control;
    struct iovec part = {(char[]){"c"}, 1};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = CMSG_SPACE(sizeof(struct ucred))};
    const struct ucred credentials = {pid, uid, gid};
    control.header.cmsg_len = CMSG_LEN(sizeof(struct ucred));
    control.header.cmsg_level = SOL_SOCKET;
    control.header.cmsg_type = SCM_CREDENTIALS;
    memcpy(CMSG_DATA(&control.header), &credentials, sizeof(credentials));
    return sendmsg(to, &message, 0);
}

static int other_user(void *argument)
{
    int to = *(int *)argument;
    must(setgid(OTHER_GROUP) == 0 && setuid(OTHER_USER) == 0, "setuid");
    must(write(to, "bb", 2) == 2, "write");
    say_result("true credentials", credentials_send(to, getpid(), OTHER_USER, OTHER_GROUP));
    say_result("another's user", credentials_send(to, getpid(), 0, OTHER_GROUP));
    say_result("another's process", credentials_send(to, getppid(), OTHER_USER, OTHER_GROUP));
    return 0;
}

static void credentials_check(void)
{
    int pair[2];
    int on = 1;
    must(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0, "socketpair");
    struct ucred peer;
    socklen_t length = sizeof(peer);
    must(getsockopt(pair[0], SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0, "SO_PEERCRED");
    say("peer: right pid %d, uid %u, gid %u, %u bytes", peer.pid == getpid(), peer.uid, peer.gid,
        length);
    must(setsockopt(pair[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) == 0, "SO_PASSCRED");
    must(write(pair[0], "aaa", 3) == 3, "write");
    pid_t pid = fork();
    if (pid == 0) {
        _exit(other_user(&pair[0]));
    }
    say_status("other user", child_wait(pid));
    say_credentials("mine", pair[1], getpid());
    say_credentials("the other's, both messages", pair[1], pid);
    say_credentials("no more", pair[1], pid);
    say_result("root says any user", credentials_send(pair[0], getpid(), 7, 8));
    say_credentials("what it said", pair[1], getpid());
    pid = fork();
    if (pid == 0) {
        /* Without CAP_SYS_ADMIN, as root is in a container. */
        struct {
            uint32_t version;
            int pid;
        } header = {0x20080522, 0};
        uint32_t sets[6];
        must(syscall(SYS_capget, &header, sets) == 0, "capget");
        sets[0] &= ~(1u << 21);
        must(syscall(SYS_capset, &header, sets) == 0, "capset");
        say_result("but itself only", credentials_send(pair[0], 1, 7, 8));
        say_result("and nobody", credentials_send(pair[0], 3999999, 7, 8));
        _exit(0);
    }
    (void)child_wait(pid);
    close(pair[0]);
    close(pair[1]);
}

/* Whether the writing end of a pipe is closed. */
static bool is_gone(int reader)
{
    char byte;
    return read(reader, &byte, 1) == 0;
}

/* Linux looks for circles now and then. */
static bool will_be_gone(int reader)
{
    for (int i = 0; i < 500 && !is_gone(reader); i++) {
        sleep_ms(10);
        int other = socket(AF_UNIX, SOCK_STREAM, 0);
        close(other);
    }
    return is_gone(reader);
}

static void circle_check(void)
{
    int ends[2];
    int a[2];
    int b[2];
    must(pipe2(ends, O_NONBLOCK) == 0, "pipe");
    must(socketpair(AF_UNIX, SOCK_STREAM, 0, a) == 0, "socketpair");
    int through_itself[2] = {a[1], ends[1]};
    must(files_send(a[0], through_itself, 2) == 1, "send");
    close(ends[1]);
    close(a[1]);
    close(a[0]);
    say("sent through itself, all closed: gone %d", will_be_gone(ends[0]));
    close(ends[0]);

    must(pipe2(ends, O_NONBLOCK) == 0, "pipe");
    must(socketpair(AF_UNIX, SOCK_DGRAM, 0, a) == 0, "socketpair");
    must(socketpair(AF_UNIX, SOCK_DGRAM, 0, b) == 0, "socketpair");
    int through_other[2] = {b[1], ends[1]};
    must(files_send(a[0], through_other, 2) == 1 && files_send(b[0], &a[1], 1) == 1, "send");
    close(ends[1]);
    close(a[0]);
    close(b[1]);
    close(b[0]);
    say("one is still to be had: gone %d", is_gone(ends[0]));
    close(a[1]);
    say("then none: gone %d", will_be_gone(ends[0]));
    close(ends[0]);

    /* A chain that is long, and is closed from its end. */
    must(pipe2(ends, O_NONBLOCK) == 0, "pipe");
    int last = ends[1];
    for (int i = 0; i < 2000; i++) {
        must(socketpair(AF_UNIX, SOCK_STREAM, 0, a) == 0, "socketpair");
        must(files_send(a[0], &last, 1) == 1, "send");
        close(a[0]);
        close(last);
        last = a[1];
    }
    say("a chain: gone %d", is_gone(ends[0]));
    close(last);
    say("its end closed: gone %d", will_be_gone(ends[0]));
    close(ends[0]);
}

#ifndef SO_PEERGROUPS
#define SO_PEERGROUPS 59
#endif

static void say_groups(const char *what, int descriptor, uint32_t room)
{
    gid_t groups[8] = {0};
    socklen_t length = room * sizeof(groups[0]);
    int result = getsockopt(descriptor, SOL_SOCKET, SO_PEERGROUPS, groups, &length);
    if (result != 0) {
        say("%s: %s, %u bytes", what, error_name(errno), length);
    } else {
        say("%s: %u bytes, %u %u %u", what, length, groups[0], groups[1], groups[2]);
    }
}

/* The supplementary groups of who is at the other end, as they were when it came to be. */
static void groups_check(void)
{
    static const gid_t own[] = {7, 11, 1000};
    static const gid_t others[] = {21, 22};
    struct sockaddr_un name = {.sun_family = AF_UNIX, .sun_path = "groups"};
    int pair[2];
    int idle = socket(AF_UNIX, SOCK_STREAM, 0);
    must(setgroups(ARRAY_LENGTH(own), own) == 0, "setgroups");
    must(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0, "socketpair");
    int listener = socket(AF_UNIX, SOCK_STREAM, 0);
    must(bind(listener, (struct sockaddr *)&name, sizeof(name)) == 0, "bind");
    must(listen(listener, 1) == 0, "listen");
    must(setgroups(0, NULL) == 0, "setgroups");
    say_groups("groups of nobody", idle, 8);
    say_groups("groups of a pair", pair[0], 8);
    say_groups("with just enough room", pair[1], 3);
    say_groups("with too little room", pair[1], 2);
    pid_t child = fork();
    if (child == 0) {
        int client = socket(AF_UNIX, SOCK_STREAM, 0);
        must(setgroups(ARRAY_LENGTH(others), others) == 0, "setgroups");
        must(connect(client, (struct sockaddr *)&name, sizeof(name)) == 0, "connect");
        say_groups("groups of who listens", client, 8);
        _exit(0);
    }
    child_wait(child);
    int server = accept(listener, NULL, NULL);
    say_groups("groups of who connected", server, 8);
    close(server);
    close(listener);
    close(idle);
    close(pair[0]);
    close(pair[1]);
}

int main(void)
{
    groups_check();
    rights_check();
    control_check();
    credentials_check();
    circle_check();
    return 0;
}
