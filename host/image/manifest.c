#include "host/image/manifest.h"

#include "host/cli/cli.h"

#include <stdlib.h>
#include <string.h>

static status_t improper(struct problem *problem, const char *what, const char *missing)
{
    return problem_set(problem, STATUS_CORRUPT, "%s is damaged: %s", what, missing);
}

static status_t json_read(const void *bytes, size_t length_bytes, const char *what, json_t **out,
                          struct problem *problem)
{
    json_error_t error;
    *out = json_loadb(bytes, length_bytes, JSON_REJECT_DUPLICATES, &error);
    if (*out == NULL) {
        return problem_set(problem, STATUS_CORRUPT, "%s is no proper JSON: line %d: %.160s", what,
                           error.line, error.text);
    }
    return STATUS_OK;
}

/* A member that is a text without control characters; NULL without. */
static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    for (const char *next = text; next != NULL && *next != '\0'; next++) {
        if ((unsigned char)*next < ' ' || *next == 0x7f || next - text >= MANIFEST_TEXT_BYTES_MAX) {
            return NULL;
        }
    }
    return text;
}

static enum platform_match platform_of(const json_t *object)
{
    const char *system = text_of(object, "os");
    const char *machine = text_of(object, "architecture");
    if (system == NULL && machine == NULL) {
        return PLATFORM_UNSAID;
    }
    bool ours = system != NULL && strcmp(system, "linux") == 0 && machine != NULL &&
                strcmp(machine, "amd64") == 0;
    return ours ? PLATFORM_OURS : PLATFORM_OTHER;
}

static bool media_is_configuration(const char *media)
{
    return media == NULL || media[0] == '\0' ||
           strcmp(media, "application/vnd.oci.image.config.v1+json") == 0 ||
           strcmp(media, "application/vnd.docker.container.image.v1+json") == 0;
}

static char *name_of(const json_t *descriptor)
{
    const json_t *annotations = json_object_get(descriptor, "annotations");
    const char *name = text_of(annotations, "io.containerd.image.name");
    if (name == NULL) {
        name = text_of(annotations, "org.opencontainers.image.ref.name");
    }
    return name != NULL && name[0] != '\0' ? text_copy(name) : NULL;
}

static status_t descriptor_read(const json_t *object, const char *what, struct descriptor *out,
                                struct problem *problem)
{
    const char *digest = text_of(object, "digest");
    json_int_t size = json_integer_value(json_object_get(object, "size"));
    struct descriptor descriptor = {0};
    if (digest == NULL || !digest_parse(digest, &descriptor.digest)) {
        return improper(problem, what, "it names something without a sha256 digest");
    }
    if (!json_is_integer(json_object_get(object, "size")) || size < 0 ||
        (uint64_t)size > MANIFEST_OBJECT_SIZE_MAX) {
        return improper(problem, what, "it names something without a proper size");
    }
    descriptor.size_bytes = (uint64_t)size;
    descriptor.platform = platform_of(json_object_get(object, "platform"));
    descriptor.image_configuration = media_is_configuration(text_of(object, "mediaType"));
    descriptor.name = name_of(object);
    *out = descriptor;
    return STATUS_OK;
}

static void descriptor_list_free(struct descriptor_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        free(list->items[i].name);
    }
    free(list->items);
    *list = (struct descriptor_list){0};
}

static status_t descriptor_list_read(const json_t *array, size_t count_max, const char *what,
                                     struct descriptor_list *out, struct problem *problem)
{
    if (!json_is_array(array) || json_array_size(array) > count_max) {
        return improper(problem, what,
                        "it holds no list of manifests or layers, or too long a one");
    }
    struct descriptor_list list = {
        .items = allocate(json_array_size(array) * sizeof(*list.items)),
    };
    for (size_t i = 0; i < json_array_size(array); i++) {
        status_t status =
            descriptor_read(json_array_get(array, i), what, &list.items[list.count], problem);
        if (status != STATUS_OK) {
            descriptor_list_free(&list);
            return status;
        }
        list.count++;
    }
    *out = list;
    return STATUS_OK;
}

static status_t manifest_read(const json_t *json, const char *what, struct manifest *manifest,
                              struct problem *problem)
{
    const json_t *version = json_object_get(json, "schemaVersion");
    const json_t *manifests = json_object_get(json, "manifests");
    if (version != NULL && json_integer_value(version) != 2) {
        return improper(problem, what, "its version is not 2");
    }
    if (manifests != NULL) {
        manifest->index = true;
        return descriptor_list_read(manifests, INDEX_DESCRIPTORS_MAX, what, &manifest->list,
                                    problem);
    }
    status_t status =
        descriptor_read(json_object_get(json, "config"), what, &manifest->configuration, problem);
    if (status == STATUS_OK) {
        status = descriptor_list_read(json_object_get(json, "layers"), MANIFEST_LAYERS_MAX, what,
                                      &manifest->list, problem);
    }
    return status;
}

status_t manifest_parse(const void *bytes, size_t length_bytes, const char *what,
                        struct manifest *out, struct problem *problem)
{
    struct manifest manifest = {0};
    json_t *json;
    status_t status = json_read(bytes, length_bytes, what, &json, problem);
    if (status != STATUS_OK) {
        return status;
    }
    status = manifest_read(json, what, &manifest, problem);
    json_decref(json);
    if (status != STATUS_OK) {
        manifest_free(&manifest);
        return status;
    }
    *out = manifest;
    return STATUS_OK;
}

void manifest_free(struct manifest *manifest)
{
    free(manifest->configuration.name);
    manifest->configuration.name = NULL;
    descriptor_list_free(&manifest->list);
}

static status_t diff_ids_read(const json_t *array, struct configuration *configuration,
                              struct problem *problem)
{
    static const char what[] = "the image's configuration";
    size_t count = json_array_size(array);
    if (!json_is_array(array) || count > MANIFEST_LAYERS_MAX) {
        return improper(problem, what, "it names no layers, or too many");
    }
    configuration->diff_ids = allocate(count * sizeof(*configuration->diff_ids));
    for (; configuration->count < count; configuration->count++) {
        const char *text = json_string_value(json_array_get(array, configuration->count));
        if (text == NULL || !digest_parse(text, &configuration->diff_ids[configuration->count])) {
            return improper(problem, what, "it names a layer without a sha256 digest");
        }
    }
    return STATUS_OK;
}

/* What run and inspect will take from it must be of the right type, or not there. */
static bool member_is(const json_t *object, const char *key, json_type type)
{
    const json_t *value = json_object_get(object, key);
    return value == NULL || json_is_null(value) || json_typeof(value) == type;
}

static bool texts_proper(const json_t *object, const char *key)
{
    const json_t *array = json_object_get(object, key);
    for (size_t i = 0; i < json_array_size(array); i++) {
        if (!json_is_string(json_array_get(array, i))) {
            return false;
        }
    }
    return member_is(object, key, JSON_ARRAY);
}

static bool configuration_proper(const json_t *json)
{
    const json_t *config = json_object_get(json, "config");
    return json_is_object(json) && member_is(json, "config", JSON_OBJECT) &&
           member_is(json, "created", JSON_STRING) && member_is(config, "User", JSON_STRING) &&
           member_is(config, "WorkingDir", JSON_STRING) &&
           member_is(config, "StopSignal", JSON_STRING) && texts_proper(config, "Env") &&
           texts_proper(config, "Cmd") && texts_proper(config, "Entrypoint");
}

status_t configuration_parse(const void *bytes, size_t length_bytes, struct configuration *out,
                             struct problem *problem)
{
    struct configuration configuration = {0};
    status_t status =
        json_read(bytes, length_bytes, "the image's configuration", &configuration.json, problem);
    if (status != STATUS_OK) {
        return status;
    }
    if (!configuration_proper(configuration.json)) {
        status = improper(problem, "the image's configuration", "a value is of another type");
    } else {
        status = diff_ids_read(
            json_object_get(json_object_get(configuration.json, "rootfs"), "diff_ids"),
            &configuration, problem);
    }
    if (status != STATUS_OK) {
        configuration_free(&configuration);
        return status;
    }
    configuration.platform = platform_of(configuration.json);
    *out = configuration;
    return STATUS_OK;
}

void configuration_free(struct configuration *configuration)
{
    json_decref(configuration->json);
    free(configuration->diff_ids);
    *configuration = (struct configuration){0};
}

static void texts_free(char **texts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(texts[i]);
    }
    free(texts);
}

void saved_list_free(struct saved_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        free(list->items[i].configuration);
        texts_free(list->items[i].names, list->items[i].name_count);
        texts_free(list->items[i].layers, list->items[i].layer_count);
    }
    free(list->items);
    *list = (struct saved_list){0};
}

/* A list of texts; null is an empty one. */
static bool texts_read(const json_t *array, char ***texts, size_t *count)
{
    size_t wanted = json_array_size(array);
    if ((array != NULL && !json_is_null(array) && !json_is_array(array)) ||
        wanted > MANIFEST_LAYERS_MAX) {
        return false;
    }
    *texts = allocate(wanted * sizeof(**texts));
    for (size_t i = 0; i < wanted; i++) {
        const char *text = json_string_value(json_array_get(array, i));
        if (text == NULL || strlen(text) >= MANIFEST_TEXT_BYTES_MAX) {
            return false;
        }
        (*texts)[(*count)++] = text_copy(text);
    }
    return true;
}

static bool saved_image_read(const json_t *object, struct saved_image *out)
{
    const char *configuration = text_of(object, "Config");
    if (configuration == NULL) {
        return false;
    }
    out->configuration = text_copy(configuration);
    return texts_read(json_object_get(object, "RepoTags"), &out->names, &out->name_count) &&
           texts_read(json_object_get(object, "Layers"), &out->layers, &out->layer_count);
}

status_t saved_list_parse(const void *bytes, size_t length_bytes, struct saved_list *out,
                          struct problem *problem)
{
    struct saved_list list = {0};
    json_t *json;
    status_t status = json_read(bytes, length_bytes, "manifest.json", &json, problem);
    if (status != STATUS_OK) {
        return status;
    }
    size_t count = json_array_size(json);
    if (!json_is_array(json) || count > INDEX_DESCRIPTORS_MAX) {
        status =
            improper(problem, "manifest.json", "it holds no list of images, or too long a one");
    } else {
        list.items = allocate(count * sizeof(*list.items));
    }
    while (status == STATUS_OK && list.count < count) {
        bool good = saved_image_read(json_array_get(json, list.count), &list.items[list.count]);
        list.count++;
        if (!good) {
            status = improper(problem, "manifest.json", "an image lacks a configuration or layers");
        }
    }
    json_decref(json);
    if (status != STATUS_OK) {
        saved_list_free(&list);
        return status;
    }
    *out = list;
    return STATUS_OK;
}
