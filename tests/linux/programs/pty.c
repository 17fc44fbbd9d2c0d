/* Pseudo terminals: making them, their names, modes, job control, hang-up, packet mode. */
#include <poll.h>
#include <sys/ioctl.h>
#include <termios.h>

#include "tests/linux/programs/program.h"

struct pair {
    int master;
    int slave;
};

static struct pair pair_open(void)
{
    struct pair pair;
    pair.master = posix_openpt(O_RDWR | O_NOCTTY);
    must(pair.master >= 0, "posix_openpt");
    must(grantpt(pair.master) == 0 && unlockpt(pair.master) == 0, "unlockpt");
    pair.slave = open(ptsname(pair.master), O_RDWR | O_NOCTTY);
    must(pair.slave >= 0, "open the slave");
    return pair;
}

static void pair_close(struct pair pair)
{
    close(pair.master);
    close(pair.slave);
}

static void say_bytes(const char *what, const char *bytes, ssize_t length)
{
    char shown[256];
    size_t at = 0;
    if (length < 0) {
        say("%s: %s", what, error_name(errno));
        return;
    }
    for (ssize_t i = 0; i < length && at < sizeof(shown) - 8; i++) {
        unsigned char byte = (unsigned char)bytes[i];
        at += (size_t)snprintf(shown + at, sizeof(shown) - at,
                               byte < ' ' || byte > '~' ? "<%02x>" : "%c", byte);
    }
    shown[at] = '\0';
    say("%s: %zd bytes: %s", what, length, shown);
}

static void read_say(const char *what, int file)
{
    char bytes[200];
    ssize_t length = read(file, bytes, sizeof(bytes));
    say_bytes(what, bytes, length);
}

static int events_of(int file)
{
    struct pollfd poll_file = {.fd = file, .events = POLLIN | POLLOUT | POLLPRI};
    must(poll(&poll_file, 1, 0) >= 0, "poll");
    return poll_file.revents;
}

static void names_check(void)
{
    int master = open("/dev/ptmx", O_RDWR | O_NOCTTY);
    must(master >= 0, "/dev/ptmx");
    unsigned number = 77777;
    say_result("TIOCGPTN", ioctl(master, TIOCGPTN, &number));
    char name[64], expected[64];
    snprintf(expected, sizeof(expected), "/dev/pts/%u", number);
    must(ptsname_r(master, name, sizeof(name)) == 0, "ptsname_r");
    say("its name is /dev/pts/NUMBER: %d", strcmp(name, expected) == 0);
    say_result("the slave before unlockpt", open(name, O_RDWR | O_NOCTTY));
    int locked = -1;
    must(ioctl(master, TIOCGPTLCK, &locked) == 0, "TIOCGPTLCK");
    say("locked: %d", locked);
    must(unlockpt(master) == 0, "unlockpt");
    must(ioctl(master, TIOCGPTLCK, &locked) == 0, "TIOCGPTLCK");
    say("after unlockpt: %d", locked);
    struct stat about;
    must(stat(name, &about) == 0, name);
    say("a character device: %d, major %u, minor as the number: %d", S_ISCHR(about.st_mode),
        (unsigned)(about.st_rdev >> 8), (about.st_rdev & 0xff) == number);
    int slave = open(name, O_RDWR | O_NOCTTY);
    must(slave >= 0, name);
    say("ttyname: %d", ttyname(slave) != NULL && strcmp(ttyname(slave), name) == 0);
    say("isatty: master %d, slave %d", isatty(master), isatty(slave));
    int peer = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
    say("TIOCGPTPEER: %s, close on exec %d", peer >= 0 ? "a file" : error_name(errno),
        fcntl(peer, F_GETFD));
    say("its ttyname: %d", ttyname(peer) != NULL && strcmp(ttyname(peer), name) == 0);
    say_result("lseek", lseek(slave, 0, SEEK_SET));
    must(chmod(name, 0600) == 0 && stat(name, &about) == 0, "chmod");
    say("chmod: %o", about.st_mode);
    close(peer);
    close(slave);
    close(master);
    say_result("the name after the master was closed", stat(name, &about));
}

static void flow_check(void)
{
    struct pair pair = pair_open();
    say("events at the start: master %x, slave %x", events_of(pair.master), events_of(pair.slave));
    must(write(pair.master, "hello\n", 6) == 6, "write");
    say("events after a line: slave %x", events_of(pair.slave));
    read_say("the slave reads", pair.slave);
    read_say("the echo", pair.master);
    must(write(pair.slave, "a\nb", 3) == 3, "write");
    say("events after output: master %x", events_of(pair.master));
    int count = -1;
    must(ioctl(pair.master, FIONREAD, &count) == 0, "FIONREAD");
    say("FIONREAD of the master: %d", count);
    read_say("the master reads", pair.master);
    must(write(pair.master,
               "ab\x7f"
               "c\x04",
               5) == 5,
         "write");
    read_say("edited", pair.slave);
    read_say("its echo", pair.master);
    must(write(pair.master, "\x04", 1) == 1, "write");
    read_say("an end of file", pair.slave);
    struct termios settings;
    must(tcgetattr(pair.master, &settings) == 0, "tcgetattr");
    say("settings: %x %x %x %x", settings.c_iflag, settings.c_oflag & OPOST,
        settings.c_cflag & CSIZE, settings.c_lflag);
    cfmakeraw(&settings);
    must(tcsetattr(pair.slave, TCSAFLUSH, &settings) == 0, "tcsetattr");
    must(write(pair.master, "\x03x\r", 3) == 3, "write");
    read_say("raw", pair.slave);
    must(write(pair.slave, "q\n", 2) == 2, "write");
    read_say("raw output", pair.master);
    fcntl(pair.master, F_SETFL, O_NONBLOCK);
    read_say("nothing", pair.master);
    must(write(pair.slave, "lost", 4) == 4 && tcflush(pair.slave, TCOFLUSH) == 0, "tcflush");
    /* On Linux what has reached the master is not flushed from the slave. */
    must(tcflush(pair.master, TCIFLUSH) == 0, "tcflush");
    read_say("flushed", pair.master);
    must(write(pair.master, "lost", 4) == 4 && tcflush(pair.slave, TCIFLUSH) == 0, "tcflush");
    say("input flushed: slave %x", events_of(pair.slave));
    pair_close(pair);
}

struct settings_2 { /* struct termios2 of asm/termbits.h */
    uint32_t flags[4];
    uint8_t controls[20];
    uint32_t input_speed;
    uint32_t output_speed;
};

static void speed_check(void)
{
    struct pair pair = pair_open();
    struct settings_2 settings;
    must(ioctl(pair.slave, (int)0x802c542a, &settings) == 0, "TCGETS2");
    say("speed: %u %u", settings.input_speed, settings.output_speed);
    settings.flags[2] = (settings.flags[2] & ~0010017u) | 0010000u;
    settings.input_speed = settings.output_speed = 115200;
    say_result("TCSETS2", ioctl(pair.slave, 0x402c542b, &settings));
    must(ioctl(pair.slave, (int)0x802c542a, &settings) == 0, "TCGETS2");
    say("speed: %u %u", settings.input_speed, settings.output_speed);
    struct termios old;
    must(tcgetattr(pair.slave, &old) == 0 && cfsetspeed(&old, B9600) == 0 &&
             tcsetattr(pair.slave, TCSANOW, &old) == 0,
         "tcsetattr");
    must(ioctl(pair.master, (int)0x802c542a, &settings) == 0, "TCGETS2");
    say("speed: %u %u", settings.input_speed, settings.output_speed);
    pair_close(pair);
}

static void size_check(void)
{
    struct pair pair = pair_open();
    struct winsize size = {1, 1, 1, 1};
    must(ioctl(pair.slave, TIOCGWINSZ, &size) == 0, "TIOCGWINSZ");
    say("size: %u %u", size.ws_row, size.ws_col);
    size = (struct winsize){24, 80, 3, 4};
    must(ioctl(pair.master, TIOCSWINSZ, &size) == 0, "TIOCSWINSZ");
    size = (struct winsize){0, 0, 0, 0};
    must(ioctl(pair.slave, TIOCGWINSZ, &size) == 0, "TIOCGWINSZ");
    say("size: %u %u %u %u", size.ws_row, size.ws_col, size.ws_xpixel, size.ws_ypixel);
    pair_close(pair);
}

static void ends_check(void)
{
    struct pair pair = pair_open();
    must(write(pair.slave, "last", 4) == 4, "write");
    close(pair.slave);
    say("the slave is closed: master %x", events_of(pair.master));
    read_say("what was written", pair.master);
    say("then: master %x", events_of(pair.master));
    read_say("then", pair.master);
    pair.slave = open(ptsname(pair.master), O_RDWR | O_NOCTTY);
    say("opened again: master %x", events_of(pair.master));
    close(pair.master);
    say("the master is closed: slave %x", events_of(pair.slave));
    read_say("the slave reads", pair.slave);
    say_result("the slave writes", write(pair.slave, "x", 1));
    struct winsize size;
    say_result("its size", ioctl(pair.slave, TIOCGWINSZ, &size));
    close(pair.slave);
}

static void packet_check(void)
{
    struct pair pair = pair_open();
    int on = 1, packet = -1;
    must(ioctl(pair.master, TIOCPKT, &on) == 0 && ioctl(pair.master, TIOCGPKT, &packet) == 0,
         "TIOCPKT");
    say("packet mode: %d", packet);
    must(write(pair.slave, "data", 4) == 4, "write");
    read_say("data", pair.master);
    must(tcflush(pair.slave, TCIFLUSH) == 0, "tcflush");
    say("events of a control byte: %x", events_of(pair.master));
    read_say("flushed", pair.master);
    must(tcflow(pair.slave, TCOOFF) == 0, "tcflow");
    read_say("stopped", pair.master);
    must(tcflow(pair.slave, TCOON) == 0, "tcflow");
    read_say("started", pair.master);
    struct termios settings;
    must(tcgetattr(pair.slave, &settings) == 0, "tcgetattr");
    settings.c_iflag &= ~(tcflag_t)IXON;
    must(tcsetattr(pair.slave, TCSANOW, &settings) == 0, "tcsetattr");
    read_say("no stop", pair.master);
    pair_close(pair);
}

/* More than fits goes through, in order. */
static void long_check(void)
{
    enum {
        TOTAL = 300000
    };
    struct pair pair = pair_open();
    struct termios settings;
    must(tcgetattr(pair.slave, &settings) == 0, "tcgetattr");
    cfmakeraw(&settings);
    must(tcsetattr(pair.slave, TCSANOW, &settings) == 0, "tcsetattr");
    for (int to_slave = 0; to_slave < 2; to_slave++) {
        int from = to_slave ? pair.slave : pair.master, to = to_slave ? pair.master : pair.slave;
        pid_t pid = fork();
        if (pid == 0) {
            static unsigned char bytes[1000];
            for (int sent = 0; sent < TOTAL; sent += (int)sizeof(bytes)) {
                for (size_t i = 0; i < sizeof(bytes); i++) {
                    bytes[i] = (unsigned char)(((size_t)sent + i) % 251);
                }
                for (size_t done = 0; done < sizeof(bytes);) {
                    ssize_t count = write(to, bytes + done, sizeof(bytes) - done);
                    must(count > 0, "write");
                    done += (size_t)count;
                }
            }
            _exit(0);
        }
        int received = 0, wrong = 0;
        while (received < TOTAL) {
            unsigned char bytes[700];
            ssize_t count = read(from, bytes, sizeof(bytes));
            must(count > 0, "read");
            for (ssize_t i = 0; i < count; i++) {
                wrong += bytes[i] != (received + i) % 251;
            }
            received += (int)count;
        }
        say("%s: %d bytes, wrong %d", to_slave ? "typed" : "written", received, wrong);
        child_wait(pid);
    }
    pair_close(pair);
}

/* --- job control ------------------------------------------------------------------------------ */

static volatile sig_atomic_t caught;

static void handler(int number)
{
    caught = number;
}

static void handle(int number)
{
    struct sigaction action = {.sa_handler = handler};
    sigaction(number, &action, NULL);
}

/* A session leader with a terminal: what script and sshd start. Talks through its terminal. */
static void leader_run(const char *name)
{
    setsid();
    say_result("/dev/tty before", open("/dev/tty", O_RDWR));
    int slave = open(name, O_RDWR);
    must(slave >= 0, name);
    int terminal = open("/dev/tty", O_RDWR);
    say("/dev/tty: %d", terminal >= 0);
    say("foreground is its group: %d", tcgetpgrp(slave) == getpgrp());
    say("session: %d", tcgetsid(slave) == getsid(0));
    handle(SIGINT);
    handle(SIGWINCH);
    handle(SIGHUP);
    byte_send(slave);
    while (caught == 0) {
        sleep_ms(5);
    }
    say("the keyboard: %s", signal_name(caught));
    caught = 0;
    byte_send(slave);
    while (caught == 0) {
        sleep_ms(5);
    }
    say("the size: %s", signal_name(caught));
    pid_t pid = fork();
    if (pid == 0) {
        setpgid(0, 0);
        char byte;
        signal(SIGTTIN, SIG_DFL);
        (void)!read(slave, &byte, 1);
        _exit(0);
    }
    setpgid(pid, pid);
    int status = 0;
    must(waitpid(pid, &status, WUNTRACED) == pid, "waitpid");
    say_status("a background reader", status);
    signal(SIGTTOU, SIG_IGN);
    say_result("tcsetpgrp", tcsetpgrp(slave, pid));
    must(kill(pid, SIGCONT) == 0, "kill");
    byte_send(slave);
    must(waitpid(pid, &status, 0) == pid, "waitpid");
    say_status("in the foreground", status);
    tcsetpgrp(slave, getpgrp());
    caught = 0;
    byte_send(slave);
    while (caught == 0) {
        sleep_ms(5);
    }
    say("hung up: %s", signal_name(caught));
    say_result("/dev/tty after", open("/dev/tty", O_RDWR));
    _exit(7);
}

static void prompt_await(int master)
{
    char byte = 0;
    while (byte != 'x') {
        must(read(master, &byte, 1) == 1, "read the terminal");
    }
}

static void jobs_check(void)
{
    int master = posix_openpt(O_RDWR | O_NOCTTY);
    must(master >= 0 && unlockpt(master) == 0, "posix_openpt");
    char name[64];
    must(ptsname_r(master, name, sizeof(name)) == 0, "ptsname_r");
    pid_t pid = fork();
    if (pid == 0) {
        close(master);
        leader_run(name);
    }
    prompt_await(master);
    pid_t foreground = 0;
    must(ioctl(master, TIOCGPGRP, &foreground) == 0, "TIOCGPGRP");
    say("the master knows the foreground: %d", foreground == pid);
    must(write(master, "\x03", 1) == 1, "write");
    prompt_await(master);
    struct winsize size = {50, 100, 0, 0};
    must(ioctl(master, TIOCSWINSZ, &size) == 0, "TIOCSWINSZ");
    prompt_await(master);
    must(write(master, "y\n", 2) == 2, "write");
    prompt_await(master);
    close(master);
    say_status("the leader", child_wait(pid));
}

int main(void)
{
    setsid();
    names_check();
    flow_check();
    size_check();
    speed_check();
    ends_check();
    packet_check();
    long_check();
    jobs_check();
    return 0;
}
