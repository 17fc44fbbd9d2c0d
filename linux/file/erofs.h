/*
 * Reading an EROFS image (Linux Documentation/filesystems/erofs.rst; fs/erofs/erofs_fs.h):
 * uncompressed, 4 KiB blocks, plain and tail-packed inodes, as our own importer and mkfs.erofs
 * write them. Every field may be hostile: bounds are checked, sizes are compared with the image,
 * and depth and counts end somewhere; what does not hold is -EUCLEAN, an inode of another layout
 * -EOPNOTSUPP. Only image_read touches the image.
 */
#pragma once

#include "lib/base/types.h"

struct erofs_inode {
    uint64_t number; /* nid */
    uint32_t mode;
    uint32_t xattr_bytes; /* behind the inode; 0: it has no attributes */
    bool extended;        /* the larger form of an inode */
    uint32_t uid;
    uint32_t gid;
    uint32_t links;
    uint64_t size_bytes;
    uint64_t device_number; /* as DEVICE() of linux/file/inode.h */
    int64_t modify_ns;
    uint64_t data_offset; /* in the image, of the plain blocks */
    uint64_t tail_offset; /* in the image, of what follows the plain blocks; 0: no tail */
    uint64_t plain_bytes; /* content that lies in plain blocks */
};

/* Reads and checks the superblock. */
long erofs_open(uint64_t *root_number);
long erofs_inode_read(uint64_t number, struct erofs_inode *out);

/* Content: the bytes read (fewer at the end of the file). */
long erofs_read(const struct erofs_inode *inode, uint64_t offset, void *to, uint64_t length_bytes);

/* Whether the whole content can be mapped from the image: page-aligned and without a tail. */
bool erofs_mappable(const struct erofs_inode *inode);

/* -ENOENT. */
long erofs_lookup(const struct erofs_inode *directory, const char *name, uint32_t length_bytes,
                  uint64_t *out_number);

/* Calls for every entry but "." and ".."; stops when the function says false. */
typedef bool (*erofs_entry)(void *context, const char *name, uint32_t length_bytes, uint64_t number,
                            uint8_t file_type);
long erofs_list(const struct erofs_inode *directory, erofs_entry entry, void *context);

/* An extended attribute: its whole name, and where in the image its value lies. */
struct erofs_xattr {
    const char *name;
    uint64_t value_offset;
    uint32_t value_bytes;
};

/* Calls for every attribute of "user." and for "security.capability"; stops when the function says
 * false. */
typedef bool (*erofs_xattr_visit)(void *context, const struct erofs_xattr *xattr);
long erofs_xattrs(const struct erofs_inode *inode, erofs_xattr_visit visit, void *context);
