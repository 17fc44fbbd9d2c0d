/*
 * Trees: making them, and the operations on their names. The parts and the locks: tree_node.h.
 *
 * A tree holds one reference to its root and is never taken down: mounts last as long as the
 * container.
 */
#include "linux/file/tree_fs.h"

#include "lib/base/string.h"
#include "linux/core/errno.h"
#include "linux/core/heap.h"
#include "linux/core/image.h"
#include "linux/file/device.h"
#include "linux/file/file.h"
#include "linux/file/pipe.h"
#include "linux/file/tree_node.h"

#define LINKS_MAX        65000u
#define IMAGE_INODE_UNIT 32 /* image inodes are numbered by these: linux/file/erofs.h */

/* --- names ----------------------------------------------------------------------------------- */

static long tree_lookup(struct inode *inode, const char *name, uint32_t length_bytes,
                        struct inode **out)
{
    struct node *parent = inode_node(inode);
    struct entry *entry;
    struct node *node;
    mutex_lock(&parent->tree->lock);
    long result = entry_find(parent, name, length_bytes, &entry);
    if (result == 0) {
        result = entry_node(parent, entry, &node);
    }
    if (result == 0) {
        inode_get(&node->inode);
        *out = &node->inode;
    }
    mutex_unlock(&parent->tree->lock);
    return result;
}

/* A place for a new name. Under the lock. */
static long place_find(struct node *parent, const char *name, uint32_t length_bytes,
                       struct entry **out)
{
    struct entry *entry;
    if (parent->directory.removed) {
        return -ENOENT;
    }
    long result = entry_find(parent, name, length_bytes, &entry);
    if (result != -ENOENT) {
        return result == 0 ? -EEXIST : result;
    }
    if (parent->tree->read_only) {
        return -EROFS;
    }
    *out = entry_reserve(parent, name, length_bytes);
    return *out == NULL ? -ENOMEM : 0;
}

static long tree_create(struct inode *inode, const char *name, uint32_t length_bytes,
                        const struct creation *creation, struct inode **out)
{
    struct node *parent = inode_node(inode);
    struct tree_fs *tree = parent->tree;
    struct entry *entry;
    mutex_lock(&tree->lock);
    long result = place_find(parent, name, length_bytes, &entry);
    if (result == 0) {
        struct node *node = node_new(tree, creation, tree->next_number);
        if (node == NULL) {
            entry_drop(parent, entry);
            result = -ENOMEM;
        } else {
            tree->next_number++;
            inode_get(&node->inode);
            entry_fill(parent, entry, node);
            parent->inode.links += inode_is(&node->inode, S_IFDIR);
            node_touch(parent, node->inode.change_ns);
            *out = &node->inode;
        }
    }
    mutex_unlock(&tree->lock);
    return result;
}

static long tree_create_nameless(struct inode *inode, const struct creation *creation,
                                 struct inode **out)
{
    struct tree_fs *tree = inode_node(inode)->tree;
    if (tree->read_only) {
        return -EROFS;
    }
    mutex_lock(&tree->lock);
    struct node *node = node_new(tree, creation, tree->next_number);
    tree->next_number += node != NULL;
    mutex_unlock(&tree->lock);
    if (node == NULL) {
        return -ENOMEM;
    }
    *out = &node->inode;
    return 0;
}

static long tree_link(struct inode *inode, const char *name, uint32_t length_bytes,
                      struct inode *target_inode)
{
    struct node *parent = inode_node(inode);
    struct node *target = inode_node(target_inode);
    struct entry *entry;
    if (!tree_fs_is(target_inode) || target->tree != parent->tree) {
        return -EXDEV;
    }
    if (inode_is(target_inode, S_IFDIR)) {
        return -EPERM;
    }
    mutex_lock(&parent->tree->lock);
    long result = target_inode->links == 0 && !target->linkable ? -ENOENT
                  : target_inode->links >= LINKS_MAX
                      ? -EMLINK
                      : place_find(parent, name, length_bytes, &entry);
    if (result == 0) {
        int64_t now = tree_now();
        inode_get(target_inode);
        target_inode->links++;
        target->linkable = false;
        target_inode->change_ns = now;
        entry_fill(parent, entry, target);
        node_touch(parent, now);
    }
    mutex_unlock(&parent->tree->lock);
    return result;
}

/* May that node lose a name? Under the lock. */
static long unlink_check(struct node *node, bool directory_only)
{
    if (!inode_is(&node->inode, S_IFDIR)) {
        return directory_only ? -ENOTDIR : 0;
    }
    if (!directory_only) {
        return -EISDIR;
    }
    if (__atomic_load_n(&node->inode.mounts, __ATOMIC_RELAXED) != 0) {
        return -EBUSY;
    }
    bool empty;
    long result = directory_is_empty(node, &empty);
    return result != 0 ? result : empty ? 0 : -ENOTEMPTY;
}

static long tree_unlink(struct inode *inode, const char *name, uint32_t length_bytes,
                        bool directory_only)
{
    struct node *parent = inode_node(inode);
    struct entry *entry;
    struct node *node = NULL;
    struct node *from_table = NULL;
    mutex_lock(&parent->tree->lock);
    long result = entry_find(parent, name, length_bytes, &entry);
    if (result == 0) {
        result = entry_node(parent, entry, &node);
    }
    if (result == 0) {
        result = parent->tree->read_only ? -EROFS : unlink_check(node, directory_only);
    }
    if (result == 0) {
        int64_t now = tree_now();
        entry_drop(parent, entry);
        from_table = node_unlinked(node, now);
        if (directory_only && parent->inode.links > 2) {
            parent->inode.links--;
        }
        node_touch(parent, now);
    }
    mutex_unlock(&parent->tree->lock);
    if (result == 0) {
        inode_put(&node->inode);
        inode_put(from_table == NULL ? NULL : &from_table->inode);
    }
    return result;
}

static long tree_parent(struct inode *inode, struct inode **out)
{
    struct node *node = inode_node(inode);
    long result = 0;
    mutex_lock(&node->tree->lock);
    struct node *parent = node == node->tree->root ? node : node->directory.parent;
    if (parent == NULL) {
        result = -ENOENT;
    } else {
        inode_get(&parent->inode);
        *out = &parent->inode;
    }
    mutex_unlock(&node->tree->lock);
    return result;
}

static long tree_name(struct inode *inode, char *out, uint32_t capacity_bytes)
{
    struct node *node = inode_node(inode);
    long result = -ENOENT;
    mutex_lock(&node->tree->lock);
    const struct entry *entry = node->directory.entry;
    if (entry != NULL) {
        result = entry->length_bytes > capacity_bytes ? -ERANGE : (long)entry->length_bytes;
        if (result >= 0) {
            memcpy(out, entry->name, entry->length_bytes);
        }
    }
    mutex_unlock(&node->tree->lock);
    return result;
}

/* --- opening --------------------------------------------------------------------------------- */

static long tree_open(struct inode *inode, struct file *file)
{
    switch (inode->mode & S_IFMT) {
    case S_IFREG:
        return tree_file_open(inode, file);
    case S_IFDIR:
        file->operations = &directory_file_operations;
        return 0;
    case S_IFIFO:
        return fifo_open(inode, file);
    case S_IFCHR:
    case S_IFBLK:
        return device_open(inode, file);
    case S_IFLNK:
        return -ELOOP;
    default:
        return -ENXIO;
    }
}

const struct inode_operations tree_operations = {
    .lookup = tree_lookup,
    .create = tree_create,
    .create_nameless = tree_create_nameless,
    .link = tree_link,
    .unlink = tree_unlink,
    .rename = tree_rename,
    .list = directory_list,
    .parent = tree_parent,
    .name = tree_name,
    .readlink = node_readlink,
    .open = tree_open,
    .set_attributes = node_set_attributes,
    .punch = tree_file_punch,
    .seal = tree_file_seal,
    .xattr_get = node_xattr_get,
    .xattr_set = node_xattr_set,
    .xattr_remove = node_xattr_remove,
    .xattr_list = node_xattr_list,
    .release = node_release,
};

/* --- trees ----------------------------------------------------------------------------------- */

static void tree_begin(struct tree_fs *tree, uint64_t limit_bytes, bool read_only)
{
    mutex_init(&tree->lock);
    tree->limit_bytes = limit_bytes;
    tree->read_only = read_only;
    tree->next_number = 1;
}

struct inode *image_tree_begin(struct image_tree *image_tree, bool read_only)
{
    struct tree_fs *tree = &image_tree->tree;
    struct node *root = &image_tree->root;
    tree_begin(tree, 0, read_only);
    tree->over_image = true;
    tree->root = root;
    node_begin(root, tree);
    root->inode.mode = S_IFDIR;
    directory_init(&root->directory, false);
    inode_get(&root->inode);
    return &root->inode;
}

long image_tree_place(struct image_tree *image_tree, const char *name, struct inode **out)
{
    const struct creation creation = {.mode = S_IFDIR | 0755};
    uint32_t length_bytes = (uint32_t)strlen(name);
    uint32_t place = image_tree->places;
    if (place == PLACES_MAX || length_bytes > PLACE_NAME_BYTES) {
        return -ENOMEM;
    }
    /* Their numbers are not the image's nor what others get: next_number never comes so far. */
    struct node *node = node_new(&image_tree->tree, &creation, UINT32_MAX - place);
    if (node == NULL) {
        return -ENOMEM;
    }
    struct entry *entry = (struct entry *)(void *)image_tree->place[place];
    entry_begin(&image_tree->root.directory, entry, name, length_bytes);
    entry_fill(&image_tree->root, entry, node);
    entry->in_image = true; /* it may be */
    image_tree->places++;
    inode_get(&node->inode);
    *out = &node->inode;
    return 0;
}

long image_tree_open(struct image_tree *image_tree)
{
    uint64_t root_number;
    long result = erofs_open(&root_number);
    if (result != 0) {
        return result;
    }
    image_tree->tree.next_number = image_size() / IMAGE_INODE_UNIT + 2;
    return root_of_image(&image_tree->tree, root_number);
}

long tree_fs_empty(uint32_t mode, uint64_t limit_bytes, struct inode **out_root)
{
    struct tree_fs *tree = heap_alloc(sizeof(*tree));
    if (tree == NULL) {
        return -ENOMEM;
    }
    tree_begin(tree, limit_bytes, false);
    const struct creation creation = {.mode = S_IFDIR | (mode & ~S_IFMT)};
    tree->root = node_new(tree, &creation, tree->next_number++);
    if (tree->root == NULL) {
        heap_free(tree);
        return -ENOMEM;
    }
    inode_get(&tree->root->inode);
    *out_root = &tree->root->inode;
    return 0;
}

void tree_fs_usage(const struct inode *inode, struct tree_usage *out)
{
    const struct tree_fs *tree = inode_node(inode)->tree;
    out->used_bytes = __atomic_load_n(&tree->used_bytes, __ATOMIC_RELAXED);
    out->limit_bytes = tree->limit_bytes;
    out->files = __atomic_load_n(&tree->files, __ATOMIC_RELAXED);
}

bool tree_fs_is(const struct inode *inode)
{
    return inode->operations == &tree_operations;
}
