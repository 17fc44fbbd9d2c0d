#include "host/cli/container_state.h"

#include "host/cli/containers.h"
#include "host/cli/format.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static status_t text_field(struct record_reader *reader, uint16_t tag, char **out)
{
    struct record record;
    status_t status = record_find(reader, tag, &record);
    if (status == STATUS_OK) {
        *out = record_text(&record);
        status = *out != NULL ? STATUS_OK : STATUS_CORRUPT;
    }
    return status;
}

static json_t *label_read(const struct record_reader *reader)
{
    struct record record;
    json_t *label = NULL;
    if (record_find(reader, RECORD_LABEL, &record) == STATUS_OK) {
        label = json_loadb(record.value, record.length_bytes, 0, NULL);
    }
    if (!json_is_object(label)) {
        json_decref(label);
        label = json_object();
    }
    return label;
}

status_t container_state_read(const struct record *record, struct container_state *out)
{
    struct record_reader reader;
    struct record blob;
    const void *bytes = record->value;
    size_t length = record->length_bytes;
    struct container_state state = {0};
    record_reader_init(&reader, bytes, length);
    if (text_field(&reader, RECORD_ID, &state.id) != STATUS_OK || strlen(state.id) < 12 ||
        text_field(&reader, RECORD_NAME, &state.name) != STATUS_OK ||
        text_field(&reader, RECORD_STATE, &state.state) != STATUS_OK) {
        container_state_free(&state);
        return STATUS_CORRUPT;
    }
    if (record_find(&reader, RECORD_BLOB, &blob) == STATUS_OK &&
        blob.length_bytes == sizeof(state.blob)) {
        memcpy(state.blob, blob.value, sizeof(state.blob));
    }
    state.created_ns = records_number(bytes, length, RECORD_CREATED, 0);
    state.started_ns = records_number(bytes, length, RECORD_STARTED, 0);
    state.ended_ns = records_number(bytes, length, RECORD_ENDED, 0);
    state.exit_code = records_number(bytes, length, RECORD_EXIT_CODE, 0);
    state.oom_killed = records_number(bytes, length, RECORD_OOM_KILLED, 0) != 0;
    state.process_id = records_number(bytes, length, RECORD_PROCESS_ID, 0);
    state.memory_limit = records_number(bytes, length, RECORD_MEMORY_LIMIT, 0);
    state.cpu_weight = records_number(bytes, length, RECORD_CPU_WEIGHT, 0);
    state.cpu_quota_ns = records_number(bytes, length, RECORD_CPU_QUOTA, 0);
    state.cpu_period_ns = records_number(bytes, length, RECORD_CPU_PERIOD, 0);
    state.threads_limit = records_number(bytes, length, RECORD_THREADS_LIMIT, 0);
    state.memory_used = records_number(bytes, length, RECORD_MEMORY_USED, 0);
    state.label = label_read(&reader);
    *out = state;
    return STATUS_OK;
}

void container_state_free(struct container_state *state)
{
    free(state->id);
    free(state->name);
    free(state->state);
    json_decref(state->label);
    *state = (struct container_state){0};
}

const char *label_text(const struct container_state *state, const char *group, const char *key,
                       const char *otherwise)
{
    json_t *object = group != NULL ? json_object_get(state->label, group) : state->label;
    const char *text = json_string_value(json_object_get(object, key));
    return text != NULL ? text : otherwise;
}

char *container_status_text(const struct container_state *state)
{
    bool paused = strcmp(state->state, "paused") == 0;
    if (paused || strcmp(state->state, "running") == 0) {
        char *since = duration_text(state->started_ns);
        char *text = text_format("Up %s%s", since, paused ? " (Paused)" : "");
        free(since);
        return text;
    }
    if (strcmp(state->state, "stopped") != 0) {
        return text_copy(strcmp(state->state, "removing") == 0 ? "Removal In Progress" : "Created");
    }
    char *since = duration_text(state->ended_ns);
    char *text = text_format("Exited (%" PRIu64 ") %s ago", state->exit_code, since);
    free(since);
    return text;
}

char *container_command_text(const struct container_state *state)
{
    size_t index;
    json_t *argument;
    char *text = text_copy(label_text(state, NULL, "Path", ""));
    json_array_foreach(json_object_get(state->label, "Args"), index, argument)
    {
        const char *next = json_string_value(argument);
        char *longer = text_format("%s %s", text, next != NULL ? next : "");
        free(text);
        text = longer;
    }
    return text;
}

int container_inspect(struct connection *connection, const char *name, struct container_state *out)
{
    struct reply reply;
    struct record record;
    struct record_reader reader;
    if (container_ask(connection, CONTROL_INSPECT, name, &reply) != STATUS_OK) {
        return EXIT_OAK;
    }
    if (reply.status != STATUS_OK) {
        return container_refused(name, &reply);
    }
    record_reader_init(&reader, reply.bytes, reply.length_bytes);
    status_t status = record_find(&reader, RECORD_CONTAINER_STATE, &record);
    if (status == STATUS_OK) {
        status = container_state_read(&record, out);
    }
    reply_free(&reply);
    return status == STATUS_OK
               ? 0
               : error_line(EXIT_OAK, "the machine's answer about %s is malformed", name);
}

static int newer_first(const void *a, const void *b)
{
    const struct container_state *first = a;
    const struct container_state *second = b;
    return (first->created_ns < second->created_ns) - (first->created_ns > second->created_ns);
}

status_t container_list_get(struct connection *connection, struct container_list *list)
{
    struct reply reply;
    struct record record;
    struct record_reader reader;
    *list = (struct container_list){0};
    status_t status = connection_request(connection, 0, CONTROL_LIST, NULL, &reply);
    if (status != STATUS_OK || reply.status != STATUS_OK) {
        return status != STATUS_OK ? status : reply.status;
    }
    record_reader_init(&reader, reply.bytes, reply.length_bytes);
    size_t capacity = 0;
    while ((status = record_next(&reader, &record)) == STATUS_OK) {
        if (list->count == capacity) {
            capacity = MAX(2 * capacity, (size_t)16);
            list->items = allocate_again(list->items, capacity * sizeof(*list->items));
        }
        if (record.tag == RECORD_CONTAINER_STATE &&
            container_state_read(&record, &list->items[list->count]) == STATUS_OK) {
            list->count++;
        }
    }
    reply_free(&reply);
    if (list->count > 0) {
        qsort(list->items, list->count, sizeof(*list->items), newer_first);
    }
    return STATUS_OK;
}

void container_list_free(struct container_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        container_state_free(&list->items[i]);
    }
    free(list->items);
    *list = (struct container_list){0};
}
