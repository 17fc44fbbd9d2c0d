/*
 * oak inspect: docker's JSON about containers and images, with what only Oak knows under "Oak";
 * --authority: the capabilities that a container holds, one a line.
 */
#include "host/cli/container_state.h"
#include "host/cli/containers.h"
#include "host/cli/format.h"
#include "host/cli/image_inspect.h"
#include "host/cli/options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum found {
    FOUND,
    FOUND_NOT,
    FOUND_LOST, /* the machine is gone; that was printed */
};

static void time_set(json_t *object, const char *key, uint64_t wall_ns)
{
    char *text = time_text(wall_ns);
    json_object_set_new(object, key, json_text(text));
    free(text);
}

static json_t *state_json(const struct container_state *state)
{
    json_t *object = json_object();
    bool stopped = strcmp(state->state, "stopped") == 0;
    bool paused = strcmp(state->state, "paused") == 0;
    bool running = paused || strcmp(state->state, "running") == 0;
    json_object_set_new(object, "Status", json_text(stopped ? "exited" : state->state));
    json_object_set_new(object, "Running", json_boolean(running));
    json_object_set_new(object, "Paused", json_boolean(paused));
    json_object_set_new(object, "Restarting", json_false());
    json_object_set_new(object, "OOMKilled", json_boolean(state->oom_killed));
    json_object_set_new(object, "Dead", json_false());
    json_object_set_new(object, "Pid", json_integer(running ? (json_int_t)state->process_id : 0));
    json_object_set_new(object, "ExitCode", json_integer((json_int_t)state->exit_code));
    json_object_set_new(object, "Error", json_text(""));
    time_set(object, "StartedAt", state->started_ns);
    time_set(object, "FinishedAt", state->ended_ns);
    return object;
}

/* What the engine counts about the container: Linux calls that are missing, for one. */
static json_t *counters_json(const struct reply *reply)
{
    json_t *object = json_object();
    struct record_reader reader;
    struct record record;
    record_reader_init(&reader, reply->bytes, reply->length_bytes);
    while (reply->status == STATUS_OK && record_next(&reader, &record) == STATUS_OK) {
        char *name = record.tag == RECORD_COUNTER
                         ? records_text(record.value, record.length_bytes, RECORD_NAME)
                         : NULL;
        if (name != NULL) {
            uint64_t value = records_number(record.value, record.length_bytes, RECORD_VALUE, 0);
            json_object_set_new(object, name, json_integer((json_int_t)value));
        }
        free(name);
    }
    return object;
}

static json_t *label_part(const struct container_state *state, const char *key)
{
    json_t *value = json_object_get(state->label, key);
    return value != NULL ? json_incref(value) : json_object();
}

/* The notes', and the limits that hold now, in docker's units. */
static json_t *host_config_json(const struct container_state *state)
{
    const struct {
        const char *key;
        uint64_t value;
    } limits[] = {
        {"Memory", state->memory_limit},          {"CpuShares", state->cpu_weight},
        {"CpuQuota", state->cpu_quota_ns / 1000}, {"CpuPeriod", state->cpu_period_ns / 1000},
        {"PidsLimit", state->threads_limit},
    };
    json_t *host = label_part(state, "HostConfig");
    for (size_t i = 0; i < ARRAY_LENGTH(limits); i++) {
        json_object_set_new(host, limits[i].key, json_integer((json_int_t)limits[i].value));
    }
    return host;
}

static json_t *container_json(const struct container_state *state, const struct reply *counters)
{
    json_t *object = json_object();
    json_t *oak = json_object();
    char blob[65];
    for (size_t i = 0; i < sizeof(state->blob); i++) {
        snprintf(blob + 2 * i, 3, "%02x", state->blob[i]);
    }
    json_t *arguments = json_object_get(state->label, "Args");
    char *name = text_format("/%s", state->name);
    json_object_set_new(object, "Id", json_text(state->id));
    time_set(object, "Created", state->created_ns);
    json_object_set_new(object, "Path", json_text(label_text(state, NULL, "Path", "")));
    json_object_set_new(object, "Args", arguments != NULL ? json_incref(arguments) : json_array());
    json_object_set_new(object, "State", state_json(state));
    json_object_set_new(object, "Image", json_text(label_text(state, NULL, "Image", "")));
    json_object_set_new(object, "Name", json_text(name));
    json_object_set_new(object, "RestartCount", json_integer(0));
    json_object_set_new(object, "Driver", json_text("erofs"));
    json_object_set_new(object, "Platform", json_text("linux"));
    json_object_set_new(object, "HostConfig", host_config_json(state));
    json_object_set_new(object, "Mounts", json_array());
    json_object_set_new(object, "Config", label_part(state, "Config"));
    json_object_set_new(oak, "Blob", json_text(blob));
    json_object_set_new(oak, "MemoryLimit", json_integer((json_int_t)state->memory_limit));
    json_object_set_new(oak, "MemoryUsed", json_integer((json_int_t)state->memory_used));
    json_object_set_new(oak, "Counters", counters_json(counters));
    json_object_set_new(object, "Oak", oak);
    free(name);
    return object;
}

/* The container as JSON. connection is NULL without a machine. */
static enum found container_find(struct connection *connection, const char *name, json_t **out)
{
    struct reply reply;
    struct reply counters;
    struct record_reader reader;
    struct record record;
    struct container_state state;
    if (connection == NULL) {
        return FOUND_NOT;
    }
    if (container_ask(connection, CONTROL_INSPECT, name, &reply) != STATUS_OK) {
        return FOUND_LOST;
    }
    record_reader_init(&reader, reply.bytes, reply.length_bytes);
    if (reply.status != STATUS_OK ||
        record_find(&reader, RECORD_CONTAINER_STATE, &record) != STATUS_OK ||
        container_state_read(&record, &state) != STATUS_OK) {
        reply_free(&reply);
        return FOUND_NOT;
    }
    reply_free(&reply);
    if (container_ask(connection, CONTROL_STATISTICS, state.id, &counters) != STATUS_OK) {
        return FOUND_LOST;
    }
    *out = container_json(&state, &counters);
    reply_free(&counters);
    container_state_free(&state);
    return FOUND;
}

static int objects_print(json_t *objects, const char *format)
{
    size_t index;
    json_t *object;
    if (format == NULL) {
        json_dumpf(objects, stdout, JSON_INDENT(4));
        putchar('\n');
        return 0;
    }
    json_array_foreach(objects, index, object)
    {
        format_print(format, object);
    }
    return 0;
}

static int inspect_all(struct connection *connection, const struct text_list *names,
                       const char *type, const char *format)
{
    json_t *objects = json_array();
    int code = 0;
    bool containers = type == NULL || strcmp(type, "container") == 0;
    bool images = type == NULL || strcmp(type, "image") == 0;
    for (size_t i = 0; i < names->count; i++) {
        json_t *object = NULL;
        enum found found =
            containers ? container_find(connection, names->items[i], &object) : FOUND_NOT;
        if (found == FOUND_LOST) {
            json_decref(objects);
            return EXIT_OAK;
        }
        if (found == FOUND_NOT && images) {
            object = image_inspect_json(names->items[i]);
        }
        if (object != NULL) {
            json_array_append_new(objects, object);
        } else {
            code = error_line(1, "no such %s: %s", type != NULL ? type : "container or image",
                              names->items[i]);
        }
    }
    objects_print(objects, format);
    json_decref(objects);
    return code;
}

static int authority_print(struct connection *connection, const struct text_list *names)
{
    int code = 0;
    for (size_t i = 0; i < names->count; i++) {
        struct reply reply;
        struct record_reader reader;
        struct record record;
        if (container_ask(connection, CONTROL_AUTHORITY, names->items[i], &reply) != STATUS_OK) {
            return EXIT_OAK;
        }
        if (reply.status != STATUS_OK) {
            code = container_refused(names->items[i], &reply);
            continue;
        }
        record_reader_init(&reader, reply.bytes, reply.length_bytes);
        while (record_next(&reader, &record) == STATUS_OK) {
            char *line = record.tag == RECORD_AUTHORITY ? record_text(&record) : NULL;
            if (line != NULL) {
                printf("%s\n", line);
            }
            free(line);
        }
        reply_free(&reply);
    }
    return code;
}

int inspect_command(int argc, char **argv)
{
    bool authority = false;
    const char *format = NULL;
    const char *type = NULL;
    const struct option options[] = {
        {"authority", 0, OPTION_FLAG, &authority},
        {"format", 'f', OPTION_TEXT, &format},
        {"type", 0, OPTION_TEXT, &type},
        {"size", 's', OPTION_LATER, NULL},
    };
    struct text_list arguments = {0};
    struct connection connection;
    if (!options_parse(OPTION_SET(options, true), argc, argv, &arguments)) {
        return EXIT_OAK;
    }
    if (arguments.count == 0) {
        return usage_error("inspect", "a container or an image");
    }
    if (format != NULL && !format_check("inspect", format)) {
        return EXIT_OAK;
    }
    status_t status = connection_open_running(&connection);
    if (status == STATUS_CLOSED) {
        return EXIT_OAK;
    }
    bool running = status == STATUS_OK;
    if (authority && !running) {
        return error_line(1, "the machine is not running, so there are no containers");
    }
    int code = authority ? authority_print(&connection, &arguments)
                         : inspect_all(running ? &connection : NULL, &arguments, type, format);
    if (running) {
        connection_close(&connection);
    }
    return code;
}
