/*
 * What the personality's file system shows of an image with each byte changed: here IMAGE STEP,
 * linked with the real reader and tree under sanitizers, over a simulated heap and kernel. Each
 * variant has a process and a few seconds of its own; one that crashes or hangs is a fact too.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/test/check.h"
#include "linux/core/errno.h"
#include "linux/core/image.h"
#include "linux/file/file.h"
#include "linux/file/test/simulated.h"
#include "linux/file/tree_fs.h"
#include "linux/file/tree_node.h"
#include "tests/linux/erofs/walk.h"

#define SECONDS 20 /* a variant takes milliseconds */

static uint8_t *image;
static size_t image_bytes;
static struct inode *root;

/* --- what the walk asks ---------------------------------------------------------------------- */

long judge_open(size_t offset, uint8_t byte)
{
    static struct image_tree trees[2]; /* the unchanged image's, and one more in each process */
    static size_t count;
    uint8_t kept = image[offset];
    image[offset] = byte;
    simulated_image_bytes(image, image_bytes);
    image[offset] = kept;
    root = image_tree_begin(&trees[count], false);
    return image_tree_open(&trees[count++]);
}

void judge_close(void)
{
}

static long inode_find(const char *path, struct inode **out)
{
    struct inode *at = root;
    inode_get(at);
    while (*path != '\0') {
        uint32_t length = (uint32_t)strcspn(path, "/");
        struct inode *next;
        long result =
            inode_is(at, S_IFDIR) ? at->operations->lookup(at, path, length, &next) : -ENOTDIR;
        inode_put(at);
        if (result != 0) {
            return result;
        }
        at = next;
        path += length + (path[length] == '/');
    }
    *out = at;
    return 0;
}

long judge_stat(const char *path, struct facts *out)
{
    struct inode *inode;
    long result = inode_find(path, &inode);
    if (result == 0) {
        *out = (struct facts){inode->mode,
                              inode->uid,
                              inode->gid,
                              inode->links,
                              inode->device_number,
                              inode->size_bytes,
                              inode->modify_ns / 1000000000};
        inode_put(inode);
    }
    return result;
}

struct listing {
    char *names;
    size_t bytes;
};

static bool listing_entry(void *context, const char *name, uint32_t length_bytes, uint64_t number,
                          uint32_t type, uint64_t next_cursor)
{
    struct listing *listing = context;
    (void)number, (void)type, (void)next_cursor;
    CHECK(listing->bytes + length_bytes + 1 <= NAMES_BYTES);
    memcpy(listing->names + listing->bytes, name, length_bytes);
    listing->names[listing->bytes + length_bytes] = '\0';
    listing->bytes += length_bytes + 1;
    return true;
}

long judge_list(const char *path, char *names)
{
    struct listing listing = {names, 0};
    struct inode *inode;
    long result = inode_find(path, &inode);
    if (result == 0) {
        result = inode->operations->list(inode, 0, listing_entry, &listing);
        inode_put(inode);
    }
    return result == 0 ? (long)listing.bytes : result;
}

long judge_read(const char *path, uint8_t *content)
{
    struct inode *inode;
    long bytes = 0;
    long moved = inode_find(path, &inode);
    if (moved != 0) {
        return moved;
    }
    struct file file = {.references = 1, .path.inode = inode};
    moved = inode->operations->open(inode, &file);
    while (moved >= 0 && bytes < CONTENT_BYTES) {
        struct io io;
        uint64_t position = (uint64_t)bytes;
        io_init_user(&io, (uint64_t)(uintptr_t)(content + bytes),
                     (uint64_t)(CONTENT_BYTES - bytes));
        moved = file.operations->read(&file, &io, &position);
        if (moved <= 0) {
            break;
        }
        bytes += moved;
    }
    inode_put(inode);
    return moved < 0 ? moved : bytes;
}

long judge_readlink(const char *path, char *target, size_t capacity)
{
    struct inode *inode;
    long result = inode_find(path, &inode);
    if (result == 0) {
        result = inode->operations->readlink(inode, target, (uint32_t)capacity);
        inode_put(inode);
    }
    return result;
}

long judge_xattr_list(const char *path, char *names)
{
    struct inode *inode;
    long result = inode_find(path, &inode);
    if (result == 0) {
        result = inode->operations->xattr_list(inode, names, NAMES_BYTES);
        inode_put(inode);
    }
    return result;
}

long judge_xattr_get(const char *path, const char *name, uint8_t *value)
{
    struct inode *inode;
    long result = inode_find(path, &inode);
    if (result == 0) {
        result = inode->operations->xattr_get(inode, name, value, CONTENT_BYTES);
        inode_put(inode);
    }
    return result;
}

/* --- variants -------------------------------------------------------------------------------- */

static void variant_alone(const uint8_t *bytes, size_t offset, uint8_t change)
{
    int status;
    fflush(stdout);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        alarm(SECONDS);
        walk_variant(bytes, offset, change);
        fflush(stdout);
        _exit(0);
    }
    CHECK(waitpid(child, &status, 0) == child);
    if (status != 0) {
        printf("%zu %02x / mount status-%x\n", offset, change, (unsigned)status);
    }
}

int main(int count, char **arguments)
{
    CHECK(count == 3);
    FILE *file = fopen(arguments[1], "rb");
    CHECK(file != NULL && fseek(file, 0, SEEK_END) == 0);
    image_bytes = (size_t)ftell(file);
    rewind(file);
    image = malloc(image_bytes);
    CHECK(image != NULL && fread(image, 1, image_bytes, file) == image_bytes);
    fclose(file);
    walk_unchanged(image);
    walk_variants(image, image_bytes, strtoul(arguments[2], NULL, 10), variant_alone);
    _exit(0); /* trees are never taken down */
}
