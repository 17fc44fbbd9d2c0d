/*
 * Directories of a tree: names in memory over names of the image. What is in memory wins; a name of
 * the image that was taken away leaves a whiteout, until the directory is complete and the image is
 * asked no more.
 *
 * All under the tree's lock. Nothing here puts a reference: who takes a name away gets the entry's
 * reference and puts it when the lock is released.
 */
#include "linux/file/tree_node.h"

#include "lib/base/string.h"
#include "linux/core/errno.h"
#include "linux/core/heap.h"

static bool is_whiteout(const struct entry *entry)
{
    return entry->node == NULL && entry->image_number == NO_IMAGE;
}

static int name_compare(const char *a, uint32_t a_bytes, const char *b, uint32_t b_bytes)
{
    int order = memcmp(a, b, MIN(a_bytes, b_bytes));
    return order != 0 ? order : (a_bytes > b_bytes) - (a_bytes < b_bytes);
}

static struct entry *entry_by_name(struct tree_node *at)
{
    return CONTAINER_OF(at, struct entry, by_name);
}

static struct entry *entry_by_order(struct tree_node *at)
{
    return CONTAINER_OF(at, struct entry, by_order);
}

static int by_name_compare(const struct tree_node *a, const struct tree_node *b)
{
    const struct entry *left = CONTAINER_OF(a, struct entry, by_name);
    const struct entry *right = CONTAINER_OF(b, struct entry, by_name);
    return name_compare(left->name, left->length_bytes, right->name, right->length_bytes);
}

static int by_order_compare(const struct tree_node *a, const struct tree_node *b)
{
    uint64_t left = CONTAINER_OF(a, struct entry, by_order)->order;
    uint64_t right = CONTAINER_OF(b, struct entry, by_order)->order;
    return (left > right) - (left < right);
}

void directory_init(struct directory *directory, bool complete)
{
    tree_init(&directory->by_name, by_name_compare);
    tree_init(&directory->by_order, by_order_compare);
    directory->next_order = 1;
    directory->complete = complete;
}

/* Only whiteouts are left in a directory that nobody can reach. */
void directory_free(struct directory *directory)
{
    struct tree_node *at;
    while ((at = directory->by_name.root) != NULL) {
        tree_remove(&directory->by_name, at);
        heap_free(entry_by_name(at));
    }
}

/* --- finding --------------------------------------------------------------------------------- */

static struct entry *memory_find(const struct directory *directory, const char *name,
                                 uint32_t length_bytes)
{
    struct tree_node *at = directory->by_name.root;
    while (at != NULL) {
        struct entry *entry = entry_by_name(at);
        int order = name_compare(name, length_bytes, entry->name, entry->length_bytes);
        if (order == 0) {
            return entry;
        }
        at = order < 0 ? at->left : at->right;
    }
    return NULL;
}

void entry_begin(struct directory *directory, struct entry *entry, const char *name,
                 uint32_t length_bytes)
{
    memcpy(entry->name, name, length_bytes);
    entry->length_bytes = length_bytes;
    entry->image_number = NO_IMAGE;
    tree_insert(&directory->by_name, &entry->by_name);
}

/* A new entry that is a whiteout so far. */
static struct entry *entry_add(struct directory *directory, const char *name, uint32_t length_bytes)
{
    struct entry *entry = heap_alloc(sizeof(*entry) + length_bytes + 1);
    if (entry != NULL) {
        entry_begin(directory, entry, name, length_bytes);
    }
    return entry;
}

static void entry_show(struct directory *directory, struct entry *entry)
{
    entry->order = directory->next_order++;
    tree_insert(&directory->by_order, &entry->by_order);
    directory->count++;
}

static struct entry *entry_add_image(struct directory *directory, const char *name,
                                     uint32_t length_bytes, uint64_t number, uint8_t type)
{
    struct entry *entry = entry_add(directory, name, length_bytes);
    if (entry != NULL) {
        entry->image_number = number;
        entry->image_type = type;
        entry->in_image = true;
        entry_show(directory, entry);
    }
    return entry;
}

long entry_find(struct node *parent, const char *name, uint32_t length_bytes, struct entry **out)
{
    struct directory *directory = &parent->directory;
    struct entry *entry = memory_find(directory, name, length_bytes);
    if (entry == NULL && !directory->complete) {
        uint64_t number;
        long result = erofs_lookup(&parent->image, name, length_bytes, &number);
        if (result != 0) {
            return result;
        }
        entry = entry_add_image(directory, name, length_bytes, number, 0);
        if (entry == NULL) {
            return -ENOMEM;
        }
    }
    if (entry == NULL || is_whiteout(entry)) {
        return -ENOENT;
    }
    *out = entry;
    return 0;
}

long entry_node(struct node *parent, struct entry *entry, struct node **out)
{
    if (entry->node == NULL) {
        struct node *node;
        long result = node_of_image(parent->tree, entry->image_number, &node);
        if (result != 0) {
            return result;
        }
        if (inode_is(&node->inode, S_IFDIR)) {
            struct directory *directory = &node->directory;
            if (directory->parent != NULL || directory->removed || node == parent->tree->root) {
                inode_put(&node->inode); /* not the last: the table has one */
                return -EUCLEAN;         /* a directory of two names */
            }
            directory->parent = parent;
            directory->entry = entry;
        }
        entry->node = node;
    }
    *out = entry->node;
    return 0;
}

/* --- changing -------------------------------------------------------------------------------- */

struct entry *entry_reserve(struct node *parent, const char *name, uint32_t length_bytes)
{
    struct entry *entry = memory_find(&parent->directory, name, length_bytes);
    return entry != NULL ? entry : entry_add(&parent->directory, name, length_bytes);
}

void entry_fill(struct node *parent, struct entry *entry, struct node *node)
{
    if (is_whiteout(entry)) {
        entry_show(&parent->directory, entry);
    }
    entry->node = node;
    entry->image_number = NO_IMAGE;
    if (inode_is(&node->inode, S_IFDIR)) {
        node->directory.parent = parent;
        node->directory.entry = entry;
    }
}

void entry_drop(struct node *parent, struct entry *entry)
{
    struct directory *directory = &parent->directory;
    if (!is_whiteout(entry)) {
        tree_remove(&directory->by_order, &entry->by_order);
        directory->count--;
    }
    entry->node = NULL;
    entry->image_number = NO_IMAGE;
    if (!entry->in_image || directory->complete) {
        tree_remove(&directory->by_name, &entry->by_name);
        heap_free(entry);
    }
}

/* --- the whole directory --------------------------------------------------------------------- */

struct completion {
    struct directory *directory;
    bool exhausted;
};

static bool completion_entry(void *context, const char *name, uint32_t length_bytes,
                             uint64_t number, uint8_t file_type)
{
    struct completion *completion = context;
    struct entry *entry = memory_find(completion->directory, name, length_bytes);
    if (entry == NULL) {
        completion->exhausted =
            entry_add_image(completion->directory, name, length_bytes, number, file_type) == NULL;
    } else if (entry->image_type == 0) {
        entry->image_type = file_type;
    }
    return !completion->exhausted;
}

static void whiteouts_free(struct directory *directory)
{
    struct tree_node *next;
    for (struct tree_node *at = tree_first(&directory->by_name); at != NULL; at = next) {
        next = tree_next(at);
        struct entry *entry = entry_by_name(at);
        if (is_whiteout(entry)) {
            tree_remove(&directory->by_name, at);
            heap_free(entry);
        }
    }
}

long directory_complete(struct node *node)
{
    struct directory *directory = &node->directory;
    if (directory->complete) {
        return 0;
    }
    struct completion completion = {.directory = directory};
    long result = erofs_list(&node->image, completion_entry, &completion);
    if (result == 0 && completion.exhausted) {
        result = -ENOMEM;
    }
    if (result == 0) {
        directory->complete = true;
        whiteouts_free(directory);
    }
    return result;
}

long directory_is_empty(struct node *node, bool *empty)
{
    if (node->directory.count == 0) {
        long result = directory_complete(node);
        if (result != 0) {
            return result;
        }
    }
    *empty = node->directory.count == 0;
    return 0;
}

/* --- listing --------------------------------------------------------------------------------- */

#define BATCH_BYTES 3072

/* Entries copied out under the lock, so that the caller's function runs without it. */
struct batch_entry {
    uint64_t order;
    uint64_t number;
    uint32_t type;
    uint32_t length_bytes;
    char name[];
};

static uint32_t image_type_mode(uint8_t type)
{
    static const uint32_t modes[] = {0,       S_IFREG, S_IFDIR,  S_IFCHR,
                                     S_IFBLK, S_IFIFO, S_IFSOCK, S_IFLNK};
    return type < ARRAY_LENGTH(modes) ? modes[type] : 0;
}

static struct tree_node *first_after(const struct directory *directory, uint64_t cursor)
{
    struct tree_node *found = NULL;
    struct tree_node *at = directory->by_order.root;
    while (at != NULL) {
        if (entry_by_order(at)->order > cursor) {
            found = at;
            at = at->left;
        } else {
            at = at->right;
        }
    }
    return found;
}

/* The bytes used of the batch. */
static uint32_t batch_fill(const struct directory *directory, uint64_t cursor, uint8_t *batch)
{
    uint32_t used = 0;
    for (struct tree_node *at = first_after(directory, cursor); at != NULL; at = tree_next(at)) {
        const struct entry *entry = entry_by_order(at);
        uint32_t bytes = ALIGN_UP((uint32_t)sizeof(struct batch_entry) + entry->length_bytes, 8u);
        if (bytes > BATCH_BYTES - used) {
            break;
        }
        struct batch_entry *copy = (struct batch_entry *)(void *)(batch + used);
        copy->order = entry->order;
        copy->number = entry->node != NULL ? entry->node->inode.number : entry->image_number + 1;
        copy->type = entry->node != NULL ? entry->node->inode.mode & S_IFMT
                                         : image_type_mode(entry->image_type);
        copy->length_bytes = entry->length_bytes;
        memcpy(copy->name, entry->name, entry->length_bytes);
        used += bytes;
    }
    return used;
}

long directory_list(struct inode *inode, uint64_t cursor, list_emit emit, void *context)
{
    struct node *node = inode_node(inode);
    _Alignas(8) uint8_t batch[BATCH_BYTES];
    uint32_t used;
    do {
        mutex_lock(&node->tree->lock);
        long result = directory_complete(node);
        used = result == 0 ? batch_fill(&node->directory, cursor, batch) : 0;
        mutex_unlock(&node->tree->lock);
        if (result != 0) {
            return result;
        }
        for (uint32_t at = 0; at < used;) {
            const struct batch_entry *entry = (const struct batch_entry *)(void *)(batch + at);
            if (!emit(context, entry->name, entry->length_bytes, entry->number, entry->type,
                      entry->order)) {
                return 0;
            }
            cursor = entry->order;
            at += ALIGN_UP((uint32_t)sizeof(*entry) + entry->length_bytes, 8u);
        }
    } while (used != 0);
    return 0;
}
