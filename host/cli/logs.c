#include "host/cli/attached.h"
#include "host/cli/containers.h"
#include "host/cli/options.h"

#include <string.h>

int logs_command(int argc, char **argv)
{
    bool follow = false;
    const char *tail = "all";
    const struct option options[] = {
        {"follow", 'f', OPTION_FLAG, &follow},   {"tail", 'n', OPTION_TEXT, &tail},
        {"timestamps", 't', OPTION_LATER, NULL}, {"since", 0, OPTION_LATER, NULL},
        {"until", 0, OPTION_LATER, NULL},        {"details", 0, OPTION_LATER, NULL},
    };
    struct text_list arguments = {0};
    struct connection connection;
    uint8_t bytes[8192];
    struct record_writer records;
    uint64_t lines = 0;
    if (!options_parse(OPTION_SET(options, true), argc, argv, &arguments)) {
        return EXIT_OAK;
    }
    if (arguments.count != 1) {
        return usage_error("logs", "one container");
    }
    bool all = strcmp(tail, "all") == 0;
    if (!all && !number_parse(tail, INT32_MAX, &lines)) {
        return error_line(EXIT_OAK, "logs: --tail takes a number or all, not '%s'", tail);
    }
    int code = containers_connect(&connection);
    if (code != 0) {
        return code;
    }
    record_writer_init(&records, bytes, sizeof(bytes));
    record_put_text(&records, RECORD_CONTAINER, arguments.items[0]);
    record_put_number(&records, RECORD_FOLLOW, follow);
    if (!all) {
        record_put_number(&records, RECORD_TAIL, lines);
    }
    struct attached attached = {.connection = &connection,
                                .session = connection_session(&connection),
                                .container = arguments.items[0]};
    attached_signals_take(&attached);
    attached.begin_tag = connection_ask(&connection, attached.session, CONTROL_LOGS, &records);
    enum attached_end end = attached_run(&attached);
    if (end == ATTACHED_REFUSED) {
        code = container_refused(arguments.items[0], &attached.reply);
    } else if (end != ATTACHED_DONE) {
        code = EXIT_OAK;
    }
    connection_close(&connection);
    return code;
}
