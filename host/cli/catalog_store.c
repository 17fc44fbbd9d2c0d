#include "host/cli/catalog_store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define CATALOG_DIRECTORY   "images"
#define CATALOG_FILE        "images.json"
#define CATALOG_LOCK        "lock"
#define CATALOG_IMPORT_LOCK "import.lock"
#define ID_PREFIX           "sha256:"
#define ID_DIGITS_COUNT     64
#define CONFIGURATION_BYTES (sizeof("0123456789.json") + ID_DIGITS_COUNT)

static bool failed(const char *what, const char *name)
{
    error_line(EXIT_OAK, "cannot %s %s of the image catalog: %s", what, name, strerror(errno));
    return false;
}

static bool hexadecimal_parse(const char *text, uint8_t *out, size_t length_bytes)
{
    if (text == NULL || strlen(text) != 2 * length_bytes ||
        strspn(text, "0123456789abcdef") != 2 * length_bytes) {
        return false;
    }
    for (size_t i = 0; i < length_bytes; i++) {
        const char pair[] = {text[2 * i], text[2 * i + 1], '\0'};
        out[i] = (uint8_t)strtoul(pair, NULL, 16);
    }
    return true;
}

static bool id_proper(const char *id)
{
    uint8_t digest[ID_DIGITS_COUNT / 2];
    return id != NULL && strncmp(id, ID_PREFIX, strlen(ID_PREFIX)) == 0 &&
           hexadecimal_parse(id + strlen(ID_PREFIX), digest, sizeof(digest));
}

static void configuration_name(const char *id, char out[CONFIGURATION_BYTES])
{
    snprintf(out, CONFIGURATION_BYTES, "%.64s.json", id + strlen(ID_PREFIX));
}

static bool record_read(const json_t *object, struct catalog_record *record)
{
    const char *id = json_string_value(json_object_get(object, "id"));
    const json_t *names = json_object_get(object, "names");
    if (!id_proper(id) || !hexadecimal_parse(json_string_value(json_object_get(object, "blob")),
                                             record->blob, sizeof(record->blob))) {
        return false;
    }
    snprintf(record->id, sizeof(record->id), "%s", id);
    record->created_ns = (uint64_t)json_integer_value(json_object_get(object, "created_ns"));
    record->size_bytes = (uint64_t)json_integer_value(json_object_get(object, "size_bytes"));
    record->names = allocate(json_array_size(names) * sizeof(*record->names));
    for (size_t i = 0; i < json_array_size(names); i++) {
        const char *name = json_string_value(json_array_get(names, i));
        if (name == NULL) {
            return false;
        }
        record->names[record->name_count++] = text_copy(name);
    }
    return true;
}

static bool records_read(struct catalog_records *records)
{
    json_error_t error;
    int fd = openat(records->directory_fd, CATALOG_FILE, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return errno == ENOENT || failed("read", CATALOG_FILE);
    }
    json_t *json = json_loadfd(fd, 0, &error);
    close(fd);
    const json_t *images = json_object_get(json, "images");
    bool good = json_is_array(images);
    if (good) {
        records->items = allocate(json_array_size(images) * sizeof(*records->items));
    }
    for (size_t i = 0; good && i < json_array_size(images); i++) {
        good = record_read(json_array_get(images, i), &records->items[records->count++]);
    }
    json_decref(json);
    if (!good) {
        error_line(EXIT_OAK, "the image catalog is damaged: remove " CATALOG_DIRECTORY
                             " in the state directory and load the images again");
    }
    return good;
}

static int lock_take(int directory_fd, const char *name)
{
    int fd = openat(directory_fd, name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    int result = -1;
    while (fd >= 0 && (result = flock(fd, LOCK_EX)) != 0 && errno == EINTR) {
    }
    if (result != 0) {
        failed("lock", name);
        if (fd >= 0) {
            close(fd);
        }
        return -1;
    }
    return fd;
}

/* -1: it is not there, and not to be made, or the error was printed (*good false). */
static int directory_open(const struct state *state, bool make, bool *good)
{
    *good = true;
    if (make && mkdirat(state->directory_fd, CATALOG_DIRECTORY, 0700) != 0 && errno != EEXIST) {
        *good = failed("make", CATALOG_DIRECTORY);
        return -1;
    }
    int fd = openat(state->directory_fd, CATALOG_DIRECTORY, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        *good = (errno == ENOENT && !make) || failed("open", CATALOG_DIRECTORY);
    }
    return fd;
}

bool catalog_records_open(const struct state *state, bool change, struct catalog_records *records)
{
    bool good;
    *records = (struct catalog_records){.lock_fd = -1};
    records->directory_fd = directory_open(state, change, &good);
    if (!good || records->directory_fd < 0) {
        return good;
    }
    if (change) {
        records->lock_fd = lock_take(records->directory_fd, CATALOG_LOCK);
    }
    if ((change && records->lock_fd < 0) || !records_read(records)) {
        catalog_records_free(records);
        return false;
    }
    return true;
}

static void record_free(struct catalog_record *record)
{
    for (size_t i = 0; i < record->name_count; i++) {
        free(record->names[i]);
    }
    free(record->names);
}

void catalog_records_free(struct catalog_records *records)
{
    for (size_t i = 0; i < records->count; i++) {
        record_free(&records->items[i]);
    }
    free(records->items);
    if (records->lock_fd >= 0) {
        close(records->lock_fd);
    }
    if (records->directory_fd >= 0) {
        close(records->directory_fd);
    }
    *records = (struct catalog_records){.directory_fd = -1, .lock_fd = -1};
}

/* Writes a file of the catalog as a whole, or leaves the old one. */
static bool file_replace(int directory_fd, const char *name, const char *text, size_t length_bytes)
{
    char fresh[CONFIGURATION_BYTES + sizeof(".new")];
    snprintf(fresh, sizeof(fresh), "%s.new", name);
    int fd = openat(directory_fd, fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool good = fd >= 0;
    while (good && length_bytes > 0) {
        ssize_t written = write(fd, text, length_bytes);
        good = written > 0 || (written < 0 && errno == EINTR);
        text += MAX(written, 0);
        length_bytes -= (size_t)MAX(written, 0);
    }
    good = good && fsync(fd) == 0 && renameat(directory_fd, fresh, directory_fd, name) == 0 &&
           fsync(directory_fd) == 0;
    if (!good) {
        failed("write", name);
        unlinkat(directory_fd, fresh, 0);
    }
    if (fd >= 0) {
        close(fd);
    }
    return good;
}

static json_t *record_json(const struct catalog_record *record)
{
    char blob[2 * sizeof(record->blob) + 1];
    json_t *object = json_object();
    json_t *names = json_array();
    for (size_t i = 0; i < sizeof(record->blob); i++) {
        snprintf(blob + 2 * i, 3, "%02x", record->blob[i]);
    }
    for (size_t i = 0; i < record->name_count; i++) {
        json_array_append_new(names, json_string(record->names[i]));
    }
    json_object_set_new(object, "id", json_string(record->id));
    json_object_set_new(object, "blob", json_string(blob));
    json_object_set_new(object, "created_ns", json_integer((json_int_t)record->created_ns));
    json_object_set_new(object, "size_bytes", json_integer((json_int_t)record->size_bytes));
    json_object_set_new(object, "names", names);
    return object;
}

/* Configurations, and what a killed process was writing, that belong to no image. */
static void leftovers_remove(const struct catalog_records *records)
{
    int fd = openat(records->directory_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *directory = fd >= 0 ? fdopendir(fd) : NULL;
    struct dirent *entry;
    while (directory != NULL && (entry = readdir(directory)) != NULL) {
        char id[CATALOG_ID_BYTES];
        size_t digits = strspn(entry->d_name, "0123456789abcdef");
        if (digits != ID_DIGITS_COUNT || strncmp(entry->d_name + digits, ".json", 5) != 0) {
            continue;
        }
        snprintf(id, sizeof(id), ID_PREFIX "%.64s", entry->d_name);
        if (catalog_record_by_id(records, id) == NULL) {
            unlinkat(records->directory_fd, entry->d_name, 0);
        }
    }
    if (directory != NULL) {
        closedir(directory);
    } else if (fd >= 0) {
        close(fd);
    }
}

bool catalog_records_write(const struct catalog_records *records)
{
    json_t *object = json_object();
    json_t *images = json_array();
    for (size_t i = 0; i < records->count; i++) {
        json_array_append_new(images, record_json(&records->items[i]));
    }
    json_object_set_new(object, "version", json_integer(1));
    json_object_set_new(object, "images", images);
    char *text = json_dumps(object, JSON_INDENT(1));
    json_decref(object);
    if (text == NULL) {
        error_line(EXIT_OAK, "out of memory");
        return false;
    }
    bool good = file_replace(records->directory_fd, CATALOG_FILE, text, strlen(text));
    free(text);
    if (good) {
        leftovers_remove(records);
    }
    return good;
}

struct catalog_record *catalog_record_by_id(const struct catalog_records *records, const char *id)
{
    for (size_t i = 0; i < records->count; i++) {
        if (strcmp(records->items[i].id, id) == 0) {
            return &records->items[i];
        }
    }
    return NULL;
}

static struct catalog_record *record_by_name(const struct catalog_records *records,
                                             const char *wanted, const char **name)
{
    for (size_t i = 0; i < records->count; i++) {
        for (size_t j = 0; j < records->items[i].name_count; j++) {
            if (strcmp(records->items[i].names[j], wanted) == 0) {
                *name = records->items[i].names[j];
                return &records->items[i];
            }
        }
    }
    return NULL;
}

status_t catalog_record_find(const struct catalog_records *records, const char *text,
                             struct catalog_record **out, const char **name)
{
    char *wanted = catalog_name_make(text);
    struct catalog_record *found = wanted != NULL ? record_by_name(records, wanted, name) : NULL;
    free(wanted);
    if (found != NULL) {
        *out = found;
        return STATUS_OK;
    }
    const char *digits =
        strncmp(text, ID_PREFIX, strlen(ID_PREFIX)) == 0 ? text + strlen(ID_PREFIX) : text;
    size_t length = strlen(digits);
    if (length == 0 || strspn(digits, "0123456789abcdef") != length) {
        return STATUS_NOT_FOUND;
    }
    for (size_t i = 0; i < records->count; i++) {
        if (strncmp(records->items[i].id + strlen(ID_PREFIX), digits, length) == 0) {
            if (found != NULL) {
                error_line(1, "more than one image begins with %s: give more of it", text);
                return STATUS_CLOSED;
            }
            found = &records->items[i];
        }
    }
    if (found == NULL) {
        return STATUS_NOT_FOUND;
    }
    *out = found;
    *name = NULL;
    return STATUS_OK;
}

struct catalog_record *catalog_record_add(struct catalog_records *records, const char *id)
{
    records->items = allocate_again(records->items, (records->count + 1) * sizeof(*records->items));
    struct catalog_record *record = &records->items[records->count++];
    *record = (struct catalog_record){0};
    snprintf(record->id, sizeof(record->id), "%s", id);
    return record;
}

void catalog_name_drop(struct catalog_record *record, const char *name)
{
    for (size_t i = 0; i < record->name_count; i++) {
        if (strcmp(record->names[i], name) == 0) {
            free(record->names[i]);
            record->name_count--;
            memmove(&record->names[i], &record->names[i + 1],
                    (record->name_count - i) * sizeof(*record->names));
            return;
        }
    }
}

void catalog_name_give(struct catalog_records *records, struct catalog_record *record,
                       const char *name)
{
    const char *held;
    struct catalog_record *holder = record_by_name(records, name, &held);
    if (holder == record) {
        return;
    }
    if (holder != NULL) {
        catalog_name_drop(holder, name);
    }
    record->names =
        allocate_again(record->names, (record->name_count + 1) * sizeof(*record->names));
    record->names[record->name_count++] = text_copy(name);
}

char *catalog_name_make(const char *text)
{
    static const char *const prefixes[] = {"docker.io/", "index.docker.io/", "library/"};
    for (size_t i = 0; i < ARRAY_LENGTH(prefixes); i++) {
        if (strncmp(text, prefixes[i], strlen(prefixes[i])) == 0) {
            text += strlen(prefixes[i]);
        }
    }
    size_t proper = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                 "._/:@-");
    const char *slash = strrchr(text, '/');
    const char *last = slash != NULL ? slash + 1 : text;
    size_t last_bytes = strcspn(last, ":@");
    if (text[proper] != '\0' || proper > NAME_MAX || strchr("._/:@-", text[0]) != NULL ||
        last_bytes == 0) {
        return NULL;
    }
    if (last[last_bytes] == '\0') {
        return text_format("%s:latest", text);
    }
    return last[last_bytes + 1] != '\0' ? text_copy(text) : NULL;
}

bool catalog_configuration_write(const struct catalog_records *records, const char *id,
                                 const char *text, size_t length_bytes)
{
    char name[CONFIGURATION_BYTES];
    configuration_name(id, name);
    return file_replace(records->directory_fd, name, text, length_bytes);
}

json_t *catalog_configuration_read(const struct catalog_records *records, const char *id)
{
    char name[CONFIGURATION_BYTES];
    json_error_t error;
    configuration_name(id, name);
    int fd = openat(records->directory_fd, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        failed("read", name);
        return NULL;
    }
    json_t *json = json_loadfd(fd, 0, &error);
    close(fd);
    if (!json_is_object(json)) {
        error_line(EXIT_OAK, "the configuration of image %s is damaged: load it again", id);
        json_decref(json);
        return NULL;
    }
    return json;
}

int catalog_import_turn(const struct state *state)
{
    bool good;
    int directory_fd = directory_open(state, true, &good);
    int fd = directory_fd >= 0 ? lock_take(directory_fd, CATALOG_IMPORT_LOCK) : -1;
    if (directory_fd >= 0) {
        close(directory_fd);
    }
    return fd;
}
