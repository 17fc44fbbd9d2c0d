/* Every call that takes a path, with paths that are too long, go round in circles or lead nowhere.
 */
#include "tests/linux/programs/program.h"

#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/statfs.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <utime.h>

static int folder;

static long call_open(const char *path)
{
    return open(path, O_RDONLY | O_NONBLOCK);
}

static long call_create(const char *path)
{
    return open(path, O_WRONLY | O_CREAT, 0644);
}

static long call_exclusive(const char *path)
{
    return open(path, O_WRONLY | O_CREAT | O_EXCL, 0644);
}

static long call_nofollow(const char *path)
{
    return open(path, O_RDONLY | O_NOFOLLOW);
}

static long call_path_only(const char *path)
{
    return open(path, O_PATH | O_NOFOLLOW);
}

static long call_openat(const char *path)
{
    return openat(folder, path, O_RDONLY);
}

static long call_stat(const char *path)
{
    struct stat about;
    return stat(path, &about);
}

static long call_lstat(const char *path)
{
    struct stat about;
    return lstat(path, &about);
}

static long call_statfs(const char *path)
{
    struct statfs about;
    return statfs(path, &about);
}

static long call_access(const char *path)
{
    return access(path, R_OK);
}

static long call_chdir(const char *path)
{
    return chdir(path);
}

static long call_chroot(const char *path)
{
    return syscall(SYS_chroot, path);
}

static long call_mkdir(const char *path)
{
    return mkdir(path, 0755);
}

static long call_rmdir(const char *path)
{
    return rmdir(path);
}

static long call_unlink(const char *path)
{
    return unlink(path);
}

static long call_rename_from(const char *path)
{
    return rename(path, "new");
}

static long call_rename_to(const char *path)
{
    return rename("file", path);
}

static long call_link_from(const char *path)
{
    return link(path, "new");
}

static long call_link_to(const char *path)
{
    return link("file", path);
}

static long call_symlink_text(const char *path)
{
    return symlink(path, "new");
}

static long call_symlink(const char *path)
{
    return symlink("file", path);
}

static long call_readlink(const char *path)
{
    char text[100];
    return readlink(path, text, sizeof(text)) >= 0 ? 0 : -1;
}

static long call_chmod(const char *path)
{
    return chmod(path, 0644);
}

static long call_chown(const char *path)
{
    return chown(path, (uid_t)-1, (gid_t)-1);
}

static long call_lchown(const char *path)
{
    return lchown(path, (uid_t)-1, (gid_t)-1);
}

static long call_utimes(const char *path)
{
    return syscall(SYS_utimensat, AT_FDCWD, path, NULL, 0);
}

static long call_truncate(const char *path)
{
    return truncate(path, 0);
}

static long call_mknod(const char *path)
{
    return mknod(path, S_IFIFO | 0644, 0);
}

static long call_getxattr(const char *path)
{
    char value[10];
    long result = getxattr(path, "user.none", value, sizeof(value));
    return result;
}

static long call_exec(const char *path)
{
    char *const none[] = {NULL};
    return execve(path, none, none);
}

static long call_watch(const char *path)
{
    int set = inotify_init();
    long result = inotify_add_watch(set, path, IN_CREATE);
    int error = errno;
    close(set);
    errno = error;
    return result;
}

static long call_bind(const char *path)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    int other = socket(AF_UNIX, SOCK_STREAM, 0);
    memcpy(name.sun_path, path, strnlen(path, sizeof(name.sun_path)));
    long result = bind(other, (struct sockaddr *)&name, sizeof(name));
    int error = errno;
    close(other);
    errno = error;
    return result;
}

static const struct {
    const char *name;
    long (*make)(const char *path);
} calls[] = {
    {"open", call_open},
    {"open O_CREAT", call_create},
    {"open O_EXCL", call_exclusive},
    {"open O_NOFOLLOW", call_nofollow},
    {"open O_PATH", call_path_only},
    {"openat", call_openat},
    {"stat", call_stat},
    {"lstat", call_lstat},
    {"statfs", call_statfs},
    {"access", call_access},
    {"chdir", call_chdir},
    {"chroot", call_chroot},
    {"mkdir", call_mkdir},
    {"rmdir", call_rmdir},
    {"unlink", call_unlink},
    {"rename from", call_rename_from},
    {"rename to", call_rename_to},
    {"link from", call_link_from},
    {"link to", call_link_to},
    {"symlink's text", call_symlink_text},
    {"symlink", call_symlink},
    {"readlink", call_readlink},
    {"chmod", call_chmod},
    {"chown", call_chown},
    {"lchown", call_lchown},
    {"utimensat", call_utimes},
    {"truncate", call_truncate},
    {"mknod", call_mknod},
    {"getxattr", call_getxattr},
    {"execve", call_exec},
    {"inotify_add_watch", call_watch},
    {"bind", call_bind},
};

struct attempt {
    size_t call;
    const char *path;
};

/* In a folder of its own, with what the paths lead to. */
static int attempt_make(void *argument)
{
    const struct attempt *attempt = argument;
    char name[32];
    snprintf(name, sizeof(name), "attempt%zu", attempt->call);
    must(mkdir(name, 0755) == 0 && chdir(name) == 0, "mkdir");
    file_write("file", "text");
    must(mkdir("folder", 0755) == 0 && symlink("loop2", "loop1") == 0 &&
             symlink("loop1", "loop2") == 0 && symlink("self", "self") == 0 &&
             symlink("nowhere", "dangling") == 0,
         "links");
    folder = open("folder", O_RDONLY | O_DIRECTORY);
    must(folder >= 0, "folder");
    errno = 0;
    long result = calls[attempt->call].make(attempt->path);
    say("%s: %s", calls[attempt->call].name, result == -1 ? error_name(errno) : "done");
    return 0;
}

static void all_say(const char *what, const char *path)
{
    say("-- %s", what);
    for (size_t i = 0; i < ARRAY_LENGTH(calls); i++) {
        if (path[0] == '\0' && calls[i].make == call_bind) {
            continue; /* that is an abstract name */
        }
        struct attempt attempt = {i, path};
        child_run(attempt_make, &attempt);
    }
    must(system("rm -rf attempt*") == 0, "rm");
}

int main(void)
{
    static char path[5001];
    memset(path, 'a', 5000);
    all_say("5,000 letters", path);
    for (size_t i = 0; i + 1 < 5000; i += 2) {
        memcpy(path + i, "./", 2);
    }
    all_say("5,000 characters that lead here", path);
    path[4095] = '\0';
    all_say("the longest that leads here", path);
    memset(path, 'a', 256);
    path[256] = '\0';
    all_say("a name of 256 letters", path);
    path[255] = '\0';
    all_say("a name of 255 letters", path);
    all_say("a loop", "loop1");
    all_say("below a loop", "loop1/x");
    all_say("a link to itself, with a slash", "self/");
    all_say("a link to nowhere", "dangling");
    all_say("below a file", "file/x");
    all_say("a file with a slash", "file/");
    all_say("nothing", "");
    all_say("the folder's parent", "folder/..");
    all_say("a dot", "folder/.");
    return 0;
}
