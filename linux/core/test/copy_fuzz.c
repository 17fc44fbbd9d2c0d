/*
 * Archives that try to leave the directory they are unpacked into: the input is a list of entries
 * whose names and targets are put together from dangerous pieces. Whatever comes, the directory
 * beside it keeps its entries, its file's content and links, and every reference is given back.
 * The tree is the personality's own (linux/file/tree_fs.h) over a simulated kernel.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/base/test/check.h"
#include "linux/core/copy.h"
#include "linux/core/errno.h"
#include "linux/core/heap.h"
#include "linux/file/test/simulated.h"
#include "linux/file/tree_fs.h"
#include "linux/file/walk.h"

#define ARCHIVE_BYTES (256u << 10)
#define ENTRIES_MAX   24
#define PIECES_MAX    4
#define TEXT(text)    (text), (uint32_t)strlen(text)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length_bytes);

static struct mount mount = {.type = "test"};
static struct inode *root;
static struct inode *target;
static struct inode *victim;

static uint8_t archive[ARCHIVE_BYTES];
static uint32_t archive_bytes;
static uint32_t taken_bytes;

/* --- what stands below copy_in.c ---------------------------------------------------------------
 */

long copy_problem(struct copy *copy, long result, const char *problem)
{
    copy->problem = problem;
    return result;
}

static long archive_take(void *context, void *to, uint32_t length_bytes)
{
    (void)context;
    uint32_t part = MIN(length_bytes, archive_bytes - taken_bytes);
    memcpy(to, archive + taken_bytes, part);
    taken_bytes += part;
    return part;
}

void copy_reader_init(struct copy *copy, struct tar_reader *reader)
{
    (void)copy;
    reader->take = archive_take;
}

long copy_find(const struct path *directory, const char *name, uint32_t length_bytes,
               struct path *out)
{
    CHECK(length_bytes > 0 && memchr(name, '/', length_bytes) == NULL);
    CHECK(!name_is_dots(name, length_bytes));
    if (!inode_is(directory->inode, S_IFDIR)) {
        return -ENOTDIR;
    }
    out->mount = directory->mount;
    return directory->inode->operations->lookup(directory->inode, name, length_bytes, &out->inode);
}

long copy_open(const struct path *path, uint32_t flags, struct file **out)
{
    struct file *file = calloc(1, sizeof(*file));
    CHECK(file != NULL && inode_is(path->inode, S_IFREG));
    file->references = 1;
    file->flags = flags;
    file->path = *path;
    path_get(path);
    CHECK(path->inode->operations->open(path->inode, file) == 0);
    *out = file;
    return 0;
}

void file_put(struct file *file)
{
    path_put(&file->path);
    free(file);
}

long path_find(int directory_fd, const char *path, uint32_t walk_flags, struct path *out)
{
    (void)directory_fd, (void)path, (void)walk_flags;
    *out = (struct path){&mount, target};
    path_get(out);
    return 0;
}

long path_create(const struct path *directory, const struct last_name *last,
                 struct creation *creation, struct inode **out)
{
    struct inode *made;
    CHECK(last->length_bytes > 0 && last->length_bytes == strlen(last->name));
    CHECK(inode_is(directory->inode, S_IFDIR) && !name_is_dots(last->name, last->length_bytes));
    CHECK(strchr(last->name, '/') == NULL);
    long result = directory->inode->operations->create(directory->inode, last->name,
                                                       last->length_bytes, creation, &made);
    if (result == 0 && out != NULL) {
        *out = made;
    } else if (result == 0) {
        inode_put(made);
    }
    return result;
}

long inode_change(struct inode *inode, uint32_t mask, const struct attributes *attributes)
{
    return inode->operations->set_attributes(inode, mask, attributes);
}

/* --- the tree ----------------------------------------------------------------------------------
 */

static struct inode *make(struct inode *directory, const char *name, uint32_t mode,
                          const char *link_target)
{
    const struct creation creation = {.mode = mode, .target = link_target};
    struct inode *inode;
    CHECK(directory->operations->create(directory, TEXT(name), &creation, &inode) == 0);
    return inode;
}

static bool name_first(void *context, const char *name, uint32_t length_bytes, uint64_t number,
                       uint32_t type, uint64_t next_cursor)
{
    (void)number, (void)type, (void)next_cursor;
    char *to = context;
    if (to[0] != '\0') {
        return false;
    }
    memcpy(to, name, length_bytes);
    to[length_bytes] = '\0';
    return true;
}

/* Depth is bounded by the names that entries have. */
static void empty(struct inode *directory)
{
    char name[NAME_MAX + 1];
    for (;;) {
        struct inode *child;
        name[0] = '\0';
        CHECK(directory->operations->list(directory, 0, name_first, name) >= 0);
        if (name[0] == '\0') {
            return;
        }
        CHECK(directory->operations->lookup(directory, TEXT(name), &child) == 0);
        bool is_directory = inode_is(child, S_IFDIR);
        if (is_directory) {
            empty(child);
        }
        inode_put(child);
        CHECK(directory->operations->unlink(directory, TEXT(name), is_directory) == 0);
    }
}

static bool name_count(void *context, const char *name, uint32_t length_bytes, uint64_t number,
                       uint32_t type, uint64_t next_cursor)
{
    (void)name, (void)length_bytes, (void)number, (void)type, (void)next_cursor;
    ++*(uint32_t *)context;
    return true;
}

static uint32_t entries(struct inode *directory)
{
    uint32_t count = 0;
    CHECK(directory->operations->list(directory, 0, name_count, &count) >= 0);
    return count;
}

static void tree_make(void)
{
    CHECK(tree_fs_empty(0755, 8u << 20, &root) == 0);
    target = make(root, "target", S_IFDIR | 0755, NULL);
    victim = make(root, "victim", S_IFDIR | 0755, NULL);
    inode_put(make(victim, "file", S_IFREG | 0644, NULL));
}

static void victim_check(void)
{
    struct inode *file;
    CHECK(entries(root) == 2 && entries(victim) == 1);
    CHECK(victim->operations->lookup(victim, TEXT("file"), &file) == 0);
    CHECK(file->mode == (S_IFREG | 0644) && file->links == 1 && file->size_bytes == 0);
    CHECK(victim->mode == (S_IFDIR | 0755) && target->mode == (S_IFDIR | 0755));
    inode_put(file);
    CHECK(file->references == 1);
}

/* --- archives ----------------------------------------------------------------------------------
 */

static long archive_give(void *context, const void *bytes, uint32_t length_bytes)
{
    (void)context;
    CHECK(length_bytes <= ARCHIVE_BYTES - archive_bytes);
    memcpy(archive + archive_bytes, bytes, length_bytes);
    archive_bytes += length_bytes;
    return 0;
}

struct input {
    const uint8_t *bytes;
    size_t left_bytes;
};

static uint8_t input_byte(struct input *input)
{
    return input->left_bytes == 0 ? 0 : (input->left_bytes--, *input->bytes++);
}

/* Up to PIECES_MAX pieces with slashes between them. */
static void name_make(struct input *input, char *to)
{
    static const char *const pieces[] = {"a",  "b",    "c",  "file",   "way", "..",
                                         ".",  "",     "/",  "victim", "top", "..a",
                                         "a ", "\xff", "..", "/root"};
    uint32_t count = input_byte(input) % PIECES_MAX + 1;
    to[0] = '\0';
    for (uint32_t i = 0; i < count; i++) {
        strcat(to, i > 0 ? "/" : "");
        strcat(to, pieces[input_byte(input) % ARRAY_LENGTH(pieces)]);
    }
}

static void archive_make(struct input *input)
{
    static const uint8_t content[700] = "content";
    struct tar_writer writer = {.give = archive_give};
    archive_bytes = taken_bytes = 0;
    for (uint32_t i = 0; i < ENTRIES_MAX && input->left_bytes > 0; i++) {
        char name[64];
        char link_target[64];
        name_make(input, name);
        name_make(input, link_target);
        uint8_t kind = input_byte(input);
        struct tar_entry entry = {
            .kind = (enum tar_kind)(kind % 5), .name = name, .target = link_target, .mode = kind};
        entry.size_bytes = entry.kind == TAR_FILE ? input_byte(input) * 2u : 0;
        CHECK(tar_put(&writer, &entry) == 0);
        if (entry.size_bytes > 0) {
            CHECK(tar_write(&writer, content, (uint32_t)entry.size_bytes) == 0);
        }
    }
    CHECK(tar_finish(&writer) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length_bytes)
{
    struct input input = {data, length_bytes};
    if (root == NULL) {
        tree_make();
    }
    inode_put(make(target, "way", S_IFLNK | 0777, "../victim"));
    archive_make(&input);
    struct copy *copy = heap_alloc(sizeof(*copy));
    long result = copy_in(copy, "/target");
    CHECK(result <= 0);
    heap_free(copy);
    victim_check();
    empty(target);
    CHECK(target->references == 2 && target->links == 2);
    return 0;
}
