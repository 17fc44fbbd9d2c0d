/*
 * Open regular files of a tree: read, write, map.
 *
 * No inode.lock is held over a copy to or from the caller. A reader holds a reference to the view
 * that it reads; a truncation meanwhile makes it read zeros. A writer holds write_lock, so that
 * writes and truncations come one after the other and appending is atomic; if the content moved to
 * another memory while it copied (a fault in the middle mapped this very file), it stores the bytes
 * once more. What a private or read-only mapping made from the image shows stays the image's, also
 * after copy-up.
 */
#include "linux/file/file.h"

#include "abi/container.h"
#include "lib/base/string.h"
#include "linux/core/errno.h"
#include "linux/core/image.h"
#include "linux/file/tree_fs.h"
#include "linux/file/tree_node.h"
#include "linux/mm/mm.h"

#define WRITE_PIECE_BYTES (256ull << 10)
#define READ_PIECE_BYTES  (1ull << 20)
#define NS_PER_DAY        (86400ll * 1000000000)

static struct node *file_node(const struct file *file)
{
    return inode_node(file->path.inode);
}

/* --- reading --------------------------------------------------------------------------------- */

/* Bytes of the image; no lock is held. The image never changes. */
static long put_image(struct io *io, const struct erofs_inode *image, uint64_t offset,
                      uint64_t length_bytes)
{
    while (length_bytes > 0) {
        bool plain = offset < image->plain_bytes;
        uint64_t place = plain ? image->data_offset + offset
                               : image->tail_offset + (offset - image->plain_bytes);
        uint64_t piece = plain ? MIN(length_bytes, image->plain_bytes - offset) : length_bytes;
        uint64_t left = io->left_bytes;
        if (io_put(io, image_base() + place, piece) != 0) {
            uint64_t failed = place + (left - io->left_bytes);
            return image_page_in(failed) != 0 ? -EIO : -EFAULT;
        }
        offset += piece;
        length_bytes -= piece;
    }
    return 0;
}

static long put_small(struct node *node, struct io *io, uint64_t offset, uint64_t length_bytes)
{
    uint8_t copy[CONTENT_SMALL_MAX];
    const struct content *content = &node->content;
    uint64_t stored =
        offset < content->small_bytes ? MIN(length_bytes, content->small_bytes - offset) : 0;
    stored = MIN(stored, sizeof(copy));
    if (stored != 0) {
        memcpy(copy, content->small + offset, stored);
    }
    mutex_unlock(&node->inode.lock);
    return stored != 0 ? io_put(io, copy, stored) : io_put_zeros(io, length_bytes);
}

static long put_memory(struct node *node, struct io *io, uint64_t offset, uint64_t length_bytes)
{
    struct view *view;
    uint64_t run_bytes;
    long result = content_run(node, offset, MIN(length_bytes, READ_PIECE_BYTES), &view, &run_bytes);
    mutex_unlock(&node->inode.lock);
    if (result != 0) {
        return result;
    }
    result =
        view != NULL ? io_put(io, view->address + offset, run_bytes) : io_put_zeros(io, run_bytes);
    view_put(view);
    return result;
}

/* Read some bytes at the offset; *end when there are none. */
static long read_piece(struct node *node, struct io *io, uint64_t offset, bool *end)
{
    mutex_lock(&node->inode.lock);
    uint64_t size = node->inode.size_bytes;
    *end = offset >= size;
    if (*end) {
        mutex_unlock(&node->inode.lock);
        return 0;
    }
    uint64_t length_bytes = MIN(io->left_bytes, size - offset);
    switch (node->content.kind) {
    case CONTENT_SMALL:
        return put_small(node, io, offset, length_bytes);
    case CONTENT_MEMORY:
        return put_memory(node, io, offset, length_bytes);
    case CONTENT_IMAGE:
        break;
    }
    mutex_unlock(&node->inode.lock);
    return put_image(io, &node->image, offset, length_bytes);
}

/* As the mount option relatime: when the content is newer, or a day has passed. */
static void access_mark(struct node *node)
{
    struct inode *inode = &node->inode;
    if (node->tree->read_only) {
        return;
    }
    int64_t now = tree_now();
    if (inode->access_ns <= inode->modify_ns || inode->access_ns <= inode->change_ns ||
        now - inode->access_ns > NS_PER_DAY) {
        inode->access_ns = now;
    }
}

static long tree_file_read(struct file *file, struct io *io, uint64_t *position)
{
    struct node *node = file_node(file);
    uint64_t wanted = io->left_bytes;
    long result = 0;
    bool end = false;
    while (io->left_bytes > 0 && result == 0 && !end) {
        result = read_piece(node, io, *position + (wanted - io->left_bytes), &end);
    }
    uint64_t moved = wanted - io->left_bytes;
    *position += moved;
    if (moved != 0) {
        access_mark(node);
        return (long)moved;
    }
    return result;
}

/* --- writing --------------------------------------------------------------------------------- */

/* The bytes up to `end` are stored. Under inode.lock. */
static void written(struct node *node, uint64_t end)
{
    node->inode.size_bytes = MAX(node->inode.size_bytes, end);
    node_touch(node, tree_now());
}

/* Through a buffer of our own; what it becomes is decided when the bytes are there. */
static long write_small(struct node *node, struct io *io, uint64_t offset, uint64_t length_bytes)
{
    uint8_t copy[CONTENT_SMALL_MAX];
    uint64_t left = io->left_bytes;
    long fault = io_take(io, copy, length_bytes);
    uint64_t moved = left - io->left_bytes;
    if (moved == 0) {
        return fault;
    }
    mutex_lock(&node->inode.lock);
    long result = content_store(node, offset, copy, moved);
    if (result == 0) {
        written(node, offset + moved);
    }
    mutex_unlock(&node->inode.lock);
    return result != 0 ? result : fault;
}

/* The bytes lie in a view; the content may have moved to another memory since. */
static long write_settle(struct node *node, struct view *view, uint64_t offset,
                         uint64_t length_bytes)
{
    if (length_bytes == 0 || node->content.view->backing == view->backing) {
        return 0;
    }
    return content_store(node, offset, view->address + offset, length_bytes);
}

static long write_pages(struct node *node, struct io *io, uint64_t offset, uint64_t length_bytes)
{
    struct view *view;
    mutex_lock(&node->inode.lock);
    long result = content_reserve(node, offset, length_bytes, &view);
    mutex_unlock(&node->inode.lock);
    if (result != 0) {
        return result;
    }
    uint64_t left = io->left_bytes;
    long fault = io_take(io, view->address + offset, length_bytes);
    uint64_t moved = left - io->left_bytes;
    mutex_lock(&node->inode.lock);
    result = write_settle(node, view, offset, moved);
    if (result == 0 && moved != 0) {
        written(node, offset + moved);
    }
    uint64_t stored_end = MAX(offset + (result == 0 ? moved : 0), node->inode.size_bytes);
    if (stored_end < offset + length_bytes) {
        content_zero(node, stored_end, offset + length_bytes - stored_end);
    }
    mutex_unlock(&node->inode.lock);
    view_put(view);
    return result != 0 ? result : fault;
}

/* Small files stay in the heap; the kind may change before the lock is taken, which is no harm. */
static long write_piece(struct node *node, struct io *io, uint64_t offset)
{
    uint64_t left = io->left_bytes;
    if (left <= CONTENT_SMALL_MAX &&
        (offset + left <= CONTENT_SMALL_MAX || left <= PAGE_SIZE / 4)) {
        return write_small(node, io, offset, left);
    }
    return write_pages(node, io, offset, MIN(left, WRITE_PIECE_BYTES));
}

static long write_locked(struct file *file, struct io *io, uint64_t *position)
{
    struct node *node = file_node(file);
    uint64_t start = __atomic_load_n(&file->flags, __ATOMIC_RELAXED) & O_APPEND
                         ? node->inode.size_bytes
                         : *position;
    uint64_t wanted = io->left_bytes;
    uint64_t beyond = 0; /* what the largest file has no room for */
    if (wanted == 0) {
        return 0;
    }
    if (start >= CONTENT_BYTES_MAX) {
        return -EFBIG;
    }
    uint32_t seals = node->inode.seals;
    if (seals & (SEAL_WRITE | SEAL_FUTURE_WRITE)) {
        return -EPERM;
    }
    if ((seals & SEAL_GROW) && wanted > CONTENT_BYTES_MAX - start) {
        return -EPERM;
    }
    if ((seals & SEAL_GROW) && start + wanted > node->inode.size_bytes) {
        /* As Linux, which writes page by page: the whole pages before the end. */
        uint64_t end = ALIGN_DOWN(node->inode.size_bytes, (uint64_t)PAGE_SIZE);
        if (start >= end) {
            return -EPERM;
        }
        beyond = start + wanted - end;
        io->left_bytes -= beyond;
        wanted -= beyond;
    }
    if (wanted > CONTENT_BYTES_MAX - start) {
        uint64_t more = wanted - (CONTENT_BYTES_MAX - start);
        io->left_bytes -= more;
        beyond += more;
    }
    uint64_t first_left = io->left_bytes;
    long result = 0;
    uint64_t moved = 0;
    while (io->left_bytes > 0 && result == 0) {
        result = write_piece(node, io, start + moved);
        if (result == 0 || result == -EFAULT) {
            moved = first_left - io->left_bytes;
        }
    }
    io->left_bytes += beyond;
    if (moved != 0) {
        *position = start + moved;
        return (long)moved;
    }
    return result;
}

static long tree_file_write(struct file *file, struct io *io, uint64_t *position)
{
    struct node *node = file_node(file);
    mutex_lock(&node->content.write_lock);
    long result = write_locked(file, io, position);
    mutex_unlock(&node->content.write_lock);
    return result;
}

/* --- mapping --------------------------------------------------------------------------------- */

/* The image's own pages: only what belongs to this file. */
static void map_image(struct node *node, uint64_t offset, struct file_mapping *out)
{
    uint64_t end = ALIGN_UP(node->image.size_bytes, (uint64_t)PAGE_SIZE);
    node->content.image_mapped = true;
    out->slot = CONTAINER_SLOT_IMAGE;
    out->offset = node->image.data_offset + MIN(offset, end);
    out->length_bytes = offset < end ? end - offset : 0;
    out->writable = false;
}

/* A page that a fault asks for: a source's absent page is not made by the kernel. */
static long map_page_in(struct node *node, uint64_t offset)
{
    struct view *view;
    uint64_t page = ALIGN_DOWN(offset, (uint64_t)PAGE_SIZE);
    if (page >= node->inode.size_bytes) {
        return 0;
    }
    long result =
        content_reserve(node, page, MIN((uint64_t)PAGE_SIZE, node->inode.size_bytes - page), &view);
    if (result == 0) {
        view_put(view);
    }
    return result;
}

static long map_own(struct node *node, uint64_t offset, uint64_t length_bytes, bool stores,
                    struct file_mapping *out)
{
    if (offset > CONTENT_BYTES_MAX || length_bytes > CONTENT_BYTES_MAX - offset) {
        return -EOVERFLOW;
    }
    long result = content_settle(node);
    if (result == 0 && stores) {
        node->content.stores_elsewhere = true;
    }
    if (result == 0 && length_bytes <= PAGE_SIZE) {
        result = map_page_in(node, offset);
    }
    if (result == 0) {
        out->slot = node->content.view->backing->slot;
        out->offset = offset;
        uint64_t end = ALIGN_UP(node->inode.size_bytes, (uint64_t)PAGE_SIZE);
        out->length_bytes = offset < end ? end - offset : 0;
        out->writable = stores;
    }
    return result == -ENOSPC ? -ENOMEM : result;
}

long tree_file_mapping(struct file *file, uint64_t offset, uint64_t length_bytes, bool shared,
                       struct file_mapping *out)
{
    struct node *node = file_node(file);
    mutex_lock(&node->inode.lock);
    bool stores = shared && file_writable(file) && !(node->inode.seals & SEAL_WRITE);
    bool of_image = node->content.kind == CONTENT_IMAGE && erofs_mappable(&node->image) && !stores;
    bool also_image = !of_image && node->content.image_mapped && length_bytes <= PAGE_SIZE &&
                      offset < node->image.plain_bytes;
    long result = 0;
    if (of_image) {
        map_image(node, offset, out);
    } else {
        result = map_own(node, offset, length_bytes, stores, out);
    }
    __atomic_store_n(&node->inode.mapped, true, __ATOMIC_RELAXED);
    mutex_unlock(&node->inode.lock);
    if (result == 0 && also_image) {
        /* The fault may be of a mapping that was made before the copy-up. */
        result = image_page_in(node->image.data_offset + offset);
    }
    return result;
}

/* --- holes ----------------------------------------------------------------------------------- */

static long tree_file_seek(struct file *file, int64_t offset, uint32_t whence)
{
    struct node *node = file_node(file);
    if (whence != SEEK_DATA && whence != SEEK_HOLE) {
        return file_seek_plain(file, offset, whence);
    }
    mutex_lock(&node->inode.lock);
    uint64_t size = node->inode.size_bytes;
    bool inside = offset >= 0 && (uint64_t)offset < size;
    uint64_t found = inside ? content_find(node, (uint64_t)offset, whence == SEEK_DATA) : size;
    mutex_unlock(&node->inode.lock);
    if (!inside || (whence == SEEK_DATA && found == size)) {
        return -ENXIO;
    }
    file->position = found;
    return (long)found;
}

long tree_file_punch(struct inode *inode, uint64_t offset, uint64_t length_bytes)
{
    struct node *node = inode_node(inode);
    mutex_lock(&node->content.write_lock);
    mutex_lock(&inode->lock);
    bool sealed = inode->seals & (SEAL_WRITE | SEAL_FUTURE_WRITE);
    long result = sealed ? -EPERM : content_punch(node, offset, length_bytes);
    if (result == 0) {
        node_touch(node, tree_now());
    }
    mutex_unlock(&inode->lock);
    mutex_unlock(&node->content.write_lock);
    return result;
}

/* --- sealing ---------------------------------------------------------------------------------- */

long tree_file_seal(struct inode *inode, uint32_t seals)
{
    struct node *node = inode_node(inode);
    if (!inode_is(inode, S_IFREG) || node->tree->over_image) {
        return -EINVAL;
    }
    if (inode->seals & SEAL_SEAL) {
        return -EPERM;
    }
    mutex_lock(&node->content.write_lock);
    mutex_lock(&inode->lock);
    /* A mapping is counted under this lock, unless it finds the seal: never both. */
    long result = inode->seals & SEAL_SEAL                     ? -EPERM
                  : (seals & SEAL_WRITE) && inode->stored != 0 ? -EBUSY
                                                               : 0;
    if (result == 0) {
        /* What cannot be executed any more cannot be changed either. */
        bool executable = (seals & SEAL_EXEC) && (inode->mode & 0111);
        seals |= executable ? SEAL_SHRINK | SEAL_GROW | SEAL_WRITE | SEAL_FUTURE_WRITE : 0;
        __atomic_fetch_or(&inode->seals, seals, __ATOMIC_RELEASE);
    }
    mutex_unlock(&inode->lock);
    mutex_unlock(&node->content.write_lock);
    return result;
}

/* --- opening --------------------------------------------------------------------------------- */

static const struct file_operations tree_file_operations = {
    .read = tree_file_read,
    .write = tree_file_write,
    .seek = tree_file_seek,
    .mapping = tree_file_mapping,
};

long tree_file_open(struct inode *inode, struct file *file)
{
    if (file_writable(file) && inode_node(inode)->tree->read_only) {
        return -EROFS;
    }
    file->operations = &tree_file_operations;
    return 0;
}
