/* Files that tell their owner of readiness by a signal: O_ASYNC, F_SETOWN, F_SETSIG (fcntl(2)). */
#include "tests/linux/programs/program.h"

#include <poll.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

static int ends[2]; /* of a pipe */

static void owner_say(const char *what, int descriptor)
{
    struct f_owner_ex owner = {-1, 0};
    int result = fcntl(descriptor, F_GETOWN_EX, &owner);
    int number = fcntl(descriptor, F_GETOWN);
    say("%s: %s, kind %d, F_GETOWN %s", what, result == 0 ? "done" : error_name(errno), owner.type,
        number == 0            ? "nobody"
        : number == getpid()   ? "this process"
        : number == -getpgrp() ? "our group"
                               : "another");
}

static void owner_check(void)
{
    owner_say("at first", ends[0]);
    say_result("F_SETOWN", fcntl(ends[0], F_SETOWN, getpid()));
    owner_say("after that", ends[0]);
    say_result("F_SETOWN of a group", fcntl(ends[0], F_SETOWN, -getpgrp()));
    owner_say("after that", ends[0]);
    say_result("F_SETOWN of nobody there", fcntl(ends[0], F_SETOWN, 4000000));
    say_result("F_SETOWN of no group there", fcntl(ends[0], F_SETOWN, -4000000));
    struct f_owner_ex owner = {F_OWNER_TID, gettid()};
    say_result("F_SETOWN_EX of a thread", fcntl(ends[0], F_SETOWN_EX, &owner));
    owner_say("after that", ends[0]);
    owner.type = 3;
    say_result("F_SETOWN_EX of a wrong kind", fcntl(ends[0], F_SETOWN_EX, &owner));
    say_result("F_SETOWN of nobody", fcntl(ends[0], F_SETOWN, 0));
    owner_say("after that", ends[0]);
    say_result("F_GETSIG", fcntl(ends[0], F_GETSIG));
    say_result("F_SETSIG", fcntl(ends[0], F_SETSIG, SIGRTMIN + 1) == 0);
    say("F_GETSIG: as set %d", fcntl(ends[0], F_GETSIG) == SIGRTMIN + 1);
    say_result("F_SETSIG of none", fcntl(ends[0], F_SETSIG, 65));
    say_result("F_SETSIG of SIGIO", fcntl(ends[0], F_SETSIG, 0));
    pid_t child = fork();
    if (child == 0) {
        pause();
        _exit(0);
    }
    say_result("F_SETOWN of a child", fcntl(ends[0], F_SETOWN, child));
    owner_say("while it lives", ends[0]);
    kill(child, SIGKILL);
    child_wait(child);
    owner_say("when it has gone", ends[0]);
}

/* What comes within a while, of SIGIO and one of ours. */
static bool signal_say(const char *what, int wait_ms)
{
    sigset_t set;
    siginfo_t info;
    struct timespec wait = {wait_ms / 1000, wait_ms % 1000 * 1000000};
    sigemptyset(&set);
    sigaddset(&set, SIGIO);
    sigaddset(&set, SIGUSR1);
    int number = sigtimedwait(&set, &info, &wait);
    if (number < 0) {
        say("%s: no signal", what);
        return false;
    }
    if (number == SIGIO) {
        say("%s: SIGIO, code %d", what, info.si_code);
    } else {
        say("%s: %s, code %d, band %lx, right descriptor %d", what, signal_name(number),
            info.si_code, (unsigned long)info.si_band, info.si_fd == ends[0]);
    }
    return true;
}

static void ends_make(void)
{
    must(pipe(ends) == 0, "pipe");
}

static void ends_close(void)
{
    close(ends[0]);
    close(ends[1]);
}

static void async_on(int descriptor)
{
    must(fcntl(descriptor, F_SETOWN, getpid()) == 0 &&
             fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_ASYNC) == 0,
         "O_ASYNC");
}

static void pipe_check(void)
{
    char text[8];
    ends_make();
    async_on(ends[0]);
    signal_say("nothing has happened", 20);
    byte_send(ends[1]);
    signal_say("a byte in the pipe", 2000);
    must(read(ends[0], text, sizeof(text)) == 1, "read");
    signal_say("it was read", 20);
    must(fcntl(ends[0], F_SETSIG, SIGUSR1) == 0, "F_SETSIG");
    byte_send(ends[1]);
    signal_say("another, with F_SETSIG", 2000);
    must(read(ends[0], text, sizeof(text)) == 1, "read");
    int on = 0;
    must(ioctl(ends[0], FIOASYNC, &on) == 0, "FIOASYNC");
    byte_send(ends[1]);
    signal_say("without O_ASYNC", 20);
    must(read(ends[0], text, sizeof(text)) == 1, "read");
    on = 1;
    must(ioctl(ends[0], FIOASYNC, &on) == 0, "FIOASYNC");
    int other = dup(ends[0]);
    close(ends[0]);
    byte_send(ends[1]);
    signal_say("by a duplicate", 2000);
    close(other);
    close(ends[1]);
}

static void pair_check(void)
{
    int pair[2];
    char text[8];
    must(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0, "socketpair");
    async_on(pair[0]);
    must(write(pair[1], "x", 1) == 1, "write");
    signal_say("a byte in a socket", 2000);
    must(read(pair[0], text, sizeof(text)) == 1, "read");
    close(pair[1]);
    say("its other end closed: %s", signal_say("then", 2000) ? "told" : "not told");
    close(pair[0]);
}

static void terminal_check(void)
{
    int master, slave;
    must(openpty(&master, &slave, NULL, NULL, NULL) == 0, "openpty");
    async_on(slave);
    must(write(master, "line\n", 5) == 5, "write");
    signal_say("a line typed", 2000);
    must(fcntl(slave, F_SETFL, O_RDWR) == 0, "F_SETFL");
    close(master);
    close(slave);
}

/* A child takes the signal; then one of another user, whom we may not signal any more. */
static void others_check(void)
{
    ends_make();
    int ready[2];
    must(pipe(ready) == 0, "pipe");
    pid_t child = fork();
    if (child == 0) {
        byte_send(ready[1]);
        signal_say("in a child", 2000);
        _exit(0);
    }
    must(byte_receive(ready[0]), "ready");
    async_on(ends[0]);
    must(fcntl(ends[0], F_SETOWN, child) == 0, "F_SETOWN");
    byte_send(ends[1]);
    child_wait(child);
    child = fork();
    if (child == 0) {
        must(setuid(OTHER_USER) == 0, "setuid");
        ends_close();
        ends_make();
        async_on(ends[0]);
        say_result("F_SETOWN of the parent, which is root's", fcntl(ends[0], F_SETOWN, getppid()));
        must(fcntl(ends[0], F_SETSIG, SIGUSR1) == 0, "F_SETSIG");
        byte_send(ends[1]);
        _exit(0);
    }
    child_wait(child);
    signal_say("from a user who may not", 50);
    ends_close();
}

int main(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGIO);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, NULL);
    ends_make();
    owner_check();
    ends_close();
    pipe_check();
    pair_check();
    terminal_check();
    others_check();
    return 0;
}
