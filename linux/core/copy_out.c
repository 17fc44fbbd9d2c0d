/*
 * From a tree to an archive. The walk keeps a level for every directory it is in, each with the
 * cursor behind the entry that was taken last, and reads one name at a time: what is made, renamed
 * or removed meanwhile may be in the archive or not. Names of one file become files of their own.
 */
#include "lib/base/string.h"
#include "linux/core/copy.h"
#include "linux/core/errno.h"
#include "linux/core/heap.h"
#include "linux/file/tree_fs.h"

struct level {
    struct path directory;
    uint64_t cursor;
    uint32_t name_bytes; /* of copy->name that name it */
};

struct walk_out {
    struct copy *copy;
    struct tar_writer writer;
    uint32_t depth;
    struct level level[COPY_DEPTH_MAX];
    char target[PATH_MAX];
};

/* --- entries --------------------------------------------------------------------------------- */

static long content_send(struct walk_out *out, struct file *file, uint64_t size_bytes)
{
    struct copy *copy = out->copy;
    uint64_t offset = 0;
    while (offset < size_bytes) {
        uint64_t part = MIN(size_bytes - offset, (uint64_t)COPY_PIECE_BYTES);
        long result = file_read_kernel(file, copy->piece, part, offset);
        if (result == 0) {
            return copy_problem(copy, -EIO, "it became shorter while it was copied");
        }
        if (result > 0) {
            offset += (uint64_t)result;
            result = tar_write(&out->writer, copy->piece, (uint32_t)result);
        }
        if (result < 0) {
            return result;
        }
    }
    return 0;
}

static long file_send(struct walk_out *out, const struct path *path, struct tar_entry *entry)
{
    struct file *file;
    long result = copy_open(path, O_RDONLY, &file);
    if (result != 0) {
        return result;
    }
    entry->size_bytes = __atomic_load_n(&path->inode->size_bytes, __ATOMIC_RELAXED);
    result = tar_put(&out->writer, entry);
    if (result == 0) {
        result = content_send(out, file, entry->size_bytes);
    }
    file_put(file);
    return result;
}

static long link_send(struct walk_out *out, const struct path *path, struct tar_entry *entry)
{
    struct inode *inode = path->inode;
    if (inode->operations->readlink == NULL) {
        return 0;
    }
    long length = inode->operations->readlink(inode, out->target, sizeof(out->target));
    if (length < 0 || length >= (long)sizeof(out->target)) {
        return length < 0 ? length : -ENAMETOOLONG;
    }
    out->target[length] = '\0';
    entry->target = out->target;
    return tar_put(&out->writer, entry);
}

static long directory_send(struct walk_out *out, const struct path *path,
                           const struct tar_entry *entry)
{
    long result = tar_put(&out->writer, entry);
    /* What /proc shows is no tree of files. */
    if (result != 0 || path->inode->operations->list == NULL || path->mount->magic == PROC_MAGIC) {
        return result;
    }
    if (out->depth == COPY_DEPTH_MAX) {
        return copy_problem(out->copy, -ELOOP, "directories lie too deep");
    }
    struct level *level = &out->level[out->depth++];
    *level = (struct level){.directory = *path, .name_bytes = (uint32_t)strlen(out->copy->name)};
    path_get(path);
    return 0;
}

/* Devices, pipes and sockets are left out. */
static long entry_send(struct walk_out *out, const struct path *path)
{
    struct inode *inode = path->inode;
    if (inode->operations->refresh != NULL) {
        inode->operations->refresh(inode);
    }
    struct tar_entry entry = {
        .name = out->copy->name,
        .mode = inode->mode & 07777,
        .uid = inode->uid,
        .gid = inode->gid,
        .modify_ns = inode->modify_ns,
    };
    switch (inode->mode & S_IFMT) {
    case S_IFREG:
        entry.kind = TAR_FILE;
        return file_send(out, path, &entry);
    case S_IFDIR:
        entry.kind = TAR_DIRECTORY;
        return directory_send(out, path, &entry);
    case S_IFLNK:
        entry.kind = TAR_SYMBOLIC_LINK;
        return link_send(out, path, &entry);
    default:
        return 0;
    }
}

/* --- the walk -------------------------------------------------------------------------------- */

struct one_name {
    char text[NAME_MAX + 1];
    uint32_t length_bytes; /* 0: none came yet */
    uint64_t next_cursor;
};

static bool name_take(void *context, const char *name, uint32_t length_bytes, uint64_t number,
                      uint32_t type, uint64_t next_cursor)
{
    (void)number, (void)type;
    struct one_name *one = context;
    if (one->length_bytes != 0 || length_bytes > NAME_MAX) {
        return false;
    }
    memcpy(one->text, name, length_bytes);
    one->length_bytes = length_bytes;
    one->next_cursor = next_cursor;
    return true;
}

/* Behind the directory's own name. */
static long name_append(struct copy *copy, const struct level *level, const struct one_name *one)
{
    if (level->name_bytes + 1 + one->length_bytes >= PATH_MAX) {
        return -ENAMETOOLONG;
    }
    char *to = copy->name + level->name_bytes;
    to[0] = '/';
    memcpy(to + 1, one->text, one->length_bytes);
    to[1 + one->length_bytes] = '\0';
    return 0;
}

/* The next entry of the deepest directory, or leave it. */
static long walk_step(struct walk_out *out)
{
    struct level *level = &out->level[out->depth - 1];
    struct inode *directory = level->directory.inode;
    struct one_name one = {.length_bytes = 0};
    long result = directory->operations->list(directory, level->cursor, name_take, &one);
    if (one.length_bytes == 0) {
        path_put(&level->directory);
        out->depth--;
        return result < 0 ? result : 0;
    }
    level->cursor = one.next_cursor;
    struct path child;
    result = name_append(out->copy, level, &one);
    if (result == 0) {
        result = copy_find(&level->directory, one.text, one.length_bytes, &child);
    }
    if (result == 0) {
        result = entry_send(out, &child);
        path_put(&child);
        return result;
    }
    return result == -ENOENT ? 0 : result; /* it was removed meanwhile */
}

static long top_send(struct walk_out *out, const struct path *top)
{
    uint32_t type = top->inode->mode & S_IFMT;
    if (type != S_IFREG && type != S_IFDIR && type != S_IFLNK) {
        return copy_problem(out->copy, -EPERM, "it is a device, a pipe or a socket");
    }
    if (top->mount == NULL || top->mount->magic == PROC_MAGIC) {
        return copy_problem(out->copy, -EPERM, "what /proc shows are not files");
    }
    return entry_send(out, top);
}

/* The archive's name for it. */
static long top_name(struct copy *copy, const char *path)
{
    size_t length = strlen(path);
    while (length > 0 && path[length - 1] == '/') {
        length--;
    }
    size_t start = length;
    while (start > 0 && path[start - 1] != '/') {
        start--;
    }
    memcpy(copy->name, path + start, length - start);
    if (length == 0) {
        memcpy(copy->name, "root", 4);
    }
    bool dots = strcmp(copy->name, ".") == 0 || strcmp(copy->name, "..") == 0;
    return dots ? copy_problem(copy, -EPERM, "the path does not end in a name") : 0;
}

long copy_out(struct copy *copy, const char *path)
{
    struct path top;
    long result = path_find(AT_FDCWD, path, WALK_NO_FOLLOW, &top);
    if (result != 0) {
        return result;
    }
    copy->found = true;
    struct walk_out *out = heap_alloc(sizeof(*out));
    result = out == NULL ? -ENOMEM : top_name(copy, path);
    if (result == 0) {
        out->copy = copy;
        copy_writer_init(copy, &out->writer);
        result = top_send(out, &top);
    }
    while (result == 0 && out->depth > 0) {
        result = walk_step(out);
    }
    while (out != NULL && out->depth > 0) {
        path_put(&out->level[--out->depth].directory);
    }
    if (result == 0) {
        result = tar_finish(&out->writer);
    }
    path_put(&top);
    heap_free(out);
    return result;
}
