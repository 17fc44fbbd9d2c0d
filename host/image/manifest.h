/*
 * The JSON documents of an image: OCI index, OCI and docker manifest, configuration, and the list
 * of a docker-save archive. Only reads bytes that are in memory; whatever they hold, the result is
 * a checked structure or one line that says what is wrong. The caller checks digests.
 */
#pragma once

#include "host/image/digest.h"
#include "host/image/problem.h"

#include <jansson.h>

#define MANIFEST_BYTES_MAX       (4u << 20)
#define CONFIGURATION_BYTES_MAX  (8u << 20)
#define MANIFEST_LAYERS_MAX      512
#define INDEX_DESCRIPTORS_MAX    4096
#define MANIFEST_TEXT_BYTES_MAX  4096 /* of a name or a path */
#define MANIFEST_OBJECT_SIZE_MAX (1ull << 42)

enum platform_match {
    PLATFORM_UNSAID,
    PLATFORM_OURS, /* linux/amd64 */
    PLATFORM_OTHER,
};

struct descriptor {
    struct digest digest;
    uint64_t size_bytes;
    enum platform_match platform;
    char *name;               /* an annotation's; NULL without */
    bool image_configuration; /* the media type is one of an image's configuration, or unsaid */
};

struct descriptor_list {
    struct descriptor *items;
    size_t count;
};

/* An index holds manifests (index true, configuration unused), a manifest layers. */
struct manifest {
    bool index;
    struct descriptor_list list;
    struct descriptor configuration;
};

struct configuration {
    json_t *json;
    struct digest *diff_ids;
    size_t count;
    enum platform_match platform;
};

/* One image of a docker-save archive: paths in it. */
struct saved_image {
    char *configuration;
    char **names;
    size_t name_count;
    char **layers;
    size_t layer_count;
};

struct saved_list {
    struct saved_image *items;
    size_t count;
};

/* CORRUPT, with a line that begins with what ("index.json", ...). Free only what was parsed. */
MUST_USE status_t manifest_parse(const void *bytes, size_t length_bytes, const char *what,
                                 struct manifest *out, struct problem *problem);
void manifest_free(struct manifest *manifest);
MUST_USE status_t configuration_parse(const void *bytes, size_t length_bytes,
                                      struct configuration *out, struct problem *problem);
void configuration_free(struct configuration *configuration);
MUST_USE status_t saved_list_parse(const void *bytes, size_t length_bytes, struct saved_list *out,
                                   struct problem *problem);
void saved_list_free(struct saved_list *list);
