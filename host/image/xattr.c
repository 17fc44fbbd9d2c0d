#include "host/image/xattr.h"

#include "host/cli/cli.h"
#include "host/image/erofs_format.h"

#include <archive.h>
#include <archive_entry.h>
#include <string.h>

/* The attribute's name index and the rest of its name; false for one that is not kept. */
static bool xattr_kept(const char *name, uint8_t *index, const char **rest)
{
    static const char user[] = "user.";
    static const char security[] = "security.";
    if (strncmp(name, user, sizeof(user) - 1) == 0 && name[sizeof(user) - 1] != '\0') {
        *index = EROFS_XATTR_INDEX_USER;
        *rest = name + sizeof(user) - 1;
        return true;
    }
    if (strcmp(name, "security.capability") == 0) {
        *index = EROFS_XATTR_INDEX_SECURITY;
        *rest = name + sizeof(security) - 1;
        return true;
    }
    return false;
}

/* Archives may say the same attribute twice, in the words of several programs. */
static bool xattr_there(const struct inode *inode, uint8_t index, const char *name)
{
    size_t name_bytes = strlen(name);
    for (uint32_t place = 0; place < inode->xattr_bytes;) {
        struct erofs_xattr_entry entry;
        const uint8_t *here = inode->xattrs + place;
        memcpy(&entry, here, sizeof(entry));
        if (entry.name_index == index && entry.name_bytes == name_bytes &&
            memcmp(here + sizeof(entry), name, name_bytes) == 0) {
            return true;
        }
        place += ALIGN_UP((uint32_t)sizeof(entry) + entry.name_bytes + entry.value_bytes, 4u);
    }
    return false;
}

static bool xattr_add(struct inode *inode, uint8_t index, const char *name, const void *value,
                      size_t value_bytes)
{
    size_t name_bytes = strlen(name);
    if (name_bytes > UINT8_MAX || value_bytes > TREE_XATTR_BYTES_MAX) {
        return false;
    }
    struct erofs_xattr_entry entry = {.name_bytes = (uint8_t)name_bytes,
                                      .name_index = index,
                                      .value_bytes = (uint16_t)value_bytes};
    size_t total = ALIGN_UP(sizeof(entry) + name_bytes + value_bytes, (size_t)4);
    if (total > TREE_XATTR_BYTES_MAX - inode->xattr_bytes) {
        return false;
    }
    inode->xattrs = allocate_again(inode->xattrs, inode->xattr_bytes + total);
    uint8_t *out = inode->xattrs + inode->xattr_bytes;
    memset(out, 0, total);
    memcpy(out, &entry, sizeof(entry));
    memcpy(out + sizeof(entry), name, name_bytes);
    if (value_bytes > 0) {
        memcpy(out + sizeof(entry) + name_bytes, value, value_bytes);
    }
    inode->xattr_bytes += (uint32_t)total;
    return true;
}

status_t xattrs_read(struct archive_entry *entry, struct inode *inode, const char *path,
                     struct problem *problem)
{
    const char *name;
    const void *value;
    size_t value_bytes;
    archive_entry_xattr_reset(entry);
    while (archive_entry_xattr_next(entry, &name, &value, &value_bytes) == ARCHIVE_OK) {
        uint8_t index;
        const char *rest;
        if (name != NULL && xattr_kept(name, &index, &rest) && !xattr_there(inode, index, rest) &&
            !xattr_add(inode, index, rest, value, value_bytes)) {
            return problem_set(problem, STATUS_LIMIT_REACHED,
                               "the image holds a file with too many extended attributes: %.200s",
                               path);
        }
    }
    return STATUS_OK;
}
