/* Extended attributes, from libarchive's form to the entries that EROFS stores. */
#pragma once

#include "host/image/image_tree.h"

struct archive_entry;

/*
 * Gives the inode the attributes that are kept. LIMIT_REACHED: more than TREE_XATTR_BYTES_MAX of
 * them.
 */
MUST_USE status_t xattrs_read(struct archive_entry *entry, struct inode *inode, const char *path,
                              struct problem *problem);
