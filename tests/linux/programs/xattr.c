/* Extended attributes: what a file may carry, who may change it, and that changes keep it. */
#include <sys/xattr.h>

#include "tests/linux/programs/program.h"

static int name_compare(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The names that begin with "user.", in order: a Linux may have others of its own. */
static void list_say(const char *path)
{
    char names[4096];
    const char *found[64];
    size_t count = 0;
    ssize_t length = listxattr(path, names, sizeof(names));
    if (length < 0) {
        say("%s has: %s", path, error_name(errno));
        return;
    }
    for (char *name = names; name < names + length; name += strlen(name) + 1) {
        if (strncmp(name, "user.", 5) == 0 && count < ARRAY_LENGTH(found)) {
            found[count++] = name;
        }
    }
    qsort(found, count, sizeof(found[0]), name_compare);
    char line[400] = "";
    for (size_t i = 0; i < count; i++) {
        size_t at = strlen(line);
        snprintf(line + at, sizeof(line) - at, " %s", found[i]);
    }
    say("%s has:%s", path, line);
}

static void get_say(const char *path, const char *name)
{
    char value[256];
    ssize_t length = lgetxattr(path, name, value, sizeof(value) - 1);
    if (length < 0) {
        say("%s: %s is %s", path, name, error_name(errno));
        return;
    }
    value[length] = '\0';
    say("%s: %s is '%s' of %zd bytes", path, name, value, length);
}

static void basics_check(void)
{
    char small[3];
    file_write("file", "content");
    list_say("file");
    say_result("set", setxattr("file", "user.one", "first", 5, 0));
    get_say("file", "user.one");
    say_result("the length alone", getxattr("file", "user.one", NULL, 0));
    say_result("too small a buffer", getxattr("file", "user.one", small, sizeof(small)));
    say_result("create again", setxattr("file", "user.one", "x", 1, XATTR_CREATE));
    say_result("replace", setxattr("file", "user.one", "second value", 12, XATTR_REPLACE));
    get_say("file", "user.one");
    say_result("replace what is not there", setxattr("file", "user.two", "x", 1, XATTR_REPLACE));
    say_result("an empty value", setxattr("file", "user.empty", "", 0, 0));
    get_say("file", "user.empty");
    say_result("bytes", setxattr("file", "user.bytes", "a\0b", 3, 0));
    say_result("  length", getxattr("file", "user.bytes", small, sizeof(small)));
    list_say("file");
    say_result("too small a list", listxattr("file", small, sizeof(small)));
    say_result("remove", removexattr("file", "user.bytes"));
    say_result("remove again", removexattr("file", "user.bytes"));
    list_say("file");
    must(rename("file", "renamed") == 0 && link("renamed", "linked") == 0, "rename");
    get_say("linked", "user.one");
    int file = open("renamed", O_RDWR);
    say_result("by descriptor", fsetxattr(file, "user.fd", "yes", 3, 0));
    say_result("  get", fgetxattr(file, "user.fd", small, sizeof(small)));
    say_result("  remove", fremovexattr(file, "user.fd"));
    close(file);
    file = open("renamed", O_PATH);
    say_result("by an O_PATH descriptor", fgetxattr(file, "user.one", NULL, 0));
    close(file);
    must(mkdir("folder", 0755) == 0, "mkdir");
    say_result("of a folder", setxattr("folder", "user.folder", "f", 1, 0));
    get_say("folder", "user.folder");
}

static void errors_check(void)
{
    char name[300];
    static char value[65536 + 1];
    say_result("no file", getxattr("nothing", "user.one", NULL, 0));
    say_result("no attribute", getxattr("renamed", "user.none", NULL, 0));
    say_result("no such kind", setxattr("renamed", "other.one", "x", 1, 0));
    say_result("no kind", getxattr("renamed", "plain", NULL, 0));
    say_result("an empty name", getxattr("renamed", "", NULL, 0));
    say_result("no name behind the kind", setxattr("renamed", "user.", "x", 1, 0));
    memset(name, 'n', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    memcpy(name, "user.", 5);
    say_result("a long name", setxattr("renamed", name, "x", 1, 0));
    name[255] = '\0';
    say_result("the longest name", setxattr("renamed", name, "x", 1, 0));
    say_result("  remove", removexattr("renamed", name));
    say_result("too large a value", setxattr("renamed", "user.large", value, sizeof(value), 0));
    say_result("wrong flags", setxattr("renamed", "user.one", "x", 1, 4));
    say_result("a wild value", setxattr("renamed", "user.one", (void *)16, 1, 0));
    say_result("a wild name", getxattr("renamed", (void *)16, NULL, 0));
    say_result("a wild buffer", getxattr("renamed", "user.one", (void *)16, 100));
    must(symlink("renamed", "link") == 0 && mkfifo("fifo", 0644) == 0, "symlink");
    say_result("a link", lsetxattr("link", "user.one", "x", 1, 0));
    get_say("link", "user.one");
    say_result("through a link", getxattr("link", "user.one", NULL, 0));
    say_result("a pipe", setxattr("fifo", "user.one", "x", 1, 0));
    get_say("fifo", "user.one");
    say_result("a descriptor that is none", fsetxattr(99, "user.one", "x", 1, 0));
    get_say("/proc/self/status", "user.one");
    get_say("/dev/null", "user.one");
    get_say("renamed", "security.nothing");
}

static int other_run(void *argument)
{
    (void)argument;
    must(setgid(OTHER_GROUP) == 0 && setuid(OTHER_USER) == 0, "setuid");
    get_say("renamed", "user.one");
    say_result("another's file", setxattr("renamed", "user.one", "x", 1, 0));
    say_result("  remove", removexattr("renamed", "user.one"));
    get_say("closed", "user.one");
    list_say("closed");
    say_result("an open file", setxattr("open", "user.one", "x", 1, 0));
    say_result("a sticky folder", setxattr("sticky", "user.one", "x", 1, 0));
    say_result("trusted", setxattr("open", "trusted.one", "x", 1, 0));
    get_say("open", "trusted.one");
    say_result("a capability", setxattr("open", "security.capability", "x", 1, 0));
    say_result("another of security", setxattr("open", "security.other", "x", 1, 0));
    return 0;
}

static void permissions_check(void)
{
    file_write("closed", "x");
    file_write("open", "x");
    must(setxattr("closed", "user.one", "secret", 6, 0) == 0, "setxattr");
    must(chmod("closed", 0600) == 0 && chmod("open", 0666) == 0, "chmod");
    must(mkdir("sticky", 0755) == 0 && chmod("sticky", 01777) == 0, "mkdir");
    child_run(other_run, NULL);
    /* VFS_CAP_REVISION_2, effective: CAP_NET_RAW. */
    static const unsigned char capability[20] = {1, 0, 0, 2, 0, 0x20};
    say_result("a capability", setxattr("open", "security.capability", capability, 20, 0));
    say_result("  its length", getxattr("open", "security.capability", NULL, 0));
    say_result("no capability", setxattr("open", "security.capability", "x", 1, 0));
}

/* What the image gave, also after the content was written. */
static void image_check(void)
{
    must(chdir(getenv("TEST_DATA")) == 0, "chdir");
    list_say("labelled");
    get_say("labelled", "user.origin");
    get_say("labelled", "user.empty");
    get_say("folder", "user.kind");
    say_result("set beside them", setxattr("labelled", "user.more", "here", 4, 0));
    int file = open("labelled", O_WRONLY | O_APPEND);
    must(file >= 0 && write(file, "x", 1) == 1, "write");
    close(file);
    list_say("labelled");
    get_say("labelled", "user.origin");
    say_result("remove", removexattr("labelled", "user.origin"));
    list_say("labelled");
    list_say("plain");
}

/* However many a file system has room for: what it has can become smaller. */
static void full_check(void)
{
    char name[32];
    int count = 0;
    file_write("full", "x");
    do {
        snprintf(name, sizeof(name), "user.number%d", count++);
    } while (setxattr("full", name, "a value", 7, XATTR_CREATE) == 0);
    say("full: %s", error_name(errno));
    say_result("replace when full", setxattr("full", "user.number0", "less", 4, XATTR_REPLACE));
    get_say("full", "user.number0");
    must(unlink("full") == 0, "unlink");
}

int main(void)
{
    umask(022);
    basics_check();
    full_check();
    errors_check();
    permissions_check();
    image_check();
    return 0;
}
