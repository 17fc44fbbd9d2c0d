/*
 * Proves: a layer is read plain, gzipped and compressed with zstd; a changed bit anywhere, in its
 * bytes or in what either digest says, is found; bytes after the archive's end count; a layer cut
 * short is refused.
 */
#include "host/cli/cli.h"
#include "host/image/test/image_make.h"

#include <archive.h>
#include <archive_entry.h>
#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ROOM      (1u << 30)
#define SCRIPT    "d a\nf a/b one\nn c 300000\nl d a\n"
#define TEXT      "d a\nf a/b one\nf c \nl d a\n"
#define SPARE     4096
#define BYTES_MAX (1u << 20)

struct stored {
    uint8_t *bytes;
    size_t length_bytes;
    struct digest digest;
    struct digest diff_id;
};

typedef int (*filter_add)(struct archive *archive);

/* The script's layer through a filter, and its digests. */
static struct stored stored_make(filter_add filter, size_t zeros_after)
{
    struct stored stored = {.bytes = allocate(BYTES_MAX)};
    size_t length_bytes;
    uint8_t *plain = layer_make(SCRIPT, &length_bytes);
    plain = allocate_again(plain, length_bytes + zeros_after);
    memset(plain + length_bytes, 0, zeros_after);
    length_bytes += zeros_after;
    digest_of(plain, length_bytes, &stored.diff_id);
    struct archive *archive = archive_write_new();
    struct archive_entry *entry = archive_entry_new();
    assert(archive_write_set_format_raw(archive) == ARCHIVE_OK);
    assert(filter(archive) == ARCHIVE_OK);
    archive_write_set_bytes_in_last_block(archive, 1);
    assert(archive_write_open_memory(archive, stored.bytes, BYTES_MAX, &stored.length_bytes) ==
           ARCHIVE_OK);
    archive_entry_set_filetype(entry, AE_IFREG);
    assert(archive_write_header(archive, entry) == ARCHIVE_OK);
    assert(archive_write_data(archive, plain, length_bytes) == (la_ssize_t)length_bytes);
    archive_entry_free(entry);
    assert(archive_write_close(archive) == ARCHIVE_OK);
    archive_write_free(archive);
    free(plain);
    digest_of(stored.bytes, stored.length_bytes, &stored.digest);
    return stored;
}

/* Merges the first length_bytes of it, which lie somewhere in a file. */
static status_t stored_merge(const struct stored *stored, size_t length_bytes, bool *text_right,
                             struct problem *problem)
{
    char path[] = "/tmp/oak-layer.XXXXXX";
    struct fixture fixture;
    int fd = mkstemp(path);
    unlink(path);
    assert(pwrite(fd, stored->bytes, length_bytes, SPARE) == (ssize_t)length_bytes);
    assert(pwrite(fd, "noise", 5, (off_t)(SPARE + length_bytes)) == 5);
    struct layer layer = {.stored = {fd, SPARE, length_bytes},
                          .digest = &stored->digest,
                          .diff_id = &stored->diff_id,
                          .number = 1};
    fixture_open(&fixture, ROOM);
    status_t status = layer_merge(&fixture.tree, &layer, NULL, NULL);
    char *text = fixture_text(&fixture);
    *text_right = strcmp(text, TEXT) == 0;
    *problem = fixture.problem;
    free(text);
    fixture_close(&fixture);
    close(fd);
    return status;
}

static bool taken(const struct stored *stored)
{
    struct problem problem;
    bool right;
    bool good = stored_merge(stored, stored->length_bytes, &right, &problem) == STATUS_OK && right;
    if (!good) {
        printf("  %s\n", problem.text);
    }
    return good;
}

static bool refused(const struct stored *stored, size_t length_bytes)
{
    struct problem problem;
    bool right;
    return stored_merge(stored, length_bytes, &right, &problem) != STATUS_OK &&
           problem.text[0] != '\0';
}

/* Every 97th bit of the stored bytes, changed alone. */
static bool changes_found(struct stored *stored)
{
    bool found = true;
    size_t step = MAX(stored->length_bytes / 97, (size_t)1);
    for (size_t i = 0; found && i < stored->length_bytes; i += step) {
        stored->bytes[i] ^= 0x10;
        found = refused(stored, stored->length_bytes);
        stored->bytes[i] ^= 0x10;
    }
    return found;
}

static void report(bool good, const char *form, const char *sentence)
{
    static int number;
    printf("%sok %d - %s: %s\n", good ? "" : "not ", ++number, form, sentence);
}

static void form_test(const char *form, filter_add filter)
{
    struct stored stored = stored_make(filter, 0);
    report(taken(&stored), form, "it is read");
    report(changes_found(&stored), form, "a changed bit is found");
    report(refused(&stored, stored.length_bytes - 1) && refused(&stored, stored.length_bytes / 2) &&
               refused(&stored, 0),
           form, "cut short it is refused");
    stored.diff_id.bytes[0] ^= 1;
    report(refused(&stored, stored.length_bytes), form, "the archive's digest counts");
    free(stored.bytes);
    stored = stored_make(filter, 30000);
    report(taken(&stored), form, "zeros after the archive's end belong to it");
    report(changes_found(&stored), form, "and count for its digests");
    free(stored.bytes);
}

int main(void)
{
    form_test("plain", archive_write_add_filter_none);
    form_test("gzip", archive_write_add_filter_gzip);
    form_test("zstd", archive_write_add_filter_zstd);
    return 0;
}
