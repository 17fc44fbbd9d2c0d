/*
 * The loaded images as the commands see them: host/image's store of names and configurations,
 * beside the blobs in the machine's store.
 */
#pragma once

#include "host/cli/image.h"

#include <jansson.h>

struct catalog_image {
    char *repository; /* "<none>" without a name, as the tag */
    char *tag;
    char *id; /* sha256:... */
    uint8_t blob[32];
    uint64_t created_ns; /* as the image says; 0 when it does not */
    uint64_t size_bytes; /* of the blob */
};

struct catalog {
    struct catalog_image *items;
    size_t count;
};

/* Every name of every image. False: the error was printed. */
MUST_USE bool catalog_read(const struct state *state, struct catalog *catalog);
void catalog_free(struct catalog *catalog);

/*
 * One image by name, name:tag, identifier, or a unique prefix of one. NOT_FOUND; anything else is
 * printed and CLOSED.
 */
MUST_USE status_t catalog_find(const struct state *state, const char *reference, struct image *out);

/* Whether taking this name away leaves no other use of its blob. Errors as catalog_find. */
MUST_USE status_t catalog_last_use(const struct state *state, const char *reference, bool *last);

/* Takes the name away, or all of an identifier's. Errors as catalog_find. */
MUST_USE status_t catalog_remove(const struct state *state, const char *reference);
