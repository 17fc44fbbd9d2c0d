/*
 * Writes an image's tree as an EROFS file system, in one pass from its first byte to its last, so
 * that it need not lie anywhere as a whole. The same tree and identifier give the same bytes.
 */
#pragma once

#include "host/image/image_tree.h"

#define EROFS_UUID_BYTES 16

struct planned_inode {
    struct inode *inode;
    struct inode *parent; /* of a directory */
};

/* Where everything will lie. */
struct erofs_plan {
    struct image_tree *tree;
    struct planned_inode *inodes; /* in the order in which they are written */
    size_t count;
    size_t capacity;
    uint64_t meta_blocks;
    uint64_t size_bytes; /* of the whole file system: whole blocks */
};

/* Takes the next bytes of the file system, whole blocks. */
typedef status_t (*erofs_sink)(void *context, const void *bytes, size_t length_bytes);

/*
 * Places every inode of the tree, once. LIMIT_REACHED: larger than a blob may be. Free it, whatever
 * this returns.
 */
MUST_USE status_t erofs_plan_make(struct erofs_plan *plan, struct image_tree *tree);
void erofs_plan_free(struct erofs_plan *plan);

/* Gives the whole file system to the sink. Its failure, or that of reading the spool, is returned.
 */
MUST_USE status_t erofs_write(const struct erofs_plan *plan, const uint8_t uuid[EROFS_UUID_BYTES],
                              erofs_sink sink, void *context);
