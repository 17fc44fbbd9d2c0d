#include "host/cli/containers.h"
#include "host/cli/options.h"
#include "host/cli/signals.h"

#include <stdio.h>

static status_t kill_one(struct connection *connection, const char *name, uint32_t number,
                         int *code)
{
    uint8_t bytes[8192];
    struct record_writer records;
    struct reply reply;
    record_writer_init(&records, bytes, sizeof(bytes));
    record_put_text(&records, RECORD_CONTAINER, name);
    record_put_number(&records, RECORD_SIGNAL, number);
    if (records.overflow) {
        reply = (struct reply){.status = STATUS_NOT_FOUND};
        *code = container_refused(name, &reply);
        return STATUS_OK;
    }
    status_t status = connection_request(connection, 0, CONTROL_KILL, &records, &reply);
    if (status != STATUS_OK) {
        return status;
    }
    if (reply.status == STATUS_BAD_STATE) {
        *code = error_line(1, "container %s is not running", name);
    } else if (reply.status != STATUS_OK) {
        *code = container_refused(name, &reply);
    } else {
        printf("%s\n", name);
    }
    reply_free(&reply);
    return STATUS_OK;
}

int kill_command(int argc, char **argv)
{
    const char *signal_text = "SIGKILL";
    const struct option options[] = {{"signal", 's', OPTION_TEXT, &signal_text}};
    struct text_list arguments = {0};
    struct connection connection;
    if (!options_parse(OPTION_SET(options, true), argc, argv, &arguments)) {
        return EXIT_OAK;
    }
    uint32_t number = signal_parse(signal_text);
    if (number == 0) {
        return error_line(EXIT_OAK, "kill: no such signal: %s", signal_text);
    }
    if (arguments.count == 0) {
        return usage_error("kill", "a container");
    }
    int code = containers_connect(&connection);
    if (code != 0) {
        return code;
    }
    for (size_t i = 0; i < arguments.count; i++) {
        if (kill_one(&connection, arguments.items[i], number, &code) != STATUS_OK) {
            return EXIT_OAK;
        }
    }
    connection_close(&connection);
    return code;
}
