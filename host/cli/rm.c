#include "host/cli/containers.h"
#include "host/cli/options.h"

#include <stdio.h>

static status_t remove_one(struct connection *connection, const char *name, bool force, int *code)
{
    uint8_t bytes[8192];
    struct record_writer records;
    struct reply reply = {.status = STATUS_NOT_FOUND};
    record_writer_init(&records, bytes, sizeof(bytes));
    record_put_text(&records, RECORD_CONTAINER, name);
    record_put_number(&records, RECORD_FORCE, force);
    if (!records.overflow) {
        status_t status = connection_request(connection, 0, CONTROL_REMOVE, &records, &reply);
        if (status != STATUS_OK) {
            return status;
        }
    }
    if (reply.status == STATUS_OK) {
        printf("%s\n", name);
    } else if (reply.status == STATUS_BAD_STATE || reply.status == STATUS_BUSY) {
        *code = error_line(1, "container %s is running: stop it first, or use rm -f", name);
    } else if (reply.status != STATUS_NOT_FOUND || !force) {
        *code = container_refused(name, &reply);
    } else {
        error_line(0, "no such container: %s", name);
    }
    reply_free(&reply);
    return STATUS_OK;
}

int rm_command(int argc, char **argv)
{
    bool force = false;
    bool volumes = false; /* containers have none yet: there is nothing more to remove */
    const struct option options[] = {
        {"force", 'f', OPTION_FLAG, &force},
        {"volumes", 'v', OPTION_FLAG, &volumes},
        {"link", 'l', OPTION_LATER, NULL},
    };
    struct text_list arguments = {0};
    struct connection connection;
    if (!options_parse(OPTION_SET(options, true), argc, argv, &arguments)) {
        return EXIT_OAK;
    }
    if (arguments.count == 0) {
        return usage_error("rm", "a container");
    }
    int code = containers_connect(&connection);
    if (code != 0) {
        return code;
    }
    for (size_t i = 0; i < arguments.count; i++) {
        if (remove_one(&connection, arguments.items[i], force, &code) != STATUS_OK) {
            return EXIT_OAK;
        }
    }
    connection_close(&connection);
    return code;
}
