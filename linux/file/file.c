/*
 * Open files, whatever they are: their life, reading them for exec, mapping them, and the position
 * of files with a size. A file and the name it was opened by are one allocation.
 */
#include "linux/file/file.h"

#include "abi/container.h"
#include "lib/base/string.h"
#include "linux/core/errno.h"
#include "linux/core/heap.h"
#include "linux/core/image.h"
#include "linux/event/async.h"
#include "linux/event/epoll.h"
#include "linux/file/notify.h"
#include "linux/file/record_lock.h"
#include "linux/file/walk.h"

static const struct file_operations no_operations;

static long directory_seek(struct file *file, int64_t offset, uint32_t whence)
{
    if (whence != SEEK_SET && whence != SEEK_CUR) {
        return -EINVAL;
    }
    return file_seek_plain(file, offset, whence);
}

const struct file_operations directory_file_operations = {.seek = directory_seek};

struct file *file_new_at(const struct path *path, struct inode *directory,
                         const struct last_name *last, uint32_t flags)
{
    uint32_t name_bytes = directory == NULL ? 0 : last->length_bytes + 1;
    struct file *file = heap_alloc(sizeof(*file) + name_bytes);
    if (file == NULL) {
        return NULL;
    }
    file->references = 1;
    file->flags = flags;
    file->operations = &no_operations;
    file->path = *path;
    path_get(path);
    mutex_init(&file->position_lock);
    if (directory != NULL) {
        inode_get(directory);
        file->directory = directory;
        file->name = (char *)(file + 1);
        memcpy(file->name, last->name, last->length_bytes);
    }
    return file;
}

struct file *file_new(struct inode *inode, uint32_t flags, const struct file_operations *operations,
                      void *data)
{
    const struct path path = {.inode = inode};
    struct file *file = file_new_at(&path, NULL, NULL, flags);
    inode_put(inode);
    if (file != NULL) {
        file->operations = operations == NULL ? &no_operations : operations;
        file->data = data;
    }
    return file;
}

void file_put(struct file *file)
{
    if (__atomic_sub_fetch(&file->references, 1, __ATOMIC_ACQ_REL) != 0) {
        return;
    }
    if (__atomic_load_n(&file->watchers, __ATOMIC_ACQUIRE) != NULL) {
        epoll_file_gone(file);
    }
    if (file->async != NULL) {
        async_file_gone(file);
    }
    if (file->operations != &no_operations) {
        notify_file(file, file_writable(file) ? NOTIFY_CLOSE_WRITE : NOTIFY_CLOSE_NOWRITE);
    }
    record_locks_released(file);
    file_claim_drop(file);
    if (file->operations->release != NULL) {
        file->operations->release(file);
    }
    path_put(&file->path);
    inode_put(file->directory);
    heap_free(file);
}

long file_read_kernel(struct file *file, void *to, uint64_t length_bytes, uint64_t offset)
{
    if (file->operations->read == NULL) {
        return inode_is(file->path.inode, S_IFDIR) ? -EISDIR : -EINVAL;
    }
    uint64_t moved = 0;
    while (moved < length_bytes) {
        struct io io;
        uint64_t position = offset + moved;
        io_init_kernel(&io, (uint8_t *)to + moved, length_bytes - moved);
        long result = file->operations->read(file, &io, &position);
        if (result <= 0) {
            return moved == 0 ? result : (long)moved;
        }
        moved += (uint64_t)result;
    }
    return (long)moved;
}

long file_mapping(struct file *file, uint64_t offset, uint64_t length_bytes, bool shared,
                  struct file_mapping *out)
{
    if (file->flags & O_PATH) {
        return -EBADF;
    }
    if (!file_readable(file)) {
        return -EACCES;
    }
    if (file->operations->mapping == NULL) {
        return -ENODEV;
    }
    if (length_bytes > INT64_MAX || offset > INT64_MAX - length_bytes) {
        return -EOVERFLOW;
    }
    struct file_mapping mapping = {0};
    long result = file->operations->mapping(file, offset, length_bytes, shared, &mapping);
    if (result == 0) {
        mapping.writable = mapping.writable && shared && file_writable(file);
        *out = mapping;
    }
    return result;
}

bool file_beyond(struct file *file, uint64_t offset)
{
    const struct inode *inode = file->path.inode;
    return inode_is(inode, S_IFREG) &&
           offset >= __atomic_load_n(&inode->size_bytes, __ATOMIC_RELAXED);
}

long file_page_in(struct file *file, uint64_t offset)
{
    struct file_mapping mapping;
    if (file_beyond(file, offset)) {
        return -EIO;
    }
    if (file_mapping(file, ALIGN_DOWN(offset, PAGE_SIZE), PAGE_SIZE, false, &mapping) != 0) {
        return -EIO;
    }
    return mapping.slot == CONTAINER_SLOT_IMAGE ? image_page_in(mapping.offset) : 0;
}

/* --- writing or executing ----------------------------------------------------------------------
 */

static long claim(struct file *file, int32_t change)
{
    struct inode *inode = file->path.inode;
    int32_t writers = __atomic_load_n(&inode->writers, __ATOMIC_RELAXED);
    do {
        if (writers != 0 && (writers > 0) != (change > 0)) {
            return -ETXTBSY;
        }
    } while (!__atomic_compare_exchange_n(&inode->writers, &writers, writers + change, false,
                                          __ATOMIC_ACQ_REL, __ATOMIC_RELAXED));
    file->claim = change;
    return 0;
}

long file_claim_write(struct file *file)
{
    return claim(file, 1);
}

long file_claim_execute(struct file *file)
{
    return claim(file, -1);
}

void file_claim_drop(struct file *file)
{
    if (file->claim != 0) {
        __atomic_fetch_sub(&file->path.inode->writers, file->claim, __ATOMIC_ACQ_REL);
        file->claim = 0;
    }
}

long file_may_execute(struct file *file)
{
    const struct inode *inode = file->path.inode;
    return inode_is(inode, S_IFREG) ? inode_permission(inode, 1) : -EACCES;
}

long file_seek_plain(struct file *file, int64_t offset, uint32_t whence)
{
    struct inode *inode = file->path.inode;
    if (inode->operations->refresh != NULL) {
        inode->operations->refresh(inode);
    }
    int64_t size = (int64_t)__atomic_load_n(&inode->size_bytes, __ATOMIC_RELAXED);
    int64_t base = 0;
    switch (whence) {
    case SEEK_SET:
        break;
    case SEEK_CUR:
        base = (int64_t)file->position;
        break;
    case SEEK_END:
        base = size;
        break;
    case SEEK_DATA:
    case SEEK_HOLE: /* a file is all data, and a hole begins at its end */
        if (offset < 0 || offset >= size) {
            return -ENXIO;
        }
        offset = whence == SEEK_DATA ? offset : size;
        break;
    default:
        return -EINVAL;
    }
    int64_t position;
    if (__builtin_add_overflow(base, offset, &position) || position < 0) {
        return -EINVAL;
    }
    file->position = (uint64_t)position;
    return (long)file->position;
}
