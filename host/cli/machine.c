/* oak machine start, stop, status. */
#include "host/cli/connection.h"
#include "host/cli/machine_statistics.h"
#include "host/cli/options.h"
#include "host/machine/daemon.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int machine_start_command(int argc, char **argv)
{
    const char *values[5] = {NULL};
    static const char *const names[] = {"cpus", "memory", "store-size", "machine-type",
                                        "accelerator"};
    struct option options[ARRAY_LENGTH(names)];
    struct text_list arguments = {0};
    struct machine_options machine;
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        options[i] = (struct option){names[i], 0, OPTION_TEXT, &values[i]};
    }
    if (!options_parse(OPTION_SET(options, true), argc, argv, &arguments)) {
        return EXIT_OAK;
    }
    if (arguments.count > 0) {
        return usage_error("machine", "no further arguments");
    }
    machine_options_init(&machine);
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        if (values[i] != NULL && machine_options_set(&machine, names[i], values[i]) != STATUS_OK) {
            return error_line(EXIT_OAK, "machine start: '%s' is no value for --%s", values[i],
                              names[i]);
        }
    }
    struct connection connection;
    if (!connection_open(&connection, &machine)) {
        return EXIT_OAK;
    }
    connection_close(&connection);
    return 0;
}

static int machine_stop_command(void)
{
    struct connection connection;
    struct reply reply;
    status_t status = connection_open_running(&connection);
    if (status == STATUS_NOT_FOUND) {
        return 0;
    }
    if (status != STATUS_OK) {
        return EXIT_OAK;
    }
    status = connection_request(&connection, 0, CONTROL_MACHINE_STOP, NULL, &reply);
    connection_close(&connection);
    if (status != STATUS_OK) {
        return EXIT_OAK;
    }
    int code = reply.status == STATUS_OK
                   ? 0
                   : error_line(EXIT_OAK, "machine stop: %s", reply_message(&reply));
    reply_free(&reply);
    return code;
}

/* Adds key=value lines to the object; numbers stay numbers. */
static void status_add(json_t *object, const struct reply *reply)
{
    struct record_reader reader;
    struct record record;
    record_reader_init(&reader, reply->bytes, reply->length_bytes);
    while (record_next(&reader, &record) == STATUS_OK) {
        char *line = record.tag == RECORD_MESSAGE ? record_text(&record) : NULL;
        char *value = line != NULL ? strchr(line, '=') : NULL;
        if (value != NULL) {
            uint64_t number;
            *value++ = '\0';
            json_t *json = number_parse(value, INT64_MAX, &number)
                               ? json_integer((json_int_t)number)
                               : json_string(value);
            json_object_set_new(object, line, json);
        }
        free(line);
    }
}

static void status_print(json_t *object, bool as_json)
{
    const char *key;
    json_t *value;
    if (as_json) {
        json_dumpf(object, stdout, JSON_INDENT(4));
        putchar('\n');
        return;
    }
    json_object_foreach(object, key, value)
    {
        if (json_is_integer(value)) {
            printf("%-14s %" JSON_INTEGER_FORMAT "\n", key, json_integer_value(value));
        } else {
            printf("%-14s %s\n", key, json_string_value(value));
        }
    }
}

static int machine_status_command(int argc, char **argv)
{
    bool as_json = false;
    const char *format = NULL;
    const struct option options[] = {
        {"json", 0, OPTION_FLAG, &as_json},
        {"format", 0, OPTION_TEXT, &format},
    };
    struct text_list arguments = {0};
    struct connection connection;
    struct reply reply = {0};
    if (!options_parse(OPTION_SET(options, true), argc, argv, &arguments)) {
        return EXIT_OAK;
    }
    as_json = as_json || (format != NULL && strcmp(format, "json") == 0);
    json_t *object = json_object();
    status_t status = connection_open_running(&connection);
    if (status == STATUS_NOT_FOUND) {
        json_object_set_new(object, "state", json_string("stopped"));
    } else if (status == STATUS_OK) {
        status = connection_request(&connection, 0, CONTROL_MACHINE_STATUS, NULL, &reply);
        status_add(object, &reply);
        reply_free(&reply);
        connection_close(&connection);
    }
    int code = EXIT_OAK;
    if (status == STATUS_OK || status == STATUS_NOT_FOUND) {
        status_print(object, as_json);
        code = status == STATUS_OK ? 0 : 1;
    }
    json_decref(object);
    return code;
}

int machine_command(int argc, char **argv)
{
    const char *verb = argc > 1 ? argv[1] : "";
    if (strcmp(verb, "start") == 0) {
        return machine_start_command(argc - 1, argv + 1);
    }
    if (strcmp(verb, "stop") == 0 && argc == 2) {
        return machine_stop_command();
    }
    if (strcmp(verb, "status") == 0) {
        return machine_status_command(argc - 1, argv + 1);
    }
    if (strcmp(verb, "statistics") == 0) {
        return machine_statistics_command(argc - 1, argv + 1);
    }
    if (strcmp(verb, "daemon") == 0) {
        return machine_daemon(argc - 2, argv + 2);
    }
    if (strcmp(verb, "--help") == 0) {
        usage_print("machine");
        return 0;
    }
    return usage_error("machine", "one of start, stop, status, statistics");
}
