#include "host/image/erofs_writer.h"

#include "abi/blob.h"
#include "host/cli/cli.h"
#include "host/image/erofs_directory.h"
#include "host/image/erofs_format.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define COPY_BYTES   (256u << 10)
#define CRC32C_TABLE 0x82F63B78u

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "structures are copied as they are");

static uint64_t blocks_of(uint64_t bytes)
{
    return (bytes + EROFS_BLOCK_BYTES - 1) / EROFS_BLOCK_BYTES;
}

static size_t head_bytes(const struct inode *inode)
{
    size_t attributes =
        inode->xattr_bytes > 0 ? sizeof(struct erofs_xattr_header) + inode->xattr_bytes : 0;
    return sizeof(struct erofs_inode) + attributes;
}

/* What of a directory or a symbolic link lies behind its inode: the rest of whole blocks, if that
 * fits into the inode's block. */
static size_t tail_bytes(const struct inode *inode)
{
    size_t tail = inode->size_bytes % EROFS_BLOCK_BYTES;
    bool behind = S_ISDIR(inode->about.mode) || S_ISLNK(inode->about.mode);
    return behind && head_bytes(inode) + tail <= EROFS_BLOCK_BYTES ? tail : 0;
}

static uint64_t own_blocks(const struct inode *inode)
{
    return blocks_of(inode->size_bytes - tail_bytes(inode));
}

static uint64_t directory_size(const struct inode *directory, const struct inode *parent)
{
    uint8_t block[EROFS_BLOCK_BYTES];
    struct directory_cursor cursor;
    uint64_t size_bytes = 0;
    size_t used_bytes;
    directory_cursor_init(&cursor, directory, parent);
    while (directory_block_next(&cursor, block, &used_bytes)) {
        size_bytes = ALIGN_UP(size_bytes, EROFS_BLOCK_BYTES) + used_bytes;
    }
    return size_bytes;
}

static void inode_plan(struct erofs_plan *plan, struct inode *inode, struct inode *parent)
{
    if (inode->number != 0) {
        return;
    }
    if (plan->count == plan->capacity) {
        plan->capacity = MAX(2 * plan->capacity, (size_t)1024);
        plan->inodes = allocate_again(plan->inodes, plan->capacity * sizeof(*plan->inodes));
    }
    plan->inodes[plan->count++] = (struct planned_inode){inode, parent};
    inode->number = (uint32_t)plan->count;
}

/* Breadth first: the inodes of a directory's names lie beside one another. */
static void tree_plan(struct erofs_plan *plan)
{
    inode_plan(plan, plan->tree->root, plan->tree->root);
    for (size_t i = 0; i < plan->count; i++) {
        struct inode *directory = plan->inodes[i].inode;
        struct tree_node *node = tree_first(&directory->children);
        for (; node != NULL; node = tree_next(node)) {
            inode_plan(plan, entry_of(node)->inode, directory);
        }
    }
}

/* Inodes in their order, each with its tail within one block. */
static void inodes_place(struct erofs_plan *plan)
{
    uint64_t end = EROFS_SUPER_OFFSET + sizeof(struct erofs_super);
    for (size_t i = 0; i < plan->count; i++) {
        struct inode *inode = plan->inodes[i].inode;
        if (S_ISDIR(inode->about.mode)) {
            inode->size_bytes = directory_size(inode, plan->inodes[i].parent);
        }
        size_t length_bytes = head_bytes(inode) + tail_bytes(inode);
        if (end % EROFS_BLOCK_BYTES + length_bytes > EROFS_BLOCK_BYTES) {
            end = ALIGN_UP(end, EROFS_BLOCK_BYTES);
        }
        inode->place = end;
        end = ALIGN_UP(end + length_bytes, EROFS_SLOT_BYTES);
    }
    plan->meta_blocks = blocks_of(end);
}

/* Blocks of directories and links before those of files: what a lookup reads lies together. */
static uint64_t blocks_place(struct erofs_plan *plan)
{
    uint64_t next = plan->meta_blocks;
    for (int regular = 0; regular <= 1; regular++) {
        for (size_t i = 0; i < plan->count; i++) {
            struct inode *inode = plan->inodes[i].inode;
            uint64_t blocks = own_blocks(inode);
            if (S_ISREG(inode->about.mode) == (regular != 0) && blocks > 0) {
                inode->data_block = next;
                next += blocks;
            }
        }
    }
    return next;
}

status_t erofs_plan_make(struct erofs_plan *plan, struct image_tree *tree)
{
    *plan = (struct erofs_plan){.tree = tree};
    tree_plan(plan);
    inodes_place(plan);
    uint64_t blocks = blocks_place(plan);
    if (blocks > BLOB_BYTES_MAX / EROFS_BLOCK_BYTES) {
        return problem_set(tree->problem, STATUS_LIMIT_REACHED,
                           "the image is larger than an image may be");
    }
    plan->size_bytes = blocks * EROFS_BLOCK_BYTES;
    return STATUS_OK;
}

void erofs_plan_free(struct erofs_plan *plan)
{
    free(plan->inodes);
    plan->inodes = NULL;
}

static uint32_t crc32c(const uint8_t *bytes, size_t length_bytes)
{
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < length_bytes; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++) {
            crc = (crc >> 1) ^ ((crc & 1) != 0 ? CRC32C_TABLE : 0);
        }
    }
    return crc;
}

/* Into the first block, when all else in it is there. */
static void super_write(const struct erofs_plan *plan, const uint8_t *uuid, uint8_t *block)
{
    struct erofs_super super = {
        .magic = EROFS_SUPER_MAGIC,
        .feature_compat = EROFS_FEATURE_CHECKSUM,
        .block_bits = EROFS_BLOCK_BITS,
        .root_nid = (uint16_t)(plan->tree->root->place / EROFS_SLOT_BYTES),
        .inodes = plan->count,
        .blocks = (uint32_t)(plan->size_bytes / EROFS_BLOCK_BYTES),
    };
    memcpy(super.uuid, uuid, sizeof(super.uuid));
    memcpy(block + EROFS_SUPER_OFFSET, &super, sizeof(super));
    super.checksum = crc32c(block + EROFS_SUPER_OFFSET, EROFS_BLOCK_BYTES - EROFS_SUPER_OFFSET);
    memcpy(block + EROFS_SUPER_OFFSET, &super, sizeof(super));
}

/* The last block of a directory. */
static void directory_tail(const struct planned_inode *planned, uint8_t block[EROFS_BLOCK_BYTES])
{
    uint8_t next[EROFS_BLOCK_BYTES];
    struct directory_cursor cursor;
    size_t used_bytes;
    directory_cursor_init(&cursor, planned->inode, planned->parent);
    while (directory_block_next(&cursor, next, &used_bytes)) {
        memcpy(block, next, sizeof(next));
    }
}

static void inode_write(const struct planned_inode *planned, uint8_t *out)
{
    const struct inode *inode = planned->inode;
    const struct inode_about *about = &inode->about;
    size_t tail = tail_bytes(inode);
    struct erofs_inode head = {
        .format = EROFS_INODE_EXTENDED | (tail > 0 ? EROFS_LAYOUT_INLINE : EROFS_LAYOUT_PLAIN),
        .mode = (uint16_t)about->mode,
        .size_bytes = inode->size_bytes,
        .block = (uint32_t)inode->data_block,
        .number = inode->number,
        .uid = about->uid,
        .gid = about->gid,
        .mtime_seconds = about->mtime_seconds,
        .mtime_nanoseconds = about->mtime_nanoseconds,
        .links = S_ISDIR(about->mode) ? 2 + inode->subdirectories : inode->names,
    };
    if (inode->xattr_bytes > 0) {
        head.xattr_count = (uint16_t)(inode->xattr_bytes / 4 + 1);
        memcpy(out + sizeof(head) + sizeof(struct erofs_xattr_header), inode->xattrs,
               inode->xattr_bytes);
    }
    memcpy(out, &head, sizeof(head));
    if (tail > 0 && S_ISDIR(about->mode)) {
        uint8_t block[EROFS_BLOCK_BYTES];
        directory_tail(planned, block);
        memcpy(out + head_bytes(inode), block, tail);
    } else if (tail > 0) {
        memcpy(out + head_bytes(inode), inode->target, tail);
    }
}

static status_t inodes_write(const struct erofs_plan *plan, const uint8_t *uuid, erofs_sink sink,
                             void *context)
{
    uint8_t block[EROFS_BLOCK_BYTES] = {0};
    size_t next = 0;
    for (uint64_t number = 0; number < plan->meta_blocks; number++) {
        while (next < plan->count &&
               plan->inodes[next].inode->place / EROFS_BLOCK_BYTES == number) {
            const struct planned_inode *planned = &plan->inodes[next++];
            inode_write(planned, block + planned->inode->place % EROFS_BLOCK_BYTES);
        }
        if (number == 0) {
            super_write(plan, uuid, block);
        }
        status_t status = sink(context, block, sizeof(block));
        if (status != STATUS_OK) {
            return status;
        }
        memset(block, 0, sizeof(block));
    }
    return STATUS_OK;
}

static status_t directory_write(const struct planned_inode *planned, erofs_sink sink, void *context)
{
    uint8_t block[EROFS_BLOCK_BYTES];
    struct directory_cursor cursor;
    size_t used_bytes;
    status_t status = STATUS_OK;
    directory_cursor_init(&cursor, planned->inode, planned->parent);
    for (uint64_t left = own_blocks(planned->inode); status == STATUS_OK && left > 0; left--) {
        if (directory_block_next(&cursor, block, &used_bytes)) {
            status = sink(context, block, sizeof(block));
        }
    }
    return status;
}

static status_t names_write(const struct erofs_plan *plan, erofs_sink sink, void *context)
{
    status_t status = STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < plan->count; i++) {
        const struct inode *inode = plan->inodes[i].inode;
        if (own_blocks(inode) > 0 && S_ISDIR(inode->about.mode)) {
            status = directory_write(&plan->inodes[i], sink, context);
        } else if (own_blocks(inode) > 0 && S_ISLNK(inode->about.mode)) {
            uint8_t block[EROFS_BLOCK_BYTES] = {0};
            memcpy(block, inode->target, inode->size_bytes);
            status = sink(context, block, sizeof(block));
        }
    }
    return status;
}

static status_t contents_write(const struct erofs_plan *plan, uint8_t *buffer, erofs_sink sink,
                               void *context)
{
    const struct image_tree *tree = plan->tree;
    for (size_t i = 0; i < plan->count; i++) {
        const struct inode *inode = plan->inodes[i].inode;
        uint64_t bytes =
            S_ISREG(inode->about.mode) ? ALIGN_UP(inode->size_bytes, EROFS_BLOCK_BYTES) : 0;
        for (uint64_t done = 0; done < bytes;) {
            size_t part = MIN(bytes - done, (uint64_t)COPY_BYTES);
            status_t status =
                spool_read(tree->spool, inode->spool_offset + done, buffer, part, tree->problem);
            if (status == STATUS_OK) {
                status = sink(context, buffer, part);
            }
            if (status != STATUS_OK) {
                return status;
            }
            done += part;
        }
    }
    return STATUS_OK;
}

status_t erofs_write(const struct erofs_plan *plan, const uint8_t uuid[EROFS_UUID_BYTES],
                     erofs_sink sink, void *context)
{
    uint8_t *buffer = allocate(COPY_BYTES);
    status_t status = inodes_write(plan, uuid, sink, context);
    if (status == STATUS_OK) {
        status = names_write(plan, sink, context);
    }
    if (status == STATUS_OK) {
        status = contents_write(plan, buffer, sink, context);
    }
    free(buffer);
    return status;
}
