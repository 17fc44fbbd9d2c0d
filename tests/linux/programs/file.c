/* Files, directories, names and rights behave as on Linux. */
#include <dirent.h>
#include <sys/file.h>
#include <sys/sendfile.h>
#include <sys/uio.h>
#include <sys/vfs.h>

#include "tests/linux/programs/program.h"

static void say_open(const char *what, const char *path, int flags)
{
    int file = open(path, flags, 0644);
    if (file < 0) {
        say("open %s: %s", what, error_name(errno));
    } else {
        say("open %s: done", what);
        close(file);
    }
}

static void open_check(void)
{
    file_write("file", "content");
    must(mkdir("folder", 0755) == 0 && symlink("file", "link") == 0 &&
             symlink("missing", "dangling") == 0 && symlink("loop2", "loop1") == 0 &&
             symlink("loop1", "loop2") == 0 && symlink("folder", "folder-link") == 0,
         "links");
    say_open("of nothing", "missing", O_RDONLY);
    say_open("of nothing to write", "missing", O_WRONLY);
    say_open("below nothing", "missing/file", O_RDONLY | O_CREAT);
    say_open("below a file", "file/file", O_RDONLY);
    say_open("of a file with a slash", "file/", O_RDONLY);
    say_open("of a new file with a slash", "new/", O_WRONLY | O_CREAT);
    say_open("of an empty name", "", O_RDONLY);
    say_open("of a directory", "folder", O_RDONLY);
    say_open("of a directory to write", "folder", O_WRONLY);
    say_open("of a directory with O_CREAT", "folder", O_RDONLY | O_CREAT);
    say_open("of a directory with O_TRUNC", "folder", O_RDONLY | O_TRUNC);
    say_open("with O_DIRECTORY of a file", "file", O_RDONLY | O_DIRECTORY);
    say_open("with O_DIRECTORY of a link to a directory", "folder-link", O_RDONLY | O_DIRECTORY);
    say_open("with O_EXCL of a file", "file", O_WRONLY | O_CREAT | O_EXCL);
    say_open("with O_EXCL of a dangling link", "dangling", O_WRONLY | O_CREAT | O_EXCL);
    say_open("with O_NOFOLLOW of a link", "link", O_RDONLY | O_NOFOLLOW);
    say_open("with O_NOFOLLOW through a link", "folder-link/.", O_RDONLY | O_NOFOLLOW);
    say_open("with O_PATH and O_NOFOLLOW of a link", "link", O_PATH | O_NOFOLLOW);
    say_open("of a loop", "loop1", O_RDONLY);
    say_open("through a link", "link", O_RDWR);
    say_open("with O_CREAT through a dangling link", "dangling", O_WRONLY | O_CREAT);
    say("the link's target: %s.", file_read("missing"));
    say_open("with O_TRUNC", "file", O_WRONLY | O_TRUNC);
    say("with O_TRUNC: [%s]", file_read("file"));
    int path_only = open("file", O_PATH);
    char byte;
    say_result("read of an O_PATH descriptor", read(path_only, &byte, 1));
    struct stat about;
    say_result("fstat of an O_PATH descriptor", fstat(path_only, &about));
    close(path_only);
    int file = open("file", O_RDONLY);
    say_result("write to a read-only descriptor", write(file, "x", 1));
    say_result("ftruncate of a read-only descriptor", ftruncate(file, 0));
    close(file);
    file = open("file", O_WRONLY);
    say_result("read of a write-only descriptor", read(file, &byte, 1));
    close(file);
    say_result("read of a closed descriptor", read(file, &byte, 1));
    say_result("close of a closed descriptor", close(file));
    file = open("folder", O_RDONLY);
    say_result("read of a directory", read(file, &byte, 1));
    close(file);
    unlink("missing");
}

static void name_length_check(void)
{
    char name[257];
    memset(name, 'n', sizeof(name));
    name[256] = '\0';
    say_open("of a name of 256 bytes", name, O_WRONLY | O_CREAT);
    name[255] = '\0';
    say_open("of a name of 255 bytes", name, O_WRONLY | O_CREAT);
    say_result("unlink of it", unlink(name));
    static char path[5000];
    for (size_t i = 0; i < sizeof(path) - 1; i += 2) {
        memcpy(path + i, "./", 2);
    }
    strcpy(path + 4090, "/file");
    say_open("of a path of 4095 bytes", path, O_RDONLY);
    memcpy(path + 4091, "/file", 6);
    say_open("of a path of 4096 bytes", path, O_RDONLY);
    say_open("of many slashes", ".////folder/..//.///file", O_RDONLY);
}

static void append_check(void)
{
    file_write("file", "start ");
    int append = open("file", O_WRONLY | O_APPEND), other = open("file", O_WRONLY);
    say_result("O_APPEND: write", write(append, "one ", 4));
    say_result("O_APPEND: position", lseek(append, 0, SEEK_CUR));
    lseek(other, 0, SEEK_END);
    must(write(other, "two ", 4) == 4, "write");
    lseek(append, 0, SEEK_SET);
    must(write(append, "three", 5) == 5, "write");
    say("O_APPEND: [%s]", file_read("file"));
    must(pwrite(append, "end", 3, 0) == 3, "pwrite");
    say("O_APPEND: pwrite appends: [%s]", file_read("file"));
    must(fcntl(append, F_SETFL, 0) == 0, "F_SETFL");
    must(pwrite(append, "START", 5, 0) == 5, "pwrite");
    say("O_APPEND taken away: [%s]", file_read("file"));
    close(append);
    close(other);
    /* Appends of several processes do not overwrite one another. */
    unlink("log");
    for (int i = 0; i < 4; i++) {
        if (fork() == 0) {
            int log = open("log", O_WRONLY | O_CREAT | O_APPEND, 0644);
            char line[32];
            snprintf(line, sizeof(line), "process %d was here\n", i);
            for (int k = 0; k < 50; k++) {
                must(write(log, line, strlen(line)) == (ssize_t)strlen(line), "write");
            }
            _exit(0);
        }
    }
    for (int i = 0; i < 4; i++) {
        wait(NULL);
    }
    FILE *log = fopen("log", "r");
    int lines[4] = {0}, bad = 0, number;
    char line[64];
    while (fgets(line, sizeof(line), log) != NULL) {
        if (sscanf(line, "process %d was here", &number) == 1 && number >= 0 && number < 4) {
            lines[number]++;
        } else {
            bad++;
        }
    }
    fclose(log);
    say("O_APPEND by four: %d %d %d %d lines, %d bad", lines[0], lines[1], lines[2], lines[3], bad);
}

static void position_check(void)
{
    int file = open("file", O_RDWR | O_CREAT | O_TRUNC, 0644);
    must(write(file, "0123456789", 10) == 10, "write");
    say_result("lseek SET", lseek(file, 3, SEEK_SET));
    say_result("lseek CUR", lseek(file, 2, SEEK_CUR));
    say_result("lseek END", lseek(file, -1, SEEK_END));
    say_result("lseek before the start", lseek(file, -1, SEEK_SET));
    say_result("lseek with a wrong way", lseek(file, 0, 99));
    char text[16] = {0};
    say_result("pread", pread(file, text, 4, 2));
    say("pread: %s, position %d", text, (int)lseek(file, 0, SEEK_CUR));
    say_result("pread at the end", pread(file, text, 4, 10));
    say_result("pread at a negative place", pread(file, text, 4, -1));
    say_result("pwrite", pwrite(file, "ab", 2, 4));
    say_result("position after pwrite", lseek(file, 0, SEEK_CUR));
    say_result("lseek beyond the end", lseek(file, 1 << 20, SEEK_SET));
    say_result("read beyond the end", read(file, text, 4));
    say_result("write beyond the end", write(file, "end", 3));
    struct stat about;
    fstat(file, &about);
    say("hole: size %lld", (long long)about.st_size);
    memset(text, 'x', sizeof(text));
    must(pread(file, text, 8, 5000) == 8, "pread");
    say("hole: reads as %d %d", text[0], text[7]);
    say_result("SEEK_DATA from the hole", lseek(file, 8192, SEEK_DATA));
    say_result("SEEK_HOLE from the start", lseek(file, 0, SEEK_HOLE));
    say_result("SEEK_HOLE from the last data", lseek(file, 1 << 20, SEEK_HOLE));
    say_result("SEEK_DATA at the end", lseek(file, (1 << 20) + 3, SEEK_DATA));
    int ends[2];
    must(pipe(ends) == 0, "pipe");
    say_result("lseek of a pipe", lseek(ends[0], 0, SEEK_CUR));
    say_result("pread of a pipe", pread(ends[0], text, 1, 0));
    close(ends[0]);
    close(ends[1]);
    /* A position is the open file's, not the descriptor's. */
    lseek(file, 5, SEEK_SET);
    int second = dup(file), third = open("file", O_RDONLY);
    if (fork() == 0) {
        lseek(file, 2, SEEK_CUR);
        _exit(0);
    }
    wait(NULL);
    say("position after a child's lseek: %d, of a dup %d, of another open %d",
        (int)lseek(file, 0, SEEK_CUR), (int)lseek(second, 0, SEEK_CUR),
        (int)lseek(third, 0, SEEK_CUR));
    close(second);
    close(third);
    close(file);
}

static void vector_check(void)
{
    int file = open("file", O_RDWR | O_CREAT | O_TRUNC, 0644);
    char one[] = "one", two[] = "two2", three[] = "three";
    struct iovec out[] = {{one, 3}, {NULL, 0}, {two, 4}, {three, 5}};
    say_result("writev", writev(file, out, 4));
    char first[6] = {0}, second[10] = {0};
    struct iovec in[] = {{first, 5}, {second, 9}};
    say_result("preadv", preadv(file, in, 2, 1));
    say("preadv: [%s] [%s]", first, second);
    lseek(file, 0, SEEK_SET);
    memset(second, 0, sizeof(second));
    say_result("readv", readv(file, in, 2));
    say("readv: [%s] [%s]", first, second);
    say_result("pwritev", pwritev(file, out, 1, 20));
    say_result("readv with too many parts", readv(file, in, 1025));
    say_result("readv with no parts", readv(file, in, 0));
    struct iovec bad[] = {{first, (size_t)-1}, {second, 2}};
    say_result("readv with a length too large", readv(file, bad, 2));
    close(file);
}

static void truncate_check(void)
{
    file_write("file", "0123456789");
    int file = open("file", O_RDWR);
    char text[16] = {0};
    say_result("ftruncate down", ftruncate(file, 4));
    say_result("ftruncate up", ftruncate(file, 8));
    say_result("read", pread(file, text, 16, 0));
    say("truncated: %.4s %d %d %d %d", text, text[4], text[5], text[6], text[7]);
    say_result("ftruncate to a negative size", ftruncate(file, -1));
    say_result("ftruncate to 1 GiB", ftruncate(file, 1 << 30));
    struct stat about;
    fstat(file, &about);
    say("size %lld, %s", (long long)about.st_size, about.st_blocks < 64 ? "sparse" : "full");
    say_result("truncate by name", truncate("file", 3));
    say_result("truncate of a directory", truncate("folder", 3));
    say_result("truncate of nothing", truncate("missing", 3));
    say_result("fallocate", fallocate(file, 0, 0, 10000));
    fstat(file, &about);
    say("fallocate: size %lld", (long long)about.st_size);
    must(pwrite(file, "data", 4, 4096) == 4, "pwrite");
    say_result("fallocate PUNCH_HOLE", fallocate(file, 3, 4096, 4096));
    memset(text, 'x', sizeof(text));
    must(pread(file, text, 4, 4096) == 4, "pread");
    fstat(file, &about);
    say("fallocate PUNCH_HOLE: %d %d, size %lld", text[0], text[3], (long long)about.st_size);
    close(file);
}

/* --- Names --- */

static void rename_say(const char *what, const char *from, const char *to)
{
    say("rename %s: %s", what, rename(from, to) == 0 ? "done" : error_name(errno));
}

static void rename_check(void)
{
    must(mkdir("r", 0755) == 0 && chdir("r") == 0, "folder");
    file_write("a", "a");
    file_write("b", "b");
    must(mkdir("empty", 0755) == 0 && mkdir("full", 0755) == 0 && mkdir("full/in", 0755) == 0,
         "folders");
    rename_say("to a new name", "a", "c");
    say("rename to a new name: %s, %s", file_read("c"), file_read("a"));
    int file = open("b", O_RDONLY);
    rename_say("over a file", "c", "b");
    char byte;
    must(read(file, &byte, 1) == 1, "read");
    say("rename over a file: %s, the old one still %c", file_read("b"), byte);
    close(file);
    rename_say("to itself", "b", "b");
    rename_say("of nothing", "missing", "b");
    rename_say("of a file over a directory", "b", "empty");
    rename_say("of a directory over a file", "empty", "b");
    rename_say("of a directory over an empty one", "full", "empty");
    say("the directory's content: %s", access("empty/in", F_OK) == 0 ? "moved" : "lost");
    must(mkdir("full", 0755) == 0, "mkdir");
    rename_say("of a directory over a full one", "full", "empty");
    rename_say("of a directory into itself", "empty", "empty/in/below");
    rename_say("of a directory onto its parent", "empty/in", "empty");
    rename_say("of a directory to another parent", "empty/in", "full/in");
    say("..: %s", access("full/in/../../b", F_OK) == 0 ? "follows" : "does not follow");
    rename_say("below a file", "b", "b/c");
    rename_say("to a name with a slash", "b", "new/");
    rename_say("of a directory to a name with a slash", "full", "new/");
    rename_say("of .", ".", "other");
    rename_say(
        "of a long name", "b",
        "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"
        "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"
        "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"
        "n");
    must(symlink("b", "link") == 0 && link("b", "hard") == 0, "links");
    rename_say("over its own hard link", "b", "hard");
    say("both are there: %d %d", access("b", F_OK), access("hard", F_OK));
    rename_say("of a link", "link", "moved-link");
    struct stat about;
    say("rename of a link: %s",
        lstat("moved-link", &about) == 0 && S_ISLNK(about.st_mode) ? "still a link" : "lost");
    file_write("d", "d");
    say_result("renameat2 NOREPLACE", syscall(SYS_renameat2, AT_FDCWD, "d", AT_FDCWD, "b", 1));
    say_result("renameat2 NOREPLACE to a new name",
               syscall(SYS_renameat2, AT_FDCWD, "d", AT_FDCWD, "e", 1));
    say_result("renameat2 EXCHANGE", syscall(SYS_renameat2, AT_FDCWD, "e", AT_FDCWD, "new", 2));
    say("renameat2 EXCHANGE: new is %s, e a %s", file_read("new"),
        stat("e", &about) == 0 && S_ISDIR(about.st_mode) ? "directory" : "file");
    say_result("renameat2 with both", syscall(SYS_renameat2, AT_FDCWD, "e", AT_FDCWD, "new", 3));
    must(chdir("..") == 0, "chdir");
}

static void link_check(void)
{
    file_write("file", "content");
    struct stat about, same;
    say_result("link", link("file", "second"));
    stat("file", &about);
    stat("second", &same);
    say("link: %d names, the same file %d", (int)about.st_nlink,
        about.st_ino == same.st_ino && about.st_dev == same.st_dev);
    say_result("link over a file", link("file", "second"));
    say_result("link of a directory", link("folder", "third"));
    say_result("link of nothing", link("missing", "third"));
    int file = open("file", O_RDWR);
    unlink("file");
    unlink("second");
    fstat(file, &about);
    char text[8] = {0};
    must(read(file, text, 7) == 7 && write(file, " more", 5) == 5, "read and write");
    say("unlinked: %d names, reads %s, size %d", (int)about.st_nlink, text,
        (int)lseek(file, 0, SEEK_END));
    say_result("open through /proc of an unlinked file", open("file", O_RDONLY));
    close(file);
    say_result("unlink of nothing", unlink("file"));
    say_result("unlink of a directory", unlink("folder"));
    say_result("unlink with a slash", unlink("link/"));
    say_result("rmdir of a file", rmdir("link"));
    file_write("folder/file", "x");
    say_result("rmdir of a full directory", rmdir("folder"));
    unlink("folder/file");
    say_result("rmdir of .", rmdir("folder/."));
    say_result("rmdir of ..", rmdir("folder/.."));
    say_result("rmdir of a link", rmdir("folder-link"));
    say_result("mkdir over a file", mkdir("link", 0755));
    say_result("mkdir over a directory", mkdir("folder", 0755));
    say_result("mkdir with a slash", mkdir("folder/new/", 0755));
    say_result("mkdir below nothing", mkdir("missing/new", 0755));
    say_result("rmdir with a slash", rmdir("folder/new/"));
    char target[32] = {0};
    say_result("readlink", readlink("link", target, sizeof(target)));
    say_result("readlink, short", readlink("link", target, 2));
    say_result("readlink of a directory", readlink("folder", target, sizeof(target)));
    say_result("symlink over a file", symlink("x", "link"));
    say_result("symlink to nothing", symlink("", "new"));
    lstat("link", &about);
    say("lstat: mode %o, size %d", about.st_mode, (int)about.st_size);
    /* 40 links are followed, one more is a loop. */
    must(symlink(".", "chain0") == 0, "symlink");
    for (int i = 1; i < 41; i++) {
        char from[16], to[16];
        snprintf(to, sizeof(to), "chain%d", i - 1);
        snprintf(from, sizeof(from), "chain%d", i);
        must(symlink(to, from) == 0, "symlink");
    }
    say_result("stat through 40 links", stat("chain39", &about));
    say_result("stat through 41 links", stat("chain40", &about));
}

/* --- Directories --- */

static int names_count(const char *path, bool delete)
{
    DIR *folder = opendir(path);
    must(folder != NULL, "opendir");
    const struct dirent *entry;
    static bool seen[500];
    memset(seen, 0, sizeof(seen));
    int count = 0, number;
    while ((entry = readdir(folder)) != NULL) {
        if (sscanf(entry->d_name, "file%d", &number) == 1 && number >= 0 && number < 500) {
            count += !seen[number];
            seen[number] = true;
            if (delete) {
                must(unlinkat(dirfd(folder), entry->d_name, 0) == 0, "unlinkat");
            }
        }
    }
    closedir(folder);
    return count;
}

struct old_entry { /* struct linux_dirent */
    unsigned long number;
    unsigned long next;
    unsigned short record_bytes;
    char name[];
};

static int line_compare(const void *left, const void *right)
{
    return strcmp(left, right);
}

/* getdents, as sanitizers list threads: the type is a record's last byte. */
static void old_list(void)
{
    char buffer[128] __attribute__((aligned(8)));
    char line[32][96];
    size_t count = 0;
    int directory = open("kinds", O_RDONLY | O_DIRECTORY);
    long length;
    while ((length = syscall(SYS_getdents, directory, buffer, sizeof(buffer))) > 0) {
        for (long at = 0; at < length && count < ARRAY_LENGTH(line);) {
            const struct old_entry *entry = (const void *)(buffer + at);
            snprintf(line[count++], sizeof(line[0]), "%.40s: type %d, number %s", entry->name,
                     buffer[at + entry->record_bytes - 1], entry->number != 0 ? "some" : "none");
            at += entry->record_bytes;
        }
    }
    qsort(line, count, sizeof(line[0]), line_compare);
    for (size_t i = 0; i < count; i++) {
        say("old entry %s", line[i]);
    }
    say_result("old getdents with a small buffer", lseek(directory, 0, SEEK_SET) == 0
                                                       ? syscall(SYS_getdents, directory, buffer, 8)
                                                       : 0);
    close(directory);
}

static void directory_check(void)
{
    must(mkdir("many", 0755) == 0, "mkdir");
    for (int i = 0; i < 500; i++) {
        char path[32];
        snprintf(path, sizeof(path), "many/file%03d", i);
        int file = open(path, O_WRONLY | O_CREAT, 0600);
        must(file >= 0, "open");
        close(file);
    }
    say("directory: %d names", names_count("many", false));
    say("directory: %d names while deleting them", names_count("many", true));
    say("directory: %d names left", names_count("many", false));
    say_result("rmdir", rmdir("many"));

    must(mkdir("kinds", 0755) == 0 && mkdir("kinds/folder", 0755) == 0 &&
             symlink("x", "kinds/link") == 0 && mkfifo("kinds/fifo", 0644) == 0,
         "kinds");
    file_write("kinds/file", "x");
    struct dirent **names;
    int count = scandir("kinds", &names, NULL, alphasort);
    for (int i = 0; i < count; i++) {
        struct stat about;
        int folder = open("kinds", O_RDONLY);
        must(fstatat(folder, names[i]->d_name, &about, AT_SYMLINK_NOFOLLOW) == 0, "fstatat");
        close(folder);
        say("entry %s: type %d, inode %s", names[i]->d_name, names[i]->d_type,
            names[i]->d_name[0] == '.' || about.st_ino == names[i]->d_ino ? "right" : "wrong");
    }
    DIR *folder = opendir("kinds");
    int first = 0, second = 0;
    while (readdir(folder) != NULL) {
        first++;
    }
    rewinddir(folder);
    while (readdir(folder) != NULL) {
        second++;
    }
    say("rewinddir: %d entries, again %d", first, second);
    rewinddir(folder);
    readdir(folder);
    long place = telldir(folder);
    const struct dirent *entry = readdir(folder);
    char name[256];
    strcpy(name, entry->d_name);
    readdir(folder);
    seekdir(folder, place);
    entry = readdir(folder);
    say("seekdir: %s entry", strcmp(entry->d_name, name) == 0 ? "the same" : "another");
    closedir(folder);
    old_list();
    char small[8];
    int directory = open("kinds", O_RDONLY | O_DIRECTORY);
    say_result("getdents with a small buffer", syscall(SYS_getdents64, directory, small, 8));
    close(directory);
    directory = open("file2", O_RDONLY | O_CREAT, 0644);
    say_result("getdents of a file", syscall(SYS_getdents64, directory, small, 8));
    close(directory);
}

static void current_check(void)
{
    char start[PATH_MAX], path[PATH_MAX];
    must(getcwd(start, sizeof(start)) != NULL, "getcwd");
    must(mkdir("deep", 0755) == 0 && mkdir("deep/er", 0755) == 0, "mkdir");
    must(chdir("deep/er") == 0 && getcwd(path, sizeof(path)) != NULL, "getcwd");
    say("getcwd: %s", path + strlen(start));
    must(rename("../../deep", "../../moved") == 0 && getcwd(path, sizeof(path)) != NULL, "rename");
    say("getcwd after a rename above: %s", path + strlen(start));
    must(chdir("..") == 0 && rmdir("er") == 0 && mkdir("er", 0755) == 0 && chdir("er") == 0 &&
             rmdir("../er") == 0,
         "rmdir");
    say("getcwd of a removed directory: %s", getcwd(path, sizeof(path)) ? path : error_name(errno));
    say_open("in a removed directory", "new", O_WRONLY | O_CREAT);
    say_result("chdir to .. of a removed directory", chdir(".."));
    say_result("chdir to a file", chdir("../file2"));
    say_result("chdir to nothing", chdir("missing"));
    must(chdir("/") == 0, "chdir");
    say_result("chdir to .. at the root", chdir(".."));
    say("getcwd: %s", getcwd(path, sizeof(path)));
    say("stat of /.. is the root: %d", access("/../../proc/self", F_OK));
    say("getcwd, short: %s", getcwd(path, 1) != NULL ? "done" : error_name(errno));
    int folder = open(start, O_RDONLY | O_DIRECTORY);
    say_result("fchdir", fchdir(folder));
    say_result("openat of nothing", openat(folder, "missing", O_RDONLY));
    int file = openat(folder, "moved", O_RDONLY);
    say("openat: %s", file >= 0 ? "done" : error_name(errno));
    close(file);
    close(folder);
    say_result("openat of a bad descriptor", openat(folder, "missing", O_RDONLY));
    pid_t pid = fork();
    if (pid == 0) {
        must(mkdir("root", 0755) == 0 && chroot("root") == 0 && chdir("/") == 0, "chroot");
        must(chdir("../..") == 0 && getcwd(path, sizeof(path)) != NULL, "getcwd");
        say("chroot: %s, /proc %s", path, access("/proc", F_OK) == 0 ? "there" : error_name(errno));
        _exit(0);
    }
    child_wait(pid);
}

/* --- Rights --- */

static mode_t mode_of(const char *path)
{
    struct stat about;
    must(lstat(path, &about) == 0, path);
    return about.st_mode;
}

static void mode_check(void)
{
    umask(027);
    say_open("with umask 027", "masked", O_WRONLY | O_CREAT);
    must(mkdir("masked-folder", 0777) == 0 && mkfifo("masked-fifo", 0666) == 0, "make");
    say("umask 027: %o %o %o", mode_of("masked"), mode_of("masked-folder"), mode_of("masked-fifo"));
    say("umask: %03o", umask(022));
    must(chmod("masked", 04755) == 0, "chmod");
    say("chmod: %o", mode_of("masked"));
    say_result("chown", chown("masked", OTHER_USER, OTHER_GROUP));
    say("chown takes the set-user bit: %o", mode_of("masked"));
    struct stat about;
    stat("masked", &about);
    say("chown: %u %u", about.st_uid, about.st_gid);
    say_result("chown of the group alone", chown("masked", (uid_t)-1, 5));
    stat("masked", &about);
    say("chown: %u %u", about.st_uid, about.st_gid);
    must(symlink("masked", "owner-link") == 0 && lchown("owner-link", 7, 8) == 0, "lchown");
    lstat("owner-link", &about);
    say("lchown: %u %u", about.st_uid, about.st_gid);
    stat("owner-link", &about);
    say("lchown leaves the target: %u %u", about.st_uid, about.st_gid);
    must(mkdir("group", 0755) == 0 && chown("group", 0, 77) == 0 && chmod("group", 02775) == 0,
         "group");
    file_write("group/file", "x");
    must(mkdir("group/folder", 0755) == 0, "mkdir");
    stat("group/file", &about);
    say("set-group directory: file's group %u, folder's mode %o", about.st_gid,
        mode_of("group/folder"));
}

static int other_user(void *argument)
{
    (void)argument;
    if (setgid(OTHER_GROUP) != 0 || setuid(OTHER_USER) != 0) {
        return 1;
    }
    say_open("by another user to read 0644", "rights/readable", O_RDONLY);
    say_open("by another user to write 0644", "rights/readable", O_WRONLY);
    say_open("by another user to read 0600", "rights/secret", O_RDONLY);
    say_open("by another user in 0755", "rights/new", O_WRONLY | O_CREAT);
    say_open("by another user through 0700", "rights/closed/file", O_RDONLY);
    say_open("by another user through 0711", "rights/through/file", O_RDONLY);
    say_open("by another user of 0711", "rights/through", O_RDONLY);
    say_open("by another user of the group", "rights/group", O_RDONLY);
    say_open("by another user in the group's place", "rights/own-worse", O_RDONLY);
    say_result("access by another user", access("rights/secret", R_OK));
    say_result("access to execute", access("rights/readable", X_OK));
    say_result("chmod by another user", chmod("rights/readable", 0777));
    say_result("chown by another user", chown("rights/readable", OTHER_USER, OTHER_GROUP));
    say_result("unlink by another user", unlink("rights/readable"));
    say_result("unlink in a sticky directory", unlink("rights/sticky/file"));
    say_result("rename in a sticky directory", rename("rights/sticky/file", "rights/sticky/x"));
    file_write("rights/sticky/own", "own");
    say_result("unlink of an own file in a sticky directory", unlink("rights/sticky/own"));
    say_result("unlink in a directory for all", unlink("rights/all/file"));
    file_write("rights/all/own", "own");
    say_result("chmod of an own file", chmod("rights/all/own", 02755));
    say_result("chown of an own file", chown("rights/all/own", 0, 0));
    say_result("chown of an own file to its owner",
               chown("rights/all/own", OTHER_USER, OTHER_GROUP));
    say_result("utimensat of a readable file", utimensat(AT_FDCWD, "rights/readable", NULL, 0));
    say_result("truncate by another user", truncate("rights/readable", 0));
    say_result("link by another user", link("rights/all/own", "rights/through/new"));
    say_result("chroot by another user", chroot("rights"));
    say_result("mknod by another user", mknod("rights/all/device", S_IFCHR | 0666, 0x103));
    /* Writing takes the set-user bit of a file away. */
    file_write("rights/all/program", "x");
    must(chmod("rights/all/program", 04755) == 0, "chmod");
    int file = open("rights/all/program", O_WRONLY);
    must(write(file, "y", 1) == 1, "write");
    close(file);
    say("write takes the set-user bit: %o", mode_of("rights/all/program"));
    return 0;
}

static void rights_check(void)
{
    must(mkdir("rights", 0755) == 0 && mkdir("rights/closed", 0700) == 0 &&
             mkdir("rights/through", 0711) == 0 && mkdir("rights/sticky", 0755) == 0 &&
             chmod("rights/sticky", 01777) == 0 && mkdir("rights/all", 0755) == 0 &&
             chmod("rights/all", 0777) == 0,
         "rights");
    static const char *const files[] = {
        "rights/readable",    "rights/secret",   "rights/closed/file", "rights/through/file",
        "rights/sticky/file", "rights/all/file", "rights/group",       "rights/own-worse"};
    for (size_t i = 0; i < ARRAY_LENGTH(files); i++) {
        file_write(files[i], "x");
    }
    must(chmod("rights/secret", 0600) == 0 && chown("rights/group", 0, OTHER_GROUP) == 0 &&
             chmod("rights/group", 0640) == 0 && chown("rights/own-worse", 0, OTHER_GROUP) == 0 &&
             chmod("rights/own-worse", 0604) == 0,
         "chmod");
    say_status("another user", child_run(other_user, NULL));
    say_open("by root of 0000", "rights/secret", O_RDWR);
    say_result("access by root to execute 0600", access("rights/secret", X_OK));
}

/* --- Descriptors --- */

static void descriptor_check(void)
{
    int file = open("file2", O_RDWR | O_CREAT | O_TRUNC, 0644);
    int lowest = dup(file);
    say("dup: the lowest free one %d", lowest == file + 1);
    say("F_DUPFD: %d", fcntl(file, F_DUPFD, 100));
    say("F_DUPFD again: %d", fcntl(file, F_DUPFD, 100));
    say("F_DUPFD_CLOEXEC: %d", fcntl(file, F_DUPFD_CLOEXEC, 100));
    say("F_DUPFD_CLOEXEC: flags %d", fcntl(102, F_GETFD));
    say_result("dup2", dup2(file, 101));
    say_result("dup2 to itself", dup2(file, file) == file ? 0 : 1);
    say_result("dup2 of a closed one", dup2(200, 201));
    say_result("dup2 to a negative one", dup2(file, -1));
    say_result("dup3 to itself", syscall(SYS_dup3, file, file, 0));
    say_result("F_DUPFD too high", fcntl(file, F_DUPFD, 1 << 24));
    say("F_GETFL: %#x", fcntl(file, F_GETFL) & ~O_LARGEFILE & ~0100000);
    must(fcntl(lowest, F_SETFL, O_APPEND | O_NONBLOCK | O_WRONLY | O_TRUNC) == 0, "F_SETFL");
    say("F_SETFL through the other: %#x", fcntl(file, F_GETFL) & ~O_LARGEFILE & ~0100000);
    say_result("fcntl with a wrong command", fcntl(file, 9999));
    say_result("close_range", syscall(SYS_close_range, 100, 200, 0));
    say_result("close_range closed them", fcntl(101, F_GETFD));
    close(lowest);
    fcntl(file, F_SETFL, 0);

    int source = open("source", O_RDWR | O_CREAT | O_TRUNC, 0644);
    must(write(source, "0123456789", 10) == 10, "write");
    off_t offset = 3;
    say_result("sendfile", sendfile(file, source, &offset, 4));
    say("sendfile: offset %d, position %d, [%s]", (int)offset, (int)lseek(source, 0, SEEK_CUR),
        file_read("file2"));
    lseek(source, 8, SEEK_SET);
    say_result("sendfile from the position", sendfile(file, source, NULL, 100));
    say_result("sendfile at the end", sendfile(file, source, NULL, 100));
    int ends[2];
    must(pipe(ends) == 0, "pipe");
    offset = 0;
    say_result("sendfile into a pipe", sendfile(ends[1], source, &offset, 5));
    char text[8] = {0};
    must(read(ends[0], text, 8) == 5, "read");
    say("sendfile into a pipe: %s", text);
    say_result("sendfile of a pipe", sendfile(file, ends[0], NULL, 5));
    loff_t in = 2;
    say_result("copy_file_range", syscall(SYS_copy_file_range, source, &in, file, NULL, 3, 0));
    say("copy_file_range: [%s]", file_read("file2"));
    close(ends[0]);
    close(ends[1]);
    close(source);
    close(file);
}

static void times_check(void)
{
    struct timespec times[2] = {{1000, 123456789}, {2000, 987654321}};
    say_result("utimensat", utimensat(AT_FDCWD, "file2", times, 0));
    struct stat about;
    stat("file2", &about);
    say("utimensat: %lld.%09ld %lld.%09ld", (long long)about.st_atim.tv_sec, about.st_atim.tv_nsec,
        (long long)about.st_mtim.tv_sec, about.st_mtim.tv_nsec);
    times[0].tv_nsec = UTIME_OMIT;
    times[1] = (struct timespec){3000, 0};
    must(utimensat(AT_FDCWD, "file2", times, 0) == 0, "utimensat");
    stat("file2", &about);
    say("UTIME_OMIT: %lld %lld", (long long)about.st_atim.tv_sec, (long long)about.st_mtim.tv_sec);
    times[0].tv_nsec = UTIME_NOW;
    times[1].tv_nsec = UTIME_OMIT;
    must(utimensat(AT_FDCWD, "file2", times, 0) == 0, "utimensat");
    stat("file2", &about);
    say("UTIME_NOW: %s %lld", about.st_atim.tv_sec > 1500000000 ? "now" : "not now",
        (long long)about.st_mtim.tv_sec);
    times[0].tv_nsec = 1000000000;
    say_result("utimensat with too many ns", utimensat(AT_FDCWD, "file2", times, 0));
    int file = open("file2", O_WRONLY | O_APPEND);
    must(write(file, "x", 1) == 1, "write");
    fstat(file, &about);
    say("write: changes the time of the content %d", about.st_mtim.tv_sec > 1500000000);
    close(file);
    times[0] = times[1] = (struct timespec){4000, 0};
    must(mkdir("timed", 0755) == 0 && utimensat(AT_FDCWD, "timed", times, 0) == 0, "timed");
    file_write("timed/file", "x");
    stat("timed", &about);
    say("new name: changes its directory's time %d", about.st_mtim.tv_sec > 1500000000);
    say_result("utimensat of a link",
               utimensat(AT_FDCWD, "owner-link", times, AT_SYMLINK_NOFOLLOW));
    lstat("owner-link", &about);
    say("utimensat of a link: %lld", (long long)about.st_mtim.tv_sec);
}

static void system_check(void)
{
    struct statfs about;
    must(statfs("/proc", &about) == 0, "statfs");
    say("statfs /proc: type %#lx", (unsigned long)about.f_type);
    must(statfs("/dev/null", &about) == 0, "statfs");
    say("statfs /dev: type %#lx", (unsigned long)about.f_type);
    must(statfs(".", &about) == 0, "statfs");
    say("statfs .: names of %ld bytes, free blocks %d", (long)about.f_namelen,
        about.f_bfree <= about.f_blocks && about.f_blocks > 0);
    int ends[2];
    must(pipe(ends) == 0, "pipe");
    must(fstatfs(ends[0], &about) == 0, "fstatfs");
    say("fstatfs of a pipe: type %#lx", (unsigned long)about.f_type);
    close(ends[0]);
    close(ends[1]);
    say_result("statfs of nothing", statfs("missing", &about));
    say_result("mknod of a device", mknod("null", S_IFCHR | 0666, 0x103));
    struct stat node;
    must(stat("null", &node) == 0, "stat");
    say("mknod: mode %o, device %#x", node.st_mode, (unsigned)node.st_rdev);
    say_result("mknod of a file", mknod("plain", S_IFREG | 0640, 0));
    say_result("mknod of a directory", mknod("wrong", S_IFDIR | 0640, 0));
}

static void lock_check(void)
{
    int file = open("locked", O_RDWR | O_CREAT | O_TRUNC, 0644);
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 10, .l_len = 10};
    say_result("F_SETLK", fcntl(file, F_SETLK, &lock));
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid == 0) {
        say_result("F_SETLK of a locked range", fcntl(file, F_SETLK, &lock));
        struct flock about = {.l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 0};
        must(fcntl(file, F_GETLK, &about) == 0, "F_GETLK");
        say("F_GETLK: type %d from %d for %d by the parent %d", about.l_type, (int)about.l_start,
            (int)about.l_len, about.l_pid == parent);
        lock.l_start = 20;
        say_result("F_SETLK of a free range", fcntl(file, F_SETLK, &lock));
        _exit(0);
    }
    child_wait(pid);
    close(dup(file));
    pid = fork();
    if (pid == 0) {
        say_result("F_SETLK after a close of another descriptor", fcntl(file, F_SETLK, &lock));
        _exit(0);
    }
    child_wait(pid);
    int second = open("locked", O_RDWR);
    say_result("flock", flock(file, LOCK_EX));
    say_result("flock by another open", flock(second, LOCK_EX | LOCK_NB));
    say_result("flock by a dup", flock(dup(file), LOCK_EX | LOCK_NB));
    flock(file, LOCK_SH);
    say_result("flock shared by another open", flock(second, LOCK_SH | LOCK_NB));
    close(second);
}

/* O_CLOEXEC: ourselves, with the descriptors to look at as arguments. */
static int inherited_show(int count, char **arguments)
{
    for (int i = 2; i < count; i++) {
        int descriptor = atoi(arguments[i]);
        say("exec: descriptor %d %s", descriptor,
            fcntl(descriptor, F_GETFD) < 0 ? "closed" : "open");
    }
    return 0;
}

static void exec_check(void)
{
    int file = open("file2", O_RDONLY);
    must(dup2(file, 50) == 50 && dup3(file, 51, O_CLOEXEC) == 51 && dup2(file, 52) == 52 &&
             fcntl(52, F_SETFD, FD_CLOEXEC) == 0 && dup2(51, 53) == 53,
         "dup2");
    pid_t pid = fork();
    if (pid == 0) {
        execl("/proc/self/exe", "file", "show", "50", "51", "52", "53", NULL);
        _exit(1);
    }
    say_status("exec", child_wait(pid));
}

int main(int count, char **arguments)
{
    if (count > 1) {
        return inherited_show(count, arguments);
    }
    umask(022);
    open_check();
    name_length_check();
    append_check();
    position_check();
    vector_check();
    truncate_check();
    rename_check();
    link_check();
    directory_check();
    current_check();
    mode_check();
    rights_check();
    descriptor_check();
    times_check();
    system_check();
    lock_check();
    exec_check();
    return 0;
}
