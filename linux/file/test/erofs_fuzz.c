/*
 * Hostile images: a small valid image is built, the input overwrites bytes of its metadata (records
 * of place, length and bytes), and everything that can be reached is read. Whatever the fields say,
 * every call ends, reads inside the image, and answers within its limits.
 */
#include <stdlib.h>
#include <string.h>

#include "linux/core/errno.h"
#include "linux/core/image.h"
#include "linux/file/erofs.h"
#include "linux/file/inode.h"
#include "linux/file/test/simulated.h"

#define BLOCKS      6
#define META_OFFSET 4096
#define STEPS_MAX   64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length_bytes);

static uint8_t bytes[BLOCKS * 4096];

static void put(uint64_t offset, uint64_t value, uint32_t width)
{
    memcpy(bytes + offset, &value, width);
}

/* A compact inode at that nid. */
static void put_inode(uint32_t nid, uint32_t layout, uint32_t mode, uint32_t size, uint32_t block)
{
    uint64_t at = META_OFFSET + nid * 32;
    put(at, layout << 1, 2);
    put(at + 4, mode, 2);
    put(at + 6, 1, 2);
    put(at + 8, size, 4);
    put(at + 16, block, 4);
}

/* Directory entries by name; the bytes used. */
static uint32_t put_entries(uint64_t at, const char *const *names, const uint32_t *nids,
                            uint32_t count)
{
    uint32_t name_offset = count * 12;
    for (uint32_t i = 0; i < count; i++) {
        put(at + i * 12, nids[i], 8);
        put(at + i * 12 + 8, name_offset, 2);
        put(at + i * 12 + 10, 1, 1);
        memcpy(bytes + at + name_offset, names[i], strlen(names[i]));
        name_offset += (uint32_t)strlen(names[i]);
    }
    return name_offset;
}

/* Block 1: inodes; 2 and 3: a directory of two blocks; 4 and 5: content. */
static void build(void)
{
    static const char *const top[] = {".", "..", "dir", "file", "link", "tail"};
    static const uint32_t top_nids[] = {0, 0, 16, 24, 28, 32};
    static const char *const first[] = {"a", "b"};
    static const char *const second[] = {"c", "d", "e"};
    static const uint32_t nids[] = {24, 48, 40};
    memset(bytes, 0, sizeof(bytes));
    put(1024, 0xe0f5e1e2, 4);
    put(1024 + 12, 12, 1);
    put(1024 + 36, BLOCKS, 4);
    put(1024 + 40, META_OFFSET / 4096, 4);
    uint32_t used = put_entries(META_OFFSET + 32, top, top_nids, 6);
    put_inode(0, 2, S_IFDIR | 0755, used, 0);
    put_entries(2 * 4096, first, nids, 2);
    used = put_entries(3 * 4096, second, nids, 3);
    put_inode(16, 0, S_IFDIR | 0755, 4096 + used, 2);
    put_inode(24, 0, S_IFREG | 0644, 8192, 4);
    put_inode(28, 2, S_IFLNK | 0777, 20, 0);
    memset(bytes + META_OFFSET + 29 * 32, 't', 20);
    put_inode(32, 2, S_IFREG | 0644, 4096 + 100, 5);
    put_inode(40, 0, S_IFCHR | 0644, 0, 0x103);
    /* A file with an attribute behind its inode, and a shared one in the same place. */
    put_inode(48, 0, S_IFREG | 0644, 0, 0);
    put(META_OFFSET + 48 * 32 + 2, 7, 2);      /* 36 bytes of attributes */
    put(META_OFFSET + 49 * 32 + 4, 1, 1);      /* one is shared: */
    put(META_OFFSET + 49 * 32 + 12, 0x194, 4); /* in units of 4 bytes */
    put(META_OFFSET + 49 * 32 + 16, 0x0003010a, 4);
    memcpy(bytes + META_OFFSET + 49 * 32 + 20, "ten-lettersval", 14);
    put(1024 + 44, META_OFFSET / 4096, 4);
    put(META_OFFSET + 44 * 32, 1, 2); /* extended */
    put(META_OFFSET + 44 * 32 + 4, S_IFIFO | 0600, 2);
}

static void require(bool condition)
{
    if (!condition) {
        abort();
    }
}

struct walk {
    struct erofs_inode directory;
    uint64_t queue[STEPS_MAX];
    uint32_t queued;
    uint64_t entries;
};

static bool walk_entry(void *context, const char *name, uint32_t length_bytes, uint64_t number,
                       uint8_t file_type)
{
    struct walk *walk = context;
    uint64_t found;
    (void)file_type;
    require(length_bytes != 0 && length_bytes <= NAME_MAX);
    require(memchr(name, 0, length_bytes) == NULL && memchr(name, '/', length_bytes) == NULL);
    long result = erofs_lookup(&walk->directory, name, length_bytes, &found);
    require(result == 0 || result == -ENOENT || result == -EUCLEAN);
    if (walk->queued < STEPS_MAX) {
        walk->queue[walk->queued++] = number;
    }
    return ++walk->entries < 10000;
}

static void read_all(const struct erofs_inode *inode)
{
    static uint8_t buffer[8192];
    static const uint64_t offsets[] = {0, 1, 4095, 4096, 8000, UINT64_MAX - 4096, UINT64_MAX};
    require(inode->plain_bytes <= sizeof(bytes) && inode->size_bytes - inode->plain_bytes < 4096);
    for (size_t i = 0; i < ARRAY_LENGTH(offsets); i++) {
        long moved = erofs_read(inode, offsets[i], buffer, sizeof(buffer));
        require(moved >= 0 && moved <= (long)sizeof(buffer));
    }
    require(!erofs_mappable(inode) ||
            range_inside(inode->data_offset, ALIGN_UP(inode->size_bytes, 4096ull), sizeof(bytes)));
}

/* Names end, are of the two kinds that are shown, and values lie in the image. */
static bool xattr_entry(void *context, const struct erofs_xattr *xattr)
{
    uint32_t *count = context;
    static uint8_t value[UINT16_MAX];
    require(strncmp(xattr->name, "user.", 5) == 0 ||
            strcmp(xattr->name, "security.capability") == 0);
    require(strlen(xattr->name) <= 255 && xattr->value_bytes <= sizeof(value));
    require(image_read(xattr->value_offset, value, xattr->value_bytes) == 0);
    return ++*count < 1000;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length_bytes)
{
    static struct walk walk;
    build();
    while (length_bytes >= 3) {
        /* The metadata: superblock, inodes, both blocks of the directory. */
        uint32_t place = 1024 + (data[0] | (uint32_t)data[1] << 8) % (4 * 4096 - 1024);
        uint32_t count = (uint32_t)MIN(1u + data[2] % 8, length_bytes - 3);
        memcpy(bytes + place, data + 3, count);
        data += 3 + count;
        length_bytes -= 3 + count;
    }
    simulated_image_bytes(bytes, sizeof(bytes));
    walk.queued = 0;
    walk.entries = 0;
    if (erofs_open(&walk.queue[0]) != 0) {
        return 0;
    }
    walk.queued = 1;
    for (uint32_t at = 0; at < walk.queued; at++) {
        if (erofs_inode_read(walk.queue[at], &walk.directory) != 0) {
            continue;
        }
        read_all(&walk.directory);
        uint32_t xattrs = 0;
        long read = erofs_xattrs(&walk.directory, xattr_entry, &xattrs);
        require(read == 0 || read == -EUCLEAN);
        if ((walk.directory.mode & S_IFMT) == S_IFDIR) {
            long result = erofs_list(&walk.directory, walk_entry, &walk);
            require(result == 0 || result == -EUCLEAN);
        }
    }
    return 0;
}
