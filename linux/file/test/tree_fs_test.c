/* Trees over an image of mkfs.erofs and empty ones: names, renaming, content, mapping, limits. */
#include "linux/file/tree_fs.h"

#include <string.h>

#include "abi/container.h"
#include "lib/base/test/check.h"
#include "linux/core/errno.h"
#include "linux/core/image.h"
#include "linux/file/file.h"
#include "linux/file/test/simulated.h"
#include "linux/file/tree_node.h"

#define TEXT(string) (string), (uint32_t)strlen(string)

/* --- short forms ----------------------------------------------------------------------------- */

static const char *const make_image =
    "rm -rf tree; mkdir -p tree/dir/sub tree/many tree/other tree/gone;"
    "printf hello >tree/tail; head -c 12288 /dev/zero | tr '\\0' p >tree/plain;"
    "head -c 5000 /dev/zero | tr '\\0' t >tree/mixed; : >tree/nothing; printf x >tree/gone/x;"
    "ln tree/plain tree/dir/hard; ln -s target tree/link; printf in >tree/dir/sub/file;"
    "for i in $(seq 2000); do : >tree/many/$i; done;"
    "mkfs.erofs --quiet image tree >/dev/null";

static long find(struct inode *directory, const char *name, struct inode **out)
{
    return directory->operations->lookup(directory, TEXT(name), out);
}

static struct inode *get(struct inode *directory, const char *name)
{
    struct inode *inode;
    CHECK(find(directory, name, &inode) == 0);
    return inode;
}

static bool there(struct inode *directory, const char *name)
{
    struct inode *inode;
    long result = find(directory, name, &inode);
    CHECK(result == 0 || result == -ENOENT);
    if (result == 0) {
        inode_put(inode);
    }
    return result == 0;
}

static long make(struct inode *directory, const char *name, uint32_t mode)
{
    const struct creation creation = {.mode = mode, .target = "to"};
    struct inode *inode;
    long result = directory->operations->create(directory, TEXT(name), &creation, &inode);
    if (result == 0) {
        inode_put(inode);
    }
    return result;
}

static long drop(struct inode *directory, const char *name, bool directory_only)
{
    return directory->operations->unlink(directory, TEXT(name), directory_only);
}

static long move(struct inode *from, const char *name, struct inode *to, const char *to_name,
                 uint32_t flags)
{
    return from->operations->rename(from, TEXT(name), to, TEXT(to_name), flags);
}

/* Trees last for ever: this keeps them from counting as lost. */
static struct inode *roots[64];
static size_t root_count;

static struct inode *image_tree(bool read_only)
{
    static struct image_tree trees[ARRAY_LENGTH(roots)];
    struct inode *root = image_tree_begin(&trees[root_count], read_only);
    simulated_image_file("image");
    CHECK(image_tree_open(&trees[root_count]) == 0);
    roots[root_count++] = root;
    return root;
}

static struct inode *empty_tree(uint64_t limit_bytes)
{
    struct inode *root;
    CHECK(tree_fs_empty(01777, limit_bytes, &root) == 0);
    roots[root_count++] = root;
    return root;
}

static struct file *open_file(struct inode *inode, uint32_t flags)
{
    struct file *file = calloc(1, sizeof(*file));
    file->references = 1;
    file->flags = flags;
    file->path.inode = inode;
    inode_get(inode);
    CHECK(inode->operations->open(inode, file) == 0);
    return file;
}

static void close_file(struct file *file)
{
    inode_put(file->path.inode);
    free(file);
}

static long write_at(struct file *file, uint64_t offset, const void *from, uint64_t length_bytes)
{
    struct io io;
    io_init_user(&io, (uint64_t)(uintptr_t)from, length_bytes);
    return file->operations->write(file, &io, &offset);
}

static long read_at(struct file *file, uint64_t offset, void *to, uint64_t length_bytes)
{
    struct io io;
    io_init_user(&io, (uint64_t)(uintptr_t)to, length_bytes);
    return file->operations->read(file, &io, &offset);
}

static long resize(struct inode *inode, uint64_t size_bytes)
{
    const struct attributes attributes = {.size_bytes = size_bytes};
    return inode->operations->set_attributes(inode, ATTRIBUTE_SIZE, &attributes);
}

/* The bytes of a range are all that one. */
static void check_range(struct file *file, uint64_t offset, uint64_t length_bytes, char byte)
{
    char *buffer = malloc(length_bytes);
    CHECK(read_at(file, offset, buffer, length_bytes) == (long)length_bytes);
    for (uint64_t i = 0; i < length_bytes; i++) {
        CHECK(buffer[i] == byte);
    }
    free(buffer);
}

static void write_range(struct file *file, uint64_t offset, uint64_t length_bytes, char byte)
{
    char *buffer = malloc(length_bytes);
    memset(buffer, byte, length_bytes);
    CHECK(write_at(file, offset, buffer, length_bytes) == (long)length_bytes);
    free(buffer);
}

/* --- names ----------------------------------------------------------------------------------- */

/* Names of one image inode lead to one inode, and its number is the one that a listing shows. */
static void test_identity(void)
{
    struct inode *root = image_tree(false);
    struct inode *directory = get(root, "dir");
    struct inode *plain = get(root, "plain");
    struct inode *hard = get(directory, "hard");
    struct inode *up;
    char name[NAME_MAX];
    CHECK(plain == hard && plain->links == 2 && tree_fs_is(plain));
    CHECK(!there(root, "absent") && find(root, "tai", &up) == -ENOENT);
    CHECK(directory->operations->parent(directory, &up) == 0 && up == root);
    inode_put(up);
    CHECK(root->operations->parent(root, &up) == 0 && up == root);
    inode_put(up);
    CHECK(directory->operations->name(directory, name, sizeof(name)) == 3);
    CHECK(memcmp(name, "dir", 3) == 0 && root->operations->name(root, name, 9) == -ENOENT);
    struct inode *link = get(root, "link");
    CHECK(link->operations->readlink(link, name, sizeof(name)) == 6);
    CHECK(memcmp(name, "target", 6) == 0 && link->operations->readlink(link, name, 3) == 3);
    CHECK(drop(root, "plain", false) == 0 && plain->links == 1 && !there(root, "plain"));
    CHECK(there(directory, "hard") && make(root, "plain", S_IFREG | 0644) == 0);
    struct inode *fresh = get(root, "plain");
    CHECK(fresh != plain && fresh->number != plain->number && fresh->size_bytes == 0);
    inode_put(fresh);
    inode_put(link);
    inode_put(hard);
    inode_put(plain);
    inode_put(directory);
    inode_put(root);
}

struct removal {
    struct inode *directory;
    uint64_t cursor;
    uint32_t seen;
    uint32_t in_this_call;
    bool remove;
};

static bool removal_emit(void *context, const char *name, uint32_t length_bytes, uint64_t number,
                         uint32_t type, uint64_t next_cursor)
{
    struct removal *removal = context;
    CHECK(number != 0 && next_cursor > removal->cursor && (type == S_IFREG || !removal->remove));
    if (removal->in_this_call == 100) {
        return false;
    }
    if (removal->remove) {
        CHECK(removal->directory->operations->unlink(removal->directory, name, length_bytes,
                                                     false) == 0);
    }
    removal->cursor = next_cursor;
    removal->in_this_call++;
    removal->seen++;
    return true;
}

static uint32_t list_all(struct inode *directory, bool remove)
{
    struct removal removal = {.directory = directory, .remove = remove};
    do {
        removal.in_this_call = 0;
        CHECK(directory->operations->list(directory, removal.cursor, removal_emit, &removal) == 0);
    } while (removal.in_this_call != 0);
    return removal.seen;
}

/* rm -r: each name is listed once although those before it go; then the directory can go. */
static void test_removal(void)
{
    struct inode *root = image_tree(false);
    struct inode *many = get(root, "many");
    CHECK(there(many, "1999") && drop(many, "77", false) == 0 && !there(many, "77"));
    CHECK(make(many, "77", S_IFREG | 0600) == 0 && drop(many, "78", false) == 0);
    CHECK(drop(root, "many", true) == -ENOTEMPTY && drop(root, "many", false) == -EISDIR);
    CHECK(drop(root, "tail", true) == -ENOTDIR);
    CHECK(list_all(many, false) == 1999);
    CHECK(list_all(many, true) == 1999 && list_all(many, false) == 0);
    CHECK(drop(root, "many", true) == 0 && !there(root, "many"));
    struct inode *up;
    CHECK(many->operations->parent(many, &up) == 0); /* where it was */
    inode_put(up);
    CHECK(make(many, "late", S_IFREG) == -ENOENT && many->links == 0);
    inode_put(many);
    CHECK(make(root, "many", S_IFDIR | 0755) == 0);
    many = get(root, "many");
    CHECK(list_all(many, false) == 0);
    inode_put(many);
    CHECK(list_all(root, false) == 9);
    struct inode *busy = get(root, "other");
    busy->mounts = 1;
    CHECK(drop(root, "other", true) == -EBUSY);
    busy->mounts = 0;
    inode_put(busy);
    inode_put(root);
}

/* What rename does to each kind of source and target, and what it refuses. */
static void test_rename(void)
{
    struct inode *root = image_tree(false);
    struct inode *directory = get(root, "dir");
    struct inode *sub = get(directory, "sub");
    struct inode *other = get(root, "other");
    uint32_t root_links = root->links;
    CHECK(move(root, "absent", root, "x", 0) == -ENOENT);
    CHECK(move(root, "dir", sub, "x", 0) == -EINVAL);
    CHECK(move(root, "dir", directory, "x", 0) == -EINVAL);
    CHECK(move(directory, "sub", root, "dir", 0) == -ENOTEMPTY);
    CHECK(move(directory, "sub", root, "dir", 2) == -EINVAL);
    CHECK(move(root, "tail", root, "dir", 0) == -EISDIR);
    CHECK(move(root, "dir", root, "tail", 0) == -ENOTDIR);
    CHECK(move(root, "dir", root, "gone", 0) == -ENOTEMPTY);
    CHECK(move(root, "tail", root, "mixed", 1) == -EEXIST);
    CHECK(move(root, "tail", root, "absent", 2) == -ENOENT);
    CHECK(move(root, "tail", root, "x", 3) == -EINVAL &&
          move(root, "tail", root, "x", 4) == -EINVAL);
    CHECK(move(root, "plain", directory, "hard", 0) == 0 && there(root, "plain"));
    /* A file replaces a file; the replaced inode lives while it is held. */
    struct inode *tail = get(root, "tail");
    struct inode *mixed = get(root, "mixed");
    CHECK(move(root, "tail", root, "mixed", 0) == 0 && !there(root, "tail"));
    struct inode *now = get(root, "mixed");
    CHECK(now == tail && mixed->links == 0 && tail->links == 1);
    inode_put(now);
    inode_put(mixed);
    inode_put(tail);
    /* A directory moves below another: parents and link counts follow. */
    CHECK(move(directory, "sub", other, "deep", 0) == 0 && !there(directory, "sub"));
    struct inode *up;
    CHECK(sub->operations->parent(sub, &up) == 0 && up == other);
    inode_put(up);
    CHECK(there(sub, "file") && directory->links == 2 && other->links == 3);
    CHECK(move(root, "dir", root, "moved", 0) == 0 && root->links == root_links);
    CHECK(there(directory, "hard") && !there(root, "dir"));
    /* Two names change places. */
    CHECK(move(root, "nothing", other, "deep", 2) == 0);
    now = get(root, "nothing");
    CHECK(now == sub && root->links == root_links + 1 && other->links == 2);
    inode_put(now);
    /* An empty directory is replaced. */
    CHECK(make(root, "hollow", S_IFDIR | 0755) == 0 &&
          move(root, "nothing", root, "hollow", 0) == 0);
    now = get(root, "hollow");
    CHECK(now == sub && root->links == root_links + 1 && there(sub, "file"));
    inode_put(now);
    struct inode *foreign = empty_tree(0);
    CHECK(move(root, "hollow", foreign, "x", 0) == -EXDEV);
    inode_put(foreign);
    inode_put(sub);
    inode_put(other);
    inode_put(directory);
    inode_put(root);
}

/* What stands ready in a root hides what the image has of that name, once, and its numbers are its
 * own; it may be a link there. */
static void test_places(void)
{
    static struct image_tree ready;
    static const char *const names[] = {"dir", "link", "new"};
    struct inode *place[ARRAY_LENGTH(names)];
    struct inode *more;
    struct inode *plain_root = image_tree(false);
    uint32_t count = list_all(plain_root, false);
    struct inode *root = image_tree_begin(&ready, false);
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        CHECK(image_tree_place(&ready, names[i], &place[i]) == 0);
    }
    CHECK(image_tree_place(&ready, "four", &more) == -ENOMEM);
    CHECK(image_tree_open(&ready) == 0);
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        struct inode *found = get(root, names[i]);
        CHECK(found == place[i] && inode_is(found, S_IFDIR) && list_all(found, false) == 0);
        struct inode *made;
        CHECK(make(found, "inside", S_IFREG) == 0 && find(found, "inside", &made) == 0);
        CHECK(made->number != found->number && made->number < UINT32_MAX - PLACES_MAX);
        inode_put(made);
        inode_put(found);
        inode_put(place[i]);
    }
    CHECK(place[0]->number != place[1]->number && place[1]->number != place[2]->number);
    CHECK(list_all(root, false) == count + 1);
    CHECK(drop(root, "dir", true) == -ENOTEMPTY && there(root, "tail"));
    inode_put(plain_root);
    roots[root_count++] = root;
    inode_put(root);
}

/* A read-only tree refuses every change. */
static void test_read_only(void)
{
    struct inode *root = image_tree(true);
    struct inode *tail = get(root, "tail");
    const struct attributes attributes = {0};
    CHECK(make(root, "new", S_IFREG) == -EROFS && drop(root, "tail", false) == -EROFS);
    CHECK(move(root, "tail", root, "x", 0) == -EROFS);
    CHECK(root->operations->link(root, TEXT("x"), tail) == -EROFS);
    CHECK(tail->operations->set_attributes(tail, ATTRIBUTE_MODE, &attributes) == -EROFS);
    struct file file = {.flags = O_RDWR, .path = {.inode = tail}};
    CHECK(tail->operations->open(tail, &file) == -EROFS);
    inode_put(tail);
    inode_put(root);
}

/* --- content --------------------------------------------------------------------------------- */

/* Copy-up changes the content of the one inode: other names and open files see it. */
static void test_copy_up(void)
{
    struct inode *root = image_tree(false);
    struct inode *directory = get(root, "dir");
    struct inode *plain = get(root, "plain");
    struct inode *hard = get(directory, "hard");
    uint64_t number = plain->number;
    struct file *reader = open_file(hard, O_RDONLY);
    struct file *writer = open_file(plain, O_RDWR);
    check_range(reader, 0, 12288, 'p');
    CHECK(write_at(writer, 5000, "changed", 7) == 7);
    char text[8] = {0};
    CHECK(read_at(reader, 5000, text, 7) == 7 && strcmp(text, "changed") == 0);
    check_range(reader, 0, 5000, 'p');
    check_range(reader, 5007, 12288 - 5007, 'p');
    struct inode *again = get(root, "plain");
    CHECK(again == plain && plain->number == number && plain->size_bytes == 12288);
    inode_put(again);
    /* A tail-packed file grows across its tail; a small one stays small. */
    struct inode *mixed = get(root, "mixed");
    struct file *file = open_file(mixed, O_RDWR | O_APPEND);
    write_range(file, 0, 10000, 'a');
    check_range(file, 0, 5000, 't');
    check_range(file, 5000, 10000, 'a');
    CHECK(mixed->size_bytes == 15000);
    close_file(file);
    struct inode *tail = get(root, "tail");
    uint32_t memories = simulated_memories();
    file = open_file(tail, O_RDWR);
    CHECK(write_at(file, 5, " world", 6) == 6 && read_at(file, 0, text, 8) == 8);
    CHECK(memcmp(text, "hello wo", 8) == 0 && simulated_memories() == memories);
    close_file(file);
    inode_put(tail);
    inode_put(mixed);
    close_file(writer);
    close_file(reader);
    inode_put(hard);
    inode_put(plain);
    inode_put(directory);
    inode_put(root);
}

/* A file without a name keeps its content until it is closed; then its pages come back. */
static void test_unlink_open(void)
{
    struct inode *root = image_tree(false);
    struct tree_usage before;
    struct tree_usage after;
    uint64_t pages = simulated_pages_used();
    tree_fs_usage(root, &before);
    CHECK(make(root, "new", S_IFREG | 0600) == 0);
    struct inode *inode = get(root, "new");
    struct file *file = open_file(inode, O_RDWR);
    write_range(file, 0, 100000, 'n');
    CHECK(drop(root, "new", false) == 0 && inode->links == 0);
    CHECK(root->operations->link(root, TEXT("back"), inode) == -ENOENT);
    inode_put(inode);
    check_range(file, 0, 100000, 'n');
    CHECK(simulated_pages_used() == pages + 25 && inode->blocks == 200);
    close_file(file);
    CHECK(simulated_pages_used() == pages);
    tree_fs_usage(root, &after);
    CHECK(after.used_bytes == before.used_bytes && after.files == before.files);
    /* The same of a file of the image. */
    struct inode *tail = get(root, "tail");
    file = open_file(tail, O_RDONLY);
    inode_put(tail);
    CHECK(drop(root, "tail", false) == 0 && !there(root, "tail"));
    char text[5];
    CHECK(read_at(file, 0, text, 5) == 5 && memcmp(text, "hello", 5) == 0);
    close_file(file);
    inode_put(root);
}

/* Holes read as zeros and cost nothing; what truncation cuts off is gone for good. */
static void test_holes_and_truncation(void)
{
    struct inode *root = empty_tree(0);
    CHECK(make(root, "sparse", S_IFREG | 0600) == 0);
    struct inode *inode = get(root, "sparse");
    struct file *file = open_file(inode, O_RDWR);
    uint64_t pages = simulated_pages_used();
    write_range(file, 3ull << 30, 5000, 's');
    CHECK(simulated_pages_used() == pages + 2 && inode->blocks == 16);
    check_range(file, (3ull << 30) - 10000, 10000, 0);
    check_range(file, 3ull << 30, 5000, 's');
    check_range(file, 0, 3000000, 0);
    CHECK(simulated_pages_used() == pages + 2);
    CHECK(resize(inode, (3ull << 30) + 100) == 0 && resize(inode, (3ull << 30) + 9000) == 0);
    check_range(file, 3ull << 30, 100, 's');
    check_range(file, (3ull << 30) + 100, 8900, 0);
    CHECK(resize(inode, 0) == 0 && simulated_pages_used() == pages && inode->blocks == 0);
    CHECK(resize(inode, (64ull << 30) + 1) == -EFBIG && resize(inode, 64ull << 30) == 0);
    CHECK(write_at(file, 64ull << 30, "x", 1) == -EFBIG);
    CHECK(write_at(file, (64ull << 30) - 1, "xy", 2) == 1);
    CHECK(resize(root, 0) == -EISDIR);
    close_file(file);
    inode_put(inode);
    /* Small files, and the steps between the kinds. */
    CHECK(make(root, "small", S_IFREG | 0600) == 0);
    inode = get(root, "small");
    file = open_file(inode, O_RDWR);
    CHECK(write_at(file, 100, "abc", 3) == 3);
    check_range(file, 0, 100, 0);
    CHECK(resize(inode, 101) == 0 && resize(inode, 200) == 0);
    check_range(file, 101, 99, 0);
    CHECK(resize(inode, 2048) == 0 && resize(inode, 4000000) == 0);
    check_range(file, 101, 3999899, 0);
    check_range(file, 100, 1, 'a');
    CHECK(resize(inode, 1) == 0 && resize(inode, 200) == 0);
    check_range(file, 0, 200, 0);
    /* Growing out of the first memory keeps what was written. */
    write_range(file, 0, 1 << 20, '1');
    write_range(file, 3 << 20, 1 << 20, '2');
    check_range(file, 0, 1 << 20, '1');
    check_range(file, 1 << 20, 2 << 20, 0);
    check_range(file, 3 << 20, 1 << 20, '2');
    close_file(file);
    inode_put(inode);
    inode_put(root);
}

/* The limit of a tmpfs and the end of the account's memory are -ENOSPC, and lose nothing. */
static void test_exhaustion(void)
{
    struct inode *root = empty_tree(64 * 4096);
    CHECK(make(root, "file", S_IFREG | 0600) == 0);
    struct inode *inode = get(root, "file");
    struct file *file = open_file(inode, O_RDWR);
    write_range(file, 0, 60 * 4096, 'f');
    char buffer[8 * 4096] = {0};
    CHECK(write_at(file, 60 * 4096, buffer, sizeof(buffer)) == -ENOSPC);
    CHECK(inode->size_bytes == 60 * 4096 &&
          write_at(file, 60 * 4096, buffer, 4 * 4096) == 4 * 4096);
    struct tree_usage usage;
    tree_fs_usage(root, &usage);
    CHECK(usage.used_bytes == 64 * 4096 && usage.limit_bytes == 64 * 4096 && usage.files == 2);
    CHECK(resize(inode, 0) == 0);
    simulated_pages_limit = simulated_pages_used() + 3;
    CHECK(write_at(file, 0, buffer, sizeof(buffer)) == -ENOSPC && inode->size_bytes == 0);
    CHECK(write_at(file, 0, buffer, 3 * 4096) == 3 * 4096);
    simulated_pages_limit = UINT64_MAX;
    close_file(file);
    inode_put(inode);
    inode_put(root);
}

/* Pages that are not there end a write early; what lies beyond the size stays zero. */
static void test_bad_addresses(void)
{
    struct inode *root = empty_tree(0);
    CHECK(make(root, "file", S_IFREG | 0600) == 0);
    struct inode *inode = get(root, "file");
    struct file *file = open_file(inode, O_RDWR);
    static _Alignas(4096) char buffer[3 * 4096];
    memset(buffer, 'b', sizeof(buffer));
    simulated_user_end = (uint64_t)(uintptr_t)(buffer + 4096);
    CHECK(write_at(file, 0, buffer + 4096, 2000) == -EFAULT && inode->size_bytes == 0);
    CHECK(write_at(file, 0, buffer + 4000, 2000) == 96 && inode->size_bytes == 96);
    CHECK(write_at(file, 0, buffer, sizeof(buffer)) == 4096 && inode->size_bytes == 4096);
    simulated_user_end = UINT64_MAX;
    CHECK(resize(inode, 10000) == 0);
    check_range(file, 0, 4096, 'b');
    check_range(file, 4096, 10000 - 4096, 0);
    close_file(file);
    inode_put(inode);
    inode_put(root);
}

/* --- mapping --------------------------------------------------------------------------------- */

/* Image files map from the image, page by page theirs; others from a memory that shows stores. */
static void test_mapping(void)
{
    struct inode *root = image_tree(false);
    struct inode *plain = get(root, "plain");
    struct file *file = open_file(plain, O_RDWR);
    struct file_mapping mapping;
    CHECK(file->operations->mapping(file, 4096, 65536, false, &mapping) == 0);
    CHECK(mapping.slot == CONTAINER_SLOT_IMAGE && mapping.length_bytes == 8192 &&
          !mapping.writable && image_base()[mapping.offset] == 'p');
    CHECK(file->operations->mapping(file, 1 << 20, 4096, false, &mapping) == 0);
    CHECK(mapping.length_bytes == 0);
    CHECK(file->operations->mapping(file, 0, 12288, true, &mapping) == 0);
    CHECK(mapping.slot != CONTAINER_SLOT_IMAGE && mapping.writable && mapping.offset == 0);
    simulated_memory_write(mapping.slot, 100, "mapped", 6);
    char text[7] = {0};
    CHECK(read_at(file, 100, text, 6) == 6 && strcmp(text, "mapped") == 0);
    CHECK(write_at(file, 100, "MAPPED", 6) == 6);
    simulated_memory_read(mapping.slot, 100, text, 6);
    CHECK(strcmp(text, "MAPPED") == 0);
    /* Stores into a hole are read; stores beyond the end are gone when the file grows. */
    CHECK(resize(plain, 100000) == 0);
    simulated_memory_write(mapping.slot, 50000, "hole", 4);
    CHECK(read_at(file, 50000, text, 4) == 4 && memcmp(text, "hole", 4) == 0);
    CHECK(resize(plain, 60000) == 0);
    simulated_memory_write(mapping.slot, 60100, "beyond", 6);
    simulated_memory_write(mapping.slot, 70000, "beyond", 6);
    CHECK(write_at(file, 80000, "x", 1) == 1);
    check_range(file, 60000, 20000, 0);
    uint32_t slot = mapping.slot;
    write_range(file, 0, 8 << 20, 'w');
    CHECK(file->operations->mapping(file, 0, 4096, true, &mapping) == 0 && mapping.slot == slot);
    close_file(file);
    inode_put(plain);
    /* A tail-packed file is copied up; a fault's question makes the page be there. */
    struct inode *tail = get(root, "tail");
    file = open_file(tail, O_RDONLY);
    CHECK(file->operations->mapping(file, 0, 8192, true, &mapping) == 0 && !mapping.writable);
    simulated_memory_read(mapping.slot, 0, text, 6);
    CHECK(memcmp(text, "hello", 6) == 0);
    CHECK(resize(tail, 20000) == 0 && !simulated_memory_present(mapping.slot, 8192));
    CHECK(file->operations->mapping(file, 8192, 4096, false, &mapping) == 0);
    CHECK(simulated_memory_present(mapping.slot, 8192) &&
          !simulated_memory_present(mapping.slot, 12288));
    close_file(file);
    inode_put(tail);
    inode_put(root);
}

static struct file *mapped_in_fault;

static void map_in_fault(void)
{
    struct file_mapping mapping;
    CHECK(mapped_in_fault->operations->mapping(mapped_in_fault, 0, 4096, true, &mapping) == 0);
}

/* A fault in the middle of a write or read may map the same file: nothing is lost or locked. */
static void test_fault_maps_the_file(void)
{
    struct inode *root = empty_tree(0);
    static const uint64_t sizes[] = {10, 1500, 3000, 300000, 3000000};
    for (size_t i = 0; i < ARRAY_LENGTH(sizes); i++) {
        CHECK(make(root, "file", S_IFREG | 0600) == 0);
        struct inode *inode = get(root, "file");
        mapped_in_fault = open_file(inode, O_RDWR);
        simulated_fault = map_in_fault;
        write_range(mapped_in_fault, 0, sizes[i], 'z');
        CHECK(simulated_fault == NULL);
        simulated_fault = map_in_fault;
        check_range(mapped_in_fault, 0, sizes[i], 'z');
        close_file(mapped_in_fault);
        inode_put(inode);
        CHECK(drop(root, "file", false) == 0);
    }
    inode_put(root);
}

/* --- attributes and memory ------------------------------------------------------------------- */

static void test_attributes(void)
{
    struct inode *root = image_tree(false);
    struct inode *tail = get(root, "tail");
    struct attributes attributes = {
        .mode = S_IFDIR | 04711, .uid = 5, .gid = 6, .access_ns = 7, .modify_ns = 8};
    CHECK(tail->operations->set_attributes(tail,
                                           ATTRIBUTE_MODE | ATTRIBUTE_UID | ATTRIBUTE_GID |
                                               ATTRIBUTE_ACCESS_TIME | ATTRIBUTE_MODIFY_TIME,
                                           &attributes) == 0);
    CHECK(tail->mode == (S_IFREG | 04711) && tail->uid == 5 && tail->gid == 6 &&
          tail->access_ns == 7 && tail->modify_ns == 8 && tail->change_ns > 8);
    CHECK(root->operations->link(root, TEXT("second"), tail) == 0 && tail->links == 2);
    CHECK(root->operations->link(root, TEXT("second"), tail) == -EEXIST);
    CHECK(root->operations->link(root, TEXT("d"), root) == -EPERM);
    CHECK(make(root, "tail", S_IFREG) == -EEXIST && make(root, "symlink", S_IFLNK | 0777) == 0);
    struct inode *link = get(root, "symlink");
    char text[4] = {0};
    CHECK(link->operations->readlink(link, text, 4) == 2 && strcmp(text, "to") == 0);
    inode_put(link);
    inode_put(tail);
    inode_put(root);
}

/* Whatever allocation fails, the operation says so and the tree goes on. */
static void test_allocation_failures(void)
{
    struct inode *root = image_tree(false);
    char bytes[5000] = {1};
    for (long countdown = 0; countdown < 40; countdown++) {
        char name[16];
        snprintf(name, sizeof(name), "n%ld", countdown);
        struct inode *many = NULL;
        struct inode *inode = NULL;
        simulated_heap_countdown = countdown;
        if (find(root, "many", &many) == 0) {
            (void)make(many, name, S_IFREG | 0600);
            if (find(many, name, &inode) == 0) {
                simulated_heap_countdown = -1;
                struct file *file = open_file(inode, O_RDWR);
                simulated_heap_countdown = countdown % 7;
                long written = write_at(file, 0, bytes, countdown % 2 ? 5000 : 10);
                CHECK(written > 0 || written == -ENOMEM || written == -ENOSPC);
                simulated_heap_countdown = -1;
                close_file(file);
                inode_put(inode);
            }
            simulated_heap_countdown = countdown;
            (void)move(many, name, root, name, 0);
            (void)move(root, name, many, "same", 0);
            (void)drop(many, "7", false);
            struct removal removal = {.directory = many};
            (void)many->operations->list(many, 0, removal_emit, &removal);
            inode_put(many);
        }
        simulated_heap_countdown = -1;
    }
    CHECK(there(root, "many") && there(root, "tail"));
    inode_put(root);
}

int main(void)
{
    static const struct {
        void (*run)(void);
        const char *proves;
    } tests[] = {
        {test_identity, "names of one image inode lead to one inode"},
        {test_removal, "a listing survives the removal of what it listed"},
        {test_rename, "rename moves, replaces, exchanges and refuses as rename(2) says"},
        {test_places, "what stands ready in a root hides the image's"},
        {test_read_only, "a read-only tree refuses every change"},
        {test_copy_up, "copy-up keeps the inode, its names and its open files"},
        {test_unlink_open, "content outlives its last name until it is closed"},
        {test_holes_and_truncation, "holes are zeros and truncation is for good"},
        {test_exhaustion, "exhaustion is ENOSPC and loses nothing"},
        {test_bad_addresses, "a broken-off write leaves nothing beyond the size"},
        {test_mapping, "mappings show the file's pages and no others"},
        {test_fault_maps_the_file, "a fault within a copy may map the same file"},
        {test_attributes, "attributes, links and symbolic links"},
        {test_allocation_failures, "a failed allocation is an error and no more"},
    };
    if (simulated_shell("command -v mkfs.erofs >/dev/null") != 0) {
        puts("1..0 # SKIP mkfs.erofs is not installed");
        return 0;
    }
    CHECK(simulated_shell(make_image) == 0);
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (size_t i = 0; i < ARRAY_LENGTH(tests); i++) {
        tests[i].run();
        printf("ok %zu - %s\n", i + 1, tests[i].proves);
    }
    printf("1..%zu\n", ARRAY_LENGTH(tests));
    return 0;
}
