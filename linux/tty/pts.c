/*
 * /dev/pts: the directory of the pseudo terminals' ttys, and of ptmx, which makes them (devpts of
 * Linux). Both inodes live as long as the container; the ttys' are pty.c's.
 */
#include "lib/base/format.h"
#include "lib/base/string.h"
#include "linux/core/container.h"
#include "linux/core/errno.h"
#include "linux/file/device.h"
#include "linux/file/file.h"
#include "linux/file/walk.h"
#include "linux/tty/pty.h"

#define ROOT_NUMBER   1
#define PTMX_NUMBER   2
#define CURSOR_FIRST  1 /* of the ttys: cursor 0 is ptmx */
#define NUMBER_DIGITS 4

static struct inode root SELDOM_WRITTEN;
static struct inode ptmx SELDOM_WRITTEN;

static long number_parse(const char *name, uint32_t length_bytes)
{
    long number = 0;
    if (length_bytes > NUMBER_DIGITS || (name[0] == '0' && length_bytes > 1)) {
        return -1;
    }
    for (uint32_t i = 0; i < length_bytes; i++) {
        if (name[i] < '0' || name[i] > '9') {
            return -1;
        }
        number = number * 10 + (name[i] - '0');
    }
    return number;
}

static long lookup(struct inode *directory, const char *name, uint32_t length_bytes,
                   struct inode **out)
{
    (void)directory;
    long number = number_parse(name, length_bytes);
    struct inode *found = NULL;
    if (length_bytes == 4 && memcmp(name, "ptmx", 4) == 0) {
        found = &ptmx;
        inode_get(found);
    } else if (number >= 0) {
        found = pty_find((uint32_t)number);
    }
    if (found == NULL) {
        return -ENOENT;
    }
    *out = found;
    return 0;
}

static long list(struct inode *directory, uint64_t cursor, list_emit emit, void *context)
{
    (void)directory;
    if (cursor == 0 && !emit(context, "ptmx", 4, ptmx.number, S_IFCHR, CURSOR_FIRST)) {
        return 0;
    }
    cursor = MAX(cursor, (uint64_t)CURSOR_FIRST);
    while (cursor - CURSOR_FIRST < PTY_MAX) {
        char name[NUMBER_DIGITS + 1];
        int number = pty_next((uint32_t)(cursor - CURSOR_FIRST));
        if (number < 0) {
            break;
        }
        uint32_t length = (uint32_t)format_text(name, sizeof(name), "%d", number);
        cursor = (uint64_t)number + 1 + CURSOR_FIRST;
        if (!emit(context, name, length, (uint64_t)number + 3, S_IFCHR, cursor)) {
            break;
        }
    }
    return 0;
}

static long parent(struct inode *directory, struct inode **out)
{
    inode_get(directory);
    *out = directory;
    return 0;
}

static void release(struct inode *inode)
{
    (void)inode; /* the mount holds a reference for ever */
}

static const struct inode_operations root_operations = {
    .lookup = lookup,
    .list = list,
    .parent = parent,
    .release = release,
};

static const struct inode_operations ptmx_operations = {
    .open = device_open,
    .release = release,
};

static void inode_init(struct inode *inode, uint64_t number, uint32_t mode,
                       const struct inode_operations *operations)
{
    inode->references = 1;
    inode->number = number;
    inode->mode = mode;
    inode->links = inode_is(inode, S_IFDIR) ? 2 : 1;
    inode->access_ns = inode->modify_ns = inode->change_ns = (int64_t)clock_wall_ns();
    inode->operations = operations;
}

struct inode *pts_root(void)
{
    inode_init(&root, ROOT_NUMBER, S_IFDIR | 0755, &root_operations);
    inode_init(&ptmx, PTMX_NUMBER, S_IFCHR | 0666, &ptmx_operations);
    ptmx.device_number = DEVICE(5, 2);
    return &root;
}

static struct mount *pts_mount_find(void)
{
    struct mount *mount = mount_first();
    while (mount != NULL && mount->root != &root) {
        mount = __atomic_load_n(&mount->next, __ATOMIC_ACQUIRE);
    }
    return mount;
}

long pts_open(struct inode *inode, uint32_t number, uint32_t flags, struct file **out)
{
    struct last_name last;
    last.length_bytes = (uint32_t)format_text(last.name, sizeof(last.name), "%u", number);
    const struct path path = {pts_mount_find(), inode};
    struct file *file = file_new_at(&path, &root, &last, flags);
    if (file == NULL) {
        return -ENOMEM;
    }
    const struct file_operations *none = file->operations;
    long result = inode->operations->open(inode, file);
    if (result != 0) {
        file->operations = none;
        file_put(file);
        return result;
    }
    __atomic_fetch_and(&file->flags, ~(O_NOCTTY | O_CLOEXEC), __ATOMIC_RELAXED);
    *out = file;
    return 0;
}
