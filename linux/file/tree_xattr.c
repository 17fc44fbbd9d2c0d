/*
 * Extended attributes of nodes: a list per node, in the order in which they were made. The image's
 * are read into it when they are first asked for, so that what changes afterwards changes only the
 * list, and copy-up of the content has nothing to do with it. Under inode.lock.
 */
#include "lib/base/string.h"
#include "linux/core/errno.h"
#include "linux/core/heap.h"
#include "linux/core/image.h"
#include "linux/file/tree_node.h"
#include "linux/file/xattr.h"

/* Names and values of one node, and how many: the list is searched from its start. */
#define NODE_XATTR_BYTES_MAX (2 * XATTR_VALUE_MAX)
#define NODE_XATTRS_MAX      1024

struct xattr {
    struct xattr *next;
    uint8_t *value; /* NULL: empty */
    uint32_t value_bytes;
    char name[];
};

static void xattr_free(struct xattr *xattr)
{
    heap_free(xattr->value);
    heap_free(xattr);
}

void node_xattrs_free(struct node *node)
{
    while (node->xattrs != NULL) {
        struct xattr *next = node->xattrs->next;
        xattr_free(node->xattrs);
        node->xattrs = next;
    }
}

static struct xattr *xattr_new(const char *name, uint32_t value_bytes)
{
    size_t name_bytes = strlen(name);
    struct xattr *xattr = heap_alloc(sizeof(*xattr) + name_bytes + 1);
    if (xattr == NULL) {
        return NULL;
    }
    memcpy(xattr->name, name, name_bytes);
    xattr->value_bytes = value_bytes;
    if (value_bytes > 0) {
        xattr->value = heap_alloc(value_bytes);
        if (xattr->value == NULL) {
            heap_free(xattr);
            return NULL;
        }
    }
    return xattr;
}

/* The place that points to the attribute, or the end of the list. */
static struct xattr **xattr_place(struct node *node, const char *name)
{
    struct xattr **link = &node->xattrs;
    while (*link != NULL && strcmp((*link)->name, name) != 0) {
        link = &(*link)->next;
    }
    return link;
}

/* Would one more, with a value of that size, be too much? */
static bool is_full(const struct node *node, const char *name, uint32_t value_bytes)
{
    uint64_t total = strlen(name) + 1 + value_bytes;
    uint32_t count = 1;
    uint64_t names = strlen(name) + 1;
    for (const struct xattr *xattr = node->xattrs; xattr != NULL; xattr = xattr->next) {
        bool replaced = strcmp(xattr->name, name) == 0;
        uint64_t name_bytes = replaced ? 0 : strlen(xattr->name) + 1;
        total += replaced ? 0 : name_bytes + xattr->value_bytes;
        names += name_bytes;
        count += !replaced;
    }
    return total > NODE_XATTR_BYTES_MAX || names > XATTR_LIST_MAX || count > NODE_XATTRS_MAX;
}

/* --- the image's ------------------------------------------------------------------------------ */

struct image_reading {
    struct node *node;
    long result;
};

static bool image_xattr(void *context, const struct erofs_xattr *found)
{
    struct image_reading *reading = context;
    struct node *node = reading->node;
    struct xattr **place = xattr_place(node, found->name);
    if (*place != NULL || is_full(node, found->name, found->value_bytes)) {
        return true; /* a second one of that name does not count */
    }
    struct xattr *xattr = xattr_new(found->name, found->value_bytes);
    if (xattr == NULL) {
        reading->result = -ENOMEM;
        return false;
    }
    if (found->value_bytes > 0) {
        reading->result = image_read(found->value_offset, xattr->value, found->value_bytes);
    }
    if (reading->result != 0) {
        xattr_free(xattr);
        return false;
    }
    *place = xattr;
    return true;
}

/* Under inode.lock. */
static long xattrs_wanted(struct node *node)
{
    if (!node->from_image || node->xattrs_read) {
        return 0;
    }
    struct image_reading reading = {.node = node};
    long result = erofs_xattrs(&node->image, image_xattr, &reading);
    result = result == 0 ? reading.result : result;
    if (result != 0) {
        node_xattrs_free(node);
    }
    node->xattrs_read = result == 0;
    return result;
}

/* --- operations ------------------------------------------------------------------------------- */

long node_xattr_get(struct inode *inode, const char *name, void *value, uint32_t capacity_bytes)
{
    struct node *node = inode_node(inode);
    mutex_lock(&inode->lock);
    long result = xattrs_wanted(node);
    if (result == 0) {
        const struct xattr *xattr = *xattr_place(node, name);
        if (xattr == NULL) {
            result = -ENODATA;
        } else if (capacity_bytes != 0 && capacity_bytes < xattr->value_bytes) {
            result = -ERANGE;
        } else {
            result = xattr->value_bytes;
            if (capacity_bytes != 0 && xattr->value_bytes != 0) {
                memcpy(value, xattr->value, xattr->value_bytes);
            }
        }
    }
    mutex_unlock(&inode->lock);
    return result;
}

/* Puts the new one where the old one of that name was. Under inode.lock. */
static long xattr_put(struct node *node, struct xattr *xattr, uint32_t flags)
{
    struct xattr **place = xattr_place(node, xattr->name);
    struct xattr *old = *place;
    if (old != NULL && (flags & XATTR_CREATE)) {
        return -EEXIST;
    }
    if (old == NULL && (flags & XATTR_REPLACE)) {
        return -ENODATA;
    }
    if (is_full(node, xattr->name, xattr->value_bytes)) {
        return -ENOSPC;
    }
    xattr->next = old == NULL ? NULL : old->next;
    *place = xattr;
    if (old != NULL) {
        xattr_free(old);
    }
    if (strcmp(xattr->name, "security.capability") == 0) {
        node->inode.file_capability = true;
    }
    node->inode.change_ns = tree_now();
    return 0;
}

long node_xattr_set(struct inode *inode, const char *name, const void *value, uint32_t value_bytes,
                    uint32_t flags)
{
    struct node *node = inode_node(inode);
    if (node->tree->read_only) {
        return -EROFS;
    }
    struct xattr *xattr = xattr_new(name, value_bytes);
    if (xattr == NULL) {
        return -ENOMEM;
    }
    if (value_bytes > 0) {
        memcpy(xattr->value, value, value_bytes);
    }
    mutex_lock(&inode->lock);
    long result = xattrs_wanted(node);
    if (result == 0) {
        result = xattr_put(node, xattr, flags);
    }
    mutex_unlock(&inode->lock);
    if (result != 0) {
        xattr_free(xattr);
    }
    return result;
}

long node_xattr_remove(struct inode *inode, const char *name)
{
    struct node *node = inode_node(inode);
    struct xattr *old = NULL;
    if (node->tree->read_only) {
        return -EROFS;
    }
    mutex_lock(&inode->lock);
    long result = xattrs_wanted(node);
    if (result == 0) {
        struct xattr **place = xattr_place(node, name);
        old = *place;
        if (old == NULL) {
            result = -ENODATA;
        } else {
            *place = old->next;
            inode->change_ns = tree_now();
        }
    }
    mutex_unlock(&inode->lock);
    if (old != NULL) {
        xattr_free(old);
    }
    return result;
}

long node_xattr_list(struct inode *inode, char *out, uint32_t capacity_bytes)
{
    struct node *node = inode_node(inode);
    uint32_t total = 0;
    mutex_lock(&inode->lock);
    long result = xattrs_wanted(node);
    for (const struct xattr *xattr = node->xattrs; xattr != NULL && result == 0;
         xattr = xattr->next) {
        uint32_t name_bytes = (uint32_t)strlen(xattr->name) + 1;
        if (capacity_bytes != 0) {
            if (name_bytes > capacity_bytes - total) {
                result = -ERANGE;
                break;
            }
            memcpy(out + total, xattr->name, name_bytes);
        }
        total += name_bytes;
    }
    mutex_unlock(&inode->lock);
    return result == 0 ? (long)total : result;
}
