#include "host/cli/image_inspect.h"

#include "host/cli/catalog_store.h"
#include "host/cli/format.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void member_copy(json_t *object, const char *key, const json_t *from, const char *from_key)
{
    json_t *value = json_object_get(from, from_key);
    json_object_set_new(object, key, value != NULL ? json_incref(value) : json_string(""));
}

/* Names by tag and by digest, as docker keeps them apart. */
static void names_set(json_t *object, const struct catalog_record *record)
{
    json_t *tags = json_array();
    json_t *digests = json_array();
    for (size_t i = 0; i < record->name_count; i++) {
        bool digest = strchr(record->names[i], '@') != NULL;
        json_array_append_new(digest ? digests : tags, json_text(record->names[i]));
    }
    json_object_set_new(object, "RepoTags", tags);
    json_object_set_new(object, "RepoDigests", digests);
}

static json_t *oak_json(const struct catalog_record *record)
{
    json_t *oak = json_object();
    char blob[2 * sizeof(record->blob) + 1];
    for (size_t i = 0; i < sizeof(record->blob); i++) {
        snprintf(blob + 2 * i, 3, "%02x", record->blob[i]);
    }
    json_object_set_new(oak, "Blob", json_text(blob));
    return oak;
}

static json_t *image_json(const struct catalog_record *record, const json_t *configuration)
{
    json_t *object = json_object();
    json_t *filesystem = json_object();
    const json_t *rootfs = json_object_get(configuration, "rootfs");
    json_t *config = json_object_get(configuration, "config");
    char *created = time_text(record->created_ns);
    json_object_set_new(object, "Id", json_text(record->id));
    names_set(object, record);
    member_copy(object, "Comment", configuration, "comment");
    json_object_set_new(object, "Created", json_text(created));
    member_copy(object, "Author", configuration, "author");
    member_copy(object, "Architecture", configuration, "architecture");
    member_copy(object, "Os", configuration, "os");
    json_object_set_new(object, "Size", json_integer((json_int_t)record->size_bytes));
    json_object_set_new(object, "Config", config != NULL ? json_incref(config) : json_object());
    member_copy(filesystem, "Type", rootfs, "type");
    member_copy(filesystem, "Layers", rootfs, "diff_ids");
    json_object_set_new(object, "RootFS", filesystem);
    json_object_set_new(object, "Oak", oak_json(record));
    free(created);
    return object;
}

json_t *image_inspect_json(const char *reference)
{
    struct catalog_records records;
    struct catalog_record *record;
    struct state state;
    const char *name;
    char problem[PATH_MAX + 256];
    json_t *object = NULL;
    if (state_open(&state, problem, sizeof(problem)) != STATUS_OK) {
        error_line(EXIT_OAK, "%s", problem);
        return NULL;
    }
    if (catalog_records_open(&state, false, &records)) {
        if (catalog_record_find(&records, reference, &record, &name) == STATUS_OK) {
            json_t *configuration = catalog_configuration_read(&records, record->id);
            object = configuration != NULL ? image_json(record, configuration) : NULL;
            json_decref(configuration);
        }
        catalog_records_free(&records);
    }
    state_close(&state);
    return object;
}
