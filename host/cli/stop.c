/* oak stop: the container's stop signal, and SIGKILL for who does not end in time. */
#include "host/cli/container_state.h"
#include "host/cli/containers.h"
#include "host/cli/options.h"
#include "host/cli/signals.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

struct stop {
    uint64_t timeout_seconds;
    uint32_t signal_number; /* 0: the container's own */
};

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void kill_ask(struct connection *connection, uint32_t session, const char *id,
                     uint32_t number)
{
    uint8_t bytes[256];
    struct record_writer records;
    record_writer_init(&records, bytes, sizeof(bytes));
    record_put_text(&records, RECORD_CONTAINER, id);
    record_put_number(&records, RECORD_SIGNAL, number);
    connection_ask(connection, session, CONTROL_KILL, &records);
}

/* OK when WAIT was answered, TIMED_OUT, or CLOSED. */
static status_t ended_wait(struct connection *connection, uint32_t session, uint16_t tag,
                           int64_t until_ms)
{
    for (;;) {
        struct frame frame;
        status_t status = connection_receive_now(connection, &frame);
        if (status == STATUS_OK && frame.header.session == session &&
            frame.header.type == CONTROL_RESULT && frame.header.stream == tag) {
            return STATUS_OK;
        }
        if (status == STATUS_CLOSED) {
            return status;
        }
        int64_t left_ms = until_ms - now_ms();
        if (status == STATUS_WOULD_BLOCK && left_ms <= 0) {
            return STATUS_TIMED_OUT;
        }
        if (status == STATUS_WOULD_BLOCK) {
            struct pollfd wait = {.fd = connection->fd, .events = POLLIN};
            poll(&wait, 1, (int)MIN(left_ms, (int64_t)1000000));
        }
    }
}

static uint32_t container_stop_signal(const struct container_state *state)
{
    uint32_t number = signal_parse(label_text(state, "Config", "StopSignal", "SIGTERM"));
    return number != 0 ? number : signal_parse("SIGTERM");
}

static status_t container_stop(struct connection *connection, const struct stop *stop,
                               const struct container_state *state)
{
    uint8_t bytes[256];
    struct record_writer records;
    record_writer_init(&records, bytes, sizeof(bytes));
    record_put_text(&records, RECORD_CONTAINER, state->id);
    uint32_t session = connection_session(connection);
    uint32_t number = stop->signal_number != 0 ? stop->signal_number : container_stop_signal(state);
    kill_ask(connection, session, state->id, number);
    uint16_t tag = connection_ask(connection, session, CONTROL_WAIT, &records);
    status_t status = connection_flush(connection);
    if (status == STATUS_OK) {
        status =
            ended_wait(connection, session, tag, now_ms() + (int64_t)stop->timeout_seconds * 1000);
    }
    if (status == STATUS_TIMED_OUT) {
        kill_ask(connection, session, state->id, signal_parse("SIGKILL"));
        status = connection_flush(connection);
        if (status == STATUS_OK) {
            status = ended_wait(connection, session, tag, INT64_MAX);
        }
    }
    connection_session_end(connection, session);
    return status == STATUS_OK ? connection_flush(connection) : status;
}

static int stop_each(const struct stop *stop, const struct text_list *names)
{
    struct connection connection;
    int code = containers_connect(&connection);
    if (code != 0) {
        return code;
    }
    for (size_t i = 0; i < names->count; i++) {
        struct container_state state;
        int found = container_inspect(&connection, names->items[i], &state);
        if (found == EXIT_OAK) {
            return found;
        }
        if (found != 0) {
            code = found;
            continue;
        }
        bool alive = strcmp(state.state, "running") == 0 || strcmp(state.state, "paused") == 0;
        if (alive && container_stop(&connection, stop, &state) != STATUS_OK) {
            return EXIT_OAK;
        }
        container_state_free(&state);
        printf("%s\n", names->items[i]);
    }
    connection_close(&connection);
    return code;
}

int stop_command(int argc, char **argv)
{
    const char *timeout = NULL;
    const char *signal_text = NULL;
    const struct option options[] = {
        {"time", 't', OPTION_TEXT, &timeout},
        {"timeout", 0, OPTION_TEXT, &timeout},
        {"signal", 's', OPTION_TEXT, &signal_text},
    };
    struct text_list arguments = {0};
    struct stop stop = {.timeout_seconds = 10};
    if (!options_parse(OPTION_SET(options, true), argc, argv, &arguments)) {
        return EXIT_OAK;
    }
    if (arguments.count == 0) {
        return usage_error("stop", "a container");
    }
    if (timeout != NULL && strcmp(timeout, "-1") == 0) {
        stop.timeout_seconds = INT32_MAX;
    } else if (timeout != NULL && !number_parse(timeout, INT32_MAX, &stop.timeout_seconds)) {
        return error_line(EXIT_OAK, "stop: --time takes seconds, not '%s'", timeout);
    }
    if (signal_text != NULL) {
        stop.signal_number = signal_parse(signal_text);
        if (stop.signal_number == 0) {
            return error_line(EXIT_OAK, "stop: no such signal: %s", signal_text);
        }
    }
    return stop_each(&stop, &arguments);
}
