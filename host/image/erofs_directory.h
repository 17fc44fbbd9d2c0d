/* The blocks of an EROFS directory, one after the other. */
#pragma once

#include "host/image/erofs_format.h"
#include "host/image/image_tree.h"

/* Where in a directory's names, "." and ".." among them, the next block begins. */
struct directory_cursor {
    const struct inode *directory;
    const struct inode *parent;
    struct tree_node *next;
    uint32_t dots; /* of "." and "..", how many were passed */
};

void directory_cursor_init(struct directory_cursor *cursor, const struct inode *directory,
                           const struct inode *parent);

/*
 * Fills the next block, with zeros behind what it uses. False at the end. All but the last block
 * count as whole ones for the directory's size.
 */
bool directory_block_next(struct directory_cursor *cursor, uint8_t block[EROFS_BLOCK_BYTES],
                          size_t *used_bytes);
