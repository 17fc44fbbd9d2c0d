/* inotify tells of what happens to files, in the order and with the names that Linux gives. */
#include <poll.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/xattr.h>

#include "tests/linux/programs/program.h"

static const struct {
    uint32_t bit;
    const char *name;
} bits[] = {
    {IN_ACCESS, "access"},
    {IN_MODIFY, "modify"},
    {IN_ATTRIB, "attrib"},
    {IN_CLOSE_WRITE, "close-write"},
    {IN_CLOSE_NOWRITE, "close-nowrite"},
    {IN_OPEN, "open"},
    {IN_MOVED_FROM, "moved-from"},
    {IN_MOVED_TO, "moved-to"},
    {IN_CREATE, "create"},
    {IN_DELETE, "delete"},
    {IN_DELETE_SELF, "delete-self"},
    {IN_MOVE_SELF, "move-self"},
    {IN_Q_OVERFLOW, "overflow"},
    {IN_IGNORED, "ignored"},
    {IN_ISDIR, "directory"},
};

static int notes;
static uint32_t cookie_before;

static void say_event(const struct inotify_event *event)
{
    char line[512];
    int length = snprintf(line, sizeof(line), "  %d:", event->wd);
    for (size_t i = 0; i < ARRAY_LENGTH(bits); i++) {
        if (event->mask & bits[i].bit) {
            length += snprintf(line + length, sizeof(line) - (size_t)length, " %s", bits[i].name);
        }
    }
    if (event->len != 0) {
        length += snprintf(line + length, sizeof(line) - (size_t)length, " \"%s\" (%u)",
                           event->name, event->len);
    }
    if (event->cookie != 0) {
        (void)snprintf(line + length, sizeof(line) - (size_t)length, ", %s cookie",
                       event->cookie == cookie_before ? "the same" : "a new");
    }
    cookie_before = event->cookie;
    say("%s", line);
}

/* Everything that was told until now. */
static void say_events(const char *what)
{
    static char buffer[65536] __attribute__((aligned(8)));
    say("%s", what);
    ssize_t length;
    while ((length = read(notes, buffer, sizeof(buffer))) > 0) {
        for (ssize_t at = 0; at < length;) {
            const struct inotify_event *event = (const void *)(buffer + at);
            say_event(event);
            at += (ssize_t)(sizeof(*event) + event->len);
        }
    }
}

static void touch(const char *path)
{
    int file = open(path, O_WRONLY | O_CREAT, 0644);
    must(file >= 0, path);
    close(file);
}

static int watch(const char *path, uint32_t mask)
{
    int number = inotify_add_watch(notes, path, mask);
    must(number > 0, path);
    return number;
}

static void errors_check(void)
{
    char small[8];
    notes = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    must(notes >= 0, "inotify_init1");
    touch("errors");
    say_result("unknown flags", inotify_init1(1));
    say_result("watch with no mask", inotify_add_watch(notes, ".", 0));
    say_result("watch nothing", inotify_add_watch(notes, "missing", IN_OPEN));
    say_result("watch by no instance", inotify_add_watch(0, ".", IN_OPEN));
    say_result("watch by nothing", inotify_add_watch(999, ".", IN_OPEN));
    say_result("watch a file as a directory",
               inotify_add_watch(notes, "errors", IN_OPEN | IN_ONLYDIR));
    say_result("watch a wild address", syscall(SYS_inotify_add_watch, notes, 8L, IN_OPEN));
    say_result("add and create", inotify_add_watch(notes, ".", IN_OPEN | IN_MASK_ADD | 0x10000000));
    say_result("watch", inotify_add_watch(notes, "errors", IN_OPEN));
    say_result("watch again", inotify_add_watch(notes, "errors", IN_MODIFY));
    say_result("watch only if new", inotify_add_watch(notes, "errors", IN_MODIFY | 0x10000000));
    say_result("end no watch", inotify_rm_watch(notes, 77));
    say_result("end a watch", inotify_rm_watch(notes, 1));
    say_result("end it again", inotify_rm_watch(notes, 1));
    int waiting = -1;
    must(ioctl(notes, FIONREAD, &waiting) == 0, "FIONREAD");
    say("bytes: %d", waiting);
    say_result("read with little room", read(notes, small, sizeof(small)));
    say_events("the end of a watch");
    say_result("read nothing", read(notes, small, sizeof(small)));
    say_result("write", write(notes, small, sizeof(small)));
    char name[64];
    char link[64] = "";
    snprintf(name, sizeof(name), "/proc/self/fd/%d", notes);
    must(readlink(name, link, sizeof(link) - 1) > 0, "readlink");
    say("it is called %s", link);
    unlink("errors");
}

static void directory_check(void)
{
    char bytes[8];
    must(mkdir("folder", 0755) == 0, "mkdir");
    watch("folder", IN_ALL_EVENTS);
    int file = open("folder/file", O_RDWR | O_CREAT | O_EXCL, 0644);
    say_events("created and opened");
    must(write(file, "12345678", 8) == 8, "write");
    must(write(file, "12345678", 8) == 8, "write");
    say_events("written twice");
    must(pread(file, bytes, sizeof(bytes), 0) == 8, "pread");
    say_events("read");
    must(read(file, bytes, sizeof(bytes)) == 0, "read");
    say_events("read at the end");
    must(ftruncate(file, 4) == 0, "ftruncate");
    say_events("truncated");
    must(fchmod(file, 0600) == 0, "fchmod");
    say_events("another mode");
    close(file);
    say_events("closed");
    must(chmod("folder/file", 0644) == 0, "chmod");
    must(truncate("folder/file", 2) == 0, "truncate");
    must(utimensat(AT_FDCWD, "folder/file", NULL, 0) == 0, "utimensat");
    must(chown("folder/file", getuid(), getgid()) == 0, "chown");
    say_events("by its path: mode, size, times, owner");
    close(open("folder/file", O_RDONLY));
    say_events("opened and closed");
    close(open("folder/file", O_WRONLY | O_TRUNC));
    say_events("opened to be written from its start");
    close(open("folder/file", O_PATH));
    say_events("opened by O_PATH");
    must(link("folder/file", "folder/other name") == 0, "link");
    must(symlink("file", "folder/link") == 0, "symlink");
    must(mkfifo("folder/fifo", 0644) == 0, "mkfifo");
    must(mkdir("folder/inner", 0755) == 0, "mkdir");
    say_events("another name, a link, a pipe, a folder");
    must(rename("folder/file", "folder/moved") == 0, "rename");
    say_events("renamed");
    must(rename("folder/moved", "outside") == 0, "rename");
    say_events("moved out");
    must(rename("outside", "folder/a name of more than sixteen bytes") == 0, "rename");
    say_events("moved in");
    must(rename("folder/inner", "folder/inside") == 0, "rename");
    say_events("a folder renamed");
    close(open("folder/inside", O_RDONLY | O_DIRECTORY));
    say_events("a folder opened");
    must(unlink("folder/link") == 0 && unlink("folder/fifo") == 0, "unlink");
    must(unlink("folder/a name of more than sixteen bytes") == 0, "unlink");
    must(unlink("folder/other name") == 0, "unlink");
    must(rmdir("folder/inside") == 0, "rmdir");
    say_events("all removed");
    must(rmdir("folder") == 0, "rmdir");
    say_events("the folder removed");
}

static void self_check(void)
{
    touch("file");
    watch("file", IN_ALL_EVENTS);
    int file = open("file", O_WRONLY);
    must(write(file, "x", 1) == 1, "write");
    say_events("a file by itself");
    must(link("file", "second") == 0, "link");
    must(rename("file", "third") == 0, "rename");
    say_events("linked and renamed");
    must(unlink("second") == 0 && unlink("third") == 0, "unlink");
    say_events("removed while open");
    close(file);
    say_events("closed for the last time");
    touch("victim");
    touch("winner");
    watch("victim", IN_ALL_EVENTS);
    must(rename("winner", "victim") == 0, "rename");
    say_events("replaced by another");
    unlink("victim");
    say_events("removed, but not watched");
    touch("once");
    watch("once", IN_OPEN | IN_ONESHOT);
    close(open("once", O_RDONLY));
    close(open("once", O_RDONLY));
    say_events("watched once");
    watch("once", IN_OPEN);
    watch("once", IN_CLOSE_NOWRITE | IN_MASK_ADD);
    close(open("once", O_RDONLY));
    say_events("two masks");
    unlink("once");
    say_events("and gone");
    /* By the directory and by itself: the name comes first. */
    must(mkdir("both", 0755) == 0, "mkdir");
    touch("both/file");
    watch("both", IN_OPEN | IN_DELETE | IN_ATTRIB);
    watch("both/file", IN_OPEN | IN_DELETE_SELF | IN_ATTRIB);
    close(open("both/file", O_RDONLY));
    unlink("both/file");
    say_events("watched twice");
    rmdir("both");
    say_events("the rest");
}

static void poll_check(void)
{
    struct pollfd entry = {.fd = notes, .events = POLLIN};
    touch("polled");
    int number = watch("polled", IN_OPEN);
    say_result("poll, nothing", poll(&entry, 1, 0));
    pid_t pid = fork();
    if (pid == 0) {
        sleep_ms(30);
        close(open("polled", O_RDONLY));
        _exit(0);
    }
    say_result("poll, opened", poll(&entry, 1, -1));
    (void)child_wait(pid);
    say_events("what it was");
    must(inotify_rm_watch(notes, number) == 0, "inotify_rm_watch");
    say_events("no more");
    unlink("polled");
}

/* More than the queue holds. */
static void overflow_check(void)
{
    static char buffer[65536] __attribute__((aligned(8)));
    touch("a");
    touch("b");
    watch("a", IN_OPEN);
    watch("b", IN_OPEN);
    for (int i = 0; i < 9000; i++) {
        close(open("a", O_RDONLY));
        close(open("b", O_RDONLY));
    }
    int events = 0, overflows = 0, last = 0;
    ssize_t length;
    while ((length = read(notes, buffer, sizeof(buffer))) > 0) {
        for (ssize_t at = 0; at < length; events++) {
            const struct inotify_event *event = (const void *)(buffer + at);
            overflows += (event->mask & IN_Q_OVERFLOW) != 0;
            last = event->wd;
            at += (ssize_t)(sizeof(*event) + event->len);
        }
    }
    say("overflow: %s events, told %d times, the last of watch %d",
        events > 16000 && events < 18000 ? "about 16384" : "wrongly many", overflows, last);
    close(open("a", O_RDONLY));
    say_events("afterwards");
    unlink("a"), unlink("b");
}

int main(void)
{
    errors_check();
    directory_check();
    self_check();
    poll_check();
    overflow_check();
    close(notes);
    return 0;
}
