/*
 * Listing directories (getdents64, and getdents for who still uses it), and where the task is:
 * getcwd, chdir, fchdir, chroot.
 *
 * A directory's position is 0 for ".", 1 for "..", and the file system's cursor plus 2 for the
 * rest. Records are built in a buffer of our own: the file system holds locks while it lists.
 */
#include "lib/base/string.h"
#include "linux/core/errno.h"
#include "linux/core/heap.h"
#include "linux/core/syscalls.h"
#include "linux/core/user.h"
#include "linux/file/descriptor.h"
#include "linux/file/file.h"
#include "linux/file/notify.h"
#include "linux/file/user_path.h"
#include "linux/file/walk.h"
#include "linux/proc/capability.h"

#define LIST_BYTES    PAGE_SIZE /* the largest block that the heap finds without a search */
#define CURSOR_PARENT 1
#define CURSOR_FIRST  2

/* struct linux_dirent64; the name with its NUL follows, and padding to 8 bytes. */
struct entry_header {
    uint64_t number;
    int64_t next;
    uint16_t record_bytes;
    uint8_t type;
    char name[];
} __attribute__((packed));

_Static_assert(offsetof(struct entry_header, name) == 19, "struct linux_dirent64");

/* struct linux_dirent: the same without the type, which is the record's last byte. */
#define OLD_HEADER_BYTES offsetof(struct entry_header, type)

struct listing {
    uint8_t *buffer;
    uint32_t capacity_bytes;
    uint32_t used_bytes;
    uint64_t cursor; /* the next entry's */
    bool old;        /* for getdents */
    bool full;
};

static bool listing_add(struct listing *listing, const char *name, uint32_t length_bytes,
                        uint64_t number, uint32_t type, uint64_t next)
{
    uint32_t name_offset =
        (uint32_t)(listing->old ? OLD_HEADER_BYTES : sizeof(struct entry_header));
    uint32_t more_bytes = length_bytes + (listing->old ? 2 : 1);
    uint32_t record_bytes = ALIGN_UP(name_offset + more_bytes, 8u);
    if (listing->capacity_bytes - listing->used_bytes < record_bytes) {
        listing->full = true;
        return false;
    }
    const struct entry_header header = {
        .number = number,
        .next = (int64_t)next,
        .record_bytes = (uint16_t)record_bytes,
        .type = (uint8_t)((type & S_IFMT) >> 12),
    };
    uint8_t *record = listing->buffer + listing->used_bytes;
    uint32_t name_end = name_offset + length_bytes;
    memcpy(record, &header, name_offset);
    memcpy(record + name_offset, name, length_bytes);
    memset(record + name_end, 0, record_bytes - name_end); /* padding leaks nothing */
    if (listing->old) {
        record[record_bytes - 1] = header.type;
    }
    listing->used_bytes += record_bytes;
    listing->cursor = next;
    return true;
}

static bool listing_emit(void *context, const char *name, uint32_t length_bytes, uint64_t number,
                         uint32_t type, uint64_t next_cursor)
{
    return listing_add(context, name, length_bytes, number, type, next_cursor + CURSOR_FIRST);
}

/* The number of ".."; -ENOENT when the directory was removed. */
static long parent_number(const struct path *directory, uint64_t *number)
{
    struct walk walk;
    long result = walk_start(&walk, AT_FDCWD, "/", 0);
    if (result == 0) {
        path_put(&walk.at);
        walk.at = *directory;
        path_get(&walk.at);
        result = walk_up(&walk);
    }
    if (result == 0) {
        *number = walk.at.inode->number;
    }
    walk_end(&walk);
    return result;
}

/* Under the position lock. */
static long listing_fill(struct listing *listing, const struct path *directory)
{
    struct inode *inode = directory->inode;
    uint64_t above;
    long result = parent_number(directory, &above);
    if (result != 0) {
        return result;
    }
    if (listing->cursor == 0 &&
        !listing_add(listing, ".", 1, inode->number, S_IFDIR, CURSOR_PARENT)) {
        return -EINVAL;
    }
    if (listing->cursor == CURSOR_PARENT && !listing->full) {
        (void)listing_add(listing, "..", 2, above, S_IFDIR, CURSOR_FIRST);
    }
    if (!listing->full) {
        result =
            inode->operations->list(inode, listing->cursor - CURSOR_FIRST, listing_emit, listing);
    }
    if (listing->used_bytes == 0) {
        return result < 0 ? result : listing->full ? -EINVAL : 0;
    }
    return listing->used_bytes;
}

static long list_directory(struct file *file, uint64_t user_buffer, uint32_t capacity_bytes,
                           bool old)
{
    struct listing listing = {.capacity_bytes = MIN(capacity_bytes, LIST_BYTES), .old = old};
    if (!inode_is(file->path.inode, S_IFDIR) || file->path.inode->operations->list == NULL) {
        return -ENOTDIR;
    }
    listing.buffer = heap_alloc_unfilled(MAX(listing.capacity_bytes, 1));
    if (listing.buffer == NULL) {
        return -ENOMEM;
    }
    mutex_lock(&file->position_lock);
    listing.cursor = file->position;
    long result = listing_fill(&listing, &file->path);
    if (result > 0 && copy_to_user(user_buffer, listing.buffer, (uint64_t)result) != 0) {
        result = -EFAULT;
    }
    if (result > 0) {
        file->position = listing.cursor;
    }
    mutex_unlock(&file->position_lock);
    heap_free(listing.buffer);
    notify_file(file, NOTIFY_ACCESS);
    return result;
}

static long list_descriptor(int fd, uint64_t buffer, uint32_t capacity_bytes, bool old)
{
    struct file *file = descriptor_get_open(fd);
    if (file == NULL) {
        return -EBADF;
    }
    long result = list_directory(file, buffer, capacity_bytes, old);
    file_put(file);
    return result;
}

long linux_getdents64(uint64_t fd, uint64_t buffer, uint64_t capacity_bytes, uint64_t d, uint64_t e,
                      uint64_t f)
{
    (void)d, (void)e, (void)f;
    return list_descriptor((int)fd, buffer, (uint32_t)capacity_bytes, false);
}

long linux_getdents(uint64_t fd, uint64_t buffer, uint64_t capacity_bytes, uint64_t d, uint64_t e,
                    uint64_t f)
{
    (void)d, (void)e, (void)f;
    return list_descriptor((int)fd, buffer, (uint32_t)capacity_bytes, true);
}

/* --- where the task is ----------------------------------------------------------------------- */

long linux_getcwd(uint64_t buffer, uint64_t size_bytes, uint64_t c, uint64_t d, uint64_t e,
                  uint64_t f)
{
    (void)c, (void)d, (void)e, (void)f;
    char text[PATH_MAX];
    struct fs_context *context = task_current()->fs;
    mutex_lock(&context->lock);
    struct path current = context->current;
    path_get(&current);
    mutex_unlock(&context->lock);
    long length = path_text(&current, text, sizeof(text));
    path_put(&current);
    if (length < 0) {
        return length == -ERANGE ? -ENAMETOOLONG : length;
    }
    if ((uint64_t)length + 1 > size_bytes) {
        return -ERANGE;
    }
    return copy_to_user(buffer, text, (uint64_t)length + 1) == 0 ? length + 1 : -EFAULT;
}

/* Takes over the reference of `path` and leaves there what was in *place, to be put. */
static void context_replace(struct path *place, struct path *path)
{
    struct fs_context *context = task_current()->fs;
    mutex_lock(&context->lock);
    struct path before = *place;
    *place = *path;
    *path = before;
    mutex_unlock(&context->lock);
}

static long directory_enter(struct path *place, struct path *path)
{
    long result = inode_is(path->inode, S_IFDIR) ? inode_permission(path->inode, 1) : -ENOTDIR;
    if (result == 0) {
        context_replace(place, path);
    }
    path_put(path);
    return result;
}

long linux_chdir(uint64_t user_path, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
    (void)b, (void)c, (void)d, (void)e, (void)f;
    struct path path;
    long result = user_path_find(AT_FDCWD, user_path, 0, WALK_DIRECTORY, &path);
    return result == 0 ? directory_enter(&task_current()->fs->current, &path) : result;
}

long linux_fchdir(uint64_t fd, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
    (void)b, (void)c, (void)d, (void)e, (void)f;
    struct file *file = descriptor_get((int)fd);
    if (file == NULL) {
        return -EBADF;
    }
    struct path path = file->path;
    path_get(&path);
    file_put(file);
    return directory_enter(&task_current()->fs->current, &path);
}

long linux_chroot(uint64_t user_path, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
    (void)b, (void)c, (void)d, (void)e, (void)f;
    struct path path;
    long result = user_path_find(AT_FDCWD, user_path, 0, WALK_DIRECTORY, &path);
    if (result != 0) {
        return result;
    }
    if (!task_capable(CAP_SYS_CHROOT)) {
        path_put(&path);
        return -EPERM;
    }
    return directory_enter(&task_current()->fs->root, &path);
}
