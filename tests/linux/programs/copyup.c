/*
 * A file of the image that is written keeps its identity: what was open before sees the new
 * content. The files lie in DATA_FOLDER, made beforehand by copyup_data.sh.
 */
#include "tests/linux/programs/program.h"

static ino_t inode_of(int file)
{
    struct stat about;
    must(fstat(file, &about) == 0, "fstat");
    return about.st_ino;
}

static ino_t inode_at(const char *path)
{
    struct stat about;
    must(lstat(path, &about) == 0, path);
    return about.st_ino;
}

static void say_file(const char *what, const char *path)
{
    struct stat about;
    if (lstat(path, &about) != 0) {
        say("%s: %s", what, error_name(errno));
        return;
    }
    say("%s: mode %o, owner %u %u, names %d, size %lld", what, about.st_mode, about.st_uid,
        about.st_gid, (int)about.st_nlink, (long long)about.st_size);
}

static const char *content_of(int file)
{
    static char text[64];
    ssize_t length = pread(file, text, sizeof(text) - 1, 0);
    must(length >= 0, "pread");
    text[length] = '\0';
    if (length > 0 && text[length - 1] == '\n') {
        text[length - 1] = '\0';
    }
    return text;
}

static void write_check(void)
{
    say_file("before", "plain");
    int reader = open("plain", O_RDONLY);
    ino_t inode = inode_of(reader);
    const char *mapped = mmap(NULL, PAGE_BYTES, PROT_READ, MAP_SHARED, reader, 0);
    must(mapped != MAP_FAILED, "mmap");
    say("before: %s, mapped %.5s", content_of(reader), mapped);
    int writer = open("plain", O_RDWR);
    must(writer >= 0 && pwrite(writer, "PLAIN", 5, 0) == 5, "write");
    say("written: old descriptor %s", content_of(reader));
    say("written: old mapping %.5s", mapped);
    say("written: inode of old descriptor %s, new %s, name %s",
        inode_of(reader) == inode ? "kept" : "changed",
        inode_of(writer) == inode ? "the same" : "another",
        inode_at("plain") == inode ? "the same" : "another");
    must(ftruncate(writer, 3) == 0, "ftruncate");
    say("truncated: old descriptor %s", content_of(reader));
    close(reader);
    close(writer);
    reader = open("plain", O_RDONLY);
    say("opened again: %s, inode %s", content_of(reader),
        inode_of(reader) == inode ? "kept" : "changed");
    close(reader);
    say_file("after", "plain");
    say("after, by its old mapping: %.3s", mapped);
}

static void append_check(void)
{
    int reader = open("log", O_RDONLY), writer = open("log", O_WRONLY | O_APPEND);
    must(write(writer, "more\n", 5) == 5, "write");
    char text[32] = {0};
    say_result("append: read by the old descriptor", read(reader, text, sizeof(text)));
    say("append: %s", strcmp(text, "first\nmore\n") == 0 ? "both lines" : text);
    close(reader);
    close(writer);
    reader = open("trunc", O_RDONLY);
    writer = open("trunc", O_WRONLY | O_TRUNC);
    say_result("O_TRUNC: read by the old descriptor", pread(reader, text, 8, 0));
    must(write(writer, "new", 3) == 3, "write");
    say("O_TRUNC: %s", content_of(reader));
    close(reader);
    close(writer);
}

static void link_check(void)
{
    say_file("hard link", "one");
    int second = open("two", O_RDONLY);
    say("hard link: inodes %s", inode_at("one") == inode_at("two") ? "the same" : "differ");
    int writer = open("one", O_RDWR);
    must(pwrite(writer, "LINKED", 6, 0) == 6, "write");
    say("hard link written: the other's old descriptor %s, its name %s", content_of(second),
        strncmp(file_read("two"), "LINKED", 6) == 0 ? "too" : "not");
    say("hard link written: inodes %s", inode_at("one") == inode_at("two") ? "the same" : "differ");
    must(link("one", "three") == 0 && unlink("two") == 0, "link");
    say_file("hard link changed", "three");
    say("hard link removed: old descriptor %s", content_of(second));
    close(second);
    close(writer);
}

/* Changing the attributes alone, or the name alone, leaves content and identity. */
static void attribute_check(void)
{
    int reader = open("attributes", O_RDONLY);
    ino_t inode = inode_of(reader);
    must(chmod("attributes", 0600) == 0 && chown("attributes", 5, 6) == 0, "chmod");
    say_file("attributes", "attributes");
    struct stat about;
    fstat(reader, &about);
    say("attributes: old descriptor mode %o, owner %u, inode %s, %s", about.st_mode, about.st_uid,
        about.st_ino == inode ? "kept" : "changed", content_of(reader));
    must(rename("attributes", "renamed") == 0, "rename");
    say("renamed: inode %s, old name %s", inode_at("renamed") == inode ? "kept" : "changed",
        file_read("attributes"));
    say("renamed: %s", content_of(reader));
    must(unlink("renamed") == 0, "unlink");
    fstat(reader, &about);
    say("unlinked: %d names, %s", (int)about.st_nlink, content_of(reader));
    file_write("attributes", "another");
    say("made anew: inode %s, old descriptor %s",
        inode_at("attributes") == inode ? "kept" : "changed", content_of(reader));
    close(reader);
}

static void private_check(void)
{
    int reader = open("private", O_RDONLY);
    char *mapped = mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE, reader, 0);
    must(mapped != MAP_FAILED, "mmap");
    mapped[0] = 'X';
    int writer = open("private", O_RDWR);
    must(pwrite(writer, "written", 7, 0) == 7, "write");
    say("private mapping: %.7s, file %s", mapped, content_of(reader));
    char *shared = mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, writer, 0);
    must(shared != MAP_FAILED, "mmap");
    shared[0] = 'S';
    say("shared mapping: file %s", content_of(reader));
    close(reader);
    close(writer);
}

static void large_check(void)
{
    int reader = open("large", O_RDONLY);
    int writer = open("large", O_RDWR);
    must(pwrite(writer, "changed", 7, 500000) == 7, "write");
    unsigned long sum = 0;
    static unsigned char bytes[65536];
    ssize_t count;
    off_t total = 0;
    while ((count = read(reader, bytes, sizeof(bytes))) > 0) {
        for (ssize_t i = 0; i < count; i++) {
            sum = sum * 31 + bytes[i];
        }
        total += count;
    }
    say("large: %lld bytes, sum %lu", (long long)total, sum);
    close(reader);
    close(writer);
}

static void directory_check(void)
{
    int folder = open("folder", O_RDONLY | O_DIRECTORY);
    ino_t inode = inode_of(folder);
    file_write("folder/new", "new");
    say("directory: inode %s, new file by the old descriptor %s",
        inode_at("folder") == inode ? "kept" : "changed",
        faccessat(folder, "new", F_OK, 0) == 0 ? "there" : error_name(errno));
    must(unlink("folder/old") == 0, "unlink");
    say("directory: old file %s", file_read("folder/old"));
    say("directory: rename %s", rename("folder", "moved") == 0 ? "done" : error_name(errno));
    say("directory: its new file %s", file_read("moved/new"));
    say("directory: its old file %s", file_read("moved/stays"));
    close(folder);
    must(unlink("moved/new") == 0 && unlink("moved/stays") == 0, "unlink");
    say_result("directory: rmdir", rmdir("moved"));
    must(mkdir("moved", 0700) == 0, "mkdir");
    say("directory made anew: old file %s", file_read("moved/stays"));
    char target[32] = {0};
    say_result("link of the image", readlink("link", target, sizeof(target)));
    say("link of the image: %s", target);
    must(unlink("link") == 0, "unlink");
    say("link of the image removed: %s", file_read("link"));
}

int main(void)
{
    umask(022);
    const char *folder = getenv("TEST_DATA");
    must(folder != NULL && chdir(folder) == 0, "TEST_DATA");
    write_check();
    append_check();
    link_check();
    attribute_check();
    private_check();
    large_check();
    directory_check();
    return 0;
}
