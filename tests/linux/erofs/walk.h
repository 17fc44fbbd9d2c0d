/*
 * What an EROFS image shows, changed byte by byte: the same walk for Linux (guest.c, which mounts
 * the image) and for the personality (here.c, whose file system reads it). Each side has functions
 * that answer as system calls do: a count, or -errno.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define NAMES_BYTES   65536 /* what a listing may have */
#define CONTENT_BYTES 65536

struct facts {
    uint32_t mode;
    uint32_t uid;
    uint32_t gid;
    uint32_t links;
    uint64_t device;
    uint64_t size_bytes;
    int64_t modify_seconds;
};

/* Put that byte into the image and mount it. */
long judge_open(size_t offset, uint8_t byte);
void judge_close(void);
/* No link is followed, not even in the middle of a path. */
long judge_stat(const char *path, struct facts *out);
/* Names in any order, each with its NUL, without "." and "..": the bytes. */
long judge_list(const char *path, char *names);
long judge_read(const char *path, uint8_t *content);
long judge_readlink(const char *path, char *target, size_t capacity);
long judge_xattr_list(const char *path, char *names);
long judge_xattr_get(const char *path, const char *name, uint8_t *value);

/*
 * Takes one variant's facts, and prints those that are not the unchanged image's, one a line:
 * OFFSET CHANGE PATH FACT VALUE. The unchanged image's own facts are taken first, and printed, with
 * CHANGE 0.
 */
void walk_unchanged(const uint8_t *image);
void walk_variant(const uint8_t *image, size_t offset, uint8_t change);

/* Calls `variant` for every `step`th change of a byte: three of each, but for most bytes amid many
 * others that are equal. The last line that it prints says how many. */
typedef void (*variant_run)(const uint8_t *image, size_t offset, uint8_t change);
void walk_variants(const uint8_t *image, size_t image_bytes, size_t step, variant_run variant);
