/*
 * The system calls on files against a small file system of the test's own, on the host: walking
 * paths, permissions, names, descriptors, listing, positions and locks. The personality's files are
 * compiled into this one, with the current task and user memory replaced.
 */
#include "lib/base/test/check.h"

#include "linux/core/lock.h"
#define thread_self thread_self_on_its_stack
#include "linux/core/thread.h"
#undef thread_self

static struct own_thread test_thread;

static inline struct own_thread *thread_self(void)
{
    return &test_thread;
}

#undef RENAME_NOREPLACE
#undef RENAME_EXCHANGE
#include "linux/file/io.c"
#include "linux/file/descriptor.c"
#include "linux/file/record_lock.c"
#include "linux/file/file.c"
#include "linux/file/inode.c"
#include "linux/file/mount.c"
#include "linux/file/path.c"
#include "linux/file/user_path.c"
#include "linux/file/open.c"
#include "linux/file/read_write.c"
#undef LIST_BYTES
#include "linux/file/stat.c"
#include "linux/file/list.c"
#include "linux/file/directory.c"
#include "linux/file/attributes.c"
#include "linux/file/control.c"

#include "linux/file/test/test_fs.h"
#include "linux/file/test/vfs_beside.h"

/* --- tools ------------------------------------------------------------------------------------ */

static struct task task;
static struct thread_group group;
static struct credentials credentials;
static struct inode *root;

static uint64_t user(const void *pointer)
{
    return (uint64_t)(uintptr_t)pointer;
}

static long sys_open(const char *path, uint32_t flags, uint32_t mode)
{
    return linux_open(user(path), flags, mode, 0, 0, 0);
}

static long sys_close(long fd)
{
    return linux_close((uint64_t)fd, 0, 0, 0, 0, 0);
}

static long sys_mkdir(const char *path, uint32_t mode)
{
    return linux_mkdir(user(path), mode, 0, 0, 0, 0);
}

static long sys_unlink(const char *path)
{
    return linux_unlink(user(path), 0, 0, 0, 0, 0);
}

static long sys_rmdir(const char *path)
{
    return linux_rmdir(user(path), 0, 0, 0, 0, 0);
}

static long sys_symlink(const char *target, const char *path)
{
    return linux_symlink(user(target), user(path), 0, 0, 0, 0);
}

static long sys_link(const char *from, const char *to)
{
    return linux_link(user(from), user(to), 0, 0, 0, 0);
}

static long sys_rename(const char *from, const char *to)
{
    return linux_rename(user(from), user(to), 0, 0, 0, 0);
}

static long sys_rename2(const char *from, const char *to, uint32_t flags)
{
    return linux_renameat2((uint64_t)AT_FDCWD, user(from), (uint64_t)AT_FDCWD, user(to), flags, 0);
}

static long sys_stat(const char *path, struct linux_stat *out)
{
    return linux_stat(user(path), user(out), 0, 0, 0, 0);
}

static long sys_lstat(const char *path, struct linux_stat *out)
{
    return linux_lstat(user(path), user(out), 0, 0, 0, 0);
}

static long sys_chdir(const char *path)
{
    return linux_chdir(user(path), 0, 0, 0, 0, 0);
}

static long sys_write(long fd, const char *text)
{
    return linux_write((uint64_t)fd, user(text), strlen(text), 0, 0, 0);
}

static long sys_chmod(const char *path, uint32_t mode)
{
    return linux_chmod(user(path), mode, 0, 0, 0, 0);
}

static bool cwd_is(const char *expected)
{
    char text[PATH_MAX];
    long length = linux_getcwd(user(text), sizeof(text), 0, 0, 0, 0);
    return length == (long)strlen(expected) + 1 && strcmp(text, expected) == 0;
}

static void make_file(const char *path, uint32_t mode)
{
    long fd = sys_open(path, O_CREAT | O_WRONLY | O_EXCL, mode);
    CHECK(fd >= 0);
    CHECK(sys_close(fd) == 0);
}

static void become(uint32_t uid, uint32_t gid)
{
    credentials.uid = credentials.euid = credentials.fsuid = uid;
    credentials.gid = credentials.egid = credentials.fsgid = gid;
    credentials.permitted = CAPABILITIES_CONTAINER;
    credentials.effective = uid == 0 ? credentials.permitted : 0;
}

/* --- tests ------------------------------------------------------------------------------------ */

/* Every path error is Linux's, and what exists is found by any spelling of its path. */
static void test_walk(void)
{
    struct linux_stat stat;
    static char deep[PATH_MAX + 10];
    CHECK(sys_mkdir("/a", 0777) == 0);
    CHECK(sys_mkdir("/a/b/", 0777) == 0);
    make_file("/a/b/file", 0644);
    CHECK(sys_stat("/a/b/file", &stat) == 0 && (stat.mode & S_IFMT) == S_IFREG);
    CHECK(sys_stat("//a/./b/../b//file", &stat) == 0);
    CHECK(sys_stat("/../../a/b/file", &stat) == 0);
    CHECK(sys_stat("/a/b/file/", &stat) == -ENOTDIR);
    CHECK(sys_stat("/a/b/file/x", &stat) == -ENOTDIR);
    CHECK(sys_stat("/a/b/file/..", &stat) == -ENOTDIR);
    CHECK(sys_stat("/a/none", &stat) == -ENOENT);
    CHECK(sys_stat("/a/none/x", &stat) == -ENOENT);
    CHECK(sys_stat("", &stat) == -ENOENT);
    CHECK(linux_stat(0, user(&stat), 0, 0, 0, 0) == -EFAULT);
    memset(deep, 'x', sizeof(deep) - 1);
    deep[0] = '/';
    CHECK(sys_stat(deep, &stat) == -ENAMETOOLONG);
    deep[NAME_MAX + 2] = '\0';
    CHECK(sys_stat(deep, &stat) == -ENAMETOOLONG);
    deep[NAME_MAX + 1] = '\0';
    CHECK(sys_stat(deep, &stat) == -ENOENT);
    CHECK(sys_chdir("/a/b") == 0 && cwd_is("/a/b"));
    CHECK(sys_stat("file", &stat) == 0);
    CHECK(sys_chdir("..") == 0 && cwd_is("/a"));
    CHECK(sys_chdir("b/file") == -ENOTDIR);
    char small[3];
    CHECK(linux_getcwd(user(small), 2, 0, 0, 0, 0) == -ERANGE);
    CHECK(linux_getcwd(user(small), 3, 0, 0, 0, 0) == 3);
    CHECK(sys_chdir("/") == 0 && cwd_is("/"));
}

/* Links lead where they say, at most 40 of them, and the last one only when it should. */
static void test_links(void)
{
    struct linux_stat stat;
    char name[16];
    char target[16];
    char text[64];
    CHECK(sys_symlink("b", "/a/to_b") == 0);
    CHECK(sys_symlink("/a/to_b/file", "/to_file") == 0);
    CHECK(sys_stat("/to_file", &stat) == 0 && (stat.mode & S_IFMT) == S_IFREG);
    CHECK(sys_lstat("/to_file", &stat) == 0 && (stat.mode & S_IFMT) == S_IFLNK);
    CHECK(sys_lstat("/a/to_b/", &stat) == 0 && (stat.mode & S_IFMT) == S_IFDIR);
    CHECK(sys_lstat("/to_file/", &stat) == -ENOTDIR);
    CHECK(linux_readlink(user("/to_file"), user(text), 3, 0, 0, 0) == 3);
    CHECK(memcmp(text, "/a/", 3) == 0);
    CHECK(linux_readlink(user("/to_file"), user(text), 0, 0, 0, 0) == -EINVAL);
    CHECK(linux_readlink(user("/a"), user(text), 8, 0, 0, 0) == -EINVAL);
    CHECK(sys_symlink("loop", "/loop") == 0);
    CHECK(sys_stat("/loop", &stat) == -ELOOP && sys_stat("/loop/x", &stat) == -ELOOP);
    CHECK(sys_open("/loop", O_CREAT | O_WRONLY, 0600) == -ELOOP);
    CHECK(sys_unlink("/loop") == 0);
    CHECK(sys_symlink("", "/empty") == -ENOENT);
    CHECK(sys_symlink("/a/b/file", "/l0") == 0);
    for (int i = 1; i <= 40; i++) {
        snprintf(name, sizeof(name), "/l%d", i);
        snprintf(target, sizeof(target), "l%d", i - 1);
        CHECK(sys_symlink(target, name) == 0);
    }
    CHECK(sys_stat("/l39", &stat) == 0);
    CHECK(sys_stat("/l40", &stat) == -ELOOP);
    for (int i = 0; i <= 40; i++) {
        snprintf(name, sizeof(name), "/l%d", i);
        CHECK(sys_unlink(name) == 0);
    }
    CHECK(sys_open("/to_file", O_NOFOLLOW, 0) == -ELOOP);
    CHECK(sys_open("/to_file", O_CREAT | O_EXCL | O_WRONLY, 0600) == -EEXIST);
    long fd = sys_open("/to_file", O_NOFOLLOW | O_PATH, 0);
    CHECK(fd >= 0 && linux_fstat((uint64_t)fd, user(&stat), 0, 0, 0, 0) == 0);
    CHECK((stat.mode & S_IFMT) == S_IFLNK);
    CHECK(linux_readlinkat((uint64_t)fd, user(""), user(text), sizeof(text), 0, 0) == 12);
    CHECK(linux_read((uint64_t)fd, user(text), 1, 0, 0, 0) == -EBADF);
    CHECK(linux_fchmod((uint64_t)fd, 0, 0, 0, 0, 0) == -EBADF);
    CHECK(sys_close(fd) == 0);
    CHECK(sys_symlink("/a/made", "/dangling") == 0);
    CHECK(sys_open("/dangling", O_RDONLY, 0) == -ENOENT);
    fd = sys_open("/dangling", O_CREAT | O_WRONLY, 0600);
    CHECK(fd >= 0 && sys_close(fd) == 0);
    CHECK(sys_unlink("/a/made") == 0 && sys_unlink("/dangling") == 0 &&
          sys_unlink("/to_file") == 0);
}

/* open's errors and flags. */
static void test_open_calls(void)
{
    struct linux_stat stat;
    CHECK(sys_open("/a", O_WRONLY, 0) == -EISDIR);
    CHECK(sys_open("/a", O_CREAT | O_RDONLY, 0) == -EISDIR);
    CHECK(sys_open("/new/", O_CREAT | O_WRONLY, 0600) == -EISDIR);
    CHECK(sys_open("/a/.", O_CREAT | O_EXCL, 0600) == -EEXIST);
    CHECK(sys_open("/a/b/file", O_DIRECTORY, 0) == -ENOTDIR);
    CHECK(sys_open("/a/b/file/", O_RDONLY, 0) == -ENOTDIR);
    CHECK(sys_open("/a/b/file", O_CREAT | O_EXCL, 0) == -EEXIST);
    task.fs->mask = 027;
    long fd = sys_open("/a/masked", O_CREAT | O_WRONLY | O_CLOEXEC, 0666);
    task.fs->mask = 022;
    CHECK(fd == 0 && sys_stat("/a/masked", &stat) == 0 && stat.mode == (S_IFREG | 0640));
    CHECK(linux_fcntl(0, F_GETFD, 0, 0, 0, 0) == FD_CLOEXEC);
    CHECK(linux_fcntl(0, F_GETFL, 0, 0, 0, 0) == (long)(O_WRONLY | O_LARGEFILE));
    CHECK(sys_write(fd, "hello") == 5);
    CHECK(linux_read(0, user(&stat), 1, 0, 0, 0) == -EBADF);
    CHECK(sys_close(fd) == 0);
    fd = sys_open("/a/masked", O_RDWR | O_TRUNC, 0);
    CHECK(sys_stat("/a/masked", &stat) == 0 && stat.size_bytes == 0);
    CHECK(sys_close(fd) == 0 && sys_close(fd) == -EBADF && sys_unlink("/a/masked") == 0);
    CHECK(sys_unlink("/a/masked") == -ENOENT);
}

/* Users other than root get what the mode says, in files, directories and sticky directories. */
static void test_permissions(void)
{
    struct linux_stat stat;
    CHECK(sys_mkdir("/closed", 0700) == 0);
    make_file("/closed/file", 0644);
    make_file("/secret", 0640);
    make_file("/plain", 0644);
    CHECK(sys_mkdir("/tmp", 0) == 0 && sys_chmod("/tmp", 01777) == 0);
    make_file("/tmp/of_root", 0666);
    CHECK(linux_access(user("/plain"), 1, 0, 0, 0, 0) == -EACCES);
    CHECK(sys_mkdir("/group", 0777) == 0 && sys_chmod("/group", 02777) == 0);
    CHECK(linux_chown(user("/group"), 0, 55, 0, 0, 0) == 0);
    become(1000, 1000);
    CHECK(sys_stat("/closed/file", &stat) == -EACCES);
    CHECK(sys_open("/secret", O_RDONLY, 0) == -EACCES);
    CHECK(sys_open("/plain", O_RDWR, 0) == -EACCES);
    CHECK(sys_open("/plain", O_RDONLY | O_TRUNC, 0) == -EACCES);
    CHECK(sys_open("/mine", O_CREAT | O_WRONLY, 0644) == -EACCES);
    CHECK(linux_truncate(user("/plain"), 0, 0, 0, 0, 0) == -EACCES);
    CHECK(sys_mkdir("/mine", 0755) == -EACCES && sys_unlink("/plain") == -EACCES);
    CHECK(sys_unlink("/tmp/of_root") == -EPERM);
    CHECK(sys_rename("/tmp/of_root", "/tmp/x") == -EPERM);
    CHECK(sys_chmod("/plain", 0777) == -EPERM);
    CHECK(linux_chown(user("/plain"), 1000, 1000, 0, 0, 0) == -EPERM);
    CHECK(linux_mknod(user("/tmp/null"), S_IFCHR | 0666, DEVICE(1, 3), 0, 0, 0) == -EPERM);
    CHECK(linux_chroot(user("/tmp"), 0, 0, 0, 0, 0) == -EPERM);
    make_file("/tmp/mine", 0600);
    CHECK(sys_stat("/tmp/mine", &stat) == 0 && stat.uid == 1000 && stat.gid == 1000);
    CHECK(linux_utimensat((uint64_t)AT_FDCWD, user("/plain"), 0, 0, 0, 0) == -EACCES);
    CHECK(linux_utimensat((uint64_t)AT_FDCWD, user("/tmp/mine"), 0, 0, 0, 0) == 0);
    make_file("/group/file", 0644);
    CHECK(sys_mkdir("/group/below", 0755) == 0);
    CHECK(sys_stat("/group/file", &stat) == 0 && stat.gid == 55);
    CHECK(sys_stat("/group/below", &stat) == 0 && stat.gid == 55 && (stat.mode & S_ISGID));
    struct file *file;
    CHECK(path_open("/secret", OPEN_EXECUTE, 0, &file) == -EACCES);
    credentials.uid = 0; /* access asks for the real user */
    CHECK(linux_access(user("/secret"), 4, 0, 0, 0, 0) == 0);
    CHECK(linux_access(user("/closed/file"), 4, 0, 0, 0, 0) == 0);
    CHECK(linux_faccessat2((uint64_t)AT_FDCWD, user("/secret"), 4, AT_EACCESS, 0, 0) == -EACCES);
    CHECK(linux_access(user("/secret"), 8, 0, 0, 0, 0) == -EINVAL);
    credentials.uid = 1000;
    credentials.groups[credentials.group_count++] = 0;
    CHECK(linux_access(user("/secret"), 4, 0, 0, 0, 0) == 0);
    credentials.group_count = 0;
    become(0, 0);
    CHECK(sys_chmod("/plain", 0711) == 0);
    become(1000, 1000);
    CHECK(sys_open("/plain", O_RDONLY, 0) == -EACCES);
    CHECK(path_open("/plain", OPEN_EXECUTE, 0, &file) == 0);
    CHECK(file_may_execute(file) == 0);
    file_put(file);
    become(0, 0);
    CHECK(sys_chmod("/plain", 06755) == 0);
    CHECK(linux_chown(user("/plain"), 1000, 1000, 0, 0, 0) == 0);
    CHECK(sys_stat("/plain", &stat) == 0 && stat.mode == (S_IFREG | 0755));
    CHECK(sys_unlink("/tmp/mine") == 0 && sys_unlink("/tmp/of_root") == 0);
    CHECK(sys_unlink("/plain") == 0 && sys_unlink("/secret") == 0);
    CHECK(sys_unlink("/group/file") == 0 && sys_rmdir("/group/below") == 0);
    CHECK(sys_rmdir("/group") == 0 && sys_unlink("/closed/file") == 0);
    CHECK(sys_rmdir("/closed") == 0 && sys_rmdir("/tmp") == 0);
}

/* Names: making, linking, removing and renaming, with their errors. */
static void test_names(void)
{
    struct linux_stat stat;
    struct linux_stat other;
    CHECK(sys_mkdir("/", 0755) == -EEXIST && sys_mkdir("/a", 0755) == -EEXIST);
    CHECK(sys_mkdir("/none/x", 0755) == -ENOENT);
    CHECK(sys_unlink("/a") == -EISDIR && sys_unlink("/a/.") == -EISDIR);
    CHECK(sys_unlink("/a/b/file/") == -ENOTDIR && sys_rmdir("/a/b/file") == -ENOTDIR);
    CHECK(sys_rmdir("/a") == -ENOTEMPTY && sys_rmdir("/a/.") == -EINVAL);
    CHECK(sys_rmdir("/a/..") == -ENOTEMPTY && sys_rmdir("/") == -EBUSY);
    CHECK(linux_unlinkat((uint64_t)AT_FDCWD, user("/a"), 1, 0, 0, 0) == -EINVAL);
    CHECK(linux_mknod(user("/m/"), S_IFREG | 0600, 0, 0, 0, 0) == -ENOENT);
    CHECK(linux_mknod(user("/m"), S_IFDIR | 0600, 0, 0, 0, 0) == -EPERM);
    CHECK(linux_mknod(user("/m"), S_IFLNK | 0600, 0, 0, 0, 0) == -EINVAL);
    CHECK(sys_link("/a/b/file", "/hard") == 0 && sys_link("/a", "/x") == -EPERM);
    CHECK(sys_link("/a/b/file", "/hard") == -EEXIST);
    CHECK(sys_stat("/hard", &stat) == 0 && sys_stat("/a/b/file", &other) == 0);
    CHECK(stat.number == other.number && stat.links == 2);
    CHECK(sys_rename("/hard", "/a/b/file") == 0 && sys_stat("/hard", &stat) == 0);
    CHECK(sys_rename("/hard", "/a") == -EISDIR && sys_rename("/a", "/hard") == -ENOTDIR);
    CHECK(sys_rename("/a", "/a/b/c") == -EINVAL && sys_rename("/a/b", "/a") == -ENOTEMPTY);
    CHECK(sys_rename("/a", "/a/b") == -EINVAL);
    CHECK(sys_rename("/none", "/x") == -ENOENT && sys_rename("/a/.", "/x") == -EBUSY);
    CHECK(sys_rename("/hard", "/x/") == -ENOTDIR && sys_rename("/hard/", "/x") == -ENOTDIR);
    CHECK(sys_rename2("/hard", "/a", RENAME_NOREPLACE) == -EEXIST);
    CHECK(sys_rename2("/hard", "/x", RENAME_EXCHANGE) == -ENOENT);
    CHECK(sys_rename2("/hard", "/x", 3) == -EINVAL && sys_rename2("/hard", "/x", 4) == -EINVAL);
    CHECK(sys_mkdir("/d", 0755) == 0 && sys_rename("/d", "/a/d") == 0);
    CHECK(sys_chdir("/a/d") == 0 && cwd_is("/a/d"));
    CHECK(sys_rename("/a/d", "/e/") == 0 && cwd_is("/e"));
    CHECK(sys_rename2("/hard", "/e", RENAME_EXCHANGE) == 0 && cwd_is("/hard"));
    CHECK(sys_rmdir("/hard") == 0 && sys_unlink("/e") == 0);
    char text[8];
    CHECK(linux_getcwd(user(text), sizeof(text), 0, 0, 0, 0) == -ENOENT);
    CHECK(sys_chdir("/") == 0);
}

/* Mounts are crossed both ways, hold their place, and keep a read-only tree as it is. */
static void test_mounts(void)
{
    struct linux_stat stat;
    CHECK(sys_mkdir("/mnt", 0755) == 0 && sys_mkdir("/mnt/inner", 0755) == 0);
    struct inode *second = test_root(0755);
    CHECK(mount_at("/mnt/inner", second, "tmpfs", "tmpfs", 1, 0) == 0);
    CHECK(mount_at("/none", test_root(0755), "tmpfs", "tmpfs", 1, 0) == -ENOENT);
    CHECK(sys_stat("/mnt/inner", &stat) == 0 && stat.number == second->number);
    CHECK(stat.device == mount_first()->next->device);
    make_file("/mnt/inner/file", 0644);
    CHECK(sys_chdir("/mnt/inner") == 0 && cwd_is("/mnt/inner"));
    CHECK(sys_stat("../inner/file", &stat) == 0 && sys_stat("../../a", &stat) == 0);
    CHECK(sys_rmdir("/mnt/inner") == -EBUSY && sys_rename("/mnt/inner", "/x") == -EBUSY);
    CHECK(sys_rename("/mnt/inner/file", "/x") == -EXDEV);
    CHECK(sys_link("/mnt/inner/file", "/x") == -EXDEV);
    mount_first()->next->flags = MOUNT_READ_ONLY;
    CHECK(sys_open("file", O_RDWR, 0) == -EROFS && sys_open("new", O_CREAT, 0600) == -EROFS);
    CHECK(sys_unlink("file") == -EROFS && sys_mkdir("d", 0700) == -EROFS);
    CHECK(sys_mkdir("file", 0700) == -EEXIST && sys_chmod("file", 0) == -EROFS);
    CHECK(linux_access(user("file"), 2, 0, 0, 0, 0) == -EROFS);
    CHECK(linux_truncate(user("file"), 0, 0, 0, 0, 0) == -EROFS);
    long fd = sys_open("file", O_CREAT | O_RDONLY, 0600);
    CHECK(fd == 0 && sys_close(fd) == 0);
    mount_first()->next->flags = MOUNT_NOEXEC;
    CHECK(sys_chmod("file", 0755) == 0 && linux_access(user("file"), 1, 0, 0, 0, 0) == -EACCES);
    mount_first()->next->flags = 0;
    CHECK(linux_access(user("file"), 1, 0, 0, 0, 0) == 0);
    CHECK(linux_chroot(user("/mnt"), 0, 0, 0, 0, 0) == 0);
    CHECK(cwd_is("/inner") && sys_chdir("..") == 0 && cwd_is("/"));
    CHECK(sys_chdir("..") == 0 && sys_stat("inner/file", &stat) == 0);
    CHECK(sys_stat("/a", &stat) == -ENOENT);
    CHECK(sys_unlink("/inner/file") == 0);
    path_put(&task.fs->root);
    task.fs->root = (struct path){mount_first(), root};
    path_get(&task.fs->root);
    CHECK(sys_chdir("/") == 0);
}

/* Numbers are the lowest free ones, tables grow, and limits hold. */
static void test_descriptors(void)
{
    CHECK(sys_open("/a", O_RDONLY, 0) == 0 && linux_dup(0, 0, 0, 0, 0, 0) == 1);
    CHECK(linux_dup2(0, 200, 0, 0, 0, 0) == 200 && linux_dup2(0, 0, 0, 0, 0, 0) == 0);
    CHECK(linux_dup2(5, 5, 0, 0, 0, 0) == -EBADF && linux_dup2(5, 6, 0, 0, 0, 0) == -EBADF);
    CHECK(linux_dup2(0, 1024, 0, 0, 0, 0) == -EBADF);
    CHECK(linux_dup2(0, (uint64_t)-1, 0, 0, 0, 0) == -EBADF);
    CHECK(linux_dup3(0, 0, 0, 0, 0, 0) == -EINVAL && linux_dup3(0, 9, 1, 0, 0, 0) == -EINVAL);
    CHECK(linux_dup3(0, 9, O_CLOEXEC, 0, 0, 0) == 9);
    CHECK(linux_fcntl(9, F_GETFD, 0, 0, 0, 0) == 1 && linux_fcntl(9, F_SETFD, 0, 0, 0, 0) == 0);
    CHECK(linux_fcntl(9, F_GETFD, 0, 0, 0, 0) == 0);
    CHECK(linux_fcntl(0, F_DUPFD, 9, 0, 0, 0) == 10);
    CHECK(linux_fcntl(0, F_DUPFD_CLOEXEC, 9, 0, 0, 0) == 11);
    CHECK(linux_fcntl(0, F_DUPFD, 1024, 0, 0, 0) == -EINVAL);
    CHECK(linux_fcntl(0, F_DUPFD, (uint64_t)-1, 0, 0, 0) == -EINVAL);
    CHECK(linux_fcntl(0, 999, 0, 0, 0, 0) == -EINVAL && linux_fcntl(77, 1, 0, 0, 0, 0) == -EBADF);
    struct file_table *clone = file_table_clone(task.files);
    struct file_table *own = task.files;
    task.files = clone;
    descriptors_close_on_exec(clone);
    CHECK(file_table_next(clone, 10) == 10 && file_table_next(clone, 11) == 200);
    CHECK(file_table_next(clone, 201) == -1 && file_table_next(clone, 70000) == -1);
    task.files = own;
    file_table_put(clone);
    CHECK(file_table_next(task.files, 11) == 11);
    CHECK(linux_close_range(9, 8, 0, 0, 0, 0) == -EINVAL);
    CHECK(linux_close_range(2, 199, CLOSE_RANGE_CLOEXEC, 0, 0, 0) == 0);
    CHECK(linux_fcntl(10, F_GETFD, 0, 0, 0, 0) == 1);
    CHECK(linux_close_range(1, UINT32_MAX, CLOSE_RANGE_UNSHARE, 0, 0, 0) == 0);
    CHECK(file_table_next(task.files, 1) == -1);
    for (int fd = 1; fd < 1024; fd++) {
        CHECK(linux_dup(0, 0, 0, 0, 0, 0) == fd);
    }
    CHECK(linux_dup(0, 0, 0, 0, 0, 0) == -EMFILE && sys_open("/a", 0, 0) == -EMFILE);
    struct linux_stat stat;
    CHECK(sys_open("/not_made", O_CREAT, 0600) == -EMFILE);
    CHECK(sys_stat("/not_made", &stat) == -ENOENT);
    CHECK(sys_close(500) == 0 && linux_dup(0, 0, 0, 0, 0, 0) == 500);
    CHECK(linux_close_range(0, UINT32_MAX, 0, 0, 0, 0) == 0);
    CHECK(file_table_put_at(task.files, DESCRIPTORS_MAX, NULL) == -EBADF);
}

/* Bytes go where the position says; vectors, appending, and errors of seeking. */
static void test_transfers(void)
{
    char text[32];
    long fd = sys_open("/a/data", O_CREAT | O_RDWR, 0600);
    CHECK(fd == 0 && sys_write(fd, "abcdef") == 6);
    CHECK(linux_lseek(0, 2, 0, 0, 0, 0) == 2 && linux_read(0, user(text), 3, 0, 0, 0) == 3);
    CHECK(memcmp(text, "cde", 3) == 0 && linux_lseek(0, 0, 1, 0, 0, 0) == 5);
    CHECK(linux_lseek(0, (uint64_t)-7, 2, 0, 0, 0) == -EINVAL);
    CHECK(linux_lseek(0, 0, 9, 0, 0, 0) == -EINVAL && linux_lseek(0, 6, 3, 0, 0, 0) == -ENXIO);
    CHECK(linux_lseek(0, INT64_MAX, 1, 0, 0, 0) == -EINVAL);
    CHECK(linux_pread64(0, user(text), 10, 4, 0, 0) == 2);
    CHECK(linux_pread64(0, user(text), 1, (uint64_t)-1, 0, 0) == -EINVAL);
    CHECK(linux_read(0, 0, 0, 0, 0, 0) == 0 && linux_read(0, 16, 1, 0, 0, 0) == -EFAULT);
    CHECK(linux_read(0, user(text), UINT64_MAX, 0, 0, 0) == -EFAULT);
    CHECK(linux_read(0, APPLICATION_END - 8, 16, 0, 0, 0) == -EFAULT);
    struct io_vector vector[9] = {{user("gh"), 2}, {0, 0}, {user("ijk"), 3}};
    CHECK(linux_pwritev(0, user(vector), 3, 6, 0, 0) == 5);
    for (int i = 0; i < 9; i++) {
        vector[i] = (struct io_vector){user(text + i), 1};
    }
    CHECK(linux_preadv(0, user(vector), 9, 1, 0, 0) == 9 && memcmp(text, "bcdefghij", 9) == 0);
    CHECK(linux_readv(0, user(vector), 1025, 0, 0, 0) == -EINVAL);
    CHECK(linux_readv(0, 1, 1, 0, 0, 0) == -EFAULT);
    vector[1].length_bytes = UINT64_MAX;
    CHECK(linux_readv(0, user(vector), 2, 0, 0, 0) == -EINVAL);
    CHECK(linux_fcntl(0, F_SETFL, O_APPEND | O_CREAT, 0, 0, 0) == 0);
    CHECK(linux_lseek(0, 0, 0, 0, 0, 0) == 0 && sys_write(0, "!") == 1);
    CHECK(linux_lseek(0, 0, 1, 0, 0, 0) == 12);
    long copy = sys_open("/a/copy", O_CREAT | O_RDWR, 0600);
    uint64_t offset = 4;
    CHECK(linux_sendfile((uint64_t)copy, 0, user(&offset), 100, 0, 0) == 8 && offset == 12);
    CHECK(linux_sendfile(0, (uint64_t)copy, 0, 1, 0, 0) == -EINVAL);
    CHECK(linux_pread64((uint64_t)copy, user(text), 32, 0, 0, 0) == 8);
    CHECK(memcmp(text, "efghijk!", 8) == 0);
    CHECK(linux_ftruncate(0, (uint64_t)-1, 0, 0, 0, 0) == -EINVAL);
    CHECK(linux_ftruncate(0, 3, 0, 0, 0, 0) == 0 && linux_lseek(0, 0, 2, 0, 0, 0) == 3);
    CHECK(linux_fallocate(0, 0, 0, 100, 0, 0) == 0 && linux_lseek(0, 0, 2, 0, 0, 0) == 100);
    CHECK(linux_fallocate(0, 3, 0, 1, 0, 0) == -EOPNOTSUPP);
    CHECK(linux_fadvise64(0, 0, 0, 6, 0, 0) == -EINVAL && linux_fsync(0, 0, 0, 0, 0, 0) == 0);
    CHECK(linux_ioctl(0, 0x5401, user(text), 0, 0, 0) == -ENOTTY);
    CHECK(sys_open("/a", O_RDONLY, 0) == 2 && linux_read(2, user(text), 1, 0, 0, 0) == -EISDIR);
    CHECK(linux_ftruncate(2, 0, 0, 0, 0, 0) == -EINVAL);
    char shown[64];
    struct file *file = descriptor_get(1);
    CHECK(file_path_text(file, shown, sizeof(shown)) == 7 && strcmp(shown, "/a/copy") == 0);
    CHECK(sys_unlink("/a/copy") == 0);
    CHECK(file_path_text(file, shown, sizeof(shown)) == 17);
    CHECK(strcmp(shown, "/a/copy (deleted)") == 0);
    CHECK(file_path_text(file, shown, 10) == -ERANGE);
    file_put(file);
    CHECK(linux_close_range(0, 9, 0, 0, 0, 0) == 0 && sys_unlink("/a/data") == 0);
}

/* Records have Linux's layout, every entry comes once in buffers of any size. */
static void test_listing(void)
{
    uint8_t buffer[64];
    char name[32];
    struct linux_stat stat;
    CHECK(sys_mkdir("/list", 0755) == 0);
    for (int i = 0; i < 20; i++) {
        snprintf(name, sizeof(name), "/list/entry_%d", i);
        make_file(name, 0600);
    }
    long fd = sys_open("/list", O_RDONLY | O_DIRECTORY, 0);
    CHECK(linux_getdents64((uint64_t)fd, user(buffer), 16, 0, 0, 0) == -EINVAL);
    CHECK(linux_getdents64((uint64_t)fd, 1, 64, 0, 0, 0) == -EFAULT);
    uint32_t seen = 0;
    int entries = 0;
    long length;
    while ((length = linux_getdents64((uint64_t)fd, user(buffer), 64, 0, 0, 0)) > 0) {
        for (long at = 0; at < length; entries++) {
            uint16_t record_bytes;
            uint64_t number;
            memcpy(&number, buffer + at, 8);
            memcpy(&record_bytes, buffer + at + 16, 2);
            CHECK(record_bytes % 8 == 0 && at + record_bytes <= length);
            const char *entry = (const char *)buffer + at + 19;
            if (entry[0] == '.') {
                CHECK(buffer[at + 18] == 4);
                CHECK(sys_stat(entry[1] == '.' ? "/" : "/list", &stat) == 0);
                CHECK(number == stat.number);
            } else {
                CHECK(buffer[at + 18] == 8);
                seen |= 1u << atoi(entry + 6);
            }
            at += record_bytes;
        }
    }
    CHECK(length == 0 && entries == 22 && seen == (1u << 20) - 1);
    CHECK(linux_lseek((uint64_t)fd, 0, 0, 0, 0, 0) == 0);
    CHECK(linux_getdents64((uint64_t)fd, user(buffer), 64, 0, 0, 0) > 0);
    for (int i = 0; i < 20; i++) {
        snprintf(name, sizeof(name), "/list/entry_%d", i);
        CHECK(sys_unlink(name) == 0);
    }
    CHECK(sys_rmdir("/list") == 0);
    CHECK(linux_getdents64((uint64_t)fd, user(buffer), 64, 0, 0, 0) == -ENOENT);
    CHECK(sys_close(fd) == 0);
}

/* stat in its three forms says the same; times are split as timespec wants them. */
static void test_stat_calls(void)
{
    struct linux_stat stat;
    struct linux_stat other;
    struct linux_statx statx;
    struct linux_statfs statfs;
    int64_t times[4] = {-2, 500000000, 7, UTIME_OMIT};
    long fd = sys_open("/a/b/file", O_RDWR, 0);
    CHECK(linux_utimensat((uint64_t)fd, 0, user(times), 0, 0, 0) == 0);
    CHECK(linux_fstat((uint64_t)fd, user(&stat), 0, 0, 0, 0) == 0);
    CHECK(stat.access_s == -2 && stat.access_ns == 500000000);
    CHECK(linux_newfstatat((uint64_t)fd, user(""), user(&other), AT_EMPTY_PATH, 0, 0) == 0);
    CHECK(memcmp(&stat, &other, sizeof(stat)) == 0);
    CHECK(linux_newfstatat((uint64_t)fd, user(""), user(&other), 0, 0, 0) == -ENOENT);
    CHECK(linux_newfstatat((uint64_t)fd, user("x"), user(&other), 0, 0, 0) == -ENOTDIR);
    CHECK(linux_newfstatat(99, user("x"), user(&other), 0, 0, 0) == -EBADF);
    CHECK(linux_newfstatat(99, user("/a/b/file"), user(&other), 0, 0, 0) == 0);
    CHECK(linux_newfstatat(99, user("x"), user(&other), 1, 0, 0) == -EINVAL);
    CHECK(linux_statx((uint64_t)AT_FDCWD, user("/a/b/file"), 0, 0x7ff, user(&statx), 0) == 0);
    CHECK(statx.number == stat.number && statx.mode == stat.mode && statx.access.seconds == -2);
    CHECK(statx.device_minor == (stat.device & 0xff));
    CHECK(linux_statfs(user("/"), user(&statfs), 0, 0, 0, 0) == 0 && statfs.name_bytes == 255);
    times[1] = 1000000000;
    CHECK(linux_utimensat((uint64_t)fd, 0, user(times), 0, 0, 0) == -EINVAL);
    CHECK(sys_close(fd) == 0);
}

static long lock_range(long fd, uint32_t command, int16_t type, int64_t start, int64_t length)
{
    struct flock_request request = {.type = type, .start = start, .length = length};
    long result = linux_fcntl((uint64_t)fd, command, user(&request), 0, 0, 0);
    return result != 0 ? result : request.type;
}

/* Locks of one owner do not hinder it, those of another do, and closing gives them back. */
static void test_locks(void)
{
    long first = sys_open("/a/b/file", O_RDWR, 0);
    long second = sys_open("/a/b/file", O_RDWR, 0);
    CHECK(linux_flock((uint64_t)first, LOCK_EX, 0, 0, 0, 0) == 0);
    CHECK(linux_flock((uint64_t)second, LOCK_SH | LOCK_NB, 0, 0, 0, 0) == -EAGAIN);
    CHECK(linux_flock((uint64_t)second, LOCK_SH, 0, 0, 0, 0) == -ERESTARTSYS);
    CHECK(linux_flock((uint64_t)first, LOCK_SH, 0, 0, 0, 0) == 0);
    CHECK(linux_flock((uint64_t)second, LOCK_SH | LOCK_NB, 0, 0, 0, 0) == 0);
    CHECK(linux_flock((uint64_t)first, 77, 0, 0, 0, 0) == -EINVAL);
    CHECK(lock_range(first, F_SETLK, F_WRLCK, 10, 100) == F_WRLCK);
    CHECK(lock_range(second, F_GETLK, F_WRLCK, 0, 0) == F_UNLCK);
    CHECK(lock_range(second, F_OFD_GETLK, F_RDLCK, 0, 11) == F_WRLCK);
    CHECK(lock_range(second, F_OFD_SETLK, F_RDLCK, 0, 10) == F_RDLCK);
    CHECK(lock_range(first, F_SETLK, F_UNLCK, 50, 10) == F_UNLCK);
    CHECK(lock_range(second, F_OFD_SETLK, F_WRLCK, 50, 10) == F_WRLCK);
    CHECK(lock_range(second, F_OFD_SETLK, F_WRLCK, 50, 11) == -EAGAIN);
    CHECK(lock_range(second, F_OFD_SETLK, F_WRLCK, 49, 5) == -EAGAIN);
    CHECK(lock_range(first, F_SETLK, F_RDLCK, 5, -10) == -EINVAL);
    CHECK(lock_range(first, F_SETLK, 9, 0, 0) == -EINVAL);
    CHECK(lock_count == 6);
    CHECK(sys_close(first) == 0);
    CHECK(lock_range(second, F_OFD_SETLK, F_WRLCK, 0, 0) == F_WRLCK && lock_count == 2);
    CHECK(sys_close(second) == 0 && lock_count == 0);
}

/* Without memory calls fail with -ENOMEM, and nothing is lost or kept. */
static void test_exhaustion(void)
{
    int before = nodes_alive;
    CHECK(sys_open("/a", O_RDONLY, 0) == 0);
    CHECK(sys_symlink("b", "/a/link") == 0);
    struct linux_stat stat;
    out_of_memory = true;
    CHECK(sys_open("/a", O_RDONLY, 0) == -ENOMEM);
    CHECK(sys_stat("/a/link/file", &stat) == -ENOMEM);
    group.limits[RLIMIT_NOFILE].soft = 4096;
    CHECK(linux_dup2(0, 4000, 0, 0, 0, 0) == -ENOMEM);
    CHECK(file_table_clone(task.files) == NULL && fs_context_clone(task.fs) == NULL);
    CHECK(linux_flock(0, LOCK_EX, 0, 0, 0, 0) == -ENOLCK);
    CHECK(linux_getdents64(0, user(&stat), 100, 0, 0, 0) == -ENOMEM);
    out_of_memory = false;
    CHECK(sys_unlink("/a/link") == 0 && sys_close(0) == 0 && nodes_alive == before);
}

int main(void)
{
    task = (struct task){.group = &group, .credentials = &credentials};
    become(0, 0);
    group.limits[RLIMIT_FSIZE].soft = LIMIT_NONE;
    group.limits[RLIMIT_NOFILE].soft = 1024;
    group.pid = 1;
    root = test_root(0755);
    const struct path nowhere = {.inode = NULL};
    mount_put_on(mount_new("/", root, "overlay", "oak", 1, 0), &nowhere);
    task.files = file_table_new();
    task.fs = fs_context_new();
    test_thread.task = &task;
    test_walk();
    test_links();
    test_open_calls();
    test_permissions();
    test_names();
    test_mounts();
    test_descriptors();
    test_transfers();
    test_listing();
    test_stat_calls();
    test_locks();
    test_exhaustion();
    CHECK(sys_unlink("/a/b/file") == 0 && sys_unlink("/a/to_b") == 0);
    CHECK(sys_rmdir("/a/b") == 0 && sys_rmdir("/a") == 0);
    file_table_put(task.files);
    fs_context_put(task.fs);
    /* The two roots, and /mnt/inner, on which the second stands. */
    CHECK(nodes_alive == 4);
    return 0;
}
