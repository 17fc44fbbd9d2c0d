/*
 * The EROFS reader. It owns a few numbers of the superblock, written once by erofs_open; everything
 * else is read from the image at each call, into buffers of at most a block on the stack, checked
 * there and only then believed. No allocation, no lock; blocks while the image pages in.
 *
 * The superblock's checksum is not looked at: storage has verified every block against the blob's
 * name, and an image that is wrong by intent has a right checksum.
 *
 * The format: Linux fs/erofs/erofs_fs.h. All numbers are little endian.
 */
#include "linux/file/erofs.h"

#include "lib/base/string.h"
#include "linux/core/errno.h"
#include "linux/core/image.h"
#include "linux/file/inode.h"

#define BLOCK_SHIFT 12
#define BLOCK_BYTES (1ull << BLOCK_SHIFT)

#define SUPERBLOCK_OFFSET 1024
#define SUPERBLOCK_MAGIC  0xe0f5e1e2u
/* What only compressed inodes and long xattr names need; such inodes are refused one by one. */
#define INCOMPATIBLE_ZERO_PADDING   0x01u
#define INCOMPATIBLE_XATTR_PREFIXES 0x40u

#define INODE_UNIT 32 /* a nid counts these from the first metadata block */

#define FORMAT_EXTENDED 1u
#define LAYOUT_PLAIN    0u
#define LAYOUT_INLINE   2u

#define NS_PER_SECOND 1000000000ll
#define SECONDS_MAX   (INT64_MAX / NS_PER_SECOND - 1)

struct superblock {
    uint32_t magic;
    uint32_t checksum;
    uint32_t feature_compatible;
    uint8_t block_shift;
    uint8_t extension_slots;
    uint16_t root_number;
    uint64_t inodes;
    uint64_t build_seconds;
    uint32_t build_nanoseconds;
    uint32_t blocks;
    uint32_t meta_block;
    uint32_t xattr_block;
    uint8_t uuid[16];
    uint8_t volume_name[16];
    uint32_t feature_incompatible;
    uint16_t algorithms;
    uint16_t extra_devices;
    uint16_t device_slot;
    uint8_t directory_block_shift;
    uint8_t xattr_prefixes;
    uint8_t reserved[36];
};

struct inode_compact {
    uint16_t format;
    uint16_t xattr_count;
    uint16_t mode;
    uint16_t links;
    uint32_t size_bytes;
    uint32_t reserved;
    uint32_t block_or_device;
    uint32_t number_32;
    uint16_t uid;
    uint16_t gid;
    uint32_t reserved_too;
};

struct inode_extended {
    uint16_t format;
    uint16_t xattr_count;
    uint16_t mode;
    uint16_t reserved;
    uint64_t size_bytes;
    uint32_t block_or_device;
    uint32_t number_32;
    uint32_t uid;
    uint32_t gid;
    uint64_t modify_seconds;
    uint32_t modify_nanoseconds;
    uint32_t links;
    uint8_t reserved_too[16];
};

struct __attribute__((packed)) directory_entry {
    uint64_t number;
    uint16_t name_offset;
    uint8_t file_type;
    uint8_t reserved;
};

_Static_assert(sizeof(struct superblock) == 128, "EROFS superblock");
_Static_assert(sizeof(struct inode_compact) == 32, "EROFS compact inode");
_Static_assert(sizeof(struct inode_extended) == 64, "EROFS extended inode");
_Static_assert(sizeof(struct directory_entry) == 12, "EROFS directory entry");

static struct {
    uint64_t meta_offset;
    uint64_t xattr_offset; /* of attributes that several inodes share */
    int64_t build_ns;      /* when compact inodes were modified */
} volume;

/* --- superblock ------------------------------------------------------------------------------ */

static int64_t time_ns(uint64_t seconds, uint32_t nanoseconds)
{
    int64_t whole = (int64_t)seconds;
    if (whole > SECONDS_MAX || whole < -SECONDS_MAX) {
        return 0;
    }
    return whole * NS_PER_SECOND + (nanoseconds < NS_PER_SECOND ? nanoseconds : 0);
}

long erofs_open(uint64_t *root_number)
{
    struct superblock super;
    if (image_size() < BLOCK_BYTES) {
        return -EUCLEAN;
    }
    long result = image_read(SUPERBLOCK_OFFSET, &super, sizeof(super));
    if (result != 0) {
        return result;
    }
    if (super.magic != SUPERBLOCK_MAGIC || super.block_shift != BLOCK_SHIFT ||
        super.directory_block_shift != 0 ||
        (super.feature_incompatible & ~(INCOMPATIBLE_ZERO_PADDING | INCOMPATIBLE_XATTR_PREFIXES)) !=
            0) {
        return -EUCLEAN;
    }
    uint64_t meta_offset = (uint64_t)super.meta_block << BLOCK_SHIFT;
    if (meta_offset >= image_size()) {
        return -EUCLEAN;
    }
    volume.meta_offset = meta_offset;
    volume.xattr_offset = (uint64_t)super.xattr_block << BLOCK_SHIFT;
    volume.build_ns = time_ns(super.build_seconds, super.build_nanoseconds);
    *root_number = super.root_number;
    return 0;
}

/* --- inodes ---------------------------------------------------------------------------------- */

static bool type_known(uint32_t mode)
{
    switch (mode & S_IFMT) {
    case S_IFREG:
    case S_IFDIR:
    case S_IFLNK:
    case S_IFCHR:
    case S_IFBLK:
    case S_IFIFO:
    case S_IFSOCK:
        return true;
    default:
        return false;
    }
}

static uint64_t xattr_bytes(uint32_t count)
{
    return count == 0 ? 0 : 12 + 4 * ((uint64_t)count - 1);
}

/* Where the content lies: plain blocks from start_block on, and maybe a tail behind the inode. */
static long content_place(struct erofs_inode *inode, uint32_t layout, uint32_t start_block,
                          uint64_t inode_end)
{
    uint64_t tail_bytes = 0;
    if (layout == LAYOUT_INLINE) {
        tail_bytes = inode->size_bytes % BLOCK_BYTES;
        if (tail_bytes == 0 && inode->size_bytes != 0) {
            return -EUCLEAN; /* a whole block cannot lie behind an inode */
        }
    } else if (layout != LAYOUT_PLAIN) {
        return -EOPNOTSUPP;
    }
    inode->plain_bytes = inode->size_bytes - tail_bytes;
    if (inode->plain_bytes != 0) {
        inode->data_offset = (uint64_t)start_block << BLOCK_SHIFT;
        uint64_t size = image_size();
        if (!range_inside(inode->data_offset, inode->plain_bytes, size) ||
            !range_inside(inode->data_offset, ALIGN_UP(inode->plain_bytes, BLOCK_BYTES), size)) {
            return -EUCLEAN;
        }
    }
    if (tail_bytes != 0) {
        inode->tail_offset = inode_end;
        if (inode_end % BLOCK_BYTES + tail_bytes > BLOCK_BYTES ||
            !range_inside(inode_end, tail_bytes, image_size())) {
            return -EUCLEAN;
        }
    }
    return 0;
}

static long inode_check(struct erofs_inode *inode, uint32_t format, uint32_t block_or_device,
                        uint64_t inode_end)
{
    if ((format >> 4) != 0) {
        return -EOPNOTSUPP;
    }
    if (!type_known(inode->mode)) {
        return -EUCLEAN;
    }
    switch (inode->mode & S_IFMT) {
    case S_IFLNK:
        if (inode->size_bytes == 0 || inode->size_bytes >= PATH_MAX) {
            return -EUCLEAN;
        }
        break;
    case S_IFREG:
    case S_IFDIR:
        break;
    default:
        /* The image's encoding of numbers is that of the system calls, in 32 bits. */
        inode->device_number =
            (inode->mode & S_IFMT) == S_IFCHR || (inode->mode & S_IFMT) == S_IFBLK ? block_or_device
                                                                                   : 0;
        inode->size_bytes = 0;
        return 0;
    }
    return content_place(inode, format >> 1 & 7, block_or_device, inode_end);
}

static long read_extended(uint64_t offset, struct erofs_inode *inode)
{
    struct inode_extended raw;
    long result = image_read(offset, &raw, sizeof(raw));
    if (result != 0) {
        return result;
    }
    inode->extended = true;
    inode->xattr_bytes = (uint32_t)xattr_bytes(raw.xattr_count);
    inode->mode = raw.mode;
    inode->uid = raw.uid;
    inode->gid = raw.gid;
    inode->links = raw.links;
    inode->size_bytes = raw.size_bytes;
    inode->modify_ns = time_ns(raw.modify_seconds, raw.modify_nanoseconds);
    return inode_check(inode, raw.format, raw.block_or_device,
                       offset + sizeof(raw) + xattr_bytes(raw.xattr_count));
}

static long read_compact(uint64_t offset, struct erofs_inode *inode)
{
    struct inode_compact raw;
    long result = image_read(offset, &raw, sizeof(raw));
    if (result != 0) {
        return result;
    }
    inode->xattr_bytes = (uint32_t)xattr_bytes(raw.xattr_count);
    inode->mode = raw.mode;
    inode->uid = raw.uid;
    inode->gid = raw.gid;
    inode->links = raw.links;
    inode->size_bytes = raw.size_bytes;
    inode->modify_ns = volume.build_ns;
    return inode_check(inode, raw.format, raw.block_or_device,
                       offset + sizeof(raw) + xattr_bytes(raw.xattr_count));
}

long erofs_inode_read(uint64_t number, struct erofs_inode *out)
{
    uint64_t size = image_size();
    if (number >= size / INODE_UNIT ||
        !range_inside(volume.meta_offset, (number + 1) * INODE_UNIT, size)) {
        return -EUCLEAN;
    }
    uint64_t offset = volume.meta_offset + number * INODE_UNIT;
    uint16_t format;
    long result = image_read(offset, &format, sizeof(format));
    if (result != 0) {
        return result;
    }
    struct erofs_inode inode = {.number = number};
    if (format & FORMAT_EXTENDED) {
        result = range_inside(offset, sizeof(struct inode_extended), size)
                     ? read_extended(offset, &inode)
                     : -EUCLEAN;
    } else {
        result = read_compact(offset, &inode);
    }
    if (result == 0) {
        *out = inode;
    }
    return result;
}

/* --- content --------------------------------------------------------------------------------- */

long erofs_read(const struct erofs_inode *inode, uint64_t offset, void *to, uint64_t length_bytes)
{
    if (offset >= inode->size_bytes) {
        return 0;
    }
    length_bytes = MIN(length_bytes, inode->size_bytes - offset);
    uint64_t plain = 0;
    if (offset < inode->plain_bytes) {
        plain = MIN(length_bytes, inode->plain_bytes - offset);
        long result = image_read(inode->data_offset + offset, to, plain);
        if (result != 0) {
            return result;
        }
    }
    if (plain < length_bytes) {
        long result = image_read(inode->tail_offset + (offset + plain - inode->plain_bytes),
                                 (uint8_t *)to + plain, length_bytes - plain);
        if (result != 0) {
            return result;
        }
    }
    return (long)length_bytes;
}

bool erofs_mappable(const struct erofs_inode *inode)
{
    return inode->tail_offset == 0;
}

/* --- directories ----------------------------------------------------------------------------- */

/* One block of a directory: `count` entries, then their names, each up to where the next begins. */
struct directory_block {
    uint32_t bytes; /* that the directory has of it */
    uint32_t count;
    union {
        uint8_t raw[BLOCK_BYTES];
        struct directory_entry entry[BLOCK_BYTES / sizeof(struct directory_entry)];
    };
};

/* Reads a block and checks what its entries are found by. */
static long block_read(const struct erofs_inode *directory, uint64_t index,
                       struct directory_block *block)
{
    long bytes = erofs_read(directory, index << BLOCK_SHIFT, block->raw, BLOCK_BYTES);
    if (bytes < 0) {
        return bytes;
    }
    block->bytes = (uint32_t)bytes;
    if (block->bytes <= sizeof(struct directory_entry)) {
        return -EUCLEAN;
    }
    uint32_t first = block->entry[0].name_offset;
    if (first == 0 || first % sizeof(struct directory_entry) != 0 || first >= block->bytes) {
        return -EUCLEAN;
    }
    block->count = first / (uint32_t)sizeof(struct directory_entry);
    return 0;
}

/* Where the name of one entry lies, inside the block; never empty. The last may be padded by NULs.
 */
static long entry_name(const struct directory_block *block, uint32_t index, const char **name,
                       uint32_t *length_bytes)
{
    uint32_t start = block->entry[index].name_offset;
    bool last = index + 1 == block->count;
    uint32_t end = last ? block->bytes : block->entry[index + 1].name_offset;
    if (start < block->count * sizeof(struct directory_entry) || end > block->bytes ||
        start >= end) {
        return -EUCLEAN;
    }
    const char *text = (const char *)block->raw + start;
    uint32_t length = last ? (uint32_t)strnlen(text, end - start) : end - start;
    if (length == 0 || length > NAME_MAX) {
        return -EUCLEAN;
    }
    *name = text;
    *length_bytes = length;
    return 0;
}

static int name_compare(const char *a, uint32_t a_bytes, const char *b, uint32_t b_bytes)
{
    int order = memcmp(a, b, MIN(a_bytes, b_bytes));
    return order != 0 ? order : (a_bytes > b_bytes) - (a_bytes < b_bytes);
}

static long block_search(const struct directory_block *block, const char *name,
                         uint32_t length_bytes, uint64_t *out_number)
{
    uint32_t low = 0;
    uint32_t high = block->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        const char *other;
        uint32_t other_bytes;
        long result = entry_name(block, middle, &other, &other_bytes);
        if (result != 0) {
            return result;
        }
        int order = name_compare(name, length_bytes, other, other_bytes);
        if (order == 0) {
            *out_number = block->entry[middle].number;
            return 0;
        }
        if (order < 0) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return -ENOENT;
}

static uint64_t block_count(const struct erofs_inode *directory)
{
    return (directory->size_bytes >> BLOCK_SHIFT) + (directory->size_bytes % BLOCK_BYTES != 0);
}

/* The last block whose first name is not behind this one holds it, or none does. */
static long block_find(const struct erofs_inode *directory, const char *name, uint32_t length_bytes,
                       struct directory_block *block)
{
    uint64_t low = 0;
    uint64_t high = block_count(directory);
    if (high == 0) {
        return -ENOENT;
    }
    while (high - low > 1) {
        uint64_t middle = low + (high - low) / 2;
        const char *first;
        uint32_t first_bytes;
        long result = block_read(directory, middle, block);
        if (result == 0) {
            result = entry_name(block, 0, &first, &first_bytes);
        }
        if (result != 0) {
            return result;
        }
        if (name_compare(name, length_bytes, first, first_bytes) < 0) {
            high = middle;
        } else {
            low = middle;
        }
    }
    return block_read(directory, low, block);
}

/* The name has no NUL and no '/': what it equals has none either. */
long erofs_lookup(const struct erofs_inode *directory, const char *name, uint32_t length_bytes,
                  uint64_t *out_number)
{
    struct directory_block block;
    long result = block_find(directory, name, length_bytes, &block);
    return result == 0 ? block_search(&block, name, length_bytes, out_number) : result;
}

static bool dot_or_dots(const char *name, uint32_t length_bytes)
{
    return name[0] == '.' && (length_bytes == 1 || (length_bytes == 2 && name[1] == '.'));
}

long erofs_list(const struct erofs_inode *directory, erofs_entry entry, void *context)
{
    struct directory_block block;
    uint64_t blocks = block_count(directory);
    for (uint64_t index = 0; index < blocks; index++) {
        long result = block_read(directory, index, &block);
        if (result != 0) {
            return result;
        }
        for (uint32_t i = 0; i < block.count; i++) {
            const char *name;
            uint32_t length_bytes;
            result = entry_name(&block, i, &name, &length_bytes);
            if (result == 0 && (memchr(name, '/', length_bytes) != NULL ||
                                memchr(name, '\0', length_bytes) != NULL)) {
                result = -EUCLEAN;
            }
            if (result != 0) {
                return result;
            }
            if (!dot_or_dots(name, length_bytes) &&
                !entry(context, name, length_bytes, block.entry[i].number,
                       block.entry[i].file_type)) {
                return 0;
            }
        }
    }
    return 0;
}

/* --- extended attributes ---------------------------------------------------------------------- */

#define XATTR_UNIT           4
#define XATTR_HEADER         12
#define XATTR_SHARED_MAX     255
#define XATTR_NAME_MAX       255
#define XATTR_INDEX_USER     1
#define XATTR_INDEX_SECURITY 6

struct xattr_header {
    uint32_t name_filter;
    uint8_t shared_count;
    uint8_t reserved[7];
};

struct xattr_entry {
    uint8_t name_bytes;
    uint8_t name_index;
    uint16_t value_bytes;
};

_Static_assert(sizeof(struct xattr_header) == XATTR_HEADER, "EROFS attribute header");
_Static_assert(sizeof(struct xattr_entry) == 4, "EROFS attribute");

/* One entry, of at most that many bytes; *total_bytes says how many. False in *more: the visitor
 * wants no more. */
static long xattr_read(uint64_t offset, uint64_t limit_bytes, erofs_xattr_visit visit,
                       void *context, uint64_t *total_bytes, bool *more)
{
    static const char user[] = "user.";
    static const char security[] = "security.";
    struct xattr_entry entry;
    char name[sizeof(security) + XATTR_NAME_MAX];
    if (limit_bytes < sizeof(entry) || !range_inside(offset, sizeof(entry), image_size())) {
        return -EUCLEAN;
    }
    long result = image_read(offset, &entry, sizeof(entry));
    if (result != 0) {
        return result;
    }
    uint64_t total = sizeof(entry) + entry.name_bytes + entry.value_bytes;
    if (total > limit_bytes || !range_inside(offset, total, image_size())) {
        return -EUCLEAN;
    }
    *total_bytes = ALIGN_UP(total, (uint64_t)XATTR_UNIT);
    const char *prefix = entry.name_index == XATTR_INDEX_USER       ? user
                         : entry.name_index == XATTR_INDEX_SECURITY ? security
                                                                    : NULL;
    if (prefix == NULL || entry.name_bytes == 0) {
        return 0;
    }
    size_t prefix_bytes = strlen(prefix);
    memcpy(name, prefix, prefix_bytes);
    result = image_read(offset + sizeof(entry), name + prefix_bytes, entry.name_bytes);
    name[prefix_bytes + entry.name_bytes] = '\0';
    bool shown = strlen(name) == prefix_bytes + entry.name_bytes &&
                 prefix_bytes + entry.name_bytes <= XATTR_NAME_MAX &&
                 (prefix == user || strcmp(name, "security.capability") == 0);
    if (result == 0 && shown) {
        const struct erofs_xattr xattr = {name, offset + sizeof(entry) + entry.name_bytes,
                                          entry.value_bytes};
        *more = visit(context, &xattr);
    }
    return result;
}

/* Those that lie elsewhere, by their numbers. */
static long xattrs_shared(uint64_t offset, uint32_t count, erofs_xattr_visit visit, void *context,
                          bool *more)
{
    uint32_t numbers[XATTR_SHARED_MAX];
    long result = image_read(offset, numbers, count * sizeof(numbers[0]));
    for (uint32_t i = 0; i < count && result == 0 && *more; i++) {
        uint64_t total;
        result = xattr_read(volume.xattr_offset + (uint64_t)numbers[i] * XATTR_UNIT, UINT64_MAX,
                            visit, context, &total, more);
    }
    return result;
}

long erofs_xattrs(const struct erofs_inode *inode, erofs_xattr_visit visit, void *context)
{
    struct xattr_header header;
    uint64_t offset =
        volume.meta_offset + inode->number * INODE_UNIT +
        (inode->extended ? sizeof(struct inode_extended) : sizeof(struct inode_compact));
    bool more = true;
    if (inode->xattr_bytes == 0) {
        return 0;
    }
    if (!range_inside(offset, inode->xattr_bytes, image_size())) {
        return -EUCLEAN;
    }
    long result = image_read(offset, &header, sizeof(header));
    if (result != 0) {
        return result;
    }
    uint64_t at = sizeof(header) + (uint64_t)header.shared_count * sizeof(uint32_t);
    if (at > inode->xattr_bytes) {
        return -EUCLEAN;
    }
    result = xattrs_shared(offset + sizeof(header), header.shared_count, visit, context, &more);
    while (result == 0 && more && at < inode->xattr_bytes) {
        uint64_t total;
        result = xattr_read(offset + at, inode->xattr_bytes - at, visit, context, &total, &more);
        at += result == 0 ? total : 0;
    }
    return result;
}
