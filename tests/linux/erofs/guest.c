/*
 * The first process of a Linux guest: mounts /image, with each byte changed, as EROFS from a disk
 * of memory, says what it shows, and ends the machine. The kernel's command line has step=.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "walk.h"

#define PLACE "/place"

static int disk;
static uint8_t *image;
static size_t changed;

static void need(int good, const char *what)
{
    if (!good) {
        perror(what);
        reboot(RB_POWER_OFF);
    }
}

static void module_load(const char *path, const char *options)
{
    int file = open(path, O_RDONLY);
    need(file >= 0 && syscall(SYS_finit_module, file, options, 0) == 0, path);
    close(file);
}

static void byte_write(size_t offset, uint8_t byte)
{
    need(pwrite(disk, &byte, 1, (off_t)offset) == 1 && fsync(disk) == 0, "the disk");
}

long judge_open(size_t offset, uint8_t byte)
{
    changed = offset;
    byte_write(offset, byte);
    if (mount("/dev/ram0", PLACE, "erofs", MS_RDONLY, "") == 0) {
        return 0;
    }
    long result = -errno;
    byte_write(changed, image[changed]);
    return result;
}

void judge_close(void)
{
    need(umount(PLACE) == 0, "umount");
    byte_write(changed, image[changed]);
}

/* Opens component after component, so that links are not followed. */
static long path_open(const char *path, int flags)
{
    char name[256];
    int at = open(PLACE, O_PATH | O_DIRECTORY);
    need(at >= 0, PLACE);
    while (*path != '\0') {
        size_t length = strcspn(path, "/");
        snprintf(name, sizeof(name), "%.*s", (int)length, path);
        path += length + (path[length] == '/');
        int next = openat(at, name, O_PATH | O_NOFOLLOW);
        long result = -errno;
        close(at);
        if (next < 0) {
            return result;
        }
        at = next;
    }
    if (flags & O_PATH) {
        return at;
    }
    snprintf(name, sizeof(name), "/proc/self/fd/%d", at);
    int file = open(name, flags);
    long result = file < 0 ? -errno : file;
    close(at);
    return result;
}

long judge_stat(const char *path, struct facts *out)
{
    struct stat about;
    long at = path_open(path, O_PATH);
    if (at < 0) {
        return at;
    }
    long result = fstat((int)at, &about) == 0 ? 0 : -errno;
    close((int)at);
    if (result == 0) {
        *out = (struct facts){about.st_mode, about.st_uid,
                              about.st_gid,  (uint32_t)about.st_nlink,
                              about.st_rdev, (uint64_t)about.st_size,
                              about.st_mtime};
    }
    return result;
}

long judge_list(const char *path, char *names)
{
    long bytes = 0;
    long file = path_open(path, O_RDONLY | O_DIRECTORY);
    if (file < 0) {
        return file;
    }
    DIR *directory = fdopendir((int)file);
    need(directory != NULL, "fdopendir");
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(directory);
        if (entry == NULL) {
            bytes = errno != 0 ? -errno : bytes;
            break;
        }
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            strcpy(names + bytes, entry->d_name);
            bytes += (long)strlen(entry->d_name) + 1;
        }
    }
    closedir(directory);
    return bytes;
}

long judge_read(const char *path, uint8_t *content)
{
    long bytes = 0;
    long file = path_open(path, O_RDONLY);
    if (file < 0) {
        return file;
    }
    while (bytes < CONTENT_BYTES) {
        ssize_t moved = read((int)file, content + bytes, (size_t)(CONTENT_BYTES - bytes));
        if (moved <= 0) {
            bytes = moved < 0 ? -errno : bytes;
            break;
        }
        bytes += moved;
    }
    close((int)file);
    return bytes;
}

long judge_readlink(const char *path, char *target, size_t capacity)
{
    long at = path_open(path, O_PATH);
    if (at < 0) {
        return at;
    }
    ssize_t bytes = readlinkat((int)at, "", target, capacity);
    long result = bytes < 0 ? -errno : bytes;
    close((int)at);
    return result;
}

long judge_xattr_list(const char *path, char *names)
{
    long file = path_open(path, O_RDONLY);
    if (file < 0) {
        return file;
    }
    ssize_t bytes = flistxattr((int)file, names, NAMES_BYTES);
    long result = bytes < 0 ? -errno : bytes;
    close((int)file);
    return result;
}

long judge_xattr_get(const char *path, const char *name, uint8_t *value)
{
    long file = path_open(path, O_RDONLY);
    if (file < 0) {
        return file;
    }
    ssize_t bytes = fgetxattr((int)file, name, value, CONTENT_BYTES);
    long result = bytes < 0 ? -errno : bytes;
    close((int)file);
    return result;
}

static size_t image_load(void)
{
    struct stat about;
    int file = open("/image", O_RDONLY);
    need(file >= 0 && fstat(file, &about) == 0, "/image");
    size_t bytes = (size_t)about.st_size;
    image = malloc(bytes);
    need(image != NULL && read(file, image, bytes) == (ssize_t)bytes, "/image");
    close(file);
    disk = open("/dev/ram0", O_RDWR);
    need(disk >= 0 && write(disk, image, bytes) == (ssize_t)bytes && fsync(disk) == 0, "/dev/ram0");
    return bytes;
}

int main(void)
{
    const char *step = getenv("step");
    char options[64];
    mkdir("/dev", 0755);
    mkdir("/proc", 0755);
    mkdir(PLACE, 0755);
    need(mount("devtmpfs", "/dev", "devtmpfs", 0, "") == 0 || errno == EBUSY, "/dev");
    need(mount("proc", "/proc", "proc", 0, "") == 0, "/proc");
    module_load("/libcrc32c.ko", "");
    module_load("/erofs.ko", "");
    snprintf(options, sizeof(options), "rd_nr=1 rd_size=%s", getenv("kib"));
    module_load("/brd.ko", options);
    size_t bytes = image_load();
    walk_unchanged(image);
    walk_variants(image, bytes, strtoul(step, NULL, 10), walk_variant);
    reboot(RB_POWER_OFF);
    return 1;
}
