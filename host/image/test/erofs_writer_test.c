/*
 * Proves: what the writer writes is EROFS as fsck.erofs reads it, and what that extracts is the
 * tree: names, contents, modes, links, for empty and full directories, contents on both sides of a
 * block, long links, names of every length; attributes lie where the format says; the same tree
 * gives the same bytes. Skipped without fsck.erofs.
 */
#include "host/cli/cli.h"
#include "host/image/erofs_format.h"
#include "host/image/erofs_writer.h"
#include "host/image/test/image_make.h"

#include <assert.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define ROOM (1u << 30)

static const uint8_t uuid[EROFS_UUID_BYTES] = {1, 2,  3,  4,  5,  6,  7,  8,
                                               9, 10, 11, 12, 13, 14, 15, 16};

struct image_bytes {
    uint8_t *bytes;
    size_t length_bytes;
    size_t capacity_bytes;
};

static status_t bytes_take(void *context, const void *bytes, size_t length_bytes)
{
    struct image_bytes *image = context;
    assert(length_bytes % EROFS_BLOCK_BYTES == 0);
    if (length_bytes > image->capacity_bytes - image->length_bytes) {
        image->capacity_bytes = 2 * (image->length_bytes + length_bytes);
        image->bytes = allocate_again(image->bytes, image->capacity_bytes);
    }
    memcpy(image->bytes + image->length_bytes, bytes, length_bytes);
    image->length_bytes += length_bytes;
    return STATUS_OK;
}

/* The scripts' layers as a file system. */
static struct image_bytes image_make(struct fixture *fixture, const char *const *scripts)
{
    struct image_bytes image = {0};
    struct erofs_plan plan;
    fixture_open(fixture, ROOM);
    for (; *scripts != NULL; scripts++) {
        assert(fixture_add(fixture, *scripts) == STATUS_OK);
    }
    assert(erofs_plan_make(&plan, &fixture->tree) == STATUS_OK);
    assert(erofs_write(&plan, uuid, bytes_take, &image) == STATUS_OK);
    assert(image.length_bytes == plan.size_bytes);
    erofs_plan_free(&plan);
    return image;
}

static int run(const char *program, const char *first, const char *second)
{
    pid_t child = fork();
    if (child == 0) {
        int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
        dup2(fd, STDOUT_FILENO);
        dup2(fd, STDERR_FILENO);
        execlp(program, program, first, second, (char *)NULL);
        _exit(127);
    }
    int status = -1;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int entry_remove(const char *path, const struct stat *about, int kind, struct FTW *place)
{
    (void)about;
    (void)kind;
    (void)place;
    return remove(path);
}

/* Whether the extracted file is what the tree says. */
static bool file_same(const struct fixture *fixture, const struct inode *inode, const char *path)
{
    struct stat about;
    if (lstat(path, &about) != 0 || (about.st_mode & S_IFMT) != (inode->about.mode & S_IFMT)) {
        return false;
    }
    if (S_ISLNK(inode->about.mode)) {
        char target[TREE_LINK_BYTES_MAX + 2] = "";
        return readlink(path, target, sizeof(target) - 1) == (ssize_t)inode->size_bytes &&
               strcmp(target, inode->target) == 0;
    }
    if ((about.st_mode & 07777) != (inode->about.mode & 07777) ||
        about.st_uid != inode->about.uid || about.st_gid != inode->about.gid ||
        about.st_mtime != (time_t)inode->about.mtime_seconds) {
        return false;
    }
    if (!S_ISREG(inode->about.mode)) {
        return true;
    }
    uint8_t *wanted = allocate(inode->size_bytes);
    uint8_t *got = allocate(inode->size_bytes + 1);
    struct problem problem = {0};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool same = spool_read(&fixture->spool, inode->spool_offset, wanted, inode->size_bytes,
                           &problem) == STATUS_OK &&
                read(fd, got, inode->size_bytes + 1) == (ssize_t)inode->size_bytes &&
                memcmp(wanted, got, inode->size_bytes) == 0;
    close(fd);
    free(wanted);
    free(got);
    return same;
}

static bool directory_same(const struct fixture *fixture, const struct inode *directory,
                           const char *path)
{
    struct stat about;
    struct tree_node *node = tree_first(&directory->children);
    bool same = true;
    size_t names = 0;
    for (; node != NULL; node = tree_next(node)) {
        const struct entry *entry = entry_of(node);
        char *below = text_format("%s/%.*s", path, (int)entry->name_bytes, entry->name);
        if (!file_same(fixture, entry->inode, below)) {
            printf("  differs: %.300s\n", below);
            same = false;
        }
        if (S_ISDIR(entry->inode->about.mode)) {
            same = directory_same(fixture, entry->inode, below) && same;
            names++;
        }
        free(below);
    }
    /* As many directories as there are: nothing else came out. */
    return same && stat(path, &about) == 0 && names == directory->subdirectories;
}

/* fsck.erofs takes the image, and what it extracts is the tree. */
static bool image_good(const struct fixture *fixture, const struct image_bytes *image)
{
    char directory[] = "/tmp/oak-erofs.XXXXXX";
    assert(mkdtemp(directory) != NULL);
    char *file = text_format("%s/image", directory);
    char *extract = text_format("--extract=%s/tree", directory);
    char *tree = text_format("%s/tree", directory);
    int fd = open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert(write(fd, image->bytes, image->length_bytes) == (ssize_t)image->length_bytes);
    close(fd);
    bool good = run("fsck.erofs", extract, file) == 0;
    good = good && directory_same(fixture, fixture->tree.root, tree);
    nftw(directory, entry_remove, 16, FTW_DEPTH | FTW_PHYS);
    free(file);
    free(extract);
    free(tree);
    return good;
}

static bool scripts_good(const char *const *scripts)
{
    struct fixture fixture;
    struct image_bytes image = image_make(&fixture, scripts);
    bool good = image_good(&fixture, &image);
    free(image.bytes);
    fixture_close(&fixture);
    return good;
}

#define SCRIPTS(...) ((const char *const[]){__VA_ARGS__, NULL})

/* `count` files, with names of all lengths, in a directory. */
static char *many_script(size_t count)
{
    char *script;
    size_t length_bytes;
    FILE *out = open_memstream(&script, &length_bytes);
    fprintf(out, "d many\n");
    for (size_t i = 0; i < count; i++) {
        fprintf(out, "f many/%0*zu %zu\n", (int)(i % 200) + 6, i, i);
    }
    fclose(out);
    return script;
}

static char *sizes_script(void)
{
    static const int sizes[] = {0,    1,    100,  4000, 4031,   4032,   4033,
                                4095, 4096, 4097, 8192, 262144, 262145, 1000000};
    char *script;
    size_t length_bytes;
    FILE *out = open_memstream(&script, &length_bytes);
    for (size_t i = 0; i < ARRAY_LENGTH(sizes); i++) {
        fprintf(out, "n size%d %d\n", sizes[i], sizes[i]);
    }
    fclose(out);
    return script;
}

static char *links_script(void)
{
    static const int lengths[] = {1, 64, 3000, 4030, 4031, 4032, 4033, 4095};
    char *script;
    size_t length_bytes;
    FILE *out = open_memstream(&script, &length_bytes);
    for (size_t i = 0; i < ARRAY_LENGTH(lengths); i++) {
        fprintf(out, "l link%d %0*d\n", lengths[i], lengths[i], 7);
    }
    fclose(out);
    return script;
}

/* Directories whose blocks or tail are just full. */
static char *edges_script(void)
{
    char *script;
    size_t length_bytes;
    FILE *out = open_memstream(&script, &length_bytes);
    for (int directory = 0; directory < 40; directory++) {
        fprintf(out, "d edge%d\n", directory);
        for (int i = 0; i < 250 + directory; i++) {
            fprintf(out, "f edge%d/%04d \n", directory, i);
        }
    }
    fclose(out);
    return script;
}

static bool same_bytes(void)
{
    const char *const scripts[] = {"d a\nf a/b one\nh a/c a/b\nx y z\n", "f a/d 2\n", NULL};
    const char *const other[] = {"f a/b one\nx y z\nd a\nh a/c a/b\nf a/d 2\n", NULL};
    struct fixture fixtures[2];
    struct image_bytes first = image_make(&fixtures[0], scripts);
    struct image_bytes second = image_make(&fixtures[1], other);
    bool same = first.length_bytes == second.length_bytes &&
                memcmp(first.bytes, second.bytes, first.length_bytes) == 0;
    free(first.bytes);
    free(second.bytes);
    fixture_close(&fixtures[0]);
    fixture_close(&fixtures[1]);
    return same;
}

/* user.test with the value "value", as a reader finds it. */
static bool attribute_there(void)
{
    static const uint8_t entry[] = {
        4, EROFS_XATTR_INDEX_USER, 5, 0, 't', 'e', 's', 't', 'v', 'a', 'l', 'u', 'e', 0, 0, 0};
    struct fixture fixture;
    struct erofs_inode inode;
    struct image_bytes image = image_make(&fixture, SCRIPTS("x a value\n"));
    const struct entry *a = directory_find(fixture.tree.root, "a", 1);
    const uint8_t *place = image.bytes + a->inode->place;
    memcpy(&inode, place, sizeof(inode));
    bool good = inode.xattr_count == 1 + sizeof(entry) / 4 &&
                memcmp(place + sizeof(inode) + sizeof(struct erofs_xattr_header), entry,
                       sizeof(entry)) == 0 &&
                image_good(&fixture, &image);
    free(image.bytes);
    fixture_close(&fixture);
    return good;
}

/* fsck.erofs loses this bit when it sets the owner. */
static bool setuid_there(void)
{
    struct fixture fixture;
    struct erofs_inode inode;
    struct image_bytes image = image_make(&fixture, SCRIPTS("4755 f a 1\n"));
    memcpy(&inode, image.bytes + directory_find(fixture.tree.root, "a", 1)->inode->place,
           sizeof(inode));
    free(image.bytes);
    fixture_close(&fixture);
    return inode.mode == (S_IFREG | 04755) && inode.uid == 70000 && inode.links == 1;
}

static bool damage_found(void)
{
    struct fixture fixture;
    struct image_bytes image = image_make(&fixture, SCRIPTS("f a 1\n"));
    image.bytes[EROFS_SUPER_OFFSET + 300] ^= 1;
    bool found = !image_good(&fixture, &image);
    free(image.bytes);
    fixture_close(&fixture);
    return found;
}

static void report(bool good, const char *sentence)
{
    static int number;
    printf("%sok %d - %s\n", good ? "" : "not ", ++number, sentence);
}

int main(void)
{
    if (run("fsck.erofs", "--help", NULL) == 127) {
        printf("ok 1 - the EROFS writer # SKIP fsck.erofs is not installed\n");
        return 0;
    }
    report(scripts_good(SCRIPTS("")), "an empty image is a file system");
    report(scripts_good(SCRIPTS("d a\nd a/b\nd a/b/c\nf a/b/c/f text\nl a/l b/c\np a/p\n"
                                "c a/z 0\nh a/h a/b/c/f\n500 f x 1\n1777 d tmp\n")),
           "every kind of file comes out as it went in");
    report(scripts_good(SCRIPTS("f !a 1\nf + 2\nf - 3\nf .a 4\nf ..a 5\nf ... 6\nf 0 8\n")),
           "names around . and .. are sorted right");
    char *script = sizes_script();
    report(scripts_good(SCRIPTS(script)), "contents on both sides of a block's end");
    free(script);
    script = links_script();
    report(scripts_good(SCRIPTS(script)), "symbolic links of every length");
    free(script);
    script = many_script(5000);
    report(scripts_good(SCRIPTS(script)), "a directory of many blocks, names of many lengths");
    free(script);
    script = edges_script();
    report(scripts_good(SCRIPTS(script)), "directories whose last block is nearly or just full");
    free(script);
    report(attribute_there(), "attributes lie where the format says");
    report(setuid_there(), "the setuid bit is kept");
    report(same_bytes(), "the same tree gives the same bytes");
    report(damage_found(), "a changed bit fails the checksum: it is there and right");
    return 0;
}
