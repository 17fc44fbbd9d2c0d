/* Pipes and FIFOs keep their order, their limits and their ends as on Linux; poll and select say
 * so. */
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/select.h>

#include "tests/linux/programs/program.h"

static void say_poll(const char *what, int descriptor, short events, int timeout_ms)
{
    struct pollfd entry = {.fd = descriptor, .events = events};
    int result = poll(&entry, 1, timeout_ms);
    say("%s: poll %d,%s%s%s%s%s", what, result, entry.revents & POLLIN ? " IN" : "",
        entry.revents & POLLOUT ? " OUT" : "", entry.revents & POLLHUP ? " HUP" : "",
        entry.revents & POLLERR ? " ERR" : "", entry.revents & POLLNVAL ? " NVAL" : "");
}

static void ends_check(void)
{
    int ends[2];
    char text[16] = {0};
    must(pipe(ends) == 0, "pipe");
    say_poll("empty pipe, reader", ends[0], POLLIN, 0);
    say_poll("empty pipe, writer", ends[1], POLLOUT, 0);
    say_result("write", write(ends[1], "hello", 5));
    say_poll("five bytes, reader", ends[0], POLLIN, 1000);
    int waiting;
    must(ioctl(ends[0], FIONREAD, &waiting) == 0, "FIONREAD");
    say("FIONREAD: %d", waiting);
    say_result("read of three", read(ends[0], text, 3));
    say_result("read of no bytes", read(ends[0], text, 0));
    say_result("read of more than there is", read(ends[0], text, 16));
    must(write(ends[1], "end", 3) == 3, "write");
    close(ends[1]);
    say_poll("writer closed, bytes left", ends[0], POLLIN, 0);
    say_result("read after the close", read(ends[0], text, 16));
    say_result("read at the end", read(ends[0], text, 16));
    say_result("read at the end again", read(ends[0], text, 16));
    say_poll("writer closed, empty", ends[0], POLLIN, 0);
    close(ends[0]);
    must(pipe(ends) == 0, "pipe");
    close(ends[0]);
    say_poll("reader closed", ends[1], POLLOUT, 0);
    say_result("write without a reader", write(ends[1], "x", 1));
    close(ends[1]);
    say_poll("closed descriptor", ends[1], POLLOUT, 0);
    must(pipe(ends) == 0, "pipe");
    say_result("write to the reading end", write(ends[0], "x", 1));
    say_result("read of the writing end", read(ends[1], text, 1));
    struct stat about;
    must(fstat(ends[0], &about) == 0, "fstat");
    say("fstat: mode %o", about.st_mode & S_IFMT);
    close(ends[0]);
    close(ends[1]);
    say_result("pipe2 with wrong flags", pipe2(ends, O_TRUNC));
}

static void nonblocking_check(void)
{
    int ends[2];
    static char block[4096];
    must(pipe2(ends, O_NONBLOCK | O_CLOEXEC) == 0, "pipe2");
    say("pipe2: flags %#x %d", fcntl(ends[0], F_GETFL), fcntl(ends[0], F_GETFD));
    say_result("read of an empty pipe", read(ends[0], block, 1));
    long total = 0;
    ssize_t count;
    while ((count = write(ends[1], block, sizeof(block))) > 0) {
        total += count;
    }
    say_result("write to a full pipe", count);
    say("full pipe: %ld bytes, F_GETPIPE_SZ %d", total, fcntl(ends[1], 1032));
    say_poll("full pipe, writer", ends[1], POLLOUT, 0);
    must(read(ends[0], block, 100) == 100, "read");
    say_result("write of PIPE_BUF with 100 free", write(ends[1], block, sizeof(block)));
    must(read(ends[0], block, 3996) == 3996, "read");
    say_poll("one page free, writer", ends[1], POLLOUT, 0);
    say_result("write of PIPE_BUF with a page free", write(ends[1], block, sizeof(block)));
    must(read(ends[0], block, 4096) == 4096, "read");
    static char large[16384];
    say_result("write of four pages with a page free", write(ends[1], large, sizeof(large)));
    close(ends[0]);
    close(ends[1]);
}

static void blocking_check(void)
{
    int ends[2];
    must(pipe(ends) == 0, "pipe");
    enum {
        TOTAL = 1000000
    };
    pid_t pid = fork();
    if (pid == 0) {
        close(ends[0]);
        static char bytes[TOTAL];
        for (int i = 0; i < TOTAL; i++) {
            bytes[i] = (char)(i * 7 % 251);
        }
        _exit(write(ends[1], bytes, TOTAL) == TOTAL ? 0 : 1);
    }
    close(ends[1]);
    int at = 0, wrong = 0;
    char piece[3001];
    ssize_t count;
    while ((count = read(ends[0], piece, sizeof(piece))) > 0) {
        for (ssize_t i = 0; i < count; i++, at++) {
            wrong += piece[i] != (char)(at * 7 % 251);
        }
    }
    say("a million bytes in one write: %d read, %d wrong", at, wrong);
    say_status("a million bytes in one write", child_wait(pid));
    close(ends[0]);
}

/* Writes of PIPE_BUF bytes stay whole however many write. */
static void atomic_check(void)
{
    enum {
        WRITERS = 5,
        BLOCKS = 60
    };
    int ends[2];
    must(pipe(ends) == 0, "pipe");
    for (int i = 0; i < WRITERS; i++) {
        if (fork() == 0) {
            char block[PIPE_BUF];
            memset(block, 'a' + i, sizeof(block));
            for (int k = 0; k < BLOCKS; k++) {
                must(write(ends[1], block, sizeof(block)) == PIPE_BUF, "write");
            }
            _exit(0);
        }
    }
    close(ends[1]);
    int blocks[WRITERS] = {0}, torn = 0;
    FILE *stream = fdopen(ends[0], "r");
    char block[PIPE_BUF];
    while (fread(block, sizeof(block), 1, stream) == 1) {
        for (size_t i = 1; i < sizeof(block); i++) {
            torn += block[i] != block[0];
        }
        if (block[0] >= 'a' && block[0] < 'a' + WRITERS) {
            blocks[block[0] - 'a']++;
        }
    }
    fclose(stream);
    for (int i = 0; i < WRITERS; i++) {
        wait(NULL);
    }
    say("atomic: %d %d %d %d %d blocks, %d torn", blocks[0], blocks[1], blocks[2], blocks[3],
        blocks[4], torn);
}

/* --- FIFOs --- */

static void fifo_check(void)
{
    must(mkfifo("fifo", 0644) == 0, "mkfifo");
    say_result("mkfifo again", mkfifo("fifo", 0644));
    say_result("open to write without a reader", open("fifo", O_WRONLY | O_NONBLOCK));
    int reader = open("fifo", O_RDONLY | O_NONBLOCK);
    say("open to read without a writer: %s", reader >= 0 ? "done" : error_name(errno));
    char text[16];
    say_result("read without a writer", read(reader, text, 1));
    say_poll("no writer yet", reader, POLLIN, 0);
    int writer = open("fifo", O_WRONLY | O_NONBLOCK);
    say("open to write with a reader: %s", writer >= 0 ? "done" : error_name(errno));
    say_result("read with a writer", read(reader, text, 1));
    must(write(writer, "abc", 3) == 3, "write");
    close(writer);
    say_result("read of what a writer left", read(reader, text, 16));
    say_result("read at the end", read(reader, text, 16));
    say_poll("writer gone", reader, POLLIN, 0);
    writer = open("fifo", O_WRONLY);
    say_poll("a new writer", reader, POLLIN, 0);
    close(reader);
    close(writer);
    int both = open("fifo", O_RDWR);
    must(write(both, "both", 4) == 4, "write");
    say_result("opened for both", read(both, text, 16));
    close(both);
    pid_t pid = fork();
    if (pid == 0) {
        int file = open("fifo", O_WRONLY);
        must(write(file, "child", 5) == 5, "write");
        _exit(0);
    }
    sleeping_wait(pid, 'S');
    reader = open("fifo", O_RDONLY);
    memset(text, 0, sizeof(text));
    say_result("the child's bytes", read(reader, text, 16));
    say("blocking opens meet: %s", text);
    say_status("blocking opens meet", child_wait(pid));
    close(reader);
    must(unlink("fifo") == 0, "unlink");
}

/* --- Waiting for several --- */

static void handler(int number)
{
    (void)number;
}

static void wait_check(void)
{
    int first[2], second[2];
    must(pipe(first) == 0 && pipe(second) == 0, "pipe");
    struct pollfd entries[3] = {{.fd = first[0], .events = POLLIN},
                                {.fd = -1, .events = POLLIN},
                                {.fd = second[0], .events = POLLIN}};
    int64_t start = now_ms();
    say_result("poll with nothing ready", poll(entries, 3, 30));
    int64_t took = now_ms() - start;
    say("poll: waited %s", took >= 30 && took < 2000 ? "long enough" : "wrong");
    pid_t pid = fork();
    if (pid == 0) {
        sleep_ms(20);
        byte_send(second[1]);
        _exit(0);
    }
    say_result("poll until a child writes", poll(entries, 3, 5000));
    say("poll: %d %d %d", entries[0].revents, entries[1].revents, entries[2].revents);
    child_wait(pid);
    fd_set readers, writers;
    FD_ZERO(&readers);
    FD_ZERO(&writers);
    FD_SET(first[0], &readers);
    FD_SET(second[0], &readers);
    FD_SET(first[1], &writers);
    struct timeval second_left = {1, 0};
    say_result("select", select(second[1] + 1, &readers, &writers, NULL, &second_left));
    say("select: %d %d %d", !!FD_ISSET(first[0], &readers), !!FD_ISSET(second[0], &readers),
        !!FD_ISSET(first[1], &writers));
    FD_ZERO(&readers);
    FD_SET(first[0], &readers);
    struct timeval soon = {0, 20000};
    say_result("select with nothing ready", select(first[0] + 1, &readers, NULL, NULL, &soon));
    say("select: %d, time left %d", !!FD_ISSET(first[0], &readers), (int)soon.tv_usec);
    FD_SET(first[0], &readers);
    int closed = dup(first[0]);
    close(closed);
    FD_SET(closed, &readers);
    say_result("select with a closed one", select(closed + 1, &readers, NULL, NULL, &soon));
    say_result("select with a negative number", select(-1, NULL, NULL, NULL, &soon));
    say_result("poll with too many", poll(entries, 1 << 30, 0));
    /* A signal blocked outside ppoll and free within it. */
    signal(SIGUSR1, handler);
    sigset_t blocked, none, old;
    sigemptyset(&none);
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGUSR1);
    sigprocmask(SIG_BLOCK, &blocked, &old);
    raise(SIGUSR1);
    struct timespec later = {5, 0};
    say_result("ppoll with a signal pending", ppoll(entries, 1, &later, &none));
    sigset_t pending;
    sigpending(&pending);
    say("ppoll: pending %d", sigismember(&pending, SIGUSR1));
    raise(SIGUSR1);
    FD_ZERO(&readers);
    say_result("pselect with a signal pending", pselect(0, NULL, NULL, NULL, &later, &none));
    sigprocmask(SIG_SETMASK, &old, NULL);
    int file = open("/dev/null", O_RDWR);
    say_poll("/dev/null", file, POLLIN | POLLOUT, 0);
    close(file);
    file = open("file", O_RDWR | O_CREAT, 0644);
    say_poll("a file", file, POLLIN | POLLOUT, 0);
    close(file);
}

/* cat | tr | wc, as a shell makes it. */
static void chain_check(void)
{
    int first[2], second[2];
    must(pipe(first) == 0 && pipe(second) == 0, "pipe");
    if (fork() == 0) {
        for (int i = 0; i < 1000; i++) {
            must(write(first[1], "line\n", 5) == 5, "write");
        }
        _exit(0);
    }
    close(first[1]);
    if (fork() == 0) {
        close(second[0]);
        char byte;
        while (read(first[0], &byte, 1) == 1) {
            byte = (char)(byte == '\n' ? ' ' : byte - 32);
            must(write(second[1], &byte, 1) == 1, "write");
        }
        _exit(0);
    }
    close(first[0]);
    close(second[1]);
    FILE *stream = fdopen(second[0], "r");
    int words = 0;
    char word[16];
    while (fscanf(stream, "%15s", word) == 1) {
        words += strcmp(word, "LINE") == 0;
    }
    fclose(stream);
    while (wait(NULL) > 0) {
    }
    say("chain: %d words", words);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    ends_check();
    nonblocking_check();
    blocking_check();
    atomic_check();
    fifo_check();
    wait_check();
    chain_check();
    return 0;
}
