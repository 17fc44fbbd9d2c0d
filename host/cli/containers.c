#include "host/cli/containers.h"

#include <stdio.h>
#include <stdlib.h>

int containers_connect(struct connection *connection)
{
    status_t status = connection_open_running(connection);
    if (status == STATUS_OK) {
        return 0;
    }
    if (status == STATUS_NOT_FOUND) {
        return error_line(1, "the machine is not running, so there are no containers "
                             "(oak run starts it)");
    }
    return EXIT_OAK;
}

void specification_writer(struct record_writer *writer)
{
    record_writer_init(writer, allocate(CONTROL_SPEC_MAX), CONTROL_SPEC_MAX);
}

status_t container_ask(struct connection *connection, enum control_request request,
                       const char *name, struct reply *reply)
{
    uint8_t bytes[8192];
    struct record_writer records;
    record_writer_init(&records, bytes, sizeof(bytes));
    record_put_text(&records, RECORD_CONTAINER, name);
    if (records.overflow) {
        *reply = (struct reply){.status = STATUS_NOT_FOUND};
        return STATUS_OK;
    }
    return connection_request(connection, 0, request, &records, reply);
}

int container_refused(const char *name, struct reply *reply)
{
    if (reply->status == STATUS_NOT_FOUND) {
        error_line(1, "no such container: %s (oak ps -a lists them)", name);
    } else {
        error_line(1, "container %s: %s", name, reply_message(reply));
    }
    reply_free(reply);
    return 1;
}

int launch_refused(const char *program, const char *where, const char *name,
                   const struct reply *reply)
{
    if (reply->status == STATUS_NOT_FOUND) {
        return error_line(EXIT_NOT_FOUND, "%s: command not found in %s %s", program, where, name);
    }
    if (reply->status != STATUS_NOT_PERMITTED) {
        return 0;
    }
    char *message = records_text(reply->bytes, reply->length_bytes, RECORD_MESSAGE);
    error_line(EXIT_NOT_EXECUTABLE, "%s: cannot be executed: %s", program,
               message != NULL ? message : "permission denied");
    free(message);
    return EXIT_NOT_EXECUTABLE;
}

int containers_each(enum control_request request, const struct text_list *names)
{
    struct connection connection;
    int code = containers_connect(&connection);
    if (code != 0) {
        return code;
    }
    for (size_t i = 0; i < names->count; i++) {
        struct reply reply;
        if (container_ask(&connection, request, names->items[i], &reply) != STATUS_OK) {
            return EXIT_OAK;
        }
        if (reply.status != STATUS_OK) {
            code = container_refused(names->items[i], &reply);
            continue;
        }
        reply_free(&reply);
        printf("%s\n", names->items[i]);
    }
    connection_close(&connection);
    return code;
}
