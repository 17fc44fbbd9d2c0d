/* Ways to open: openat2 and what it refuses, files without a name, memfd and seals, O_PATH. */
#include <sys/ioctl.h>
#include <sys/statfs.h>

#include "tests/linux/programs/program.h"

struct how {
    uint64_t flags;
    uint64_t mode;
    uint64_t resolve;
    uint64_t more;
};

enum {
    NO_XDEV = 1,
    NO_MAGICLINKS = 2,
    NO_SYMLINKS = 4,
    BENEATH = 8,
    IN_ROOT = 16,
    CACHED = 32,
};

static int open2(int directory, const char *path, uint64_t flags, uint64_t resolve)
{
    struct how how = {.flags = flags, .resolve = resolve};
    return (int)syscall(437, directory, path, &how, 24);
}

static void open_say(const char *what, int file)
{
    say("%s: %s", what, file >= 0 ? "done" : error_name(errno));
    if (file >= 0) {
        close(file);
    }
}

static void resolve_check(void)
{
    must(mkdir("top", 0755) == 0 && mkdir("top/in", 0755) == 0, "mkdir");
    file_write("top/in/file", "inside");
    file_write("outside", "outside");
    must(symlink("file", "top/in/link") == 0 && symlink("../../outside", "top/in/up") == 0 &&
             symlink("/outside", "top/in/absolute") == 0 && symlink("in", "top/way") == 0,
         "symlink");
    int top = open("top", O_PATH | O_DIRECTORY);
    must(top >= 0, "top");
    static const struct {
        const char *path;
        uint64_t resolve;
    } tries[] = {
        {"in/file", 0},
        {"in/file", BENEATH},
        {"in/link", BENEATH},
        {"in/../in/file", BENEATH},
        {"../outside", 0},
        {"../outside", BENEATH},
        {"../outside", IN_ROOT},
        {"../in/file", IN_ROOT},
        {"/in/file", IN_ROOT},
        {"/in/file", BENEATH},
        {"in/up", 0},
        {"in/up", BENEATH},
        {"in/up", IN_ROOT},
        {"in/absolute", BENEATH},
        {"in/absolute", IN_ROOT},
        {"in/link", NO_SYMLINKS},
        {"way/file", NO_SYMLINKS},
        {"in/file", NO_SYMLINKS},
        {"in/link", NO_MAGICLINKS},
        {"", 0},
        {"", BENEATH},
        {".", BENEATH},
        {"..", BENEATH},
        {"..", IN_ROOT},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(tries); i++) {
        char what[100];
        snprintf(what, sizeof(what), "'%s' with %#x", tries[i].path, (unsigned)tries[i].resolve);
        open_say(what, open2(top, tries[i].path, O_RDONLY, tries[i].resolve));
    }
    open_say("a magic link", open2(AT_FDCWD, "/proc/self/fd/0", O_RDONLY, 0));
    open_say("a magic link with NO_MAGICLINKS",
             open2(AT_FDCWD, "/proc/self/fd/0", O_RDONLY, NO_MAGICLINKS));
    open_say("a magic link with NO_SYMLINKS",
             open2(AT_FDCWD, "/proc/self/exe", O_RDONLY, NO_SYMLINKS));
    int root = open("/", O_PATH | O_DIRECTORY);
    open_say("another mount", open2(root, "proc/version", O_RDONLY, 0));
    open_say("another mount with NO_XDEV", open2(root, "proc/version", O_RDONLY, NO_XDEV));
    open_say("the same with NO_XDEV", open2(root, "proc", O_PATH | O_NOFOLLOW, NO_XDEV));
    open_say("a link that is not followed",
             open2(top, "in/link", O_PATH | O_NOFOLLOW, NO_SYMLINKS));
    open_say("create beneath", open2(top, "in/new", O_CREAT | O_RDWR, BENEATH));
    open_say("create above", open2(top, "../new", O_CREAT | O_RDWR, BENEATH));
}

static void how_check(void)
{
    struct how how = {.flags = O_RDONLY};
    open_say("a short structure", (int)syscall(437, AT_FDCWD, "outside", &how, 23));
    open_say("a longer one of zeros", (int)syscall(437, AT_FDCWD, "outside", &how, 32));
    how.more = 1;
    open_say("a longer one with more", (int)syscall(437, AT_FDCWD, "outside", &how, 32));
    open_say("a very long one", (int)syscall(437, AT_FDCWD, "outside", &how, 5000));
    open_say("a wild one", (int)syscall(437, AT_FDCWD, "outside", (void *)16, 24));
    how = (struct how){.flags = 1ull << 40};
    open_say("an unknown flag", (int)syscall(437, AT_FDCWD, "outside", &how, 24));
    how = (struct how){.resolve = 1ull << 40};
    open_say("an unknown way", (int)syscall(437, AT_FDCWD, "outside", &how, 24));
    how = (struct how){.mode = 0644};
    open_say("a mode for nothing", (int)syscall(437, AT_FDCWD, "outside", &how, 24));
    how = (struct how){.flags = O_CREAT, .mode = 010000};
    open_say("a wrong mode", (int)syscall(437, AT_FDCWD, "outside", &how, 24));
    how = (struct how){.resolve = BENEATH | IN_ROOT};
    open_say("two roots", (int)syscall(437, AT_FDCWD, "outside", &how, 24));
    how = (struct how){.flags = O_PATH | O_RDWR};
    open_say("O_PATH and more", (int)syscall(437, AT_FDCWD, "outside", &how, 24));
    how = (struct how){.flags = O_CREAT, .mode = 0644, .resolve = CACHED};
    open_say("to make from the cache", (int)syscall(437, AT_FDCWD, "outside", &how, 24));
}

static void nameless_check(void)
{
    char path[64], text[200];
    struct stat about;
    umask(027);
    int file = open("top", O_TMPFILE | O_RDWR, 0666);
    must(file >= 0, "O_TMPFILE");
    must(write(file, "hidden", 6) == 6 && fstat(file, &about) == 0, "write");
    say("O_TMPFILE: mode %o, links %d, size %d", about.st_mode, (int)about.st_nlink,
        (int)about.st_size);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
    ssize_t length = readlink(path, text, sizeof(text) - 1);
    must(length > 0, "readlink");
    text[length] = '\0';
    say("its path ends with (deleted): %d", strstr(text, " (deleted)") != NULL);
    say_result("linkat", linkat(AT_FDCWD, path, AT_FDCWD, "top/named", AT_SYMLINK_FOLLOW));
    must(fstat(file, &about) == 0, "fstat");
    say("links %d, content %s", (int)about.st_nlink, file_read("top/named"));
    say_result("linkat again", linkat(file, "", AT_FDCWD, "top/other", AT_EMPTY_PATH));
    must(unlink("top/named") == 0 && unlink("top/other") == 0, "unlink");
    say_result("linkat after its names are gone",
               linkat(AT_FDCWD, path, AT_FDCWD, "top/again", AT_SYMLINK_FOLLOW));
    close(file);
    file = open("top", O_TMPFILE | O_RDWR | O_EXCL, 0666);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
    say_result("linkat of one with O_EXCL",
               linkat(AT_FDCWD, path, AT_FDCWD, "top/named", AT_SYMLINK_FOLLOW));
    close(file);
    open_say("O_TMPFILE to read", open("top", O_TMPFILE | O_RDONLY, 0666));
    open_say("O_TMPFILE and O_CREAT", open("top", O_TMPFILE | O_CREAT | O_RDWR, 0666));
    open_say("O_TMPFILE without O_DIRECTORY",
             open("top", (O_TMPFILE & ~O_DIRECTORY) | O_RDWR, 0666));
    open_say("O_TMPFILE in a file", open("outside", O_TMPFILE | O_RDWR, 0666));
    open_say("O_TMPFILE nowhere", open("nowhere", O_TMPFILE | O_RDWR, 0666));
    umask(022);
}

/* --- memfd ------------------------------------------------------------------------------------ */

enum {
    ADD_SEALS = 1033,
    GET_SEALS = 1034,
    SEAL = 1,
    SHRINK = 2,
    GROW = 4,
    WRITE = 8,
    FUTURE_WRITE = 16,
};

static int memfd(const char *name, unsigned flags)
{
    return (int)syscall(SYS_memfd_create, name, flags);
}

static void memfd_check(void)
{
    char path[64], text[200];
    struct stat about;
    int file = memfd("a name", 1);
    must(file >= 0, "memfd_create");
    must(fstat(file, &about) == 0, "fstat");
    say("memfd: mode %o, links %d, close on exec %d", about.st_mode, (int)about.st_nlink,
        fcntl(file, F_GETFD));
    snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
    ssize_t length = readlink(path, text, sizeof(text) - 1);
    say("its path: %.*s", (int)length, text);
    say_result("its seals", fcntl(file, GET_SEALS));
    say_result("seal it", fcntl(file, ADD_SEALS, GROW));
    must(ftruncate(file, 8192) == 0, "ftruncate");
    char *map = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    strcpy(map, "mapped");
    must(pread(file, text, 7, 0) == 7, "pread");
    say("a store is read: %s", text);
    int again = open(path, O_RDONLY);
    must(again >= 0 && read(again, text, 7) == 7, "open again");
    say("opened again: %s", text);
    say_result("linkat", linkat(AT_FDCWD, path, AT_FDCWD, "linked", AT_SYMLINK_FOLLOW));
    close(again);
    close(file);
    say("after it was closed: %s", map);
    munmap(map, 8192);
    open_say("wrong flags", memfd("x", 0x1000));
    memset(text, 'n', sizeof(text));
    char name[300];
    memset(name, 'n', sizeof(name));
    name[250] = '\0';
    open_say("a name of 250 bytes", memfd(name, 0));
    name[250] = 'n';
    name[249] = '\0';
    open_say("a name of 249 bytes", memfd(name, 0));
    open_say("a wild name", memfd((void *)16, 0));
    say_result("seals of another file", fcntl(0, GET_SEALS));
}

/* A mapping counts wherever it is, and each piece of it. */
static void seal_mapped_check(void)
{
    int file = memfd("mapped", 2);
    must(file >= 0 && ftruncate(file, 3 * PAGE_BYTES) == 0, "memfd_create");
    char *map = mmap(NULL, 3 * PAGE_BYTES, PROT_READ, MAP_SHARED, file, 0);
    int gate[2];
    must(map != MAP_FAILED && pipe(gate) == 0, "mmap");
    pid_t pid = fork();
    if (pid == 0) {
        close(gate[1]);
        (void)byte_receive(gate[0]);
        _exit(0);
    }
    munmap(map + PAGE_BYTES, PAGE_BYTES);
    munmap(map, PAGE_BYTES);
    say_result("F_SEAL_WRITE with a piece mapped", fcntl(file, ADD_SEALS, WRITE));
    munmap(map + 2 * PAGE_BYTES, PAGE_BYTES);
    say_result("F_SEAL_WRITE with a child that maps it", fcntl(file, ADD_SEALS, WRITE));
    close(gate[1]);
    child_wait(pid);
    say_result("F_SEAL_WRITE when nobody maps it", fcntl(file, ADD_SEALS, WRITE));
    close(gate[0]);
    close(file);
}

static void seals_check(void)
{
    int file = memfd("sealed", 2);
    must(file >= 0 && ftruncate(file, 8192) == 0, "memfd_create");
    say_result("seals at first", fcntl(file, GET_SEALS));
    say_result("an unknown seal", fcntl(file, ADD_SEALS, 0x1000));
    say_result("F_SEAL_SHRINK", fcntl(file, ADD_SEALS, SHRINK));
    say_result("  shrink", ftruncate(file, 4096));
    say_result("  grow", ftruncate(file, 16384));
    say_result("F_SEAL_GROW", fcntl(file, ADD_SEALS, GROW));
    say_result("  grow", ftruncate(file, 20000));
    say_result("  write beyond", pwrite(file, "x", 1, 16384));
    say_result("  write across", pwrite(file, "xy", 2, 16383));
    say_result("  write inside", pwrite(file, "x", 1, 100));
    say_result("  fallocate", fallocate(file, 0, 0, 20000));
    char *map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    say_result("F_SEAL_WRITE while it is mapped", fcntl(file, ADD_SEALS, WRITE));
    munmap(map, 4096);
    map = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, file, 0);
    say_result("F_SEAL_WRITE", fcntl(file, ADD_SEALS, WRITE));
    say_result("  write", pwrite(file, "x", 1, 100));
    say_result("  a hole", fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096));
    void *writable = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    say("  map to write: %s", writable == MAP_FAILED ? error_name(errno) : "done");
    void *readable = mmap(NULL, 4096, PROT_READ, MAP_SHARED, file, 0);
    say("  map to read: %s", readable == MAP_FAILED ? error_name(errno) : "done");
    say_result("  mprotect", mprotect(readable, 4096, PROT_READ | PROT_WRITE));
    void *private = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 0);
    say("  map private: %s", private == MAP_FAILED ? error_name(errno) : "done");
    ((char *)private)[0] = 1;
    say_result("F_SEAL_SEAL", fcntl(file, ADD_SEALS, SEAL));
    say_result("  another", fcntl(file, ADD_SEALS, FUTURE_WRITE));
    say_result("  seals", fcntl(file, GET_SEALS));
    close(file);
    file = memfd("future", 2);
    must(file >= 0 && ftruncate(file, 4096) == 0, "memfd_create");
    char *before = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    say_result("F_SEAL_FUTURE_WRITE", fcntl(file, ADD_SEALS, FUTURE_WRITE));
    before[0] = 7;
    char byte = 0;
    must(pread(file, &byte, 1, 0) == 1, "pread");
    say("  a store through the mapping that was there: %d", byte);
    say_result("  write", pwrite(file, "x", 1, 0));
    writable = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    say("  map to write: %s", writable == MAP_FAILED ? error_name(errno) : "done");
    char path[64];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
    int reader = open(path, O_RDONLY);
    say_result("seal through a reader", fcntl(reader, ADD_SEALS, SHRINK));
}

/* --- O_PATH ----------------------------------------------------------------------------------- */

static void path_check(void)
{
    struct stat about;
    struct statfs system;
    char text[100];
    int file = open("outside", O_PATH | O_RDWR | O_TRUNC);
    must(file >= 0, "O_PATH");
    say("flags %o", fcntl(file, F_GETFL) & ~0100000);
    say_result("fstat", fstat(file, &about));
    say_result("  size", about.st_size);
    say_result("fstatfs", fstatfs(file, &system));
    say_result("read", read(file, text, 1));
    say_result("write", write(file, text, 1));
    say_result("lseek", lseek(file, 0, SEEK_SET));
    say_result("fchmod", fchmod(file, 0600));
    say_result("fchown", fchown(file, 0, 0));
    say_result("ftruncate", ftruncate(file, 0));
    say_result("fsync", fsync(file));
    say_result("ioctl", ioctl(file, FIONREAD, &about));
    void *map = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, file, 0);
    say("mmap: %s", map == MAP_FAILED ? error_name(errno) : "done");
    int twice = dup(file);
    say("dup: %d", twice >= 0);
    say_result("F_SETFL", fcntl(file, F_SETFL, O_NONBLOCK));
    say_result("F_SETFD", fcntl(file, F_SETFD, FD_CLOEXEC));
    snprintf(text, sizeof(text), "/proc/self/fd/%d", file);
    open_say("opened through /proc", open(text, O_RDONLY));
    say_result("faccessat by it", faccessat(file, "", R_OK, 0x1000));
    say_result("fchmodat by /proc", chmod(text, 0640));
    int link = open("top/in/link", O_PATH | O_NOFOLLOW);
    must(link >= 0 && fstat(link, &about) == 0, "a link");
    say("a link: %d", S_ISLNK(about.st_mode));
    ssize_t length = readlinkat(link, "", text, sizeof(text));
    say("readlinkat: %.*s", (int)length, text);
    say_result("fchdir to a file", fchdir(file));
    int folder = open("top", O_PATH | O_DIRECTORY);
    say_result("fchdir", fchdir(folder));
    open_say("relative to it", openat(folder, "in/file", O_RDONLY));
    say_result("getdents", syscall(SYS_getdents64, folder, text, sizeof(text)));
}

#define ZERO_RANGE 16 /* FALLOC_FL_ZERO_RANGE */

/* struct statx of linux/stat.h, as far as it is looked at. */
struct more {
    uint32_t mask, block_bytes;
    uint64_t attributes;
    uint32_t links, uid, gid;
    uint16_t mode, pad;
    uint64_t number, size, blocks, attributes_mask;
    uint64_t times[8];
    uint32_t devices[4];
    uint64_t mount_id;
    uint64_t unused[13];
};

static void statx_say(const char *path)
{
    struct more about;
    char name[64], line[64];
    int file = open(path, O_RDONLY);
    must(file >= 0 && syscall(SYS_statx, AT_FDCWD, path, 0, 0x17ff, &about) == 0, path);
    snprintf(name, sizeof(name), "/proc/self/fdinfo/%d", file);
    snprintf(line, sizeof(line), "mnt_id:\t%lu\n", (unsigned long)about.mount_id);
    say("%s: basic %d, a mount's root %d, its mount as in fdinfo %d", path,
        (about.mask & 0x7ff) == 0x7ff, (about.attributes & 0x2000) != 0,
        (about.mask & 0x1000) && strstr(file_read(name), line) != NULL);
    close(file);
}

static void allocate_check(void)
{
    char text[16] = "";
    int file = open("room", O_RDWR | O_CREAT | O_TRUNC, 0644);
    must(write(file, "0123456789", 10) == 10, "write");
    say_result("fallocate zeros", fallocate(file, ZERO_RANGE, 5, 10));
    must(pread(file, text, 15, 0) == 15, "pread");
    say("  size %d, %s, then %d", (int)lseek(file, 0, SEEK_END), text, text[5]);
    say_result("and keep the size", fallocate(file, ZERO_RANGE | FALLOC_FL_KEEP_SIZE, 0, 100));
    say("  size %d", (int)lseek(file, 0, SEEK_END));
    say_result("a hole that does not keep it", fallocate(file, FALLOC_FL_PUNCH_HOLE, 0, 10));
    say_result("nothing", fallocate(file, 0, 0, 0));
    say_result("before the start", fallocate(file, 0, -1, 10));
    close(file);
}

int main(void)
{
    umask(022);
    resolve_check();
    how_check();
    nameless_check();
    memfd_check();
    seals_check();
    seal_mapped_check();
    statx_say(".");
    statx_say("/proc");
    statx_say("/proc/version");
    allocate_check();
    path_check();
    return 0;
}
