/*
 * The file system of the container's root and of every tmpfs: a tree of nodes in the personality's
 * memory. A tree may have an EROFS image below it; then a directory's entries are read from the
 * image when they are first wanted, and a regular file's content is the image's until the first
 * write, which copies it up in place: the inode, its number, open files and names stay.
 */
#pragma once

#include "linux/file/inode.h"

struct file_mapping;

/*
 * A tree over the image (linux/core/image.h), in memory of the caller's (tree_node.h): begun, with
 * directories in its root that hide what the image has of their names, before there is an image;
 * then opened. -ENOMEM; -EUCLEAN when it is no EROFS image.
 */
struct image_tree;
struct inode *image_tree_begin(struct image_tree *image_tree, bool read_only);
long image_tree_place(struct image_tree *image_tree, const char *name, struct inode **out);
long image_tree_open(struct image_tree *image_tree);
/* An empty tree; limit_bytes of content, 0: only the account's. */
long tree_fs_empty(uint32_t mode, uint64_t limit_bytes, struct inode **out_root);

/* What the trees of inode's file system use and may use, for statfs. */
struct tree_usage {
    uint64_t used_bytes;
    uint64_t limit_bytes; /* 0: none */
    uint64_t files;
};
void tree_fs_usage(const struct inode *inode, struct tree_usage *out);
/* file_operations.mapping of its regular files. */
long tree_file_mapping(struct file *file, uint64_t offset, uint64_t length_bytes, bool shared,
                       struct file_mapping *out);
/* The inode belongs to a tree_fs. */
bool tree_fs_is(const struct inode *inode);

#define TMPFS_MAGIC     0x01021994u
#define OVERLAYFS_MAGIC 0x794c7630u
#define PROC_MAGIC      0x9fa0u
