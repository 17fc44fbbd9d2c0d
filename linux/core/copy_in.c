/*
 * From an archive, which is hostile, to a tree. Every name is walked from the directory that the
 * client named, component by component: "..", an absolute name and a symbolic link on the way end
 * the copy, so nothing outside that directory is ever touched. The directory itself keeps its mode,
 * owner and times. Whatever else has an entry's name is replaced, but no directory by anything
 * else. What was unpacked before an error stays, but no file that is not whole.
 */
#include "lib/base/string.h"
#include "linux/core/copy.h"
#include "linux/core/errno.h"
#include "linux/core/heap.h"
#include "linux/file/walk.h"

struct unpack {
    struct copy *copy;
    struct path top;
    struct tar_reader reader;
};

/* Where an entry goes: its name in a directory. An empty name: the top itself. */
struct place {
    struct path directory;
    struct last_name last;
};

/* --- places ---------------------------------------------------------------------------------- */

/* The next component that is not empty or "."; its length, 0 at the end. */
static size_t component_next(const char **name)
{
    for (;;) {
        while (**name == '/') {
            (*name)++;
        }
        const char *end = strchr(*name, '/');
        size_t length = end == NULL ? strlen(*name) : (size_t)(end - *name);
        if (length != 1 || (*name)[0] != '.') {
            return length;
        }
        (*name)++;
    }
}

static long directory_make(const struct place *place, uint32_t mode)
{
    struct creation creation = {.mode = S_IFDIR | mode};
    return path_create(&place->directory, &place->last, &creation, NULL);
}

static long place_look(const struct place *place, struct path *out)
{
    return copy_find(&place->directory, place->last.name, place->last.length_bytes, out);
}

/* Into the directory that the place names, which is made if it is missing. */
static long place_descend(struct unpack *unpack, struct place *place)
{
    struct path child;
    long result = place_look(place, &child);
    if (result == -ENOENT) {
        result = directory_make(place, 0755);
        result = result == 0 ? place_look(place, &child) : result;
    }
    if (result != 0) {
        return result;
    }
    if (!inode_is(child.inode, S_IFDIR)) {
        bool link = inode_is(child.inode, S_IFLNK);
        path_put(&child);
        return link ? copy_problem(unpack->copy, -ENOTDIR, "a symbolic link lies on the way")
                    : -ENOTDIR;
    }
    path_put(&place->directory);
    place->directory = child;
    return 0;
}

static long place_walk(struct unpack *unpack, const char *name, struct place *place)
{
    struct last_name *last = &place->last;
    size_t length;
    while ((length = component_next(&name)) != 0) {
        if (length == 2 && memcmp(name, "..", 2) == 0) {
            return copy_problem(unpack->copy, -EPERM, "the name leads outside");
        }
        if (length > NAME_MAX) {
            return -ENAMETOOLONG;
        }
        if (last->length_bytes != 0) {
            long result = place_descend(unpack, place);
            if (result != 0) {
                return result;
            }
        }
        memcpy(last->name, name, length);
        last->name[length] = '\0';
        last->length_bytes = (uint32_t)length;
        name += length;
    }
    return 0;
}

/* Afterwards the directory is to be put, whatever it returns. */
static long place_find(struct unpack *unpack, const char *name, struct place *place)
{
    place->directory = unpack->top;
    path_get(&place->directory);
    place->last.length_bytes = 0;
    place->last.slash = false;
    if (name[0] == '/') {
        return copy_problem(unpack->copy, -EPERM, "the name is absolute");
    }
    return name[0] == '\0' ? copy_problem(unpack->copy, -EINVAL, "an entry has no name")
                           : place_walk(unpack, name, place);
}

/* Make the name free; a directory stays. */
static long place_clear(const struct place *place)
{
    struct path old;
    struct inode *directory = place->directory.inode;
    if (place->last.length_bytes == 0) {
        return -EISDIR;
    }
    if (path_read_only(&place->directory)) {
        return -EROFS;
    }
    long result = place_look(place, &old);
    if (result != 0) {
        return result == -ENOENT ? 0 : result;
    }
    if (inode_is(old.inode, S_IFDIR)) {
        result = -EISDIR;
    } else if (directory->operations->unlink == NULL) {
        result = -EPERM;
    } else {
        result = directory->operations->unlink(directory, place->last.name,
                                               place->last.length_bytes, false);
    }
    path_put(&old);
    return result;
}

/* --- entries --------------------------------------------------------------------------------- */

static long attributes_set(struct inode *inode, const struct tar_entry *entry)
{
    const struct attributes attributes = {
        .mode = entry->mode, .uid = entry->uid, .gid = entry->gid, .modify_ns = entry->modify_ns};
    uint32_t mask = ATTRIBUTE_UID | ATTRIBUTE_GID | ATTRIBUTE_MODIFY_TIME;
    return inode_change(inode, mask | (inode_is(inode, S_IFLNK) ? 0 : ATTRIBUTE_MODE), &attributes);
}

static long directory_unpack(const struct place *place, const struct tar_entry *entry)
{
    struct path found;
    if (place->last.length_bytes == 0) {
        return 0;
    }
    long result = place_look(place, &found);
    if (result == -ENOENT) {
        result = directory_make(place, 0700);
        result = result == 0 ? place_look(place, &found) : result;
    }
    if (result != 0) {
        return result;
    }
    result = !inode_is(found.inode, S_IFDIR) ? -EEXIST
             : path_read_only(&found)        ? -EROFS
                                             : attributes_set(found.inode, entry);
    path_put(&found);
    return result;
}

static long content_unpack(struct unpack *unpack, struct file *file)
{
    struct copy *copy = unpack->copy;
    uint64_t position = 0;
    long length;
    while ((length = tar_read(&unpack->reader, copy->piece, COPY_PIECE_BYTES)) > 0) {
        struct io io;
        io_init_kernel(&io, copy->piece, (uint64_t)length);
        while (io.left_bytes > 0) {
            long result = file->operations->write == NULL
                              ? -EINVAL
                              : file->operations->write(file, &io, &position);
            if (result <= 0) {
                return result == 0 ? -ENOSPC : result;
            }
        }
    }
    return length;
}

/* Take away the file that could not be filled, if it still has its name. */
static void file_remove(const struct place *place, const struct inode *inode)
{
    struct inode *directory = place->directory.inode;
    struct path found;
    if (place_look(place, &found) == 0) {
        if (found.inode == inode) {
            (void)directory->operations->unlink(directory, place->last.name,
                                                place->last.length_bytes, false);
        }
        path_put(&found);
    }
}

static long file_unpack(struct unpack *unpack, const struct place *place,
                        const struct tar_entry *entry)
{
    struct creation creation = {.mode = S_IFREG | 0600};
    struct path path = {place->directory.mount, NULL};
    struct file *file;
    long result = place_clear(place);
    if (result == 0) {
        result = path_create(&place->directory, &place->last, &creation, &path.inode);
    }
    if (result != 0) {
        return result;
    }
    result = copy_open(&path, O_WRONLY, &file);
    if (result == 0) {
        result = content_unpack(unpack, file);
        file_put(file);
    }
    if (result == 0) {
        result = attributes_set(path.inode, entry);
    }
    if (result != 0) {
        file_remove(place, path.inode);
    }
    path_put(&path);
    return result;
}

static long symbolic_link_unpack(struct unpack *unpack, const struct place *place,
                                 const struct tar_entry *entry)
{
    struct creation creation = {.mode = S_IFLNK | 0777, .target = entry->target};
    struct inode *inode;
    if (entry->target[0] == '\0') {
        return copy_problem(unpack->copy, -EINVAL, "a symbolic link has no target");
    }
    long result = place_clear(place);
    if (result == 0) {
        result = path_create(&place->directory, &place->last, &creation, &inode);
    }
    if (result == 0) {
        result = attributes_set(inode, entry);
        inode_put(inode);
    }
    return result;
}

static long link_make(const struct place *place, const struct path *old)
{
    struct inode *directory = place->directory.inode;
    struct path there;
    if (place->directory.mount != old->mount) {
        return -EXDEV;
    }
    if (directory->operations->link == NULL) {
        return -EPERM;
    }
    if (place->last.length_bytes != 0 && place_look(place, &there) == 0) {
        bool same = there.inode == old->inode;
        path_put(&there);
        if (same) {
            return 0;
        }
    }
    long result = place_clear(place);
    return result != 0 ? result
                       : directory->operations->link(directory, place->last.name,
                                                     place->last.length_bytes, old->inode);
}

static long hard_link_unpack(struct unpack *unpack, const struct place *place,
                             const struct tar_entry *entry)
{
    struct place source;
    struct path old;
    long result = place_find(unpack, entry->target, &source);
    if (result == 0) {
        result = source.last.length_bytes == 0 ? -EISDIR : place_look(&source, &old);
    }
    path_put(&source.directory);
    if (result == -ENOENT) {
        return copy_problem(unpack->copy, result, "a link leads to what is not there");
    }
    if (result != 0) {
        return result;
    }
    result = inode_is(old.inode, S_IFREG)
                 ? link_make(place, &old)
                 : copy_problem(unpack->copy, -EPERM, "a link leads to what is no file");
    path_put(&old);
    return result;
}

/* Devices, pipes and the like are left out. */
static long entry_unpack(struct unpack *unpack, const struct tar_entry *entry)
{
    struct place place;
    memcpy(unpack->copy->name, entry->name, strlen(entry->name) + 1);
    long result = place_find(unpack, entry->name, &place);
    if (result == 0) {
        switch (entry->kind) {
        case TAR_DIRECTORY:
            result = directory_unpack(&place, entry);
            break;
        case TAR_FILE:
            result = file_unpack(unpack, &place, entry);
            break;
        case TAR_SYMBOLIC_LINK:
            result = symbolic_link_unpack(unpack, &place, entry);
            break;
        case TAR_HARD_LINK:
            result = hard_link_unpack(unpack, &place, entry);
            break;
        case TAR_OTHER:
            break;
        }
    }
    path_put(&place.directory);
    return result;
}

static long archive_unpack(struct unpack *unpack)
{
    struct tar_entry entry;
    long result;
    while ((result = tar_next(&unpack->reader, &entry)) > 0) {
        result = entry_unpack(unpack, &entry);
        if (result != 0) {
            break;
        }
        unpack->copy->name[0] = '\0';
    }
    if (unpack->reader.problem != NULL) {
        unpack->copy->problem = unpack->reader.problem;
    }
    return result;
}

long copy_in(struct copy *copy, const char *path)
{
    struct path top;
    long result = path_find(AT_FDCWD, path, 0, &top);
    if (result != 0) {
        return result;
    }
    if (!inode_is(top.inode, S_IFDIR)) {
        path_put(&top);
        return copy_problem(copy, -ENOTDIR, "not a directory");
    }
    copy->found = true;
    struct unpack *unpack = heap_alloc(sizeof(*unpack));
    result = -ENOMEM;
    if (unpack != NULL) {
        unpack->copy = copy;
        unpack->top = top;
        copy_reader_init(copy, &unpack->reader);
        result = archive_unpack(unpack);
    }
    path_put(&top);
    heap_free(unpack);
    return result;
}
