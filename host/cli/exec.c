/*
 * oak exec: one more process in a running container. It gets the container's environment, which
 * the label keeps, and then -e's.
 */
#include "host/cli/attach.h"
#include "host/cli/container_state.h"
#include "host/cli/containers.h"
#include "host/cli/options.h"
#include "host/cli/specification.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct exec {
    bool detach;
    bool interactive;
    bool terminal;
    const char *working_directory;
    const char *user;
    const char *detach_keys;
    struct text_list environment;
    struct text_list environment_files;
    struct text_list arguments; /* the container, then the command */
};

static bool exec_parse(struct exec *exec, int argc, char **argv)
{
    const struct option options[] = {
        {"detach", 'd', OPTION_FLAG, &exec->detach},
        {"interactive", 'i', OPTION_FLAG, &exec->interactive},
        {"tty", 't', OPTION_FLAG, &exec->terminal},
        {"workdir", 'w', OPTION_TEXT, &exec->working_directory},
        {"user", 'u', OPTION_TEXT, &exec->user},
        {"detach-keys", 0, OPTION_TEXT, &exec->detach_keys},
        {"env", 'e', OPTION_LIST, &exec->environment},
        {"env-file", 0, OPTION_LIST, &exec->environment_files},
        {"privileged", 0, OPTION_LATER, NULL},
    };
    return options_parse(OPTION_SET(options, false), argc, argv, &exec->arguments);
}

static bool environment_make(const struct exec *exec, const struct container_state *state,
                             struct text_list *environment)
{
    size_t index;
    json_t *entry;
    json_t *config = json_object_get(state->label, "Config");
    json_array_foreach(json_object_get(config, "Env"), index, entry)
    {
        if (json_is_string(entry)) {
            environment_set(environment, text_copy(json_string_value(entry)));
        }
    }
    if (exec->terminal) {
        environment_set(environment, "TERM=xterm");
    }
    return environment_add(environment, "exec", &exec->environment_files, &exec->environment);
}

static bool exec_write(const struct exec *exec, const struct container_state *state,
                       struct record_writer *records)
{
    struct text_list environment = {0};
    const char *directory = exec->working_directory;
    const char *user = exec->user;
    if (!environment_make(exec, state, &environment)) {
        return false;
    }
    record_put_text(records, RECORD_CONTAINER, state->id);
    for (size_t i = 1; i < exec->arguments.count; i++) {
        record_put_text(records, RECORD_ARGUMENT, exec->arguments.items[i]);
    }
    for (size_t i = 0; i < environment.count; i++) {
        record_put_text(records, RECORD_ENVIRONMENT, environment.items[i]);
    }
    directory = directory != NULL ? directory : label_text(state, "Config", "WorkingDir", "");
    user = user != NULL ? user : label_text(state, "Config", "User", "");
    if (directory[0] != '\0') {
        record_put_text(records, RECORD_WORKING_DIRECTORY, directory);
    }
    if (user[0] != '\0') {
        record_put_text(records, RECORD_USER, user);
    }
    if (exec->terminal) {
        record_put_number(records, RECORD_TERMINAL, 1);
        record_put_number(records, RECORD_WINDOW, terminal_window());
    }
    if (exec->interactive) {
        record_put_number(records, RECORD_OPEN_STDIN, 1);
    }
    if (records->overflow) {
        error_line(EXIT_OAK, "exec: arguments and environment are larger than %d KiB",
                   CONTROL_SPEC_MAX >> 10);
    }
    return !records->overflow;
}

static int exec_refused(const struct exec *exec, struct reply *reply)
{
    const char *program = exec->arguments.items[1];
    int code = launch_refused(program, "container", exec->arguments.items[0], reply);
    if (code != 0) {
        return code;
    }
    return error_line(1, "cannot run %s in container %s: %s", program, exec->arguments.items[0],
                      reply_message(reply));
}

/* After EXEC went well: its number, then its end. */
static int exec_follow(const struct exec *exec, struct connection *connection, uint32_t session,
                       const struct container_state *state, uint64_t process)
{
    uint8_t bytes[256];
    struct record_writer records;
    struct attached attached = {
        .connection = connection,
        .session = session,
        .input = exec->interactive,
        .proxy = !exec->terminal,
        .container = state->id,
        .process = process,
    };
    if (!detach_keys_parse(&attached.detach_keys, exec->detach_keys)) {
        return error_line(EXIT_OAK, "exec: '%s' are no detach keys", exec->detach_keys);
    }
    attached.terminal = exec->terminal && exec->interactive && terminal_raw();
    attached_signals_take(&attached);
    record_writer_init(&records, bytes, sizeof(bytes));
    record_put_text(&records, RECORD_CONTAINER, state->id);
    record_put_number(&records, RECORD_PROCESS, process);
    attached.end_tag = connection_ask(connection, session, CONTROL_WAIT, &records);
    enum attached_end end = attached_run(&attached);
    int code = attached_exit_code(&attached, end);
    reply_free(&attached.reply);
    return code;
}

static int exec_run(const struct exec *exec, struct connection *connection,
                    const struct container_state *state)
{
    struct record_writer records;
    struct reply reply;
    specification_writer(&records);
    uint32_t session = connection_session(connection);
    if (!exec_write(exec, state, &records) ||
        connection_request(connection, session, CONTROL_EXEC, &records, &reply) != STATUS_OK) {
        return EXIT_OAK;
    }
    free(records.bytes);
    int code = 0;
    uint64_t process = records_number(reply.bytes, reply.length_bytes, RECORD_PROCESS, 0);
    if (reply.status != STATUS_OK) {
        code = exec_refused(exec, &reply);
    } else if (!exec->detach) {
        code = exec_follow(exec, connection, session, state, process);
    }
    reply_free(&reply);
    return code;
}

int exec_command(int argc, char **argv)
{
    struct exec exec = {.detach_keys = "ctrl-p,ctrl-q"};
    struct connection connection;
    struct container_state state;
    if (!exec_parse(&exec, argc, argv)) {
        return EXIT_OAK;
    }
    if (exec.arguments.count < 2) {
        return usage_error("exec", "a container and a command");
    }
    if (exec.terminal && exec.interactive && !exec.detach && !isatty(STDIN_FILENO)) {
        return error_line(1, "the input device is not a TTY: leave -t away");
    }
    int code = containers_connect(&connection);
    if (code == 0) {
        code = container_inspect(&connection, exec.arguments.items[0], &state);
    }
    if (code != 0) {
        return code;
    }
    if (strcmp(state.state, "running") != 0) {
        code =
            error_line(1, "container %s is %s, not running", exec.arguments.items[0], state.state);
    } else {
        code = exec_run(&exec, &connection, &state);
    }
    container_state_free(&state);
    connection_close(&connection);
    return code;
}
