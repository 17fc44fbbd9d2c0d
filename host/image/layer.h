/*
 * Reads one layer (tar; plain, gzip or zstd) into an image's tree, and checks both digests of it:
 * of the bytes as they are stored, and of the archive inside. Whiteouts are those of the OCI image
 * specification: .wh.NAME takes NAME of lower layers away, .wh..wh..opq all names of its directory.
 *
 * Refused, because no container may have them or nobody means them well: device nodes other than
 * 0:0, paths with "..", hard links to what is not there. Of extended attributes security.capability
 * and user.* are kept.
 */
#pragma once

#include "host/image/digest.h"
#include "host/image/image_tree.h"

/* Bytes of an open file. */
struct byte_range {
    int fd;
    uint64_t offset;
    uint64_t size_bytes;
};

struct layer {
    struct byte_range stored;
    const struct digest *digest;  /* of the stored bytes; NULL when the source does not say */
    const struct digest *diff_id; /* of the archive */
    uint16_t number;              /* from 1, the lowest */
};

/* Told how many stored bytes were read, now and then; may be NULL. */
typedef void (*layer_progress)(void *context, uint64_t bytes);

/* On failure the tree is of no further use, and its problem says why. */
MUST_USE status_t layer_merge(struct image_tree *tree, const struct layer *layer,
                              layer_progress progress, void *context);

/* One tar archive without a filter, from memory: what layer_merge does with a layer's inside. */
MUST_USE status_t layer_merge_bytes(struct image_tree *tree, const void *bytes, size_t length_bytes,
                                    uint16_t number);
