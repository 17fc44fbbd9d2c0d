/*
 * bundle OUT NAME=FILE...: puts files into the boot bundle of abi/kernel.h: a header page, then
 * every file at a page of its own.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/types.h"

#define ENTRIES_MAX ((PAGE_SIZE - sizeof(struct bundle_header)) / sizeof(struct bundle_entry))

static union {
    struct bundle_header header;
    uint8_t bytes[PAGE_SIZE];
} head;

static void fail(const char *what, const char *name)
{
    fprintf(stderr, "bundle: %s: %s\n", what, name);
    exit(1);
}

static uint64_t file_append(FILE *out, const char *path)
{
    FILE *in = fopen(path, "rb");
    if (in == NULL) {
        fail("cannot open", path);
    }
    static uint8_t buffer[65536];
    uint64_t size_bytes = 0;
    size_t count;
    while ((count = fread(buffer, 1, sizeof(buffer), in)) > 0) {
        if (fwrite(buffer, 1, count, out) != count) {
            fail("cannot write", path);
        }
        size_bytes += count;
    }
    if (ferror(in)) {
        fail("cannot read", path);
    }
    fclose(in);
    static const uint8_t zeros[PAGE_SIZE];
    size_t padding = ALIGN_UP(size_bytes, PAGE_SIZE) - size_bytes;
    if (fwrite(zeros, 1, padding, out) != padding) {
        fail("cannot write", path);
    }
    return size_bytes;
}

int main(int argument_count, char **arguments)
{
    if (argument_count < 2 || (size_t)argument_count - 2 > ENTRIES_MAX) {
        fail("usage", "bundle OUT NAME=FILE...");
    }
    FILE *out = fopen(arguments[1], "wb");
    if (out == NULL || fwrite(&head, sizeof(head), 1, out) != 1) {
        fail("cannot write", arguments[1]);
    }
    uint64_t offset = PAGE_SIZE;
    for (int i = 2; i < argument_count; i++) {
        char *equals = strchr(arguments[i], '=');
        struct bundle_entry *entry = &head.header.entry[i - 2];
        if (equals == NULL || equals - arguments[i] >= BUNDLE_NAME) {
            fail("not NAME=FILE", arguments[i]);
        }
        memcpy(entry->name, arguments[i], (size_t)(equals - arguments[i]));
        entry->offset = offset;
        entry->size_bytes = file_append(out, equals + 1);
        offset += ALIGN_UP(entry->size_bytes, PAGE_SIZE);
    }
    head.header.magic = BUNDLE_MAGIC;
    head.header.count = (uint64_t)argument_count - 2;
    if (fseek(out, 0, SEEK_SET) != 0 || fwrite(&head, sizeof(head), 1, out) != 1 ||
        fclose(out) != 0) {
        fail("cannot write", arguments[1]);
    }
    return 0;
}
