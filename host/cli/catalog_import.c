/*
 * An import writes blobs first and the catalog last, all images of a source at once: what ends it
 * before leaves the catalog as it was. Only one import writes at a time; one that finds all its
 * images loaded does not even wait for the others.
 */
#include "host/cli/catalog_import.h"

#include "host/cli/catalog_store.h"
#include "host/cli/import_progress.h"
#include "host/cli/store.h"
#include "host/image/blob_writer.h"
#include "host/image/erofs_writer.h"
#include "host/image/image_list.h"

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define NANOSECONDS_DIGITS 9

struct import_image {
    const struct listed_image *listed;
    char id[CATALOG_ID_BYTES];
    char **names; /* as the catalog keeps them */
    size_t name_count;
    bool loaded; /* the catalog has it, and the store its blob */
    uint8_t blob[32];
    uint64_t size_bytes;
};

struct import {
    struct connection *connection;
    const struct import_wish *wish;
    struct problem problem;
    uint64_t room_bytes;
    struct source source;
    struct image_list list;
    struct import_image *images;
};

/* Names are UTF-8 in archives, whatever the user's language is. */
static void names_as_bytes(void)
{
    if (setlocale(LC_CTYPE, "C.UTF-8") == NULL) {
        note_line("this system has no C.UTF-8 locale: names that are not ASCII may be lost");
    }
}

static status_t image_names(struct import *import, struct import_image *image)
{
    const char *const *texts = (const char *const *)image->listed->names;
    size_t count = image->listed->name_count;
    if (import->wish->name != NULL && import->list.count == 1) {
        texts = &import->wish->name;
        count = 1;
    }
    image->names = allocate(count * sizeof(*image->names));
    for (size_t i = 0; i < count; i++) {
        image->names[i] = catalog_name_make(texts[i]);
        if (image->names[i] == NULL) {
            return problem_set(&import->problem, STATUS_NOT_PERMITTED,
                               "'%.200s' is no proper name for an image", texts[i]);
        }
        image->name_count++;
    }
    return STATUS_OK;
}

static status_t source_read(struct import *import)
{
    const struct state *state = &import->connection->state;
    status_t status = store_room(import->connection, &import->room_bytes);
    if (status != STATUS_OK) {
        return problem_set(&import->problem, status, "the store cannot be read: %s",
                           status_text(status));
    }
    status = source_open(&import->source, import->wish->path, state->directory_fd,
                         import->room_bytes, &import->problem);
    if (status == STATUS_OK) {
        status = image_list_read(&import->source, &import->list);
    }
    if (status != STATUS_OK) {
        return status;
    }
    import->images = allocate(import->list.count * sizeof(*import->images));
    for (size_t i = 0; status == STATUS_OK && i < import->list.count; i++) {
        struct import_image *image = &import->images[i];
        image->listed = &import->list.items[i];
        digest_text(&image->listed->id, image->id);
        status = image_names(import, image);
    }
    return status;
}

/* Finds out which images are loaded already, and whether they all are. */
static status_t loaded_find(struct import *import, bool *all)
{
    struct catalog_records records;
    status_t status = STATUS_OK;
    *all = true;
    if (!catalog_records_open(&import->connection->state, false, &records)) {
        return STATUS_CLOSED;
    }
    for (size_t i = 0; status == STATUS_OK && i < import->list.count; i++) {
        struct import_image *image = &import->images[i];
        const struct catalog_record *record = catalog_record_by_id(&records, image->id);
        image->loaded = false;
        if (record != NULL && !import->wish->again) {
            memcpy(image->blob, record->blob, sizeof(image->blob));
            image->size_bytes = record->size_bytes;
            status = store_holds(import->connection, record->blob, &image->loaded);
        }
        *all = *all && image->loaded;
    }
    catalog_records_free(&records);
    return status == STATUS_OK || import->connection->lost
               ? status
               : problem_set(&import->problem, status, "the store cannot be read: %s",
                             status_text(status));
}

static status_t layers_merge(struct import *import, const struct import_image *image,
                             struct image_tree *tree, struct import_progress *progress)
{
    const struct listed_image *listed = image->listed;
    status_t status = STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < listed->layer_count; i++) {
        const struct listed_layer *from = &listed->layers[i];
        struct layer layer = {.digest = from->digest_known ? &from->digest : NULL,
                              .diff_id = &from->diff_id,
                              .number = (uint16_t)(i + 1)};
        status = source_file_open(&import->source, from->file, &layer.stored);
        if (status == STATUS_OK) {
            status = layer_merge(tree, &layer, import_progress_add, progress);
            source_file_close(&import->source, &layer.stored);
        }
    }
    return status;
}

static status_t store_put(void *context, uint64_t offset, const void *bytes, size_t length_bytes)
{
    return store_write(context, offset, bytes, length_bytes);
}

static status_t writer_take(void *context, const void *bytes, size_t length_bytes)
{
    return blob_writer_add(context, bytes, length_bytes);
}

/* What identifies the file system: the contents of all layers. */
static void uuid_make(const struct listed_image *listed, uint8_t uuid[EROFS_UUID_BYTES])
{
    struct hasher *hasher = hasher_new();
    struct digest digest;
    for (size_t i = 0; i < listed->layer_count; i++) {
        hasher_update(hasher, listed->layers[i].diff_id.bytes, DIGEST_BYTES);
    }
    hasher_final(hasher, &digest);
    hasher_free(hasher);
    memcpy(uuid, digest.bytes, EROFS_UUID_BYTES);
}

static status_t blob_write(struct import *import, struct import_image *image,
                           const struct erofs_plan *plan)
{
    static struct blob_writer writer;
    struct store_blob blob;
    uint8_t uuid[EROFS_UUID_BYTES];
    uuid_make(image->listed, uuid);
    status_t status = store_reserve(&blob, import->connection, blob_total_bytes(plan->size_bytes));
    if (status == STATUS_OK) {
        blob_writer_open(&writer, plan->size_bytes, store_put, &blob);
        status = erofs_write(plan, uuid, writer_take, &writer);
        if (status == STATUS_OK) {
            status = blob_writer_finish(&writer, image->blob);
        }
        blob_writer_close(&writer);
    }
    if (status == STATUS_OK) {
        status = store_commit(&blob, image->blob, plan->size_bytes);
    }
    if (status == STATUS_OK) {
        image->size_bytes = plan->size_bytes;
    } else {
        status = problem_set(&import->problem, status, "%s",
                             blob.problem[0] != '\0' ? blob.problem : status_text(status));
    }
    store_close(&blob);
    return status;
}

static uint64_t stored_bytes(const struct listed_image *listed)
{
    uint64_t total_bytes = 0;
    for (size_t i = 0; i < listed->layer_count; i++) {
        total_bytes += listed->layers[i].size_bytes;
    }
    return total_bytes;
}

static status_t image_import(struct import *import, struct import_image *image)
{
    struct import_progress progress;
    struct image_tree tree;
    struct erofs_plan plan;
    struct spool spool;
    status_t status = spool_open(&spool, import->connection->state.directory_fd, &import->problem);
    if (status != STATUS_OK) {
        return status;
    }
    const char *what = image->name_count > 0 ? image->names[0] : image->id;
    import_progress_begin(&progress, what, stored_bytes(image->listed), import->wish->quiet);
    image_tree_init(&tree, &spool, import->room_bytes, &import->problem);
    status = layers_merge(import, image, &tree, &progress);
    if (status == STATUS_OK) {
        status = erofs_plan_make(&plan, &tree);
        if (status == STATUS_OK) {
            status = blob_write(import, image, &plan);
        }
        erofs_plan_free(&plan);
    }
    import_progress_end(&progress);
    image_tree_free(&tree);
    spool_close(&spool);
    return status;
}

/* RFC 3339 as nanoseconds since 1970; 0 for anything else. */
static uint64_t created_read(const char *text)
{
    struct tm parts = {0};
    const char *rest = text != NULL ? strptime(text, "%Y-%m-%dT%H:%M:%S", &parts) : NULL;
    uint64_t fraction = 0;
    int hours = 0;
    int minutes = 0;
    if (rest == NULL) {
        return 0;
    }
    time_t seconds = timegm(&parts);
    if (*rest == '.') {
        rest++;
        for (int i = 0; i < NANOSECONDS_DIGITS; i++) {
            bool digit = *rest >= '0' && *rest <= '9';
            fraction = fraction * 10 + (digit ? (uint64_t)(*rest - '0') : 0);
            rest += digit ? 1 : 0;
        }
    }
    if ((*rest == '+' || *rest == '-') && sscanf(rest + 1, "%2d:%2d", &hours, &minutes) == 2) {
        seconds += (*rest == '+' ? -1 : 1) * (hours * 60 + minutes) * 60;
    }
    return seconds > 0 ? (uint64_t)seconds * 1000000000 + fraction : 0;
}

static uint64_t image_created(const struct listed_image *listed)
{
    json_t *json = json_loadb(listed->configuration_text, listed->configuration_bytes, 0, NULL);
    uint64_t created_ns = created_read(json_string_value(json_object_get(json, "created")));
    json_decref(json);
    return created_ns;
}

static bool records_update(struct catalog_records *records, const struct import_image *image)
{
    const struct listed_image *listed = image->listed;
    struct catalog_record *record = catalog_record_by_id(records, image->id);
    if (record == NULL) {
        record = catalog_record_add(records, image->id);
    }
    memcpy(record->blob, image->blob, sizeof(record->blob));
    record->size_bytes = image->size_bytes;
    record->created_ns = image_created(listed);
    for (size_t i = 0; i < image->name_count; i++) {
        catalog_name_give(records, record, image->names[i]);
    }
    return catalog_configuration_write(records, image->id, listed->configuration_text,
                                       listed->configuration_bytes);
}

/* Whether the catalog says all that would be written to it. */
static bool records_agree(const struct catalog_records *records, const struct import_image *image)
{
    const struct catalog_record *record = catalog_record_by_id(records, image->id);
    bool agree = record != NULL && memcmp(record->blob, image->blob, sizeof(image->blob)) == 0;
    for (size_t i = 0; agree && i < image->name_count; i++) {
        struct catalog_record *named;
        const char *name;
        agree = catalog_record_find(records, image->names[i], &named, &name) == STATUS_OK &&
                named == record;
    }
    return agree;
}

static status_t catalog_update(struct import *import)
{
    struct catalog_records records;
    bool agree = true;
    if (!catalog_records_open(&import->connection->state, false, &records)) {
        return STATUS_CLOSED;
    }
    for (size_t i = 0; i < import->list.count; i++) {
        agree = agree && records_agree(&records, &import->images[i]);
    }
    catalog_records_free(&records);
    if (agree) {
        return STATUS_OK;
    }
    if (!catalog_records_open(&import->connection->state, true, &records)) {
        return STATUS_CLOSED;
    }
    bool good = true;
    for (size_t i = 0; good && i < import->list.count; i++) {
        good = records_update(&records, &import->images[i]);
    }
    good = good && catalog_records_write(&records);
    catalog_records_free(&records);
    return good ? STATUS_OK : STATUS_CLOSED;
}

/*
 * Removes blobs that no image of the catalog is: what failed or killed imports wrote. Only in an
 * import's turn, when every other blob is in the catalog. One that a container uses stays.
 */
static void orphans_remove(struct import *import)
{
    struct catalog_records records;
    uint8_t(*names)[32];
    size_t count;
    if (import->connection->lost || store_list(import->connection, &names, &count) != STATUS_OK) {
        return;
    }
    if (catalog_records_open(&import->connection->state, false, &records)) {
        for (size_t i = 0; i < count; i++) {
            bool used = false;
            for (size_t j = 0; !used && j < records.count; j++) {
                used = memcmp(records.items[j].blob, names[i], sizeof(names[i])) == 0;
            }
            status_t status = used ? STATUS_OK : store_remove(import->connection, names[i]);
            if (status == STATUS_CLOSED) {
                break;
            }
        }
        catalog_records_free(&records);
    }
    free(names);
}

/* Imports what is missing, alone. */
static status_t missing_import(struct import *import)
{
    bool all;
    int turn = catalog_import_turn(&import->connection->state);
    status_t status = turn >= 0 ? loaded_find(import, &all) : STATUS_CLOSED;
    if (status == STATUS_OK) {
        orphans_remove(import);
    }
    for (size_t i = 0; status == STATUS_OK && i < import->list.count; i++) {
        if (!import->images[i].loaded) {
            status = image_import(import, &import->images[i]);
        }
    }
    if (status == STATUS_OK) {
        status = catalog_update(import);
    }
    if (status != STATUS_OK && turn >= 0) {
        orphans_remove(import);
    }
    if (turn >= 0) {
        close(turn);
    }
    return status;
}

static void imported_add(struct imported *imported, const char *name, const char *id)
{
    imported->names =
        allocate_again(imported->names, (imported->count + 1) * sizeof(*imported->names));
    imported->ids = allocate_again(imported->ids, (imported->count + 1) * sizeof(*imported->ids));
    imported->names[imported->count] = text_copy(name);
    imported->ids[imported->count++] = text_copy(id);
}

static void import_free(struct import *import)
{
    for (size_t i = 0; import->images != NULL && i < import->list.count; i++) {
        for (size_t j = 0; j < import->images[i].name_count; j++) {
            free(import->images[i].names[j]);
        }
        free(import->images[i].names);
    }
    free(import->images);
    image_list_free(&import->list);
    source_close(&import->source);
}

bool catalog_import(struct connection *connection, const struct import_wish *wish,
                    struct imported *out)
{
    struct import import = {
        .connection = connection, .wish = wish, .source = {.directory_fd = -1, .archive_fd = -1}};
    bool all = false;
    names_as_bytes();
    status_t status = source_read(&import);
    if (status == STATUS_OK) {
        status = loaded_find(&import, &all);
    }
    if (status == STATUS_OK) {
        status = all ? catalog_update(&import) : missing_import(&import);
    }
    if (status != STATUS_OK) {
        if (import.problem.text[0] != '\0' && !connection->lost) {
            error_line(1, "cannot load %s: %s", wish->path != NULL ? wish->path : "from stdin",
                       import.problem.text);
        }
        import_free(&import);
        return false;
    }
    *out = (struct imported){0};
    for (size_t i = 0; i < import.list.count; i++) {
        const struct import_image *image = &import.images[i];
        for (size_t j = 0; j < image->name_count; j++) {
            imported_add(out, image->names[j], image->id);
        }
        if (image->name_count == 0) {
            imported_add(out, image->id, image->id);
        }
    }
    import_free(&import);
    return true;
}
