/*
 * A file system for the tests of linux/file: a flat table of names. Nodes count in `nodes_alive`
 * until the last reference is gone, so a test can tell that nothing was lost or kept.
 */
#pragma once

#include "lib/base/string.h"
#include "linux/core/errno.h"
#include "linux/core/heap.h"
#include "linux/file/file.h"
#include "linux/file/path.h"

#define TEST_NAMES 128
#define TEST_BYTES 8192

struct test_node {
    struct inode inode;
    struct test_node *parent; /* directories; no reference */
    char target[64];
    uint8_t content[TEST_BYTES];
};

struct test_name {
    struct test_node *directory; /* NULL: free */
    struct test_node *node;
    char name[NAME_MAX + 1];
};

static struct test_name names[TEST_NAMES];
static int nodes_alive;
static uint64_t test_numbers;
static const struct inode_operations test_operations;

static struct test_node *test_node(struct inode *inode)
{
    return CONTAINER_OF(inode, struct test_node, inode);
}

static struct test_node *test_node_new(const struct creation *creation, struct test_node *parent)
{
    struct test_node *node = heap_alloc(sizeof(*node));
    CHECK(node != NULL);
    node->inode = (struct inode){
        .references = 1,
        .mode = creation->mode,
        .uid = creation->uid,
        .gid = creation->gid,
        .number = ++test_numbers,
        .device_number = creation->device,
        .operations = &test_operations,
    };
    node->parent = parent;
    if (creation->target != NULL) {
        strncpy(node->target, creation->target, sizeof(node->target) - 1);
    }
    nodes_alive++;
    return node;
}

static struct test_name *test_find(struct inode *directory, const char *name, uint32_t length)
{
    for (int i = 0; i < TEST_NAMES; i++) {
        struct test_name *entry = &names[i];
        if (entry->directory == test_node(directory) && strlen(entry->name) == length &&
            memcmp(entry->name, name, length) == 0) {
            return entry;
        }
    }
    return NULL;
}

static void test_name_set(struct test_name *entry, struct inode *directory, const char *name,
                          uint32_t length, struct inode *inode)
{
    entry->directory = test_node(directory);
    entry->node = test_node(inode);
    memcpy(entry->name, name, length);
    entry->name[length] = '\0';
}

static long test_lookup(struct inode *directory, const char *name, uint32_t length,
                        struct inode **out)
{
    struct test_name *entry = test_find(directory, name, length);
    if (entry == NULL) {
        return -ENOENT;
    }
    inode_get(&entry->node->inode);
    *out = &entry->node->inode;
    return 0;
}

static long test_enter(struct inode *directory, const char *name, uint32_t length,
                       struct inode *inode)
{
    for (int i = 0; i < TEST_NAMES; i++) {
        if (names[i].directory == NULL) {
            test_name_set(&names[i], directory, name, length, inode);
            inode_get(inode);
            inode->links++;
            return 0;
        }
    }
    return -ENOSPC;
}

static long test_link(struct inode *directory, const char *name, uint32_t length,
                      struct inode *target)
{
    return test_find(directory, name, length) != NULL ? -EEXIST
                                                      : test_enter(directory, name, length, target);
}

static long test_create(struct inode *directory, const char *name, uint32_t length,
                        const struct creation *creation, struct inode **out)
{
    if (test_find(directory, name, length) != NULL) {
        return -EEXIST;
    }
    struct test_node *node = test_node_new(creation, test_node(directory));
    *out = &node->inode;
    return test_enter(directory, name, length, *out);
}

static bool test_is_empty(const struct test_node *directory)
{
    for (int i = 0; i < TEST_NAMES; i++) {
        if (names[i].directory == directory) {
            return false;
        }
    }
    return true;
}

static void test_name_drop(struct test_name *entry)
{
    struct inode *inode = &entry->node->inode;
    entry->directory = NULL;
    inode->links--;
    inode_put(inode);
}

static long test_unlink(struct inode *directory, const char *name, uint32_t length,
                        bool directory_only)
{
    struct test_name *entry = test_find(directory, name, length);
    if (entry == NULL) {
        return -ENOENT;
    }
    if (inode_is(&entry->node->inode, S_IFDIR) != directory_only) {
        return directory_only ? -ENOTDIR : -EISDIR;
    }
    if (directory_only && !test_is_empty(entry->node)) {
        return -ENOTEMPTY;
    }
    test_name_drop(entry);
    return 0;
}

static long test_rename(struct inode *from, const char *from_name, uint32_t from_bytes,
                        struct inode *to, const char *to_name, uint32_t to_bytes, uint32_t flags)
{
    struct test_name *source = test_find(from, from_name, from_bytes);
    struct test_name *target = test_find(to, to_name, to_bytes);
    CHECK(source != NULL);
    if (flags & 2) {
        struct test_node *node = source->node;
        source->node = target->node;
        target->node = node;
        source->node->parent = test_node(from);
        target->node->parent = test_node(to);
        return 0;
    }
    if (target != NULL) {
        if (inode_is(&target->node->inode, S_IFDIR) && !test_is_empty(target->node)) {
            return -ENOTEMPTY;
        }
        test_name_drop(target);
    }
    test_name_set(source, to, to_name, to_bytes, &source->node->inode);
    source->node->parent = test_node(to);
    return 0;
}

static long test_list(struct inode *directory, uint64_t cursor, list_emit emit, void *context)
{
    for (uint64_t i = cursor; i < TEST_NAMES; i++) {
        const struct test_name *entry = &names[i];
        if (entry->directory == test_node(directory) &&
            !emit(context, entry->name, (uint32_t)strlen(entry->name), entry->node->inode.number,
                  entry->node->inode.mode, i + 1)) {
            break;
        }
    }
    return 0;
}

static long test_parent(struct inode *directory, struct inode **out)
{
    struct test_node *node = test_node(directory);
    if (directory->links == 0) {
        return -ENOENT;
    }
    inode_get(&node->parent->inode);
    *out = &node->parent->inode;
    return 0;
}

static long test_own_name(struct inode *directory, char *out, uint32_t capacity)
{
    for (int i = 0; i < TEST_NAMES; i++) {
        if (names[i].directory != NULL && names[i].node == test_node(directory)) {
            CHECK(strlen(names[i].name) < capacity);
            memcpy(out, names[i].name, strlen(names[i].name) + 1);
            return (long)strlen(names[i].name);
        }
    }
    return -ENOENT;
}

static long test_readlink(struct inode *link, char *out, uint32_t capacity)
{
    size_t length = MIN(strlen(test_node(link)->target), capacity);
    memcpy(out, test_node(link)->target, length);
    return (long)length;
}

static long test_read(struct file *file, struct io *io, uint64_t *position)
{
    struct test_node *node = test_node(file->path.inode);
    if (*position >= node->inode.size_bytes) {
        return 0;
    }
    uint64_t length = MIN(io->left_bytes, node->inode.size_bytes - *position);
    long result = io_put(io, node->content + *position, length);
    if (result != 0) {
        return result;
    }
    *position += length;
    return (long)length;
}

static long test_write(struct file *file, struct io *io, uint64_t *position)
{
    struct test_node *node = test_node(file->path.inode);
    if (*position >= TEST_BYTES) {
        return -ENOSPC;
    }
    uint64_t length = MIN(io->left_bytes, TEST_BYTES - *position);
    long result = io_take(io, node->content + *position, length);
    if (result != 0) {
        return result;
    }
    *position += length;
    node->inode.size_bytes = MAX(node->inode.size_bytes, *position);
    return (long)length;
}

static const struct file_operations test_file_operations = {
    .read = test_read,
    .write = test_write,
    .seek = file_seek_plain,
};

static long test_open(struct inode *inode, struct file *file)
{
    file->operations =
        inode_is(inode, S_IFDIR) ? &directory_file_operations : &test_file_operations;
    return 0;
}

static long test_set(struct inode *inode, uint32_t mask, const struct attributes *attributes)
{
    if (mask & ATTRIBUTE_MODE) {
        inode->mode = (inode->mode & S_IFMT) | attributes->mode;
    }
    if (mask & ATTRIBUTE_UID) {
        inode->uid = attributes->uid;
    }
    if (mask & ATTRIBUTE_GID) {
        inode->gid = attributes->gid;
    }
    if (mask & ATTRIBUTE_SIZE) {
        inode->size_bytes = attributes->size_bytes;
    }
    if (mask & ATTRIBUTE_ACCESS_TIME) {
        inode->access_ns = attributes->access_ns;
    }
    if (mask & ATTRIBUTE_MODIFY_TIME) {
        inode->modify_ns = attributes->modify_ns;
    }
    return 0;
}

static void test_release(struct inode *inode)
{
    nodes_alive--;
    heap_free(test_node(inode));
}

static const struct inode_operations test_operations = {
    .lookup = test_lookup,
    .create = test_create,
    .link = test_link,
    .unlink = test_unlink,
    .rename = test_rename,
    .list = test_list,
    .parent = test_parent,
    .name = test_own_name,
    .readlink = test_readlink,
    .open = test_open,
    .set_attributes = test_set,
    .release = test_release,
};

/* The root of a file system of its own, which nobody removes. */
static struct inode *test_root(uint32_t mode)
{
    const struct creation creation = {.mode = S_IFDIR | mode};
    struct test_node *root = test_node_new(&creation, NULL);
    root->parent = root;
    root->inode.links = 1;
    return &root->inode;
}
