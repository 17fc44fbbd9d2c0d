/*
 * The records of CREATE and EXEC: their form is checked to the end before anything is made of them,
 * so that the personality, which reads most of them, finds whole records with values of their type.
 */
#include "services/engine/container.h"

#include "lib/base/string.h"

enum value_form {
    FORM_NUMBER,
    FORM_TEXT,
    FORM_BYTES,
    FORM_FILE,
};

struct field {
    uint16_t tag;
    enum value_form form;
    bool repeats;
};

static const struct field fields[] = {
    {RECORD_CONTAINER, FORM_TEXT, false},
    {RECORD_ID, FORM_TEXT, false},
    {RECORD_NAME, FORM_TEXT, false},
    {RECORD_BLOB, FORM_BYTES, false},
    {RECORD_ARGUMENT, FORM_TEXT, true},
    {RECORD_ENVIRONMENT, FORM_TEXT, true},
    {RECORD_WORKING_DIRECTORY, FORM_TEXT, false},
    {RECORD_USER, FORM_TEXT, false},
    {RECORD_HOSTNAME, FORM_TEXT, false},
    {RECORD_TERMINAL, FORM_NUMBER, false},
    {RECORD_WINDOW, FORM_NUMBER, false},
    {RECORD_OPEN_STDIN, FORM_NUMBER, false},
    {RECORD_READ_ONLY, FORM_NUMBER, false},
    {RECORD_TMPFS, FORM_TEXT, true},
    {RECORD_FILE, FORM_FILE, true},
    {RECORD_MEMORY_LIMIT, FORM_NUMBER, false},
    {RECORD_CPU_WEIGHT, FORM_NUMBER, false},
    {RECORD_CPU_QUOTA, FORM_NUMBER, false},
    {RECORD_CPU_PERIOD, FORM_NUMBER, false},
    {RECORD_THREADS_LIMIT, FORM_NUMBER, false},
    {RECORD_STOP_SIGNAL, FORM_NUMBER, false},
    {RECORD_LABEL, FORM_BYTES, false},
    {RECORD_AUTO_REMOVE, FORM_NUMBER, false},
    {RECORD_UNSEALED, FORM_NUMBER, false},
};

static bool text_good(const struct record *record)
{
    return memchr(record->value, '\0', record->length_bytes) == NULL;
}

static bool number_good(const struct record *record)
{
    return record->length_bytes == sizeof(uint64_t);
}

static bool file_good(const struct record *file)
{
    struct record_reader reader;
    struct record record;
    bool path = false;
    status_t status;
    record_reader_init(&reader, file->value, file->length_bytes);
    while ((status = record_next(&reader, &record)) == STATUS_OK) {
        if (record.tag == RECORD_PATH) {
            path = record.length_bytes > 0 && text_good(&record);
        } else if (record.tag == RECORD_MODE ? !number_good(&record) : record.tag != RECORD_DATA) {
            return false;
        }
    }
    return status == STATUS_NOT_FOUND && path;
}

static bool value_good(const struct record *record, enum value_form form)
{
    switch (form) {
    case FORM_NUMBER:
        return number_good(record);
    case FORM_TEXT:
        return text_good(record);
    case FORM_BYTES:
        return true;
    case FORM_FILE:
        return file_good(record);
    }
    return false;
}

/* NULL when the record may stand in a specification that has the fields `seen` already. */
static const char *record_problem(const struct record *record, uint32_t *seen)
{
    for (uint32_t i = 0; i < ARRAY_LENGTH(fields); i++) {
        if (fields[i].tag != record->tag) {
            continue;
        }
        if (!value_good(record, fields[i].form)) {
            return "a value of the specification is malformed";
        }
        if ((*seen & 1u << i) != 0 && !fields[i].repeats) {
            return "the specification says something twice";
        }
        *seen |= 1u << i;
        return NULL;
    }
    return "the specification asks for something that this version does not know";
}

status_t specification_check(const void *bytes, uint32_t length_bytes, const char **why)
{
    struct record_reader reader;
    struct record record;
    bool program = false;
    uint32_t seen = 0;
    status_t status;
    record_reader_init(&reader, bytes, length_bytes);
    while ((status = record_next(&reader, &record)) == STATUS_OK) {
        const char *problem = record_problem(&record, &seen);
        if (problem != NULL) {
            *why = problem;
            return STATUS_INVALID_ARGUMENT;
        }
        if (record.tag == RECORD_ARGUMENT && !program) {
            program = true;
            if (record.length_bytes == 0) {
                *why = "the program's name is empty";
                return STATUS_INVALID_ARGUMENT;
            }
        }
    }
    if (status != STATUS_NOT_FOUND || !program) {
        *why = program ? "the specification is malformed" : "the specification names no program";
        return STATUS_INVALID_ARGUMENT;
    }
    return STATUS_OK;
}

status_t copy_specification_check(const void *bytes, uint32_t length_bytes)
{
    struct record_reader reader;
    struct record record;
    uint32_t paths = 0;
    status_t status;
    record_reader_init(&reader, bytes, length_bytes);
    while ((status = record_next(&reader, &record)) == STATUS_OK) {
        const char *text = record.value;
        bool path = record.tag == RECORD_PATH && record.length_bytes > 0 && text[0] == '/' &&
                    text_good(&record);
        if (!path && record.tag != RECORD_CONTAINER) {
            return STATUS_INVALID_ARGUMENT;
        }
        paths += path;
    }
    return status == STATUS_NOT_FOUND && paths == 1 ? STATUS_OK : STATUS_INVALID_ARGUMENT;
}

static bool id_good(const struct record *record)
{
    const char *text = record->value;
    for (uint32_t i = 0; i < record->length_bytes; i++) {
        if (!(text[i] >= '0' && text[i] <= '9') && !(text[i] >= 'a' && text[i] <= 'f')) {
            return false;
        }
    }
    return record->length_bytes == CONTAINER_ID_DIGITS;
}

static bool name_good(const struct record *record)
{
    const char *text = record->value;
    for (uint32_t i = 0; i < record->length_bytes; i++) {
        char c = text[i];
        bool word = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!word && (i == 0 || strchr("_.-", c) == NULL)) {
            return false;
        }
    }
    return record->length_bytes > 0 && record->length_bytes <= CONTAINER_NAME_MAX;
}

/* What the engine itself wants to know of a checked specification, by one look at each record. */
struct found {
    struct record id; /* without a value: not there */
    struct record name;
    struct record blob;
    struct record label;
};

static void record_look(const struct record *record, struct found *found,
                        struct container_specification *out)
{
    uint64_t number = 0;
    (void)record_number(record, &number); /* a number's form was checked */
    switch (record->tag) {
    case RECORD_ID:
        found->id = *record;
        break;
    case RECORD_NAME:
        found->name = *record;
        break;
    case RECORD_BLOB:
        found->blob = *record;
        break;
    case RECORD_LABEL:
        found->label = *record;
        break;
    case RECORD_TERMINAL:
        out->terminal = number != 0;
        break;
    case RECORD_OPEN_STDIN:
        out->open_stdin = number != 0;
        break;
    case RECORD_AUTO_REMOVE:
        out->auto_remove = number != 0;
        break;
    case RECORD_UNSEALED:
        out->unsealed = number != 0;
        break;
    default: /* a limit, or the personality's */
        (void)limit_take(&out->limits, record->tag, number);
    }
}

static const char *found_read(const struct found *found, struct container_specification *out)
{
    if (found->id.value == NULL || !id_good(&found->id)) {
        return "the container's identifier is not 64 hexadecimal digits";
    }
    if (found->name.value == NULL || !name_good(&found->name)) {
        return "the container's name has characters that are not allowed, or is too long";
    }
    if (found->blob.value == NULL || found->blob.length_bytes != sizeof(out->blob)) {
        return "the specification names no image";
    }
    if (found->label.length_bytes > CONTAINER_LABEL_MAX) {
        return "the label is too large";
    }
    memcpy(out->id, found->id.value, found->id.length_bytes);
    memcpy(out->name, found->name.value, found->name.length_bytes);
    memcpy(out->blob, found->blob.value, sizeof(out->blob));
    out->label = found->label.value;
    out->label_bytes = found->label.length_bytes;
    return NULL;
}

status_t specification_read(const void *bytes, uint32_t length_bytes,
                            struct container_specification *out, const char **why)
{
    struct record_reader reader;
    struct record record;
    struct container_specification read = {0};
    status_t status = specification_check(bytes, length_bytes, why);
    if (status != STATUS_OK) {
        return status;
    }
    struct found found = {.id = {.value = NULL}};
    record_reader_init(&reader, bytes, length_bytes);
    while (record_next(&reader, &record) == STATUS_OK) {
        record_look(&record, &found, &read);
    }
    const char *problem = found_read(&found, &read);
    if (problem != NULL) {
        *why = problem;
        return STATUS_INVALID_ARGUMENT;
    }
    *why = limits_problem(&read.limits);
    if (*why != NULL) {
        return STATUS_INVALID_ARGUMENT;
    }
    *out = read;
    return STATUS_OK;
}
