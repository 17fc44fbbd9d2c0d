#include "host/image/image_tree.h"

#include "host/cli/cli.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static int names_compare(const char *a, size_t a_bytes, const char *b, size_t b_bytes)
{
    int order = memcmp(a, b, MIN(a_bytes, b_bytes));
    return order != 0 ? order : (a_bytes > b_bytes) - (a_bytes < b_bytes);
}

static int entries_compare(const struct tree_node *a, const struct tree_node *b)
{
    const struct entry *first = CONTAINER_OF(a, const struct entry, node);
    const struct entry *second = CONTAINER_OF(b, const struct entry, node);
    return names_compare(first->name, first->name_bytes, second->name, second->name_bytes);
}

static struct inode *inode_new(const struct inode_about *about)
{
    struct inode *inode = allocate(sizeof(*inode));
    inode->about = *about;
    tree_init(&inode->children, entries_compare);
    return inode;
}

static void inode_release(struct image_tree *tree, struct inode *inode);

static void entry_remove(struct image_tree *tree, struct inode *directory, struct entry *entry)
{
    tree_remove(&directory->children, &entry->node);
    directory->subdirectories -= S_ISDIR(entry->inode->about.mode) ? 1 : 0;
    tree->entries--;
    inode_release(tree, entry->inode);
    free(entry);
}

static void content_release(struct image_tree *tree, struct inode *inode)
{
    tree->content_bytes -= ALIGN_UP(inode->size_bytes, SPOOL_BLOCK_BYTES);
    spool_discard(tree->spool, inode->spool_offset, inode->size_bytes);
}

/* Recursion ends at TREE_DEPTH_MAX, which no path exceeds. */
static void inode_release(struct image_tree *tree, struct inode *inode)
{
    if (--inode->names > 0) {
        return;
    }
    struct tree_node *node;
    while ((node = tree_first(&inode->children)) != NULL) {
        entry_remove(tree, inode, entry_of(node));
    }
    if (S_ISREG(inode->about.mode)) {
        content_release(tree, inode);
    }
    free(inode->target);
    free(inode->xattrs);
    free(inode);
}

void image_tree_init(struct image_tree *tree, struct spool *spool, uint64_t content_bytes_max,
                     struct problem *problem)
{
    static const struct inode_about about = {.mode = S_IFDIR | 0755};
    *tree = (struct image_tree){.root = inode_new(&about),
                                .spool = spool,
                                .entries_max = TREE_ENTRIES_MAX,
                                .content_bytes_max = content_bytes_max,
                                .problem = problem};
    tree->root->names = 1;
}

void image_tree_free(struct image_tree *tree)
{
    if (tree->root != NULL) {
        inode_release(tree, tree->root);
        tree->root = NULL;
    }
}

struct entry *directory_find(const struct inode *directory, const char *name, size_t name_bytes)
{
    struct tree_node *node = directory->children.root;
    while (node != NULL) {
        struct entry *entry = entry_of(node);
        int order = names_compare(name, name_bytes, entry->name, entry->name_bytes);
        if (order == 0) {
            return entry;
        }
        node = order < 0 ? node->left : node->right;
    }
    return NULL;
}

static status_t entry_add(struct image_tree *tree, struct inode *directory, const char *name,
                          size_t name_bytes, struct inode *inode, uint16_t layer)
{
    if (tree->entries >= tree->entries_max) {
        return problem_set(tree->problem, STATUS_LIMIT_REACHED,
                           "the image has more than %" PRIu64 " files", tree->entries_max);
    }
    if (inode->names == TREE_LINK_COUNT_MAX) {
        return problem_set(tree->problem, STATUS_LIMIT_REACHED,
                           "a file of the image has more than %d hard links", TREE_LINK_COUNT_MAX);
    }
    struct entry *entry = allocate(sizeof(*entry) + name_bytes + 1);
    entry->inode = inode;
    entry->layer = layer;
    entry->name_bytes = (uint16_t)name_bytes;
    memcpy(entry->name, name, name_bytes);
    tree_insert(&directory->children, &entry->node);
    directory->subdirectories += S_ISDIR(inode->about.mode) ? 1 : 0;
    inode->names++;
    tree->entries++;
    return STATUS_OK;
}

/*
 * A walk from the root to a directory: the directories passed, for "..", and how often links were
 * followed. A link's target is put before the rest of the path.
 */
struct walk {
    struct image_tree *tree;
    uint16_t layer;
    bool make;
    uint32_t links;
    uint32_t depth;
    struct inode *passed[TREE_DEPTH_MAX + 1];
    char rest[2 * TREE_PATH_BYTES_MAX + 2];
};

static struct inode *walk_here(const struct walk *walk)
{
    return walk->passed[walk->depth];
}

/* Puts the link's target before the rest, which begins at offset. */
static status_t link_follow(struct walk *walk, const char *target, size_t offset)
{
    char rest[sizeof(walk->rest)];
    size_t target_bytes = strlen(target);
    size_t rest_bytes = strlen(walk->rest + offset);
    if (++walk->links > TREE_LINKS_FOLLOWED ||
        target_bytes + 1 + rest_bytes > TREE_PATH_BYTES_MAX) {
        return problem_set(walk->tree->problem, STATUS_NOT_PERMITTED,
                           "the image holds a file behind too many symbolic links");
    }
    memcpy(rest, target, target_bytes);
    rest[target_bytes] = '/';
    memcpy(rest + target_bytes + 1, walk->rest + offset, rest_bytes + 1);
    memcpy(walk->rest, rest, target_bytes + rest_bytes + 2);
    if (target[0] == '/') {
        walk->depth = 0;
    }
    return STATUS_OK;
}

static status_t directory_make(struct walk *walk, const char *name, size_t name_bytes)
{
    static const struct inode_about about = {.mode = S_IFDIR | 0755};
    struct tree_place place = {walk_here(walk), name, name_bytes};
    struct inode *made;
    status_t status = image_tree_set(walk->tree, &place, &about, walk->layer, &made);
    if (status == STATUS_OK) {
        walk->passed[++walk->depth] = made;
    }
    return status;
}

/*
 * One component; offset is where the rest after it begins. The name lies in walk->rest, which
 * following a link replaces.
 */
static status_t component_walk(struct walk *walk, const char *name, size_t name_bytes,
                               size_t *offset)
{
    struct problem *problem = walk->tree->problem;
    if (name_bytes == 1 && name[0] == '.') {
        return STATUS_OK;
    }
    if (name_bytes == 2 && name[0] == '.' && name[1] == '.') {
        if (walk->links == 0 || walk->depth == 0) {
            return problem_set(problem, STATUS_NOT_PERMITTED,
                               "the image holds a path that leads out of it");
        }
        walk->depth--;
        return STATUS_OK;
    }
    if (name_bytes > TREE_NAME_BYTES_MAX || walk->depth == TREE_DEPTH_MAX) {
        return problem_set(problem, STATUS_NOT_PERMITTED,
                           "the image holds a path that is too long or too deep");
    }
    struct entry *entry = directory_find(walk_here(walk), name, name_bytes);
    if (entry != NULL && S_ISDIR(entry->inode->about.mode)) {
        if (walk->make) {
            entry->layer = MAX(entry->layer, walk->layer);
        }
        walk->passed[++walk->depth] = entry->inode;
        return STATUS_OK;
    }
    if (entry != NULL && S_ISLNK(entry->inode->about.mode) &&
        (entry->layer == walk->layer || !walk->make)) {
        status_t status = link_follow(walk, entry->inode->target, *offset);
        *offset = 0;
        return status;
    }
    if (entry == NULL && !walk->make) {
        return problem_set(problem, STATUS_NOT_FOUND, "the image holds no %.*s", (int)name_bytes,
                           name);
    }
    if (!walk->make || (entry != NULL && entry->layer == walk->layer)) {
        return problem_set(problem, STATUS_NOT_PERMITTED, "%.*s in the image is no directory",
                           (int)name_bytes, name);
    }
    return directory_make(walk, name, name_bytes);
}

/* Walks all of the path. */
static status_t path_walk(struct walk *walk, const char *path, size_t path_bytes)
{
    size_t offset = 0;
    if (path_bytes >= TREE_PATH_BYTES_MAX) {
        return problem_set(walk->tree->problem, STATUS_NOT_PERMITTED,
                           "the image holds a path of more than %d bytes", TREE_PATH_BYTES_MAX - 1);
    }
    memcpy(walk->rest, path, path_bytes);
    walk->rest[path_bytes] = '\0';
    walk->passed[0] = walk->tree->root;
    for (;;) {
        offset += strspn(walk->rest + offset, "/");
        size_t name_bytes = strcspn(walk->rest + offset, "/");
        if (name_bytes == 0) {
            return STATUS_OK;
        }
        const char *name = walk->rest + offset;
        offset += name_bytes;
        status_t status = component_walk(walk, name, name_bytes, &offset);
        if (status != STATUS_OK) {
            return status;
        }
    }
}

/* Splits off the last name, which "." and "/" at the end do not hide. False: the root itself. */
static bool path_split(const char *path, size_t *parent_bytes, struct tree_place *out)
{
    size_t end = strlen(path);
    for (;;) {
        while (end > 0 && path[end - 1] == '/') {
            end--;
        }
        size_t begin = end;
        while (begin > 0 && path[begin - 1] != '/') {
            begin--;
        }
        if (end == 0) {
            return false;
        }
        if (end - begin != 1 || path[begin] != '.') {
            *parent_bytes = begin;
            out->name = path + begin;
            out->name_bytes = end - begin;
            return true;
        }
        end = begin;
    }
}

static status_t place_find(struct image_tree *tree, const char *path, uint16_t layer, bool make,
                           struct tree_place *out)
{
    struct walk walk = {.tree = tree, .layer = layer, .make = make};
    struct tree_place place = {.directory = tree->root};
    size_t parent_bytes;
    if (!path_split(path, &parent_bytes, &place)) {
        *out = place;
        return STATUS_OK;
    }
    if (place.name_bytes == 2 && memcmp(place.name, "..", 2) == 0) {
        return problem_set(tree->problem, STATUS_NOT_PERMITTED,
                           "the image holds a path that leads out of it");
    }
    if (place.name_bytes > TREE_NAME_BYTES_MAX) {
        return problem_set(tree->problem, STATUS_NOT_PERMITTED,
                           "the image holds a name of more than %d bytes", TREE_NAME_BYTES_MAX);
    }
    status_t status = path_walk(&walk, path, parent_bytes);
    if (status == STATUS_OK && walk.depth == TREE_DEPTH_MAX) {
        status = problem_set(tree->problem, STATUS_NOT_PERMITTED,
                             "the image holds a path of more than %d directories", TREE_DEPTH_MAX);
    }
    if (status == STATUS_OK) {
        place.directory = walk_here(&walk);
        *out = place;
    }
    return status;
}

status_t image_tree_place(struct image_tree *tree, const char *path, uint16_t layer,
                          struct tree_place *out)
{
    return place_find(tree, path, layer, true, out);
}

status_t image_tree_find(struct image_tree *tree, const char *path, uint16_t layer,
                         struct entry **out)
{
    struct tree_place place;
    status_t status = place_find(tree, path, layer, false, &place);
    if (status != STATUS_OK) {
        return status;
    }
    struct entry *entry =
        place.name != NULL ? directory_find(place.directory, place.name, place.name_bytes) : NULL;
    if (entry == NULL) {
        return problem_set(tree->problem, STATUS_NOT_FOUND, "the image holds no %.200s", path);
    }
    *out = entry;
    return STATUS_OK;
}

/* What an inode had is replaced by what a newer layer says about the same directory. */
static void directory_renew(struct inode *inode, const struct inode_about *about)
{
    inode->about = *about;
    free(inode->xattrs);
    inode->xattrs = NULL;
    inode->xattr_bytes = 0;
}

status_t image_tree_set(struct image_tree *tree, const struct tree_place *place,
                        const struct inode_about *about, uint16_t layer, struct inode **out)
{
    if (place->name == NULL) {
        if (!S_ISDIR(about->mode)) {
            return problem_set(tree->problem, STATUS_NOT_PERMITTED,
                               "the image's root is no directory");
        }
        directory_renew(tree->root, about);
        *out = tree->root;
        return STATUS_OK;
    }
    struct entry *old = directory_find(place->directory, place->name, place->name_bytes);
    if (old != NULL && S_ISDIR(old->inode->about.mode) && S_ISDIR(about->mode)) {
        directory_renew(old->inode, about);
        old->layer = layer;
        *out = old->inode;
        return STATUS_OK;
    }
    if (old != NULL) {
        entry_remove(tree, place->directory, old);
    }
    struct inode *inode = inode_new(about);
    status_t status =
        entry_add(tree, place->directory, place->name, place->name_bytes, inode, layer);
    if (status != STATUS_OK) {
        free(inode);
        return status;
    }
    *out = inode;
    return STATUS_OK;
}

status_t image_tree_link(struct image_tree *tree, const struct tree_place *place,
                         struct inode *inode, uint16_t layer)
{
    if (place->name == NULL || S_ISDIR(inode->about.mode)) {
        return problem_set(tree->problem, STATUS_NOT_PERMITTED,
                           "the image holds a hard link to a directory");
    }
    struct entry *old = directory_find(place->directory, place->name, place->name_bytes);
    if (old != NULL && old->inode == inode) {
        old->layer = layer;
        return STATUS_OK;
    }
    inode->names++; /* what is replaced may be a directory that holds the link's target */
    if (old != NULL) {
        entry_remove(tree, place->directory, old);
    }
    status_t status =
        entry_add(tree, place->directory, place->name, place->name_bytes, inode, layer);
    inode_release(tree, inode);
    return status;
}

status_t image_tree_content(struct image_tree *tree, struct inode *inode, uint64_t size_bytes)
{
    uint64_t room = tree->content_bytes_max - MIN(tree->content_bytes, tree->content_bytes_max);
    if (size_bytes > room || ALIGN_UP(size_bytes, SPOOL_BLOCK_BYTES) > room) {
        return problem_set(tree->problem, STATUS_LIMIT_REACHED,
                           "the store has no room for the image's files: remove images (oak rmi)");
    }
    inode->size_bytes = size_bytes;
    inode->spool_offset = spool_reserve(tree->spool, size_bytes);
    tree->content_bytes += ALIGN_UP(size_bytes, SPOOL_BLOCK_BYTES);
    return STATUS_OK;
}

void image_tree_opaque(struct image_tree *tree, struct inode *directory, uint16_t layer)
{
    struct tree_node *node = tree_first(&directory->children);
    while (node != NULL) {
        struct entry *entry = entry_of(node);
        node = tree_next(node);
        image_tree_whiteout(tree, directory, entry->name, entry->name_bytes, layer);
    }
}

void image_tree_whiteout(struct image_tree *tree, struct inode *directory, const char *name,
                         size_t name_bytes, uint16_t layer)
{
    struct entry *entry = directory_find(directory, name, name_bytes);
    if (entry != NULL && entry->layer < layer) {
        entry_remove(tree, directory, entry);
    } else if (entry != NULL && S_ISDIR(entry->inode->about.mode)) {
        image_tree_opaque(tree, entry->inode, layer);
    }
}
