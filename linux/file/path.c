/*
 * Walking paths (path_resolution(7)), contexts of tasks, and the way back from a directory to its
 * path.
 *
 * A walk holds references only, never a lock: what it passes may be renamed behind it, as on Linux.
 * After a symbolic link the rest of the path lies at the end of a buffer, the link's target before
 * it, so links cost no stack; LINKS_MAX ends the walk.
 */
#include "linux/file/path.h"

#include "lib/base/format.h"
#include "lib/base/string.h"
#include "linux/core/errno.h"
#include "linux/core/heap.h"
#include "linux/file/descriptor.h"
#include "linux/file/file.h"
#include "linux/file/walk.h"
#include "linux/proc/task.h"

#define LINKS_MAX      40
#define LINK_BYTES_MAX (2 * PATH_MAX)

static bool path_same(const struct path *a, const struct path *b)
{
    return a->mount == b->mount && a->inode == b->inode;
}

/* --- contexts -------------------------------------------------------------------------------- */

struct fs_context *fs_context_new(void)
{
    struct mount *mount = mount_first();
    struct fs_context *context = heap_alloc(sizeof(*context));
    if (context == NULL || mount == NULL) {
        heap_free(context);
        return NULL;
    }
    context->references = 1;
    mutex_init(&context->lock);
    context->root = (struct path){mount, mount->root};
    context->current = context->root;
    path_get(&context->root);
    path_get(&context->current);
    context->mask = 022;
    return context;
}

struct fs_context *fs_context_clone(struct fs_context *context)
{
    struct fs_context *clone = heap_alloc(sizeof(*clone));
    if (clone == NULL) {
        return NULL;
    }
    clone->references = 1;
    mutex_init(&clone->lock);
    mutex_lock(&context->lock);
    clone->root = context->root;
    clone->current = context->current;
    clone->mask = context->mask;
    path_get(&clone->root);
    path_get(&clone->current);
    mutex_unlock(&context->lock);
    return clone;
}

void fs_context_put(struct fs_context *context)
{
    if (__atomic_sub_fetch(&context->references, 1, __ATOMIC_ACQ_REL) == 0) {
        path_put(&context->root);
        path_put(&context->current);
        heap_free(context);
    }
}

/* The current task's root and, when asked for, current directory, with references. The container's
 * own threads have those of the container. */
static void context_paths(struct path *root, struct path *current)
{
    const struct task *task = task_current();
    if (task == NULL) {
        struct mount *mount = mount_first();
        *root = (struct path){mount, mount->root};
        path_get(root);
        if (current != NULL) {
            *current = *root;
            path_get(current);
        }
        return;
    }
    struct fs_context *context = task->fs;
    mutex_lock(&context->lock);
    *root = context->root;
    path_get(root);
    if (current != NULL) {
        *current = context->current;
        path_get(current);
    }
    mutex_unlock(&context->lock);
}

/* --- walking --------------------------------------------------------------------------------- */

static long start_at_descriptor(struct walk *walk, int fd, bool empty)
{
    struct file *file = descriptor_get(fd);
    if (file == NULL) {
        return -EBADF;
    }
    long result = 0;
    if (!empty && !inode_is(file->path.inode, S_IFDIR)) {
        result = -ENOTDIR;
    } else {
        walk->at = file->path;
        path_get(&walk->at);
    }
    file_put(file);
    return result;
}

long walk_start(struct walk *walk, int directory_fd, const char *path, uint32_t walk_flags)
{
    *walk = (struct walk){
        .rest = path,
        .real = walk_flags & WALK_REAL,
        .renames = __atomic_load_n(&renames_done, __ATOMIC_ACQUIRE),
    };
    if (path[0] == '\0' && !(walk_flags & WALK_EMPTY)) {
        return -ENOENT;
    }
    if (path[0] == '/') {
        context_paths(&walk->root, NULL);
        walk->at = walk->root;
        path_get(&walk->at);
        return 0;
    }
    if (directory_fd == AT_FDCWD) {
        context_paths(&walk->root, &walk->at);
        return 0;
    }
    context_paths(&walk->root, NULL);
    return start_at_descriptor(walk, directory_fd, path[0] == '\0');
}

long walk_start_narrow(struct walk *walk, int directory_fd, const char *path, uint32_t resolve)
{
    if (!(resolve & (RESOLVE_BENEATH | RESOLVE_IN_ROOT))) {
        long result = walk_start(walk, directory_fd, path, 0);
        walk->resolve = resolve;
        return result;
    }
    /* From the directory, also for a path that begins with '/'. */
    long result = walk_start(walk, directory_fd, path[0] == '\0' ? "" : ".", 0);
    walk->rest = path;
    walk->resolve = resolve;
    if (result == 0) {
        path_put(&walk->root);
        walk->root = walk->at;
        path_get(&walk->root);
        result = path[0] == '/' && (resolve & RESOLVE_BENEATH) ? -EXDEV : 0;
    }
    return result;
}

void walk_end(struct walk *walk)
{
    path_put(&walk->root);
    path_put(&walk->at);
    heap_free(walk->buffer);
    walk->buffer = NULL;
}

/* May the directory be searched? */
static long walk_search(const struct walk *walk)
{
    const struct inode *inode = walk->at.inode;
    if (!inode_is(inode, S_IFDIR) || inode->operations->lookup == NULL) {
        return -ENOTDIR;
    }
    return walk->real ? inode_permission_real(inode, 1) : inode_permission(inode, 1);
}

static long step_up(struct walk *walk)
{
    struct path *at = &walk->at;
    for (;;) {
        if (path_same(at, &walk->root)) {
            return walk->resolve & RESOLVE_BENEATH ? -EXDEV : 0;
        }
        if (at->mount == NULL || at->inode != at->mount->root) {
            break;
        }
        if (at->mount->parent == NULL) {
            return 0;
        }
        if (walk->resolve & RESOLVE_NO_XDEV) {
            return -EXDEV;
        }
        struct path place = {at->mount->parent, at->mount->place};
        path_get(&place);
        path_put(at);
        *at = place;
    }
    struct inode *parent;
    long result = at->inode->operations->parent == NULL
                      ? -ENOENT
                      : at->inode->operations->parent(at->inode, &parent);
    if (result != 0) {
        return result;
    }
    inode_put(at->inode);
    at->inode = parent;
    mount_cross(at);
    return 0;
}

/* A directory that was moved out from below the walk's root would lead past it. */
long walk_up(struct walk *walk)
{
    long result = step_up(walk);
    bool narrow = walk->resolve & (RESOLVE_BENEATH | RESOLVE_IN_ROOT);
    bool moved = __atomic_load_n(&renames_done, __ATOMIC_ACQUIRE) != walk->renames;
    return result == 0 && narrow && moved ? -EAGAIN : result;
}

long walk_lookup(struct walk *walk, const char *name, uint32_t length_bytes, struct path *out)
{
    struct inode *directory = walk->at.inode;
    struct inode *found;
    long result = directory->operations->lookup(directory, name, length_bytes, &found);
    if (result == 0) {
        *out = (struct path){walk->at.mount, found};
        mount_cross(out);
        if ((walk->resolve & RESOLVE_NO_XDEV) && out->mount != walk->at.mount) {
            path_put(out);
            result = -EXDEV;
        }
    }
    return result;
}

/* Put the link's target before the rest, in a new block. */
static long link_expand(struct walk *walk, struct inode *link)
{
    size_t rest_bytes = strlen(walk->rest) + 1;
    /* One byte more than it needs: a target that fills it was cut off. Links of /proc have no size.
     */
    bool sized = link->size_bytes != 0 && link->size_bytes < PATH_MAX;
    uint32_t capacity = sized ? (uint32_t)link->size_bytes + 1 : PATH_MAX;
    if (rest_bytes + capacity > LINK_BYTES_MAX) {
        return -ENAMETOOLONG;
    }
    char *block = heap_alloc_unfilled(rest_bytes + capacity);
    if (block == NULL) {
        return -ENOMEM;
    }
    long length = link->operations->readlink(link, block, capacity);
    if (length <= 0 || length >= capacity) {
        heap_free(block);
        return length < 0 ? length : length == 0 ? -ENOENT : -ENAMETOOLONG;
    }
    memcpy(block + length, walk->rest, rest_bytes);
    heap_free(walk->buffer);
    walk->buffer = block;
    walk->rest = block;
    return 0;
}

/* To the object that the link stands for, wherever it is. */
static long link_jump(struct walk *walk, struct inode *link)
{
    struct path target;
    long result = link->operations->follow(link, &target);
    if (result != 0) {
        return result;
    }
    bool elsewhere = (walk->resolve & RESOLVE_NO_XDEV) && target.mount != walk->at.mount;
    if (elsewhere || (walk->resolve & (RESOLVE_BENEATH | RESOLVE_IN_ROOT))) {
        path_put(&target);
        return -EXDEV;
    }
    path_put(&walk->at);
    walk->at = target;
    return 0;
}

static long link_follow(struct walk *walk, struct inode *link, bool *jumped)
{
    if (++walk->links > LINKS_MAX) {
        return -ELOOP;
    }
    *jumped = link->operations->follow != NULL;
    if ((walk->resolve & RESOLVE_NO_SYMLINKS) ||
        (*jumped && (walk->resolve & RESOLVE_NO_MAGICLINKS))) {
        return -ELOOP;
    }
    if (*jumped) {
        return link_jump(walk, link);
    }
    if (link->operations->readlink == NULL) {
        return -EINVAL;
    }
    long result = link_expand(walk, link);
    if (result == 0 && walk->rest[0] == '/') {
        if ((walk->resolve & RESOLVE_BENEATH) ||
            ((walk->resolve & RESOLVE_NO_XDEV) && walk->at.mount != walk->root.mount)) {
            return -EXDEV;
        }
        path_put(&walk->at);
        walk->at = walk->root;
        path_get(&walk->at);
    }
    return result;
}

long walk_link(struct walk *walk, struct path *link, bool *jumped)
{
    long result = link_follow(walk, link->inode, jumped);
    path_put(link);
    return result;
}

/* One component that is not the last. */
static long walk_step(struct walk *walk, const char *name, uint32_t length_bytes)
{
    if (name_is_dots(name, length_bytes)) {
        return length_bytes == 1 ? 0 : walk_up(walk);
    }
    struct path child;
    long result = walk_lookup(walk, name, length_bytes, &child);
    if (result != 0) {
        return result;
    }
    if (inode_is(child.inode, S_IFLNK)) {
        bool jumped;
        return walk_link(walk, &child, &jumped);
    }
    path_put(&walk->at);
    walk->at = child;
    return 0;
}

long walk_parents(struct walk *walk, struct last_name *last)
{
    for (;;) {
        while (*walk->rest == '/') {
            walk->rest++;
        }
        const char *name = walk->rest;
        const char *end = name;
        while (*end != '\0' && *end != '/') {
            end++;
        }
        if (end == name) {
            last->length_bytes = 0;
            last->name[0] = '\0';
            last->slash = false;
            return 0;
        }
        long result = walk_search(walk);
        if (result != 0) {
            return result;
        }
        if (end - name > NAME_MAX) {
            return -ENAMETOOLONG;
        }
        uint32_t length_bytes = (uint32_t)(end - name);
        const char *next = end;
        while (*next == '/') {
            next++;
        }
        walk->rest = end;
        if (*next == '\0') {
            memcpy(last->name, name, length_bytes);
            last->name[length_bytes] = '\0';
            last->length_bytes = length_bytes;
            last->slash = *end == '/';
            return 0;
        }
        result = walk_step(walk, name, length_bytes);
        if (result != 0) {
            return result;
        }
    }
}

/* Walk all of it. */
static long walk_through(struct walk *walk, uint32_t walk_flags)
{
    struct last_name last;
    bool directory = walk_flags & WALK_DIRECTORY;
    bool jumped = false;
    while (!jumped) {
        long result = walk_parents(walk, &last);
        if (result != 0) {
            return result;
        }
        if (last.length_bytes == 0) {
            break;
        }
        directory = directory || last.slash;
        if (name_is_dots(last.name, last.length_bytes)) {
            result = last.length_bytes == 1 ? 0 : walk_up(walk);
            if (result != 0) {
                return result;
            }
            break;
        }
        struct path child;
        result = walk_lookup(walk, last.name, last.length_bytes, &child);
        if (result != 0) {
            return result;
        }
        if (!inode_is(child.inode, S_IFLNK) || ((walk_flags & WALK_NO_FOLLOW) && !last.slash)) {
            path_put(&walk->at);
            walk->at = child;
            break;
        }
        result = walk_link(walk, &child, &jumped);
        if (result != 0) {
            return result;
        }
    }
    return directory && !inode_is(walk->at.inode, S_IFDIR) ? -ENOTDIR : 0;
}

long path_find(int directory_fd, const char *path, uint32_t walk_flags, struct path *out)
{
    struct walk walk;
    long result = walk_start(&walk, directory_fd, path, walk_flags);
    if (result == 0) {
        result = walk_through(&walk, walk_flags);
    }
    if (result == 0) {
        *out = walk.at;
        path_get(out);
    }
    walk_end(&walk);
    return result;
}

long path_find_parent(int directory_fd, const char *path, struct path *directory,
                      struct last_name *last)
{
    struct walk walk;
    long result = walk_start(&walk, directory_fd, path, 0);
    if (result == 0) {
        result = walk_parents(&walk, last);
    }
    if (result == 0 && (last->length_bytes == 0 || name_is_dots(last->name, last->length_bytes))) {
        result = -EEXIST;
    }
    if (result == 0) {
        *directory = walk.at;
        path_get(directory);
    }
    walk_end(&walk);
    return result;
}

/* --- back to text ---------------------------------------------------------------------------- */

/* Builds the text from the end of `out` towards its front; *start is where it begins. */
static long text_build(struct walk *walk, char *out, uint32_t *start)
{
    char name[NAME_MAX + 1];
    struct path *at = &walk->at;
    while (!path_same(at, &walk->root)) {
        if (at->inode == at->mount->root) {
            if (at->mount->parent == NULL) {
                return 0; /* outside the task's root: as seen from the container's */
            }
            struct path place = {at->mount->parent, at->mount->place};
            path_get(&place);
            path_put(at);
            *at = place;
            continue;
        }
        const struct inode_operations *operations = at->inode->operations;
        if (operations->name == NULL || operations->parent == NULL) {
            return -ENOENT;
        }
        long length = operations->name(at->inode, name, sizeof(name));
        if (length < 0) {
            return length;
        }
        if (length + 1 > *start) {
            return -ERANGE;
        }
        *start -= (uint32_t)length;
        memcpy(out + *start, name, (size_t)length);
        out[--*start] = '/';
        struct inode *parent;
        long result = operations->parent(at->inode, &parent);
        if (result != 0) {
            return result;
        }
        inode_put(at->inode);
        at->inode = parent;
    }
    return 0;
}

long path_text(const struct path *directory, char *out, uint32_t capacity_bytes)
{
    if (directory->mount == NULL) {
        return -ENOENT;
    }
    if (capacity_bytes < 2) {
        return -ERANGE;
    }
    struct walk walk = {.at = *directory};
    path_get(&walk.at);
    context_paths(&walk.root, NULL);
    uint32_t start = capacity_bytes - 1;
    long result = text_build(&walk, out, &start);
    walk_end(&walk);
    if (result != 0) {
        return result;
    }
    uint32_t length = capacity_bytes - 1 - start;
    if (length == 0) {
        out[--start] = '/';
        length = 1;
    }
    memmove(out, out + start, length);
    out[length] = '\0';
    return length;
}

/* Files of no file system. */
static long pseudo_text(const struct inode *inode, char *out, uint32_t capacity_bytes)
{
    const char *kind = "anon_inode";
    switch (inode->mode & S_IFMT) {
    case S_IFIFO:
        kind = "pipe";
        break;
    case S_IFSOCK:
        kind = "socket";
        break;
    case S_IFCHR:
        return (long)format_text(out, capacity_bytes, "/dev/console");
    default:
        break;
    }
    return (long)format_text(out, capacity_bytes, "%s:[%lu]", kind, (unsigned long)inode->number);
}

long file_path_text(struct file *file, char *out, uint32_t capacity_bytes)
{
    struct inode *inode = file->path.inode;
    if (capacity_bytes == 0) {
        return -ERANGE;
    }
    if (file->kind != NULL) {
        return (long)format_text(out, capacity_bytes, "anon_inode:%s", file->kind);
    }
    if (file->path.mount == NULL || inode == NULL) {
        return inode == NULL ? -ENOENT : pseudo_text(inode, out, capacity_bytes);
    }
    if (inode_is(inode, S_IFDIR)) {
        return path_text(&file->path, out, capacity_bytes);
    }
    if (file->directory == NULL) {
        return pseudo_text(inode, out, capacity_bytes);
    }
    const struct path directory = {file->path.mount, file->directory};
    long length = path_text(&directory, out, capacity_bytes);
    if (length == -ENOENT) { /* the directory was removed: so was the file */
        return (long)format_text(out, capacity_bytes, "/%s (deleted)", file->name);
    }
    if (length < 0) {
        return length;
    }
    const char *deleted = __atomic_load_n(&inode->links, __ATOMIC_RELAXED) == 0 ? " (deleted)" : "";
    size_t name_bytes = strlen(file->name);
    size_t deleted_bytes = strlen(deleted);
    if ((size_t)length + name_bytes + deleted_bytes + 1 >= capacity_bytes) {
        return -ERANGE;
    }
    char *next = out + length;
    if (length > 1) {
        *next++ = '/';
    }
    memcpy(next, file->name, name_bytes);
    memcpy(next + name_bytes, deleted, deleted_bytes + 1);
    return next + name_bytes + deleted_bytes - out;
}
