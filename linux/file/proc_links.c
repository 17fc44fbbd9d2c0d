/* The links of /proc/PID: what a process executes, where it is, and what it has open. */
#include "lib/base/string.h"
#include "linux/core/errno.h"
#include "linux/file/descriptor.h"
#include "linux/file/file.h"
#include "linux/file/proc_entry.h"
#include "linux/mm/mm.h"
#include "linux/proc/capability.h"

static long text_out(const char *from, char *out, uint32_t capacity_bytes)
{
    uint32_t length = (uint32_t)MIN(strlen(from), (size_t)capacity_bytes);
    memcpy(out, from, length);
    return length;
}

long proc_exe_read(const struct proc_target *target, char *out, uint32_t capacity_bytes)
{
    struct task *task;
    char exe[EXE_BYTES] = {0};
    mutex_lock(&tasks_lock);
    long result = proc_look_locked(target, &task);
    if (result == 0 && task != NULL) {
        memcpy(exe, task->group->exe, sizeof(exe));
    }
    mutex_unlock(&tasks_lock);
    return result != 0 ? result : exe[0] == '\0' ? -ENOENT : text_out(exe, out, capacity_bytes);
}

enum place {
    PLACE_ROOT,
    PLACE_CURRENT,
};

static long place_follow(const struct proc_target *target, struct path *out, enum place place)
{
    struct task *task;
    mutex_lock(&tasks_lock);
    long result = proc_look_locked(target, &task);
    struct fs_context *fs = result == 0 && task != NULL ? task->fs : NULL;
    if (fs != NULL) {
        mutex_lock(&fs->lock);
        *out = place == PLACE_ROOT ? fs->root : fs->current;
        path_get(out);
        mutex_unlock(&fs->lock);
    }
    mutex_unlock(&tasks_lock);
    return result == 0 && fs == NULL ? -ENOENT : result;
}

static long place_read(const struct proc_target *target, char *out, uint32_t capacity_bytes,
                       enum place place)
{
    struct path path;
    long result = place_follow(target, &path, place);
    if (result != 0) {
        return result;
    }
    result = path_text(&path, out, capacity_bytes);
    path_put(&path);
    return result;
}

long proc_cwd_read(const struct proc_target *target, char *out, uint32_t capacity_bytes)
{
    return place_read(target, out, capacity_bytes, PLACE_CURRENT);
}

long proc_cwd_follow(const struct proc_target *target, struct path *out)
{
    return place_follow(target, out, PLACE_CURRENT);
}

long proc_root_read(const struct proc_target *target, char *out, uint32_t capacity_bytes)
{
    return place_read(target, out, capacity_bytes, PLACE_ROOT);
}

long proc_root_follow(const struct proc_target *target, struct path *out)
{
    return place_follow(target, out, PLACE_ROOT);
}

static long descriptor_file(const struct proc_target *target, struct file **out)
{
    struct task *task;
    *out = NULL;
    mutex_lock(&tasks_lock);
    long result = proc_look_locked(target, &task);
    if (result == 0 && task != NULL && task->files != NULL) {
        *out = file_table_file(task->files, target->fd);
    }
    mutex_unlock(&tasks_lock);
    return result == 0 && *out == NULL ? -ENOENT : result;
}

static long descriptor_read(const struct proc_target *target, char *out, uint32_t capacity_bytes)
{
    struct file *file;
    long result = descriptor_file(target, &file);
    if (result != 0) {
        return result;
    }
    result = file_path_text(file, out, capacity_bytes);
    file_put(file);
    return result;
}

static long descriptor_follow(const struct proc_target *target, struct path *out)
{
    struct file *file;
    long result = descriptor_file(target, &file);
    if (result != 0) {
        return result;
    }
    result = file->path.inode == NULL ? -ENXIO : 0;
    if (result == 0) {
        *out = file->path;
        path_get(out);
    }
    file_put(file);
    return result;
}

/* An octal number, with its zero. */
static void put_octal(struct proc_text *text, const char *name, uint32_t value)
{
    char digits[12];
    uint32_t used = sizeof(digits);
    do {
        digits[--used] = (char)('0' + value % 8);
        value /= 8;
    } while (value != 0);
    digits[--used] = '0';
    proc_put(text, "%s:\t", name);
    proc_put_bytes(text, digits + used, (uint32_t)sizeof(digits) - used);
    proc_put(text, "\n");
}

static long make_descriptor_info(const struct proc_target *target, struct proc_text *text)
{
    struct file *file;
    long result = descriptor_file(target, &file);
    if (result != 0) {
        return result;
    }
    struct file_table *files = proc_files(target);
    bool marked = files != NULL && file_table_marked(files, target->fd) == 1;
    if (files != NULL) {
        file_table_put(files);
    }
    uint32_t flags = __atomic_load_n(&file->flags, __ATOMIC_RELAXED);
    const struct mount *mount = file->path.mount;
    proc_put(text, "pos:\t%lu\n", __atomic_load_n(&file->position, __ATOMIC_RELAXED));
    put_octal(text, "flags", flags | O_LARGEFILE | (marked ? O_CLOEXEC : 0));
    proc_put(text, "mnt_id:\t%lu\nino:\t%lu\n", mount == NULL ? 0ul : mount->device & 0xff,
             file->path.inode == NULL ? 0ul : file->path.inode->number);
    file_put(file);
    return 0;
}

const struct proc_entry proc_descriptor_info_entry = {
    .mode = S_IFREG | 0400,
    .make = make_descriptor_info,
};

const struct proc_entry proc_descriptor_entry = {
    .mode = S_IFLNK | 0700,
    .readlink = descriptor_read,
    .follow = descriptor_follow,
};
