#include "walk.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FACTS_BYTES 32768
#define DULL_BYTES  24
#define DULL_STEP   32

/* make_image.sh makes them, but those named absent or below. */
#define MANY(number)                                                                               \
    "many/" number                                                                                 \
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
static const char *const paths[] = {
    "",         "dir",         "dir/sub",  "dir/sub/file", "dir/sub/absent", "tail",   "plain",
    "mixed",    "nothing",     "link",     "long",         "fifo",           "null",   "block",
    "many",     MANY("00"),    MANY("30"), MANY("69"),     "many/absent",    "labels", "labels/1",
    "labels/2", "plain/below", "absent",
};

/* A variant's facts, one a line "PATH FACT VALUE". */
static char facts[FACTS_BYTES];
static size_t facts_bytes;
/* The unchanged image's. */
static char unchanged[FACTS_BYTES];

static uint32_t hash(const void *bytes, size_t length)
{
    const uint8_t *at = bytes;
    uint32_t value = 2166136261u;
    for (size_t i = 0; i < length; i++) {
        value = (value ^ at[i]) * 16777619u;
    }
    return value;
}

static void fact(const char *path, const char *name, long result, const char *value)
{
    size_t left = sizeof(facts) - facts_bytes;
    int bytes = result < 0
                    ? snprintf(facts + facts_bytes, left, "/%s %s E%ld\n", path, name, -result)
                    : snprintf(facts + facts_bytes, left, "/%s %s %s\n", path, name, value);
    if (bytes < 0 || (size_t)bytes >= left) {
        fprintf(stderr, "too many facts\n");
        exit(1);
    }
    facts_bytes += (size_t)bytes;
}

static void bytes_fact(const char *path, const char *name, long result, const void *bytes)
{
    char text[64] = "";
    if (result >= 0) {
        snprintf(text, sizeof(text), "%ld:%08x", result, hash(bytes, (size_t)result));
    }
    fact(path, name, result, text);
}

/* Names, whatever their order: their count and the sum of their hashes. */
static void names_fact(const char *path, const char *what, long result, const char *names)
{
    char text[64] = "";
    uint32_t count = 0;
    uint32_t sum = 0;
    for (long at = 0; at < result; at += (long)strlen(names + at) + 1) {
        count++;
        sum += hash(names + at, strlen(names + at));
    }
    snprintf(text, sizeof(text), "%u:%08x", count, sum);
    fact(path, what, result, text);
}

static void xattr_facts(const char *path)
{
    static const char *const known[] = {"user.own", "user.same"};
    static char names[NAMES_BYTES];
    static uint8_t value[CONTENT_BYTES];
    long result = judge_xattr_list(path, names);
    names_fact(path, "xattrs", result, names);
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        bytes_fact(path, known[i], judge_xattr_get(path, known[i], value), value);
    }
}

static void path_facts(const char *path)
{
    static char names[NAMES_BYTES];
    static uint8_t content[CONTENT_BYTES];
    char target[4097];
    char text[160];
    struct facts about;
    long result = judge_stat(path, &about);
    if (result == 0) {
        snprintf(text, sizeof(text), "%o:%u:%u:%u:%llx:%llu:%lld", about.mode, about.uid, about.gid,
                 about.links, (unsigned long long)about.device,
                 (unsigned long long)about.size_bytes, (long long)about.modify_seconds);
    }
    fact(path, "stat", result, text);
    if (result != 0) {
        return;
    }
    switch (about.mode & 0170000) {
    case 0040000:
        result = judge_list(path, names);
        names_fact(path, "list", result, names);
        break;
    case 0100000:
        bytes_fact(path, "read", judge_read(path, content), content);
        break;
    case 0120000:
        bytes_fact(path, "readlink", judge_readlink(path, target, sizeof(target)), target);
        return; /* links have no attributes here */
    default:
        return;
    }
    if (strncmp(path, "labels/", 7) == 0) {
        xattr_facts(path);
    }
}

static void facts_take(size_t offset, uint8_t byte)
{
    facts_bytes = 0;
    long result = judge_open(offset, byte);
    fact("", "mount", result, "done");
    if (result == 0) {
        for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
            path_facts(paths[i]);
        }
        judge_close();
    }
}

/* Whether the unchanged image has that line; facts have no order that could be lost. */
static bool is_unchanged(const char *line, size_t length)
{
    for (const char *at = unchanged; *at != '\0'; at = strchr(at, '\n') + 1) {
        if (strncmp(at, line, length) == 0) {
            return true;
        }
    }
    return false;
}

static void lines_print(size_t offset, uint8_t change)
{
    for (const char *at = facts; at < facts + facts_bytes;) {
        size_t length = (size_t)(strchr(at, '\n') - at) + 1;
        if (!is_unchanged(at, length)) {
            printf("%zu %02x %.*s", offset, change, (int)length, at);
        }
        at += length;
    }
}

void walk_unchanged(const uint8_t *image)
{
    facts_take(0, image[0]);
    unchanged[0] = '\0';
    lines_print(0, 0);
    memcpy(unchanged, facts, facts_bytes + 1);
}

void walk_variant(const uint8_t *image, size_t offset, uint8_t change)
{
    facts_take(offset, image[offset] ^ change);
    lines_print(offset, change);
}

/* Bytes far inside of padding, or of content that is the same all along. */
static bool is_dull(const uint8_t *image, size_t image_bytes, size_t offset)
{
    for (size_t at = offset < DULL_BYTES ? 0 : offset - DULL_BYTES;
         at < image_bytes && at <= offset + DULL_BYTES; at++) {
        if (image[at] != image[offset]) {
            return false;
        }
    }
    return offset % DULL_STEP != 0;
}

void walk_variants(const uint8_t *image, size_t image_bytes, size_t step, variant_run variant)
{
    static const uint8_t changes[] = {0x01, 0x80, 0xff};
    size_t number = 0;
    for (size_t offset = 0; offset < image_bytes; offset++) {
        if (is_dull(image, image_bytes, offset)) {
            continue;
        }
        for (size_t i = 0; i < sizeof(changes); i++) {
            if (number++ % step == 0) {
                variant(image, offset, changes[i]);
            }
        }
    }
    printf("variants %zu\n", (number + step - 1) / step);
    fflush(stdout);
}
