/* The devices that every program expects: null, zero, full, random, tty. */
#include <sys/ioctl.h>
#include <sys/random.h>
#include <termios.h>

#include "tests/linux/programs/program.h"

static bool all_equal(const unsigned char *bytes, size_t count, unsigned char value)
{
    for (size_t i = 0; i < count; i++) {
        if (bytes[i] != value) {
            return false;
        }
    }
    return true;
}

static void device_say(const char *path)
{
    struct stat about;
    must(stat(path, &about) == 0, path);
    say("%s: mode %o, device %x", path, about.st_mode, (unsigned)about.st_rdev);
    static unsigned char bytes[8192];
    memset(bytes, 0xaa, sizeof(bytes));
    int file = open(path, O_RDWR);
    must(file >= 0, path);
    ssize_t count = read(file, bytes, sizeof(bytes));
    say_result("  read", count);
    if (count > 0) {
        say("  content: %s", all_equal(bytes, (size_t)count, 0) ? "zero" : "not zero");
    }
    say_result("  write", write(file, bytes, sizeof(bytes)));
    say_result("  write of nothing", write(file, bytes, 0));
    say_result("  lseek", lseek(file, 100, SEEK_SET));
    say_result("  pread", pread(file, bytes, 10, 5));
    say_result("  ftruncate", ftruncate(file, 0));
    say("  a terminal: %d", isatty(file));
    close(file);
    file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    say("  open as a shell does: %s", file >= 0 ? "done" : error_name(errno));
    close(file);
}

static void zero_map_check(void)
{
    int file = open("/dev/zero", O_RDWR);
    unsigned char *private = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 0);
    if (private == MAP_FAILED) {
        say("/dev/zero mapped: %s", error_name(errno));
        close(file);
        return;
    }
    say("/dev/zero mapped: zero %d", all_equal(private, 8192, 0));
    private[5000] = 1;
    say("/dev/zero mapped: writable %d", private[5000]);
    unsigned char *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    must(shared != MAP_FAILED, "mmap");
    pid_t pid = fork();
    if (pid == 0) {
        shared[0] = 7;
        _exit(0);
    }
    child_wait(pid);
    say("/dev/zero mapped shared: the child's byte %d", shared[0]);
    close(file);
}

static void random_check(void)
{
    static unsigned char first[4096], second[4096];
    int file = open("/dev/urandom", O_RDONLY);
    must(read(file, first, 4096) == 4096 && read(file, second, 4096) == 4096, "read");
    say("/dev/urandom: two reads %s", memcmp(first, second, 4096) == 0 ? "agree" : "differ");
    int bits = 0;
    for (size_t i = 0; i < sizeof(first); i++) {
        bits += __builtin_popcount(first[i]);
    }
    say("/dev/urandom: half of the bits %d", bits > 15500 && bits < 17300);
    close(file);
    say_result("getrandom", getrandom(first, 100, 0));
    say_result("getrandom with wrong flags", getrandom(first, 100, 0x100));
    say_result("getrandom into nothing", getrandom((void *)0x10000, 100, 0));
    must(getrandom(second, 100, GRND_NONBLOCK) == 100, "getrandom");
    say("getrandom: %s", memcmp(first, second, 100) == 0 ? "agree" : "differ");
}

static void terminal_check(void)
{
    struct termios settings;
    must(setsid() >= 0 || errno == EPERM, "setsid");
    int file = open("/dev/null", O_RDWR);
    say_result("tcgetattr of /dev/null", tcgetattr(file, &settings));
    say_result("a wrong ioctl", ioctl(file, 0x12345678, NULL));
    close(file);
    say_result("/dev/tty without a terminal", open("/dev/tty", O_RDWR));
    struct stat about;
    static const char *const links[] = {"/dev/fd", "/dev/stdin", "/dev/stdout", "/dev/stderr"};
    for (size_t i = 0; i < ARRAY_LENGTH(links); i++) {
        char target[64];
        ssize_t length = readlink(links[i], target, sizeof(target));
        say("%s: %.*s", links[i], length > 0 ? (int)length : 0, target);
    }
    must(stat("/dev/tty", &about) == 0, "/dev/tty");
    say("/dev/tty: device %x", (unsigned)about.st_rdev);
    say_result("/dev/nothing", open("/dev/nothing", O_RDONLY));
}

static int terminal_run(void *argument)
{
    (void)argument;
    terminal_check();
    return 0;
}

int main(void)
{
    device_say("/dev/null");
    device_say("/dev/zero");
    device_say("/dev/full");
    zero_map_check();
    random_check();
    say_status("terminal", child_run(terminal_run, NULL));
    return 0;
}
