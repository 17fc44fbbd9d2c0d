/* The EROFS reader over images that mkfs.erofs made: what the tree had is what the reader finds. */
#include "linux/file/erofs.h"

#include <string.h>

#include "lib/base/test/check.h"
#include "linux/core/errno.h"
#include "linux/core/image.h"
#include "linux/file/inode.h"
#include "linux/file/test/simulated.h"

static const char *const make_tree =
    "rm -rf tree; mkdir -p tree/a/b/c tree/many tree/empty;"
    "printf hello >tree/a/b/c/tail;"
    "head -c 8192 /dev/zero | tr '\\0' x >tree/plain; head -c 10000 /dev/zero | tr '\\0' y "
    ">tree/mixed;"
    ": >tree/nothing; ln -s a/b/c/tail tree/link; ln tree/plain tree/hard;"
    "ln -s $(head -c 300 /dev/zero | tr '\\0' l) tree/long;"
    "for i in $(seq 2000); do : >tree/many/$(printf 'name-of-a-file-%04d' $i); done;"
    ": >tree/-dash; : >tree/many/!first; chmod 4751 tree/mixed; mkfifo tree/fifo;"
    "touch -d @1600000000 tree/plain;"
    "mknod tree/null c 1 3 2>/dev/null || true;"
    "mkdir tree/labels;"
    "for i in 1 2 3 4; do : >tree/labels/$i; done;"
    "python3 -c 'import os\n"
    "for i in \"1234\": os.setxattr(\"tree/labels/\" + i, \"user.same\", b\"alike\")\n"
    "os.setxattr(\"tree/labels/1\", \"user.own\", b\"x\" * 300)\n"
    "try: os.setxattr(\"tree/labels/1\", \"trusted.hidden\", b\"t\")\n"
    "except OSError: pass\n"
    "try: os.setxattr(\"tree/labels/1\", \"security.capability\", b\"\\1\\0\\0\\2\" + b\"\\0\" * "
    "16)\n"
    "except OSError: pass';";

static struct erofs_inode inode_of(uint64_t number)
{
    struct erofs_inode inode;
    CHECK(erofs_inode_read(number, &inode) == 0);
    return inode;
}

static struct erofs_inode root(void)
{
    uint64_t number;
    CHECK(erofs_open(&number) == 0);
    return inode_of(number);
}

static struct erofs_inode find(struct erofs_inode directory, const char *name)
{
    uint64_t number;
    CHECK(erofs_lookup(&directory, name, (uint32_t)strlen(name), &number) == 0);
    return inode_of(number);
}

static bool absent(struct erofs_inode directory, const char *name)
{
    uint64_t number;
    return erofs_lookup(&directory, name, (uint32_t)strlen(name), &number) == -ENOENT;
}

/* A file reads the same whole, in pieces and across the border of its tail. */
static void check_bytes(const struct erofs_inode *inode, uint64_t size, char byte)
{
    char buffer[10001];
    CHECK(inode->size_bytes == size && size < sizeof(buffer));
    CHECK(erofs_read(inode, 0, buffer, sizeof(buffer)) == (long)size);
    for (uint64_t i = 0; i < size; i++) {
        CHECK(buffer[i] == byte);
    }
    for (uint64_t at = 0; at < size; at += 999) {
        CHECK(erofs_read(inode, at, buffer, 1500) == (long)MIN(1500, size - at));
    }
    CHECK(erofs_read(inode, size, buffer, 1) == 0);
    CHECK(erofs_read(inode, UINT64_MAX, buffer, 1) == 0);
}

static bool count_entry(void *context, const char *name, uint32_t length_bytes, uint64_t number,
                        uint8_t file_type)
{
    struct erofs_inode *directory = context;
    uint64_t found;
    (void)file_type;
    CHECK(erofs_lookup(directory, name, length_bytes, &found) == 0 && found == number);
    directory->links++;
    return true;
}

/* Every listed name is found by its name, and there are as many as were made. */
static void check_list(struct erofs_inode directory, uint32_t count)
{
    struct erofs_inode counter = directory;
    counter.links = 0;
    CHECK(erofs_list(&directory, count_entry, &counter) == 0);
    CHECK(counter.links == count);
}

static void check_image(bool times, bool has_device)
{
    struct erofs_inode top = root();
    char target[301];
    CHECK((top.mode & S_IFMT) == S_IFDIR);
    struct erofs_inode tail = find(find(find(find(top, "a"), "b"), "c"), "tail");
    char text[6] = {0};
    CHECK(erofs_read(&tail, 0, text, sizeof(text)) == 5 && strcmp(text, "hello") == 0);
    struct erofs_inode plain = find(top, "plain");
    struct erofs_inode mixed = find(top, "mixed");
    check_bytes(&plain, 8192, 'x');
    check_bytes(&mixed, 10000, 'y');
    CHECK((mixed.mode & 07777) == 04751);
    CHECK(erofs_mappable(&plain) && plain.data_offset % PAGE_SIZE == 0);
    CHECK(plain.links == 2 && find(top, "hard").number == plain.number);
    CHECK(!times || plain.modify_ns == 1600000000ll * 1000000000);
    CHECK(find(top, "nothing").size_bytes == 0);
    struct erofs_inode link = find(top, "link");
    CHECK((link.mode & S_IFMT) == S_IFLNK && link.size_bytes == 10);
    CHECK(erofs_read(&link, 0, target, 10) == 10 && memcmp(target, "a/b/c/tail", 10) == 0);
    struct erofs_inode long_link = find(top, "long");
    CHECK(erofs_read(&long_link, 0, target, 301) == 300);
    CHECK((find(top, "fifo").mode & S_IFMT) == S_IFIFO);
    if (has_device) {
        struct erofs_inode null = find(top, "null");
        CHECK((null.mode & S_IFMT) == S_IFCHR && null.device_number == DEVICE(1, 3));
    }
    check_list(top, 12 + has_device);
    check_list(find(top, "many"), 2001);
    check_list(find(top, "empty"), 0);
    CHECK(absent(top, "zzz") && absent(top, "!") && absent(top, "plai") && absent(top, "plain0"));
    CHECK(absent(find(top, "many"), "name-of-a-file-2001") && absent(find(top, "empty"), "x"));
    CHECK(!absent(find(top, "many"), "!first"));
}

/* A superblock that asks for what the reader does not know is refused, as is an image that is none,
 * or cut off. */
static void check_damage(void)
{
    uint64_t number;
    uint64_t size = image_size();
    uint8_t *copy = malloc(size);
    memcpy(copy, image_base(), size);
    copy[1024 + 80] ^= 0x80; /* feature_incompat */
    simulated_image_bytes(copy, size);
    CHECK(erofs_open(&number) == -EUCLEAN);
    copy[1024 + 80] ^= 0x80;
    simulated_image_bytes(copy, 4096);
    (void)erofs_open(&number);
    struct erofs_inode inode;
    CHECK(erofs_inode_read(4096 / 32, &inode) == -EUCLEAN);
    CHECK(erofs_inode_read(UINT64_MAX, &inode) == -EUCLEAN);
    memset(copy, 0, 4096);
    simulated_image_bytes(copy, 4096);
    CHECK(erofs_open(&number) == -EUCLEAN);
    simulated_image_bytes(copy, 0);
    CHECK(erofs_open(&number) == -EUCLEAN);
    free(copy);
}

struct labels {
    uint32_t count;
    bool own;
    bool same;
};

static bool label_entry(void *context, const struct erofs_xattr *xattr)
{
    struct labels *labels = context;
    char value[400];
    CHECK(xattr->value_bytes <= sizeof(value));
    CHECK(image_read(xattr->value_offset, value, xattr->value_bytes) == 0);
    labels->count += strcmp(xattr->name, "security.capability") != 0;
    labels->own = labels->own || (strcmp(xattr->name, "user.own") == 0 &&
                                  xattr->value_bytes == 300 && value[299] == 'x');
    labels->same = labels->same || (strcmp(xattr->name, "user.same") == 0 &&
                                    xattr->value_bytes == 5 && memcmp(value, "alike", 5) == 0);
    return true;
}

/* Attributes behind the inode and those that several files share are found, others are not shown.
 */
static void check_labels(bool kept)
{
    struct erofs_inode folder = find(root(), "labels");
    for (int i = 1; i <= 4; i++) {
        char name[2] = {(char)('0' + i), '\0'};
        struct erofs_inode file = find(folder, name);
        struct labels labels = {0};
        CHECK(erofs_xattrs(&file, label_entry, &labels) == 0);
        CHECK(labels.count == (kept ? i == 1 ? 2u : 1u : 0u));
        CHECK(labels.same == kept && labels.own == (kept && i == 1));
    }
}

int main(void)
{
    static const char *const options[] = {"", "-E force-inode-compact", "-E force-inode-extended",
                                          "-x -1"};
    char script[256];
    if (simulated_shell("command -v mkfs.erofs >/dev/null") != 0) {
        puts("1..0 # SKIP mkfs.erofs is not installed");
        return 0;
    }
    CHECK(simulated_shell(make_tree) == 0);
    bool has_device = simulated_shell("test -c tree/null") == 0;
    for (size_t i = 0; i < ARRAY_LENGTH(options); i++) {
        snprintf(script, sizeof(script), "mkfs.erofs --quiet %s image tree >/dev/null", options[i]);
        CHECK(simulated_shell(script) == 0);
        simulated_image_file("image");
        check_image(i == 2, has_device);
        check_labels(i != 3);
        printf("ok %zu - the reader finds what mkfs.erofs %s wrote\n", i + 1, options[i]);
    }
    check_damage();
    printf("ok %zu - a damaged superblock is refused\n1..%zu\n", ARRAY_LENGTH(options) + 1,
           ARRAY_LENGTH(options) + 1);
    return 0;
}
