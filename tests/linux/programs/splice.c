/* Bytes between pipes and files without a buffer of the program's: splice, tee, vmsplice, and the
 * size of pipes; vectors with flags; what is asked of storage. */
#include <sys/ioctl.h>
#include <sys/uio.h>

#include "tests/linux/programs/program.h"

#ifndef RWF_APPEND
#define RWF_APPEND 0x10
#endif
#ifndef RWF_NOWAIT
#define RWF_NOWAIT 8
#endif

struct ends {
    int in;
    int out;
};

static struct ends pipe_new(void)
{
    int ends[2];
    must(pipe(ends) == 0, "pipe");
    return (struct ends){ends[0], ends[1]};
}

static void ends_close(struct ends ends)
{
    close(ends.in);
    close(ends.out);
}

static int pipe_holds(struct ends ends)
{
    int count = -1;
    must(ioctl(ends.in, FIONREAD, &count) == 0, "FIONREAD");
    return count;
}

static void read_say(const char *what, int file)
{
    char bytes[100] = "";
    ssize_t length = read(file, bytes, sizeof(bytes) - 1);
    if (length < 0) {
        say("%s: %s", what, error_name(errno));
    } else {
        say("%s: %zd bytes: %.*s", what, length, (int)length, bytes);
    }
}

static void splice_check(void)
{
    struct ends first = pipe_new(), second = pipe_new();
    int file = open("file", O_RDWR | O_CREAT | O_TRUNC, 0644);
    must(write(file, "0123456789", 10) == 10, "write");
    off64_t offset = 2;
    say_result("file to pipe at an offset", splice(file, &offset, first.out, NULL, 5, 0));
    say("  the offset: %d, the position: %d", (int)offset, (int)lseek(file, 0, SEEK_CUR));
    must(lseek(file, 1, SEEK_SET) == 1, "lseek");
    say_result("file to pipe at its position", splice(file, NULL, first.out, NULL, 3, 0));
    say("  the position: %d", (int)lseek(file, 0, SEEK_CUR));
    say_result("pipe to pipe", splice(first.in, NULL, second.out, NULL, 6, 0));
    say("  the first holds %d, the second %d", pipe_holds(first), pipe_holds(second));
    offset = 20;
    say_result("pipe to file at an offset", splice(second.in, NULL, file, &offset, 100, 0));
    say("  the offset: %d", (int)offset);
    char text[32] = "";
    must(pread(file, text, 6, 20) == 6, "pread");
    say("  the file: %s", text);
    must(lseek(file, 0, SEEK_SET) == 0, "lseek");
    say_result("pipe to file", splice(first.in, NULL, file, NULL, 100, 0));
    say("  the position: %d", (int)lseek(file, 0, SEEK_CUR));
    must(lseek(file, 0, SEEK_END) > 0, "lseek");
    say_result("at the end of the file", splice(file, NULL, first.out, NULL, 10, 0));
    say_result("an empty pipe", splice(first.in, NULL, file, NULL, 10, SPLICE_F_NONBLOCK));
    say_result("of nothing", splice(first.in, NULL, file, NULL, 0, 0));
    say_result("file to file", splice(file, NULL, file, NULL, 10, 0));
    say_result("a pipe to itself", splice(first.in, NULL, first.out, NULL, 10, 0));
    say_result("an offset for a pipe", splice(first.in, &offset, file, NULL, 10, 0));
    say_result("the wrong ends", splice(first.out, NULL, file, NULL, 10, 0));
    say_result("wrong flags", splice(first.in, NULL, file, NULL, 10, 0x100));
    say_result("no descriptor", splice(99, NULL, file, NULL, 10, 0));
    int appending = open("file", O_WRONLY | O_APPEND);
    must(write(first.out, "x", 1) == 1, "write");
    say_result("to a file that appends", splice(first.in, NULL, appending, NULL, 1, 0));
    close(appending);
    read_say("what stayed", first.in);
    close(first.out);
    say_result("at the end of a pipe", splice(first.in, NULL, file, NULL, 10, 0));
    close(first.in);
    close(second.in);
    signal(SIGPIPE, SIG_IGN);
    must(lseek(file, 0, SEEK_SET) == 0, "lseek");
    say_result("to a pipe that nobody reads", splice(file, NULL, second.out, NULL, 10, 0));
    say("  the position: %d", (int)lseek(file, 0, SEEK_CUR));
    close(second.out);
    close(file);
}

/* More than a pipe holds goes through; what the other end does not take stays. */
static void flow_check(void)
{
    enum {
        TOTAL = 500000
    };
    struct ends pipe_ends = pipe_new();
    int from = open("from", O_RDWR | O_CREAT | O_TRUNC, 0644);
    int to = open("to", O_RDWR | O_CREAT | O_TRUNC, 0644);
    static char bytes[TOTAL], copy[TOTAL];
    for (int i = 0; i < TOTAL; i++) {
        bytes[i] = (char)(i % 251);
    }
    must(write(from, bytes, TOTAL) == TOTAL && lseek(from, 0, SEEK_SET) == 0, "write");
    pid_t pid = fork();
    if (pid == 0) {
        close(pipe_ends.in);
        for (int left = TOTAL; left > 0;) {
            ssize_t count = splice(from, NULL, pipe_ends.out, NULL, (size_t)left, 0);
            must(count > 0, "splice");
            left -= (int)count;
        }
        _exit(0);
    }
    close(pipe_ends.out);
    int total = 0;
    ssize_t count;
    while ((count = splice(pipe_ends.in, NULL, to, NULL, 70000, 0)) > 0) {
        total += (int)count;
    }
    child_wait(pid);
    must(pread(to, copy, TOTAL, 0) == TOTAL, "pread");
    say("through a pipe: %d bytes, the same %d", total, memcmp(bytes, copy, TOTAL) == 0);
    close(pipe_ends.in);
    struct ends full = pipe_new(), source = pipe_new();
    fcntl(full.out, F_SETFL, O_NONBLOCK);
    while (write(full.out, bytes, 4096) > 0) {
    }
    must(write(source.out, "kept", 4) == 4, "write");
    say_result("into a full pipe", splice(source.in, NULL, full.out, NULL, 4, SPLICE_F_NONBLOCK));
    read_say("it stayed", source.in);
    ends_close(full);
    ends_close(source);
    close(from);
    close(to);
}

static void tee_check(void)
{
    struct ends first = pipe_new(), second = pipe_new();
    must(write(first.out, "twice", 5) == 5, "write");
    say_result("tee", tee(first.in, second.out, 100, 0));
    read_say("the second", second.in);
    read_say("the first", first.in);
    say_result("tee of nothing", tee(first.in, second.out, 100, SPLICE_F_NONBLOCK));
    int file = open("file", O_RDONLY);
    say_result("tee of a file", tee(file, second.out, 100, 0));
    say_result("tee to itself", tee(first.in, first.out, 100, 0));
    close(file);
    static char words[] = "of the program";
    struct iovec vector[2] = {{words, 7}, {words + 7, 7}};
    say_result("vmsplice", vmsplice(first.out, vector, 2, 0));
    read_say("it gave", first.in);
    char text[20] = "";
    must(write(first.out, "taken", 5) == 5, "write");
    struct iovec taken = {text, sizeof(text)};
    say_result("vmsplice the other way", vmsplice(first.in, &taken, 1, 0));
    say("it took: %s", text);
    say_result("vmsplice of a file", vmsplice(open("file", O_RDWR), vector, 1, 0));
    ends_close(first);
    ends_close(second);
}

static void size_check(void)
{
    struct ends ends = pipe_new();
    static char bytes[300000];
    say_result("F_GETPIPE_SZ", fcntl(ends.in, F_GETPIPE_SZ));
    say_result("F_SETPIPE_SZ to 200000", fcntl(ends.out, F_SETPIPE_SZ, 200000));
    say_result("F_GETPIPE_SZ", fcntl(ends.in, F_GETPIPE_SZ));
    fcntl(ends.out, F_SETFL, O_NONBLOCK);
    for (size_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (char)(i % 251);
    }
    say_result("a write", write(ends.out, bytes, sizeof(bytes)));
    say_result("to less than it holds", fcntl(ends.out, F_SETPIPE_SZ, 65536));
    static char back[300000];
    must(read(ends.in, back, 200000) == 200000, "read");
    must(write(ends.out, bytes + 262144, 20000) == 20000, "write");
    say_result("to less while it wraps", fcntl(ends.out, F_SETPIPE_SZ, 100000));
    must(read(ends.in, back + 200000, 100000) == 82144, "read");
    say("the bytes are the same: %d", memcmp(bytes, back, 282144) == 0);
    say_result("to a page", fcntl(ends.out, F_SETPIPE_SZ, 1));
    say_result("a write", write(ends.out, bytes, 10000));
    say_result("to nothing", fcntl(ends.out, F_SETPIPE_SZ, 0));
    say_result("F_SETPIPE_SZ of a file", fcntl(open("file", O_RDONLY), F_SETPIPE_SZ, 4096));
    ends_close(ends);
}

/* This musl does not know them. */
static ssize_t vectors_read(int file, const struct iovec *vector, int count, long offset, int flags)
{
    return syscall(SYS_preadv2, file, vector, count, offset, 0, flags);
}

static ssize_t vectors_write(int file, const struct iovec *vector, int count, long offset,
                             int flags)
{
    return syscall(SYS_pwritev2, file, vector, count, offset, 0, flags);
}

static void flags_check(void)
{
    int file = open("vectors", O_RDWR | O_CREAT | O_TRUNC, 0644);
    char text[16] = "";
    static char letters[] = "abcdef";
    struct iovec out = {letters, 6}, in = {text, 4};
    say_result("pwritev2", vectors_write(file, &out, 1, 2, 0));
    say_result("pwritev2 at the position", vectors_write(file, &out, 1, -1, 0));
    say("  the position: %d", (int)lseek(file, 0, SEEK_CUR));
    say_result("pwritev2 that appends", vectors_write(file, &out, 1, 0, RWF_APPEND));
    say("  the size: %d", (int)lseek(file, 0, SEEK_END));
    say_result("preadv2", vectors_read(file, &in, 1, 8, 0));
    say("  %s", text);
    say_result("preadv2 without waiting", vectors_read(file, &in, 1, 0, RWF_NOWAIT));
    say_result("preadv2 with wrong flags", vectors_read(file, &in, 1, 0, 0x8000000));
    say_result("preadv2 at -2", vectors_read(file, &in, 1, -2, 0));
    say_result("sync_file_range", sync_file_range(file, 0, 0, 7));
    say_result("  with wrong flags", sync_file_range(file, 0, 0, 8));
    say_result("  with a wrong range", sync_file_range(file, -1, 0, 7));
    say_result("readahead", readahead(file, 0, 100));
    struct ends ends = pipe_new();
    say_result("sync_file_range of a pipe", sync_file_range(ends.in, 0, 0, 7));
    say_result("readahead of a pipe", readahead(ends.in, 0, 100));
    say_result("F_SETOWN", fcntl(ends.in, F_SETOWN, getpid()));
    say("F_GETOWN: ours %d", fcntl(ends.in, F_GETOWN) == getpid());
    int on = 1;
    say_result("FIOASYNC", ioctl(ends.in, FIOASYNC, &on));
    ends_close(ends);
    close(file);
}

int main(void)
{
    umask(022);
    splice_check();
    flow_check();
    tee_check();
    size_check();
    flags_check();
    return 0;
}
