/*
 * Proves that archives which are written say the same when they are read, that those of GNU tar and
 * of Python's tarfile are understood, and that every kind of damage is told and nothing else.
 */
#include "linux/core/tar.h"

#include <string.h>

#include "lib/base/test/check.h"
#include "linux/core/errno.h"

#define ARCHIVE_BYTES (1u << 20)

static uint8_t archive[ARCHIVE_BYTES];
static size_t archive_bytes;
static size_t taken_bytes;
static uint32_t piece_bytes; /* of a take */
static struct tar_reader reader;

static void proved(const char *sentence)
{
    static int count;
    printf("ok %d - %s\n", ++count, sentence);
}

static long take(void *context, void *to, uint32_t length_bytes)
{
    (void)context;
    size_t part = MIN(MIN((size_t)length_bytes, (size_t)piece_bytes), archive_bytes - taken_bytes);
    memcpy(to, archive + taken_bytes, part);
    taken_bytes += part;
    return (long)part;
}

static long give(void *context, const void *bytes, uint32_t length_bytes)
{
    (void)context;
    CHECK(length_bytes <= ARCHIVE_BYTES - archive_bytes);
    memcpy(archive + archive_bytes, bytes, length_bytes);
    archive_bytes += length_bytes;
    return 0;
}

static void read_begin(uint32_t piece)
{
    memset(&reader, 0, sizeof(reader));
    reader.take = take;
    taken_bytes = 0;
    piece_bytes = piece;
}

static void text_fill(char *to, size_t length, const char *pattern)
{
    for (size_t i = 0; i < length; i++) {
        to[i] = pattern[i % strlen(pattern)];
    }
    to[length] = '\0';
}

/* --- what is written is read ------------------------------------------------------------------ */

#define ENTRIES 8

static char long_name[TAR_NAME_BYTES];
static char split_name[240];
static char long_target[300];

static const struct tar_entry written[ENTRIES] = {
    {TAR_DIRECTORY, "top", NULL, 0755, 0, 0, 0, 1000000000ll},
    {TAR_FILE, "top/a file", NULL, 04751, 1000, 1001, 700, 981173106000000000ll},
    {TAR_FILE, "top/nothing", NULL, 0, 0, 0, 0, 0},
    {TAR_SYMBOLIC_LINK, "top/link", "../else where", 0777, 0, 0, 0, 0},
    {TAR_HARD_LINK, "top/again", "top/a file", 0644, 0, 0, 0, 0},
    {TAR_FILE, split_name, NULL, 0644, 4000000000u, 07777777u + 1, 512, 0},
    {TAR_FILE, long_name, NULL, 01777, 0, 0, 513, 9000000000000000000ll},
    {TAR_SYMBOLIC_LINK, "top/\xc3\xbc\xff", long_target, 0777, 0, 0, 0, 0},
};

static void write_all(void)
{
    static uint8_t data[1024];
    struct tar_writer writer = {.give = give};
    archive_bytes = 0;
    memset(data, 'd', sizeof(data));
    for (uint32_t i = 0; i < ENTRIES; i++) {
        CHECK(tar_put(&writer, &written[i]) == 0);
        uint64_t left = written[i].size_bytes;
        while (left > 0) {
            uint32_t part = (uint32_t)MIN(left, 300ull);
            CHECK(tar_write(&writer, data, part) == 0);
            left -= part;
        }
        CHECK(tar_write(&writer, data, 1) == -EINVAL);
        CHECK(archive_bytes % TAR_BLOCK_BYTES == 0);
    }
    CHECK(tar_finish(&writer) == 0);
}

static void entry_check(const struct tar_entry *entry, const struct tar_entry *wanted, bool content)
{
    CHECK(entry->kind == wanted->kind && strcmp(entry->name, wanted->name) == 0);
    CHECK(wanted->target == NULL || strcmp(entry->target, wanted->target) == 0);
    CHECK(entry->mode == wanted->mode && entry->uid == wanted->uid && entry->gid == wanted->gid);
    CHECK(entry->modify_ns == wanted->modify_ns && entry->size_bytes == wanted->size_bytes);
    uint8_t data[200];
    uint64_t total = 0;
    long got = content ? 1 : 0;
    while (got > 0) {
        got = tar_read(&reader, data, sizeof(data));
        CHECK(got >= 0);
        for (long i = 0; i < got; i++) {
            CHECK(data[i] == 'd');
        }
        total += (uint64_t)got;
    }
    CHECK(!content || total == wanted->size_bytes);
}

static void test_round(void)
{
    struct tar_entry entry;
    text_fill(split_name, 230, "a directory's name/");
    text_fill(long_name, TAR_NAME_BYTES - 1, "top/\xe6\x97\xa5/");
    text_fill(long_target, 299, "far/");
    write_all();
    for (uint32_t piece = 1; piece < 2000; piece = piece * 3 + 1) {
        read_begin(piece);
        for (uint32_t i = 0; i < ENTRIES; i++) {
            CHECK(tar_next(&reader, &entry) == 1);
            entry_check(&entry, &written[i], piece % 2 == 0);
        }
        CHECK(tar_next(&reader, &entry) == 0 && taken_bytes == archive_bytes - TAR_BLOCK_BYTES);
    }
    proved("entries of every kind, long names and large numbers are read as they were written");
}

static void test_cut(void)
{
    struct tar_entry entry;
    write_all();
    size_t whole = archive_bytes - TAR_BLOCK_BYTES;
    for (size_t length = 0; length < whole; length += 97) {
        long result;
        archive_bytes = length;
        read_begin(4096);
        while ((result = tar_next(&reader, &entry)) > 0) {
        }
        CHECK(result == -EINVAL && strcmp(reader.problem, "the archive ends early") == 0);
    }
    proved("an archive that ends early is told at whatever byte it ends");
}

static void test_damage(void)
{
    struct tar_entry entry;
    uint32_t told = 0;
    write_all();
    /* The first header: any one bit. */
    for (uint32_t bit = 0; bit < TAR_BLOCK_BYTES * 8; bit++) {
        archive[bit / 8] ^= (uint8_t)(1u << bit % 8);
        read_begin(4096);
        told += tar_next(&reader, &entry) == -EINVAL && reader.problem != NULL;
        archive[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    /* Bits above the octal digits of the checksum itself do not count: NUL and space end it. */
    CHECK(told >= TAR_BLOCK_BYTES * 8 - 16);
    proved("every damaged bit of a header is found");
}

/* --- archives of others ----------------------------------------------------------------------- */

static void header_sum_set(uint8_t *block)
{
    uint32_t sum = 0;
    char text[8];
    memset(block + 148, ' ', 8);
    for (uint32_t i = 0; i < TAR_BLOCK_BYTES; i++) {
        sum += block[i];
    }
    snprintf(text, sizeof(text), "%06o", sum);
    memcpy(block + 148, text, 7);
}

/* A header and its data at the end of the archive. */
static void header_add(char type, const char *name, const char *size, const void *data,
                       uint32_t data_bytes)
{
    uint8_t *block = archive + archive_bytes;
    memset(block, 0, TAR_BLOCK_BYTES + ALIGN_UP(data_bytes, TAR_BLOCK_BYTES));
    memcpy(block, name, strlen(name));
    memcpy(block + 100, "0000644", 8);
    memcpy(block + 124, size, strlen(size));
    block[156] = (uint8_t)type;
    memcpy(block + 257, "ustar  ", 8);
    header_sum_set(block);
    if (data_bytes > 0) {
        memcpy(block + TAR_BLOCK_BYTES, data, data_bytes);
    }
    archive_bytes += TAR_BLOCK_BYTES + ALIGN_UP(data_bytes, TAR_BLOCK_BYTES);
}

static void end_add(void)
{
    memset(archive + archive_bytes, 0, 2 * TAR_BLOCK_BYTES);
    archive_bytes += 2 * TAR_BLOCK_BYTES;
}

static void test_gnu(void)
{
    static const char size_256[] = "\x80\0\0\0\0\0\0\0\0\0\2\1"; /* 513 */
    char name[301];
    struct tar_entry entry;
    text_fill(name, 300, "long/");
    archive_bytes = 0;
    header_add('L', "././@LongLink", "00000000455", name, 301);
    header_add('K', "././@LongLink", "00000000004", "far", 4);
    header_add('2', "cut", "0", NULL, 0);
    header_add('0', "next", "0", NULL, 0);
    memcpy(archive + archive_bytes - TAR_BLOCK_BYTES + 124, size_256, 12);
    header_sum_set(archive + archive_bytes - TAR_BLOCK_BYTES);
    memset(archive + archive_bytes, 'x', 2 * TAR_BLOCK_BYTES);
    archive_bytes += 2 * TAR_BLOCK_BYTES;
    header_add('\0', "old/", "0", NULL, 0);
    header_add('3', "device", "0", NULL, 0);
    end_add();
    read_begin(4096);
    CHECK(tar_next(&reader, &entry) == 1 && entry.kind == TAR_SYMBOLIC_LINK);
    CHECK(strcmp(entry.name, name) == 0 && strcmp(entry.target, "far") == 0);
    CHECK(tar_next(&reader, &entry) == 1 && entry.kind == TAR_FILE);
    CHECK(strcmp(entry.name, "next") == 0 && entry.size_bytes == 513);
    CHECK(tar_next(&reader, &entry) == 1 && entry.kind == TAR_DIRECTORY);
    CHECK(tar_next(&reader, &entry) == 1 && entry.kind == TAR_OTHER);
    CHECK(tar_next(&reader, &entry) == 0);
    proved("GNU's long names and numbers in base 256 are understood, and old directories");
}

/* One file behind an extended header with that text. */
static long extended_try(const char *text, struct tar_entry *out)
{
    char size[12];
    uint32_t length = (uint32_t)strlen(text);
    snprintf(size, sizeof(size), "%011o", length);
    archive_bytes = 0;
    header_add('x', "extended", size, text, length);
    header_add('0', "name", "0", NULL, 0);
    end_add();
    read_begin(7);
    return tar_next(&reader, out);
}

static void test_extended(void)
{
    static const char *const bad[] = {
        "x",
        "5",
        "5 a=b",
        "3 a\n",
        "0 a=b\n",
        "4 a=\n",
        "6 a=bc\n",
        "7 a=b\n",
        "99999999999 a=b\n",
        "4294967302 a=b\n",
        " 6 a=b\n",
        "10 size=x\n",
        "11 size=-1\n",
        "29 size=99999999999999999999\n",
        "18 uid=4294967296\n",
        "22 GNU.sparse.major=1\n",
        "13 mtime=1.x\n",
        "9 mtime=\n",
    };
    struct tar_entry entry;
    for (uint32_t i = 0; i < ARRAY_LENGTH(bad); i++) {
        CHECK(extended_try(bad[i], &entry) == -EINVAL && reader.problem != NULL);
    }
    proved("damaged extended headers are told, and files with holes");
    CHECK(extended_try("19 mtime=-1.000001\n12 path=abc\n13 comment=x\n12 uid=4000\n", &entry) ==
          1);
    CHECK(entry.modify_ns == -1000001000ll && strcmp(entry.name, "abc") == 0 && entry.uid == 4000);
    CHECK(extended_try("6 a=b\n8 path=\n", &entry) == 1 && entry.name[0] == '\0');
    CHECK(extended_try("16 size=0000000\n", &entry) == 1 && entry.size_bytes == 0);
    proved("those that are whole count, whatever else stands in them");
    static char text[TAR_NAME_BYTES + 32];
    snprintf(text, sizeof(text), "%d path=", TAR_NAME_BYTES + 4 + 1 + 5 + 1);
    size_t start = strlen(text);
    text_fill(text + start, TAR_NAME_BYTES, "n");
    text[start + TAR_NAME_BYTES] = '\n';
    CHECK(extended_try(text, &entry) == -EINVAL && strstr(reader.problem, "too long") != NULL);
    archive_bytes = 0;
    header_add('L', "././@LongLink", "00000010001", text, TAR_NAME_BYTES + 1);
    read_begin(4096);
    CHECK(tar_next(&reader, &entry) == -EINVAL && strstr(reader.problem, "too long") != NULL);
    archive_bytes = 0;
    header_add('0', "large", "0", NULL, 0);
    memcpy(archive + 124, "\x80\0\0\0\x10\1\1\1\1\1\1\1", 12);
    header_sum_set(archive);
    read_begin(4096);
    CHECK(tar_next(&reader, &entry) == -EINVAL);
    proved("names and sizes beyond all measure are refused");
}

int main(void)
{
    test_round();
    test_cut();
    test_damage();
    test_gnu();
    test_extended();
    return 0;
}
