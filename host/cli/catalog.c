#include "host/cli/catalog_store.h"

#include <stdlib.h>
#include <string.h>

#define NONE "<none>"

static void image_add(struct catalog *catalog, const struct catalog_record *record,
                      const char *name)
{
    struct catalog_image image = {.created_ns = record->created_ns,
                                  .size_bytes = record->size_bytes};
    const char *slash = name != NULL ? strrchr(name, '/') : NULL;
    const char *mark = name != NULL ? strpbrk(slash != NULL ? slash : name, ":@") : NULL;
    memcpy(image.blob, record->blob, sizeof(image.blob));
    image.id = text_copy(record->id);
    image.repository =
        mark != NULL ? text_format("%.*s", (int)(mark - name), name) : text_copy(NONE);
    image.tag = text_copy(mark != NULL && *mark == ':' ? mark + 1 : NONE);
    catalog->items = allocate_again(catalog->items, (catalog->count + 1) * sizeof(image));
    catalog->items[catalog->count++] = image;
}

bool catalog_read(const struct state *state, struct catalog *catalog)
{
    struct catalog_records records;
    *catalog = (struct catalog){0};
    if (!catalog_records_open(state, false, &records)) {
        return false;
    }
    for (size_t i = 0; i < records.count; i++) {
        const struct catalog_record *record = &records.items[i];
        for (size_t j = 0; j < record->name_count; j++) {
            image_add(catalog, record, record->names[j]);
        }
        if (record->name_count == 0) {
            image_add(catalog, record, NULL);
        }
    }
    catalog_records_free(&records);
    return true;
}

void catalog_free(struct catalog *catalog)
{
    for (size_t i = 0; i < catalog->count; i++) {
        free(catalog->items[i].repository);
        free(catalog->items[i].tag);
        free(catalog->items[i].id);
    }
    free(catalog->items);
    *catalog = (struct catalog){0};
}

static void texts_take(const json_t *config, const char *key, struct text_list *out)
{
    size_t index;
    json_t *text;
    json_array_foreach(json_object_get(config, key), index, text)
    {
        if (json_is_string(text)) {
            text_list_add(out, text_copy(json_string_value(text)));
        }
    }
}

static char *text_take(const json_t *config, const char *key)
{
    const char *text = json_string_value(json_object_get(config, key));
    return text_copy(text != NULL ? text : "");
}

status_t catalog_find(const struct state *state, const char *reference, struct image *out)
{
    struct catalog_records records;
    struct catalog_record *record;
    const char *name;
    if (!catalog_records_open(state, false, &records)) {
        return STATUS_CLOSED;
    }
    status_t status = catalog_record_find(&records, reference, &record, &name);
    json_t *json = status == STATUS_OK ? catalog_configuration_read(&records, record->id) : NULL;
    if (json != NULL) {
        const json_t *config = json_object_get(json, "config");
        struct image image = {.id = text_copy(record->id)};
        memcpy(image.blob, record->blob, sizeof(image.blob));
        texts_take(config, "Entrypoint", &image.entrypoint);
        texts_take(config, "Cmd", &image.command);
        texts_take(config, "Env", &image.environment);
        image.working_directory = text_take(config, "WorkingDir");
        image.user = text_take(config, "User");
        image.stop_signal = text_take(config, "StopSignal");
        *out = image;
        json_decref(json);
    } else if (status == STATUS_OK) {
        status = STATUS_CLOSED;
    }
    catalog_records_free(&records);
    return status;
}

/* Whether no other image is the same blob. */
static bool blob_alone(const struct catalog_records *records, const struct catalog_record *record)
{
    for (size_t i = 0; i < records->count; i++) {
        const struct catalog_record *other = &records->items[i];
        if (other != record && memcmp(other->blob, record->blob, sizeof(record->blob)) == 0) {
            return false;
        }
    }
    return true;
}

status_t catalog_last_use(const struct state *state, const char *reference, bool *last)
{
    struct catalog_records records;
    struct catalog_record *record;
    const char *name;
    if (!catalog_records_open(state, false, &records)) {
        return STATUS_CLOSED;
    }
    status_t status = catalog_record_find(&records, reference, &record, &name);
    if (status == STATUS_OK) {
        *last = (name == NULL || record->name_count == 1) && blob_alone(&records, record);
    }
    catalog_records_free(&records);
    return status;
}

status_t catalog_remove(const struct state *state, const char *reference)
{
    struct catalog_records records;
    struct catalog_record *record;
    const char *name;
    if (!catalog_records_open(state, true, &records)) {
        return STATUS_CLOSED;
    }
    status_t status = catalog_record_find(&records, reference, &record, &name);
    if (status == STATUS_OK) {
        if (name != NULL) {
            catalog_name_drop(record, name);
        }
        if (name == NULL || record->name_count == 0) {
            struct catalog_record gone = *record;
            *record = records.items[--records.count];
            for (size_t i = 0; i < gone.name_count; i++) {
                free(gone.names[i]);
            }
            free(gone.names);
        }
        status = catalog_records_write(&records) ? STATUS_OK : STATUS_CLOSED;
    }
    catalog_records_free(&records);
    return status;
}
