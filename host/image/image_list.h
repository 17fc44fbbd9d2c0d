/*
 * The images of a source that run here (linux/amd64): each with its names, its configuration, which
 * was checked against its digest, and where its layers are. An image is identified by the digest of
 * its configuration, which names the digest of every layer, so that it says all of the contents.
 */
#pragma once

#include "host/image/manifest.h"
#include "host/image/source.h"

struct listed_layer {
    char *file;            /* in the source */
    bool digest_known;     /* docker-save archives do not say that of the stored bytes */
    struct digest digest;  /* of the stored bytes */
    struct digest diff_id; /* of the archive in it */
    uint64_t size_bytes;   /* of the file; 0 when not known before it is opened */
};

struct listed_image {
    struct digest id;
    char **names; /* as the source writes them */
    size_t name_count;
    char *configuration_text; /* the bytes, with a zero behind */
    size_t configuration_bytes;
    struct listed_layer *layers; /* the lowest first */
    size_t layer_count;
};

struct image_list {
    struct listed_image *items;
    size_t count;
};

/* At least one image, or an error. Free only what was listed. */
MUST_USE status_t image_list_read(const struct source *source, struct image_list *out);
void image_list_free(struct image_list *list);
