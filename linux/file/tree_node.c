/*
 * Nodes of a tree: making them, fresh or from the image, their attributes, and their end.
 *
 * Who holds references: every entry holds one on its node; the table of image inodes holds one
 * while the node has links, so that all names of one image inode find one node. Directories do not
 * hold their parents: a parent is not empty, so it cannot go. A removed directory does.
 */
#include "linux/file/tree_node.h"

#include "lib/base/string.h"
#include "lib/oak/clock.h"
#include "linux/core/errno.h"
#include "linux/core/heap.h"
#include "linux/mm/mm.h"

#define DIRECTORY_BYTES 4096
#define SECTOR_BYTES    512
#define MODE_BITS       07777u

int64_t tree_now(void)
{
    return (int64_t)clock_wall_ns();
}

void node_touch(struct node *node, int64_t now)
{
    node->inode.modify_ns = now;
    node->inode.change_ns = now;
}

/* --- making ---------------------------------------------------------------------------------- */

void node_begin(struct node *node, struct tree_fs *tree)
{
    node->inode.references = 1;
    node->inode.operations = &tree_operations;
    node->tree = tree;
    mutex_init(&node->inode.lock);
    __atomic_fetch_add(&tree->files, 1, __ATOMIC_RELAXED);
}

static struct node *node_alloc(struct tree_fs *tree)
{
    struct node *node = heap_alloc(sizeof(*node));
    if (node != NULL) {
        node_begin(node, tree);
    }
    return node;
}

static void node_dispose(struct node *node)
{
    __atomic_fetch_sub(&node->tree->files, 1, __ATOMIC_RELAXED);
    heap_free(node);
}

struct node *node_new(struct tree_fs *tree, const struct creation *creation, uint64_t number)
{
    struct node *node = node_alloc(tree);
    if (node == NULL) {
        return NULL;
    }
    struct inode *inode = &node->inode;
    inode->mode = creation->mode;
    inode->uid = creation->uid;
    inode->gid = creation->gid;
    inode->number = number;
    inode->links = creation->nameless ? 0 : 1;
    node->linkable = creation->linkable;
    if (inode_is(inode, S_IFREG) && !tree->over_image) {
        inode->seals = SEAL_SEAL; /* memfd.c takes it away */
    }
    inode->access_ns = tree_now();
    node_touch(node, inode->access_ns);
    switch (creation->mode & S_IFMT) {
    case S_IFDIR:
        inode->links = 2;
        inode->size_bytes = DIRECTORY_BYTES;
        directory_init(&node->directory, true);
        break;
    case S_IFLNK: {
        size_t length_bytes = strlen(creation->target);
        node->target = heap_alloc(length_bytes + 1);
        if (node->target == NULL) {
            node_dispose(node);
            return NULL;
        }
        memcpy(node->target, creation->target, length_bytes);
        inode->size_bytes = length_bytes;
        break;
    }
    case S_IFCHR:
    case S_IFBLK:
        inode->device_number = creation->device;
        break;
    default:
        break;
    }
    return node;
}

static int image_compare(const struct tree_node *a, const struct tree_node *b)
{
    uint64_t left = CONTAINER_OF(a, struct node, by_image)->image.number;
    uint64_t right = CONTAINER_OF(b, struct node, by_image)->image.number;
    return (left > right) - (left < right);
}

static struct node *table_find(const struct tree_fs *tree, uint64_t image_number)
{
    struct tree_node *at = tree->by_image.root;
    while (at != NULL) {
        struct node *node = CONTAINER_OF(at, struct node, by_image);
        if (node->image.number == image_number) {
            return node;
        }
        at = image_number < node->image.number ? at->left : at->right;
    }
    return NULL;
}

static void attributes_from_image(struct node *node)
{
    const struct erofs_inode *image = &node->image;
    struct inode *inode = &node->inode;
    inode->mode = image->mode;
    inode->uid = image->uid;
    inode->gid = image->gid;
    inode->links = MAX(image->links, 1u);
    inode->number = image->number + 1; /* never 0, which readers of directories skip */
    inode->device_number = image->device_number;
    inode->size_bytes = image->size_bytes;
    inode->blocks = ALIGN_UP(image->size_bytes, (uint64_t)PAGE_SIZE) / SECTOR_BYTES;
    inode->access_ns = image->modify_ns;
    node_touch(node, image->modify_ns);
}

/* Into the table, with a reference of its own. */
static void image_enter(struct node *node)
{
    node->from_image = true;
    node->inode.file_capability = node->image.xattr_bytes != 0;
    attributes_from_image(node);
    node->in_table = true;
    inode_get(&node->inode);
    tree_insert(&node->tree->by_image, &node->by_image);
}

long root_of_image(struct tree_fs *tree, uint64_t image_number)
{
    struct node *root = tree->root;
    long result = erofs_inode_read(image_number, &root->image);
    if (result != 0) {
        return result;
    }
    if ((root->image.mode & S_IFMT) != S_IFDIR) {
        return -EUCLEAN;
    }
    tree_init(&tree->by_image, image_compare);
    image_enter(root);
    return 0;
}

long node_of_image(struct tree_fs *tree, uint64_t image_number, struct node **out)
{
    struct node *node = table_find(tree, image_number);
    if (node != NULL) {
        inode_get(&node->inode);
        *out = node;
        return 0;
    }
    struct erofs_inode image;
    long result = erofs_inode_read(image_number, &image);
    if (result != 0) {
        return result;
    }
    node = node_alloc(tree);
    if (node == NULL) {
        return -ENOMEM;
    }
    node->image = image;
    image_enter(node);
    if (inode_is(&node->inode, S_IFDIR)) {
        directory_init(&node->directory, false);
    } else if (inode_is(&node->inode, S_IFREG)) {
        node->content.kind = image.size_bytes == 0 ? CONTENT_SMALL : CONTENT_IMAGE;
    }
    *out = node;
    return 0;
}

/* --- the end --------------------------------------------------------------------------------- */

/* Under the tree's lock. Returns the node when the table's reference is to be put as well. */
struct node *node_unlinked(struct node *node, int64_t now)
{
    node->inode.change_ns = now;
    if (inode_is(&node->inode, S_IFDIR)) {
        node->inode.links = 0;
        node->directory.removed = true; /* ".." still leads where it led */
        if (node->directory.parent != NULL) {
            inode_get(&node->directory.parent->inode);
        }
        node->directory.entry = NULL;
    } else if (node->inode.links > 0) {
        node->inode.links--;
    }
    if (node->inode.links == 0 && node->in_table) {
        node->in_table = false;
        tree_remove(&node->tree->by_image, &node->by_image);
        return node;
    }
    return NULL;
}

static void node_free(struct node *node)
{
    struct inode *inode = &node->inode;
    node_xattrs_free(node);
    switch (inode->mode & S_IFMT) {
    case S_IFDIR:
        directory_free(&node->directory);
        break;
    case S_IFREG:
        content_free(node);
        break;
    case S_IFLNK:
        heap_free(node->target);
        break;
    default:
        break;
    }
    node_dispose(node);
}

void node_release(struct inode *inode)
{
    struct node *node = inode_node(inode);
    while (node !=
           NULL) { /* a removed directory may be the last that holds its parent, and so on */
        bool holds = inode_is(&node->inode, S_IFDIR) && node->directory.removed;
        struct node *parent = holds ? node->directory.parent : NULL;
        node_free(node);
        bool last = parent != NULL &&
                    __atomic_sub_fetch(&parent->inode.references, 1, __ATOMIC_ACQ_REL) == 0;
        node = last ? parent : NULL;
    }
}

/* --- attributes ------------------------------------------------------------------------------ */

static long size_set(struct node *node, uint64_t size_bytes)
{
    if (!inode_is(&node->inode, S_IFREG)) {
        return inode_is(&node->inode, S_IFDIR) ? -EISDIR : -EINVAL;
    }
    mutex_lock(&node->content.write_lock);
    mutex_lock(&node->inode.lock);
    bool shrinks = size_bytes < node->inode.size_bytes;
    uint32_t seal = shrinks ? SEAL_SHRINK : size_bytes > node->inode.size_bytes ? SEAL_GROW : 0;
    long result = node->inode.seals & seal ? -EPERM : content_resize(node, size_bytes);
    if (result == 0) {
        node_touch(node, tree_now());
    }
    mutex_unlock(&node->inode.lock);
    mutex_unlock(&node->content.write_lock);
    if (result == 0 && shrinks && __atomic_load_n(&node->inode.mapped, __ATOMIC_RELAXED)) {
        mm_file_shrunk(&node->inode, size_bytes);
    }
    return result;
}

long node_set_attributes(struct inode *inode, uint32_t mask, const struct attributes *attributes)
{
    struct node *node = inode_node(inode);
    if (node->tree->read_only) {
        return -EROFS;
    }
    if (mask & ATTRIBUTE_SIZE) {
        long result = size_set(node, attributes->size_bytes);
        if (result != 0) {
            return result;
        }
    }
    if ((mask & ATTRIBUTE_MODE) && (inode->seals & SEAL_EXEC) &&
        ((inode->mode ^ attributes->mode) & 0111) != 0) {
        return -EPERM;
    }
    mutex_lock(&inode->lock);
    if (mask & ATTRIBUTE_MODE) {
        inode->mode = (inode->mode & S_IFMT) | (attributes->mode & MODE_BITS);
    }
    if (mask & ATTRIBUTE_UID) {
        inode->uid = attributes->uid;
    }
    if (mask & ATTRIBUTE_GID) {
        inode->gid = attributes->gid;
    }
    if (mask & ATTRIBUTE_ACCESS_TIME) {
        inode->access_ns = attributes->access_ns;
    }
    if (mask & ATTRIBUTE_MODIFY_TIME) {
        inode->modify_ns = attributes->modify_ns;
    }
    if (mask != 0) {
        inode->change_ns = tree_now();
    }
    mutex_unlock(&inode->lock);
    return 0;
}

long node_readlink(struct inode *link, char *out, uint32_t capacity_bytes)
{
    struct node *node = inode_node(link);
    if (!inode_is(link, S_IFLNK)) {
        return -EINVAL;
    }
    uint64_t length_bytes = MIN(link->size_bytes, capacity_bytes);
    if (node->from_image) {
        long result = erofs_read(&node->image, 0, out, length_bytes);
        return result < 0 ? result : (long)strnlen(out, (size_t)result); /* as Linux cuts it */
    }
    memcpy(out, node->target, length_bytes);
    return (long)length_bytes;
}
