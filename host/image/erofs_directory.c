#include "host/image/erofs_directory.h"

#include <string.h>
#include <sys/stat.h>

#define BLOCK_ENTRIES_MAX (EROFS_BLOCK_BYTES / (sizeof(struct erofs_entry) + 1))
#define DOTS              2

struct name {
    const char *text;
    size_t length_bytes;
    const struct inode *inode;
};

void directory_cursor_init(struct directory_cursor *cursor, const struct inode *directory,
                           const struct inode *parent)
{
    *cursor = (struct directory_cursor){
        .directory = directory, .parent = parent, .next = tree_first(&directory->children)};
}

/* The next name in the order of bytes; false without. The cursor stays. */
static bool name_peek(const struct directory_cursor *cursor, struct name *out)
{
    static const char dots[] = "..";
    const struct entry *entry = entry_of(cursor->next);
    size_t dot_bytes = cursor->dots + 1;
    bool dot = cursor->dots < DOTS;
    if (dot && entry != NULL) {
        int order = memcmp(dots, entry->name, MIN(dot_bytes, (size_t)entry->name_bytes));
        dot = order < 0 || (order == 0 && dot_bytes < entry->name_bytes);
    }
    if (dot) {
        *out = (struct name){dots, dot_bytes, dot_bytes == 1 ? cursor->directory : cursor->parent};
    } else if (entry != NULL) {
        *out = (struct name){entry->name, entry->name_bytes, entry->inode};
    }
    return dot || entry != NULL;
}

static void name_pass(struct directory_cursor *cursor, const struct name *name)
{
    const struct entry *entry = entry_of(cursor->next);
    if (entry != NULL && name->text == entry->name) {
        cursor->next = tree_next(cursor->next);
    } else {
        cursor->dots++;
    }
}

static uint8_t type_of(const struct inode *inode)
{
    switch (inode->about.mode & S_IFMT) {
    case S_IFREG:
        return EROFS_TYPE_REGULAR;
    case S_IFDIR:
        return EROFS_TYPE_DIRECTORY;
    case S_IFCHR:
        return EROFS_TYPE_CHARACTER;
    case S_IFBLK:
        return EROFS_TYPE_BLOCK;
    case S_IFIFO:
        return EROFS_TYPE_FIFO;
    default:
        return EROFS_TYPE_LINK;
    }
}

bool directory_block_next(struct directory_cursor *cursor, uint8_t block[EROFS_BLOCK_BYTES],
                          size_t *used_bytes)
{
    struct name names[BLOCK_ENTRIES_MAX];
    size_t count = 0;
    size_t used = 0;
    struct name name;
    while (count < BLOCK_ENTRIES_MAX && name_peek(cursor, &name) &&
           used + sizeof(struct erofs_entry) + name.length_bytes <= EROFS_BLOCK_BYTES) {
        used += sizeof(struct erofs_entry) + name.length_bytes;
        names[count++] = name;
        name_pass(cursor, &name);
    }
    size_t name_offset = count * sizeof(struct erofs_entry);
    memset(block, 0, EROFS_BLOCK_BYTES);
    for (size_t i = 0; i < count; i++) {
        struct erofs_entry entry = {.nid = names[i].inode->place / EROFS_SLOT_BYTES,
                                    .name_offset = (uint16_t)name_offset,
                                    .type = type_of(names[i].inode)};
        memcpy(block + i * sizeof(entry), &entry, sizeof(entry));
        memcpy(block + name_offset, names[i].text, names[i].length_bytes);
        name_offset += names[i].length_bytes;
    }
    *used_bytes = used;
    return count > 0;
}
