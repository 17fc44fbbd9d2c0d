/*
 * EROFS on disk, as far as Oak's images use it: 4096-byte blocks, extended inodes, contents plain
 * or with their tail behind the inode, no compression. Little-endian. Includes no code.
 *
 *   byte 1024           the superblock
 *   byte 1152           inodes, in slots of 32 bytes: an inode's number (nid) is its offset / 32
 *   then                blocks of directories and of symbolic links that do not fit behind an inode
 *   then                file contents, each at a block of its own, the last one filled with zeros
 */
#pragma once

#include "lib/base/types.h"

#define EROFS_BLOCK_BITS       12
#define EROFS_BLOCK_BYTES      4096u
#define EROFS_SUPER_OFFSET     1024u
#define EROFS_SUPER_MAGIC      0xE0F5E1E2u
#define EROFS_FEATURE_CHECKSUM 1u
#define EROFS_SLOT_BITS        5
#define EROFS_SLOT_BYTES       32u

struct erofs_super {
    uint32_t magic;
    uint32_t checksum; /* crc32c of the first block from the superblock on, this field zero */
    uint32_t feature_compat;
    uint8_t block_bits;
    uint8_t extension_slots;
    uint16_t root_nid;
    uint64_t inodes;
    uint64_t build_time;
    uint32_t build_time_nanoseconds;
    uint32_t blocks;
    uint32_t meta_block;
    uint32_t xattr_block;
    uint8_t uuid[16];
    uint8_t volume_name[16];
    uint32_t feature_incompat;
    uint8_t reserved[44];
};
_Static_assert(sizeof(struct erofs_super) == 128, "EROFS superblock");

/* Of an inode's format word. */
#define EROFS_INODE_EXTENDED 1u
#define EROFS_LAYOUT_PLAIN   (0u << 1)
#define EROFS_LAYOUT_INLINE  (2u << 1) /* whole blocks, then the rest behind the inode */

struct erofs_inode {
    uint16_t format;
    uint16_t xattr_count; /* (bytes of attributes with their header - 12) / 4 + 1; 0 without */
    uint16_t mode;
    uint16_t reserved;
    uint64_t size_bytes;
    uint32_t block; /* first data block; of a device node its number */
    uint32_t number;
    uint32_t uid;
    uint32_t gid;
    uint64_t mtime_seconds;
    uint32_t mtime_nanoseconds;
    uint32_t links;
    uint8_t reserved2[16];
};
_Static_assert(sizeof(struct erofs_inode) == 64, "EROFS extended inode");

struct erofs_xattr_header {
    uint32_t reserved;
    uint8_t shared_count;
    uint8_t reserved2[7];
};
_Static_assert(sizeof(struct erofs_xattr_header) == 12, "EROFS attribute header");

#define EROFS_XATTR_INDEX_USER     1
#define EROFS_XATTR_INDEX_SECURITY 6

struct erofs_xattr_entry {
    uint8_t name_bytes; /* without the prefix that the index means */
    uint8_t name_index;
    uint16_t value_bytes;
};
_Static_assert(sizeof(struct erofs_xattr_entry) == 4, "EROFS attribute");

/* A directory block: these, sorted by name over the whole directory, then the names. */
struct __attribute__((packed)) erofs_entry {
    uint64_t nid;
    uint16_t name_offset; /* within the block */
    uint8_t type;
    uint8_t reserved;
};
_Static_assert(sizeof(struct erofs_entry) == 12, "EROFS directory entry");

enum erofs_type {
    EROFS_TYPE_REGULAR = 1,
    EROFS_TYPE_DIRECTORY = 2,
    EROFS_TYPE_CHARACTER = 3,
    EROFS_TYPE_BLOCK = 4,
    EROFS_TYPE_FIFO = 5,
    EROFS_TYPE_LINK = 7,
};
