/*
 * Renaming: one name moves, replaces another, or two change places, all under the tree's lock.
 * Everything that can fail comes first; then names, parents and link counts change at once.
 */
#include "linux/core/errno.h"
#include "linux/file/tree_node.h"
#include "linux/file/walk.h"

#define RENAME_NOREPLACE 1u
#define RENAME_EXCHANGE  2u

uint64_t renames_done;

struct rename {
    struct node *from;
    struct node *to;
    struct entry *from_entry;
    struct entry *to_entry; /* NULL: the name is free */
    struct node *moved;
    struct node *target; /* NULL: the name is free */
    bool exchange;
    struct node *put[2]; /* references to drop after the lock */
};

static bool is_directory(const struct node *node)
{
    return inode_is(&node->inode, S_IFDIR);
}

static bool is_mount_point(const struct node *node)
{
    return is_directory(node) && __atomic_load_n(&node->inode.mounts, __ATOMIC_RELAXED) != 0;
}

/* Is `node` the directory or one above it? */
static bool is_above(const struct node *node, const struct node *directory)
{
    while (directory != NULL && directory != node) {
        directory = directory->directory.parent;
    }
    return directory != NULL;
}

static long names_find(struct rename *rename, const char *from_name, uint32_t from_bytes,
                       const char *to_name, uint32_t to_bytes)
{
    if (rename->from->directory.removed || rename->to->directory.removed) {
        return -ENOENT;
    }
    long result = entry_find(rename->from, from_name, from_bytes, &rename->from_entry);
    if (result == 0) {
        result = entry_node(rename->from, rename->from_entry, &rename->moved);
    }
    if (result != 0) {
        return result;
    }
    result = entry_find(rename->to, to_name, to_bytes, &rename->to_entry);
    if (result == -ENOENT) {
        rename->to_entry = NULL;
        return 0;
    }
    return result != 0 ? result : entry_node(rename->to, rename->to_entry, &rename->target);
}

/* May the target be replaced by what moves? */
static long replace_check(const struct rename *rename)
{
    struct node *target = rename->target;
    if (is_directory(rename->moved) != is_directory(target)) {
        return is_directory(target) ? -EISDIR : -ENOTDIR;
    }
    if (!is_directory(target)) {
        return 0;
    }
    bool empty;
    long result = directory_is_empty(target, &empty);
    return result != 0 ? result : empty ? 0 : -ENOTEMPTY;
}

static long rename_check(const struct rename *rename, uint32_t flags)
{
    if (rename->from->tree->read_only) {
        return -EROFS;
    }
    if (rename->target != NULL && (flags & RENAME_NOREPLACE)) {
        return -EEXIST;
    }
    if (rename->target == NULL && rename->exchange) {
        return -ENOENT;
    }
    if (is_directory(rename->moved) && is_above(rename->moved, rename->to)) {
        return -EINVAL;
    }
    if (rename->target != NULL && is_directory(rename->target) &&
        is_above(rename->target, rename->from)) {
        return rename->exchange ? -EINVAL : -ENOTEMPTY;
    }
    if (is_mount_point(rename->moved) ||
        (rename->target != NULL && is_mount_point(rename->target))) {
        return -EBUSY;
    }
    return rename->target == NULL || rename->exchange ? 0 : replace_check(rename);
}

/* Directories among the children changed by that many. */
static void links_add(struct node *parent, int difference)
{
    if (difference > 0 || parent->inode.links > 2) {
        parent->inode.links += (uint32_t)difference;
    }
}

static void exchange_commit(const struct rename *rename)
{
    entry_fill(rename->from, rename->from_entry, rename->target);
    entry_fill(rename->to, rename->to_entry, rename->moved);
    if (is_directory(rename->moved) && !is_directory(rename->target)) {
        links_add(rename->from, -1);
        links_add(rename->to, 1);
    } else if (!is_directory(rename->moved) && is_directory(rename->target)) {
        links_add(rename->from, 1);
        links_add(rename->to, -1);
    }
}

/* to_entry is there; its node, if it has one, goes. */
static void move_commit(struct rename *rename, int64_t now)
{
    if (rename->target != NULL) {
        rename->put[0] = rename->target;
        rename->put[1] = node_unlinked(rename->target, now);
        if (is_directory(rename->target)) {
            links_add(rename->to, -1);
        }
    }
    entry_drop(rename->from, rename->from_entry);
    entry_fill(rename->to, rename->to_entry, rename->moved);
    if (is_directory(rename->moved)) {
        links_add(rename->from, -1);
        links_add(rename->to, 1);
    }
}

static long rename_locked(struct rename *rename, const char *to_name, uint32_t to_bytes,
                          uint32_t flags)
{
    long result = rename_check(rename, flags);
    if (result != 0 || rename->moved == rename->target) {
        return result;
    }
    if (rename->to_entry == NULL) {
        rename->to_entry = entry_reserve(rename->to, to_name, to_bytes);
        if (rename->to_entry == NULL) {
            return -ENOMEM;
        }
    }
    int64_t now = tree_now();
    __atomic_fetch_add(&renames_done, 1, __ATOMIC_RELEASE);
    if (rename->exchange) {
        exchange_commit(rename);
        rename->target->inode.change_ns = now;
    } else {
        move_commit(rename, now);
    }
    rename->moved->inode.change_ns = now;
    node_touch(rename->from, now);
    node_touch(rename->to, now);
    return 0;
}

long tree_rename(struct inode *from, const char *from_name, uint32_t from_bytes, struct inode *to,
                 const char *to_name, uint32_t to_bytes, uint32_t flags)
{
    struct rename rename = {
        .from = inode_node(from),
        .to = inode_node(to),
        .exchange = (flags & RENAME_EXCHANGE) != 0,
    };
    if ((flags & ~(RENAME_NOREPLACE | RENAME_EXCHANGE)) != 0 ||
        flags == (RENAME_NOREPLACE | RENAME_EXCHANGE)) {
        return -EINVAL;
    }
    if (to->operations != &tree_operations || rename.from->tree != rename.to->tree) {
        return -EXDEV;
    }
    struct tree_fs *tree = rename.from->tree;
    mutex_lock(&tree->lock);
    long result = names_find(&rename, from_name, from_bytes, to_name, to_bytes);
    if (result == 0) {
        result = rename_locked(&rename, to_name, to_bytes, flags);
    }
    mutex_unlock(&tree->lock);
    for (size_t i = 0; i < ARRAY_LENGTH(rename.put); i++) {
        if (rename.put[i] != NULL) {
            inode_put(&rename.put[i]->inode);
        }
    }
    return result;
}
