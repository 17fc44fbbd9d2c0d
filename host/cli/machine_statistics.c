/* oak machine statistics: what the engine counts, of the machine or of one container. */
#include "host/cli/machine_statistics.h"

#include "host/cli/containers.h"
#include "host/cli/options.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static void counters_print(const struct reply *reply)
{
    struct record_reader reader;
    struct record record;
    record_reader_init(&reader, reply->bytes, reply->length_bytes);
    while (record_next(&reader, &record) == STATUS_OK) {
        char *name = record.tag == RECORD_COUNTER
                         ? records_text(record.value, record.length_bytes, RECORD_NAME)
                         : NULL;
        if (name != NULL) {
            printf("%-26s %" PRIu64 "\n", name,
                   records_number(record.value, record.length_bytes, RECORD_VALUE, 0));
        }
        free(name);
    }
}

/* name is NULL for the machine. */
static int statistics_show(struct connection *connection, const char *name)
{
    struct reply reply;
    status_t status = name != NULL
                          ? container_ask(connection, CONTROL_STATISTICS, name, &reply)
                          : connection_request(connection, 0, CONTROL_STATISTICS, NULL, &reply);
    if (status != STATUS_OK) {
        return EXIT_OAK;
    }
    if (reply.status != STATUS_OK) {
        if (name != NULL) {
            return container_refused(name, &reply);
        }
        int code = error_line(1, "machine statistics: %s", reply_message(&reply));
        reply_free(&reply);
        return code;
    }
    counters_print(&reply);
    reply_free(&reply);
    return 0;
}

int machine_statistics_command(int argc, char **argv)
{
    struct text_list arguments = {0};
    struct connection connection;
    const struct option_set none = {.interspersed = true};
    if (!options_parse(&none, argc, argv, &arguments)) {
        return EXIT_OAK;
    }
    if (arguments.count > 1) {
        return usage_error("machine", "one container at most for statistics");
    }
    int code = containers_connect(&connection);
    if (code == 0) {
        code = statistics_show(&connection, arguments.count > 0 ? arguments.items[0] : NULL);
        connection_close(&connection);
    }
    return code;
}
