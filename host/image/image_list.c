#include "host/image/image_list.h"

#include "host/cli/cli.h"

#include <stdlib.h>
#include <string.h>

#define INDEX_DEPTH_MAX 4
#define BLOB_PATH       "blobs/sha256/%s"
#define INDEX_FILE      "index.json"
#define SAVED_FILE      "manifest.json"

struct listing {
    const struct source *source;
    struct image_list list;
    size_t others; /* images for another platform, or no images of containers at all */
};

static char *blob_file(const struct digest *digest)
{
    char text[DIGEST_TEXT_BYTES];
    digest_text(digest, text);
    return text_format(BLOB_PATH, text + strlen(DIGEST_PREFIX_TEXT));
}

/* A small blob, whose bytes have the digest. */
static status_t blob_read(const struct source *source, const struct descriptor *descriptor,
                          size_t length_max, void **bytes, size_t *length_bytes)
{
    struct digest digest;
    char *file = blob_file(&descriptor->digest);
    status_t status = source_file_read(source, file, length_max, bytes, length_bytes);
    if (status == STATUS_OK) {
        digest_of(*bytes, *length_bytes, &digest);
        if (*length_bytes != descriptor->size_bytes ||
            !digest_equal(&digest, &descriptor->digest)) {
            status = problem_set(source->problem, STATUS_CORRUPT,
                                 "%s does not match its digest: the image is damaged", file);
            free(*bytes);
        }
    }
    free(file);
    return status;
}

static void image_free(struct listed_image *image)
{
    for (size_t i = 0; i < image->name_count; i++) {
        free(image->names[i]);
    }
    for (size_t i = 0; i < image->layer_count; i++) {
        free(image->layers[i].file);
    }
    free(image->names);
    free(image->layers);
    free(image->configuration_text);
    *image = (struct listed_image){0};
}

static void name_add(struct listed_image *image, const char *name)
{
    if (name != NULL) {
        image->names = allocate_again(image->names, (image->name_count + 1) * sizeof(name));
        image->names[image->name_count++] = text_copy(name);
    }
}

/* Takes the image, or only its names when it is listed already. */
static void image_add(struct listing *listing, struct listed_image *image)
{
    struct image_list *list = &listing->list;
    for (size_t i = 0; i < list->count; i++) {
        if (digest_equal(&list->items[i].id, &image->id)) {
            for (size_t j = 0; j < image->name_count; j++) {
                name_add(&list->items[i], image->names[j]);
            }
            image_free(image);
            return;
        }
    }
    list->items = allocate_again(list->items, (list->count + 1) * sizeof(*image));
    list->items[list->count++] = *image;
}

/* Gives the image its configuration and room for its layers. */
static status_t configuration_take(struct listing *listing, struct listed_image *image,
                                   size_t layer_count, bool *ours)
{
    struct configuration configuration;
    struct problem *problem = listing->source->problem;
    status_t status = configuration_parse(image->configuration_text, image->configuration_bytes,
                                          &configuration, problem);
    if (status != STATUS_OK) {
        return status;
    }
    *ours = configuration.platform != PLATFORM_OTHER;
    if (*ours && configuration.count != layer_count) {
        status = problem_set(problem, STATUS_CORRUPT,
                             "the image is damaged: it has %zu layers, its configuration says %zu",
                             layer_count, configuration.count);
    } else if (*ours) {
        image->layers = allocate(layer_count * sizeof(*image->layers));
        image->layer_count = layer_count;
        for (size_t i = 0; i < layer_count; i++) {
            image->layers[i].diff_id = configuration.diff_ids[i];
        }
    }
    configuration_free(&configuration);
    return status;
}

/* An image of an OCI layout. */
static status_t manifest_take(struct listing *listing, const struct manifest *manifest,
                              const char *name)
{
    struct listed_image image = {.id = manifest->configuration.digest};
    void *bytes;
    bool ours = false;
    if (!manifest->configuration.image_configuration) {
        listing->others++;
        return STATUS_OK;
    }
    status_t status = blob_read(listing->source, &manifest->configuration, CONFIGURATION_BYTES_MAX,
                                &bytes, &image.configuration_bytes);
    if (status != STATUS_OK) {
        return status;
    }
    image.configuration_text = bytes;
    image.configuration_text[image.configuration_bytes] = '\0';
    status = configuration_take(listing, &image, manifest->list.count, &ours);
    if (status != STATUS_OK || !ours) {
        listing->others += status == STATUS_OK ? 1 : 0;
        image_free(&image);
        return status;
    }
    for (size_t i = 0; i < image.layer_count; i++) {
        image.layers[i].file = blob_file(&manifest->list.items[i].digest);
        image.layers[i].digest = manifest->list.items[i].digest;
        image.layers[i].digest_known = true;
        image.layers[i].size_bytes = manifest->list.items[i].size_bytes;
    }
    name_add(&image, name);
    image_add(listing, &image);
    return STATUS_OK;
}

static status_t descriptor_take(struct listing *listing, const struct descriptor *descriptor,
                                const char *name, uint32_t depth);

/*
 * Of an index below the top, the one image for this platform: what says so before what says
 * nothing.
 */
static status_t index_take(struct listing *listing, const struct descriptor_list *list,
                           const char *name, uint32_t depth)
{
    const struct descriptor *chosen = NULL;
    for (size_t i = 0; i < list->count; i++) {
        const struct descriptor *item = &list->items[i];
        if ((item->platform == PLATFORM_OURS &&
             (chosen == NULL || chosen->platform != PLATFORM_OURS)) ||
            (item->platform == PLATFORM_UNSAID && chosen == NULL)) {
            chosen = item;
        }
    }
    if (chosen == NULL) {
        listing->others++;
        return STATUS_OK;
    }
    return descriptor_take(listing, chosen, name, depth + 1);
}

static status_t descriptor_take(struct listing *listing, const struct descriptor *descriptor,
                                const char *name, uint32_t depth)
{
    struct manifest manifest;
    void *bytes;
    size_t length_bytes;
    if (depth > INDEX_DEPTH_MAX) {
        return problem_set(listing->source->problem, STATUS_CORRUPT,
                           "the image's index holds indexes too deep");
    }
    status_t status =
        blob_read(listing->source, descriptor, MANIFEST_BYTES_MAX, &bytes, &length_bytes);
    if (status != STATUS_OK) {
        return status;
    }
    status = manifest_parse(bytes, length_bytes, "the image's manifest", &manifest,
                            listing->source->problem);
    free(bytes);
    if (status != STATUS_OK) {
        return status;
    }
    status = manifest.index ? index_take(listing, &manifest.list, name, depth)
                            : manifest_take(listing, &manifest, name);
    manifest_free(&manifest);
    return status;
}

static status_t layout_list(struct listing *listing)
{
    struct manifest index;
    void *bytes;
    size_t length_bytes;
    struct problem *problem = listing->source->problem;
    status_t status =
        source_file_read(listing->source, INDEX_FILE, MANIFEST_BYTES_MAX, &bytes, &length_bytes);
    if (status != STATUS_OK) {
        return status;
    }
    status = manifest_parse(bytes, length_bytes, INDEX_FILE, &index, problem);
    free(bytes);
    if (status != STATUS_OK) {
        return status;
    }
    if (!index.index) {
        manifest_free(&index);
        return problem_set(problem, STATUS_CORRUPT, INDEX_FILE " holds no list of manifests");
    }
    for (size_t i = 0; status == STATUS_OK && i < index.list.count; i++) {
        const struct descriptor *item = &index.list.items[i];
        if (item->platform == PLATFORM_OTHER) {
            listing->others++;
        } else {
            status = descriptor_take(listing, item, item->name, 0);
        }
    }
    manifest_free(&index);
    return status;
}

/* docker save names a configuration by its digest: HEX.json, or blobs/sha256/HEX. */
static bool configuration_name_matches(const char *file, const struct digest *digest)
{
    struct digest named;
    const char *slash = strrchr(file, '/');
    const char *name = slash != NULL ? slash + 1 : file;
    size_t digits = strspn(name, "0123456789abcdef");
    bool is_digest = digits == 2 * (size_t)DIGEST_BYTES &&
                     (name[digits] == '\0' || strcmp(name + digits, ".json") == 0);
    return !is_digest || (digest_parse_hexadecimal(name, &named) && digest_equal(&named, digest));
}

static status_t saved_take(struct listing *listing, const struct saved_image *saved)
{
    struct listed_image image = {0};
    void *bytes;
    bool ours = false;
    status_t status = source_file_read(listing->source, saved->configuration,
                                       CONFIGURATION_BYTES_MAX, &bytes, &image.configuration_bytes);
    if (status != STATUS_OK) {
        return status;
    }
    image.configuration_text = bytes;
    image.configuration_text[image.configuration_bytes] = '\0';
    digest_of(bytes, image.configuration_bytes, &image.id);
    if (!configuration_name_matches(saved->configuration, &image.id)) {
        status = problem_set(listing->source->problem, STATUS_CORRUPT,
                             "%.200s does not match its digest: the image is damaged",
                             saved->configuration);
    } else {
        status = configuration_take(listing, &image, saved->layer_count, &ours);
    }
    if (status != STATUS_OK || !ours) {
        listing->others += status == STATUS_OK ? 1 : 0;
        image_free(&image);
        return status;
    }
    for (size_t i = 0; i < image.layer_count; i++) {
        image.layers[i].file = text_copy(saved->layers[i]);
    }
    for (size_t i = 0; i < saved->name_count; i++) {
        name_add(&image, saved->names[i]);
    }
    image_add(listing, &image);
    return STATUS_OK;
}

static status_t saved_list(struct listing *listing)
{
    struct saved_list saved;
    void *bytes;
    size_t length_bytes;
    status_t status =
        source_file_read(listing->source, SAVED_FILE, MANIFEST_BYTES_MAX, &bytes, &length_bytes);
    if (status != STATUS_OK) {
        return status;
    }
    status = saved_list_parse(bytes, length_bytes, &saved, listing->source->problem);
    free(bytes);
    if (status != STATUS_OK) {
        return status;
    }
    for (size_t i = 0; status == STATUS_OK && i < saved.count; i++) {
        status = saved_take(listing, &saved.items[i]);
    }
    saved_list_free(&saved);
    return status;
}

status_t image_list_read(const struct source *source, struct image_list *out)
{
    struct listing listing = {.source = source};
    status_t status;
    if (source_has(source, INDEX_FILE)) {
        status = layout_list(&listing);
    } else if (source->directory_fd < 0 && source_has(source, SAVED_FILE)) {
        status = saved_list(&listing);
    } else {
        status = problem_set(source->problem, STATUS_NOT_FOUND,
                             "it is no OCI layout, OCI archive or docker-save archive");
    }
    if (status == STATUS_OK && listing.list.count == 0) {
        status = problem_set(source->problem, STATUS_NOT_FOUND,
                             listing.others > 0 ? "it holds no image for linux/amd64"
                                                : "it holds no image");
    }
    if (status != STATUS_OK) {
        image_list_free(&listing.list);
        return status;
    }
    *out = listing.list;
    return STATUS_OK;
}

void image_list_free(struct image_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        image_free(&list->items[i]);
    }
    free(list->items);
    *list = (struct image_list){0};
}
