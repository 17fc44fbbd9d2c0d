#include "host/cli/attach.h"

#include "host/cli/container_state.h"
#include "host/cli/containers.h"
#include "host/cli/options.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int attached_exit_code(struct attached *attached, enum attached_end end)
{
    const struct reply *reply = &attached->reply;
    terminal_restore();
    if (end == ATTACHED_LOST) {
        return EXIT_OAK;
    }
    if (end == ATTACHED_DETACHED) {
        connection_session_end(attached->connection, attached->session);
        return connection_flush(attached->connection) == STATUS_OK ? 0 : EXIT_OAK;
    }
    if (end == ATTACHED_REFUSED || reply->status != STATUS_OK) {
        return error_line(1, "container %s: %s", attached->container, reply_message(reply));
    }
    return (int)(records_number(reply->bytes, reply->length_bytes, RECORD_EXIT_CODE, EXIT_OAK) &
                 0xff);
}

static void attach_ask(struct attached *attached, const char *id, bool start)
{
    uint8_t bytes[256];
    struct record_writer records;
    record_writer_init(&records, bytes, sizeof(bytes));
    record_put_text(&records, RECORD_CONTAINER, id);
    struct connection *connection = attached->connection;
    attached->session = connection_session(connection);
    attached->begin_tag = connection_ask(connection, attached->session, CONTROL_ATTACH, &records);
    if (start) {
        attached->begin_tag =
            connection_ask(connection, attached->session, CONTROL_START, &records);
    }
    attached->end_tag = connection_ask(connection, attached->session, CONTROL_WAIT, &records);
    uint32_t window = terminal_window();
    struct control_frame header = {
        .session = attached->session, .type = CONTROL_RESIZE, .value = window};
    if (attached->terminal && window != 0) {
        connection_put(connection, &header, NULL);
    }
}

int attach_existing(struct connection *connection, const struct attach_wish *wish)
{
    struct container_state state;
    int code = container_inspect(connection, wish->container, &state);
    if (code != 0) {
        return code;
    }
    bool running = strcmp(state.state, "running") == 0 || strcmp(state.state, "paused") == 0;
    if (!wish->start && !running) {
        return error_line(1, "container %s is not running: start it first (oak start -a)",
                          wish->container);
    }
    json_t *config = json_object_get(state.label, "Config");
    bool terminal = json_is_true(json_object_get(config, "Tty"));
    bool open_stdin = json_is_true(json_object_get(config, "OpenStdin"));
    struct attached attached = {
        .connection = connection,
        .input = wish->input && open_stdin,
        .proxy = wish->proxy && !terminal,
        .container = wish->container,
    };
    if (!detach_keys_parse(&attached.detach_keys, wish->detach_keys)) {
        return error_line(EXIT_OAK, "'%s' are no detach keys (as in ctrl-p,ctrl-q)",
                          wish->detach_keys);
    }
    if (terminal && attached.input && !isatty(STDIN_FILENO)) {
        return error_line(1, "the input device is not a TTY");
    }
    attached.terminal = terminal && attached.input && terminal_raw();
    attached_signals_take(&attached);
    attach_ask(&attached, state.id, wish->start);
    container_state_free(&state);
    enum attached_end end = attached_run(&attached);
    code = attached_exit_code(&attached, end);
    reply_free(&attached.reply);
    return code;
}

int attach_command(int argc, char **argv)
{
    bool no_stdin = false;
    bool proxy = true;
    const char *keys = "ctrl-p,ctrl-q";
    const struct option options[] = {
        {"no-stdin", 0, OPTION_FLAG, &no_stdin},
        {"sig-proxy", 0, OPTION_FLAG, &proxy},
        {"detach-keys", 0, OPTION_TEXT, &keys},
    };
    struct text_list arguments = {0};
    struct connection connection;
    if (!options_parse(OPTION_SET(options, true), argc, argv, &arguments)) {
        return EXIT_OAK;
    }
    if (arguments.count != 1) {
        return usage_error("attach", "one container");
    }
    int code = containers_connect(&connection);
    if (code != 0) {
        return code;
    }
    struct attach_wish wish = {
        .container = arguments.items[0], .detach_keys = keys, .input = !no_stdin, .proxy = proxy};
    code = attach_existing(&connection, &wish);
    connection_close(&connection);
    return code;
}
