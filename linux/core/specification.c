#include "linux/core/specification.h"

#include "abi/container.h"
#include "abi/control.h"
#include "lib/base/string.h"
#include "linux/core/errno.h"
#include "linux/core/heap.h"

char *record_text(const struct record *record)
{
    if (memchr(record->value, '\0', record->length_bytes) != NULL) {
        return NULL;
    }
    char *text = heap_alloc(record->length_bytes + 1ull);
    if (text != NULL) {
        memcpy(text, record->value, record->length_bytes);
    }
    return text;
}

static long text_set(const struct record *record, char **to)
{
    heap_free(*to);
    *to = record_text(record);
    return *to == NULL ? -EINVAL : 0;
}

static long strings_add(const struct record *record, struct exec_strings *to)
{
    if (memchr(record->value, '\0', record->length_bytes) != NULL) {
        return -EINVAL;
    }
    return exec_strings_add(to, record->value, record->length_bytes);
}

static long flag_set(const struct record *record, bool *to)
{
    uint64_t number;
    if (record_number(record, &number) != STATUS_OK) {
        return -EINVAL;
    }
    *to = number != 0;
    return 0;
}

static long record_apply(const struct record *record, struct specification *out)
{
    uint64_t number;
    switch (record->tag) {
    case RECORD_ARGUMENT:
        return strings_add(record, &out->arguments);
    case RECORD_ENVIRONMENT:
        return strings_add(record, &out->environment);
    case RECORD_WORKING_DIRECTORY:
        return text_set(record, &out->working_directory);
    case RECORD_USER:
        return text_set(record, &out->user);
    case RECORD_HOSTNAME:
        return text_set(record, &out->hostname);
    case RECORD_PATH:
        return text_set(record, &out->path);
    case RECORD_TERMINAL:
        return flag_set(record, &out->terminal);
    case RECORD_OPEN_STDIN:
        return flag_set(record, &out->open_stdin);
    case RECORD_READ_ONLY:
        return flag_set(record, &out->read_only);
    case RECORD_WINDOW:
        if (record_number(record, &number) != STATUS_OK) {
            return -EINVAL;
        }
        out->window = (uint32_t)number;
        return 0;
    case RECORD_FILE:
    case RECORD_TMPFS:
        out->furnishes = true; /* they are read later */
        return 0;
    default:
        return 0; /* the engine's own */
    }
}

long specification_read(const void *shared, uint64_t length_bytes, struct specification *out)
{
    *out = (struct specification){.bytes = NULL};
    if (length_bytes > CHANNEL_SPECIFICATION_MAX) {
        return -E2BIG;
    }
    out->bytes = heap_alloc(length_bytes + 1);
    if (out->bytes == NULL || !exec_strings_init(&out->arguments) ||
        !exec_strings_init(&out->environment)) {
        return -ENOMEM;
    }
    memcpy(out->bytes, shared, length_bytes);
    record_reader_init(&out->records, out->bytes, length_bytes);
    struct record_reader reader = out->records;
    struct record record;
    status_t status;
    while ((status = record_next(&reader, &record)) == STATUS_OK) {
        long result = record_apply(&record, out);
        if (result != 0) {
            return result;
        }
    }
    bool named = out->path != NULL || out->arguments.count > 0;
    return status != STATUS_NOT_FOUND || !named ? -EINVAL : 0;
}

void specification_free(struct specification *specification)
{
    exec_strings_free(&specification->arguments);
    exec_strings_free(&specification->environment);
    heap_free(specification->working_directory);
    heap_free(specification->user);
    heap_free(specification->hostname);
    heap_free(specification->path);
    heap_free(specification->bytes);
    *specification = (struct specification){.bytes = NULL};
}
