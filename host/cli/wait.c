#include "host/cli/containers.h"
#include "host/cli/options.h"

#include <inttypes.h>
#include <stdio.h>

int wait_command(int argc, char **argv)
{
    struct text_list arguments = {0};
    struct connection connection;
    const struct option options[] = {{"condition", 0, OPTION_LATER, NULL}};
    if (!options_parse(OPTION_SET(options, true), argc, argv, &arguments)) {
        return EXIT_OAK;
    }
    if (arguments.count == 0) {
        return usage_error("wait", "a container");
    }
    int code = containers_connect(&connection);
    if (code != 0) {
        return code;
    }
    for (size_t i = 0; i < arguments.count; i++) {
        struct reply reply;
        if (container_ask(&connection, CONTROL_WAIT, arguments.items[i], &reply) != STATUS_OK) {
            return EXIT_OAK;
        }
        if (reply.status != STATUS_OK) {
            code = container_refused(arguments.items[i], &reply);
            continue;
        }
        printf("%" PRIu64 "\n",
               records_number(reply.bytes, reply.length_bytes, RECORD_EXIT_CODE, 0));
        fflush(stdout);
        reply_free(&reply);
    }
    connection_close(&connection);
    return code;
}
