#include "host/cli/attached.h"

#include "host/channel/credit.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#define INPUT_BYTES 16384

/* What waits to be written to stdout or stderr. */
struct output {
    int fd;
    bool plain_file; /* takes everything at once */
    bool broken;
    bool ended; /* EOF came */
    uint8_t bytes[CONTROL_WINDOW];
    size_t start;
    size_t end;
    struct credit_owed owed;
};

/* The state of a running loop. */
struct pump {
    struct attached *attached;
    struct output output[3]; /* by stream; 0 unused */
    struct credit input_credit;
    bool input_open;
    bool done; /* the awaited result came */
    enum attached_end end;
    bool ended;
};

static int signal_fd = -1;

static const int proxied_signals[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2};

void attached_signals_take(struct attached *attached)
{
    sigset_t set;
    sigemptyset(&set);
    if (attached->terminal) {
        sigaddset(&set, SIGWINCH);
    }
    for (size_t i = 0; attached->proxy && i < ARRAY_LENGTH(proxied_signals); i++) {
        sigaddset(&set, proxied_signals[i]);
    }
    if (sigprocmask(SIG_BLOCK, &set, NULL) == 0) {
        signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    }
    signal(SIGPIPE, SIG_IGN);
}

static void pump_end(struct pump *pump, enum attached_end end)
{
    if (!pump->ended) {
        pump->ended = true;
        pump->end = end;
    }
}

static size_t output_waiting(const struct output *output)
{
    return output->end - output->start;
}

static void credit_give(struct pump *pump, unsigned stream, size_t length_bytes)
{
    uint32_t returned = credit_consumed(&pump->output[stream].owed, (uint32_t)length_bytes);
    struct control_frame header = {.session = pump->attached->session,
                                   .type = CONTROL_CREDIT,
                                   .stream = (uint16_t)stream,
                                   .value = returned};
    if (returned > 0) {
        connection_put(pump->attached->connection, &header, NULL);
    }
}

/* The user's side went away: end as a program that writes to a broken pipe does. */
static void output_broken(struct output *output)
{
    terminal_restore();
    if (errno == EPIPE) {
        signal(SIGPIPE, SIG_DFL);
        raise(SIGPIPE);
    }
    output->broken = true;
    if (output->fd != STDERR_FILENO) {
        error_line(EXIT_OAK, "cannot write the output: %s", strerror(errno));
    }
}

/*
 * Writes what waits. A pipe or terminal that poll called writable takes PIPE_BUF bytes without
 * blocking; more is not tried, so that signals and stdin are served meanwhile.
 */
static void output_write(struct pump *pump, unsigned stream)
{
    struct output *output = &pump->output[stream];
    while (output_waiting(output) > 0) {
        struct pollfd ready = {.fd = output->fd, .events = POLLOUT};
        size_t part = output_waiting(output);
        if (!output->plain_file) {
            part = MIN(part, (size_t)PIPE_BUF);
            if (poll(&ready, 1, 0) <= 0) {
                return;
            }
        }
        ssize_t written =
            output->broken ? (ssize_t)part : write(output->fd, output->bytes + output->start, part);
        if (written < 0 && (errno == EAGAIN || errno == EINTR)) {
            return;
        }
        if (written < 0) {
            output_broken(output);
            continue;
        }
        output->start += (size_t)written;
        credit_give(pump, stream, (size_t)written);
    }
    output->start = output->end = 0;
}

static void output_take(struct pump *pump, const struct frame *frame)
{
    struct output *output = &pump->output[frame->header.stream];
    if (output->start > 0) {
        memmove(output->bytes, output->bytes + output->start, output_waiting(output));
        output->end -= output->start;
        output->start = 0;
    }
    if (frame->header.length > sizeof(output->bytes) - output->end) {
        error_line(EXIT_OAK, "the machine sent more output than it may");
        pump_end(pump, ATTACHED_LOST);
        return;
    }
    memcpy(output->bytes + output->end, frame->payload, frame->header.length);
    output->end += frame->header.length;
    output_write(pump, frame->header.stream);
}

static void reply_keep(struct attached *attached, const struct frame *frame)
{
    struct reply *reply = &attached->reply;
    reply->status = frame->header.value;
    reply->bytes = allocate(frame->header.length);
    reply->length_bytes = frame->header.length;
    if (frame->header.length > 0) {
        memcpy(reply->bytes, frame->payload, frame->header.length);
    }
}

static void result_take(struct pump *pump, const struct frame *frame)
{
    struct attached *attached = pump->attached;
    uint16_t tag = frame->header.stream;
    if (pump->done || pump->ended) {
        return;
    }
    if (tag == attached->end_tag) {
        reply_keep(attached, frame);
        pump->done = true;
    } else if (frame->header.value != STATUS_OK) {
        attached->failed_tag = tag;
        reply_keep(attached, frame);
        pump_end(pump, ATTACHED_REFUSED);
    } else if (tag == attached->begin_tag) {
        pump->input_open = attached->input;
    }
}

static void frame_serve(struct pump *pump, const struct frame *frame)
{
    struct attached *attached = pump->attached;
    if (frame->header.session != attached->session) {
        return;
    }
    unsigned stream = frame->header.stream;
    switch ((enum control_type)frame->header.type) {
    case CONTROL_DATA:
        if (stream != 0) {
            output_take(pump, frame);
        }
        break;
    case CONTROL_EOF:
        pump->output[stream].ended = true;
        break;
    case CONTROL_CREDIT:
        if (stream == 0 && credit_return(&pump->input_credit, frame->header.value) != STATUS_OK) {
            pump->input_credit.available_bytes = CONTROL_WINDOW;
        }
        break;
    case CONTROL_RESULT:
        result_take(pump, frame);
        break;
    case CONTROL_CLOSE:
        if (!pump->done) {
            error_line(EXIT_OAK, "the machine closed the session");
            pump_end(pump, ATTACHED_LOST);
        }
        break;
    case CONTROL_HELLO:
    case CONTROL_REQUEST:
    case CONTROL_MORE:
    case CONTROL_RESIZE:
        break;
    }
}

static void input_eof(struct pump *pump)
{
    struct control_frame header = {.session = pump->attached->session, .type = CONTROL_EOF};
    pump->input_open = false;
    connection_put(pump->attached->connection, &header, NULL);
}

static void input_read(struct pump *pump)
{
    struct attached *attached = pump->attached;
    uint8_t typed[INPUT_BYTES];
    uint8_t passed[INPUT_BYTES + DETACH_KEYS_MAX];
    /* Keys that were held back may come out together with the new ones. */
    size_t room = pump->input_credit.available_bytes - attached->detach_keys.matched;
    ssize_t got = read(STDIN_FILENO, typed, MIN(room, sizeof(typed)));
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) {
        return;
    }
    if (got <= 0) {
        input_eof(pump);
        return;
    }
    bool detach = false;
    const uint8_t *bytes = typed;
    size_t length_bytes = (size_t)got;
    if (attached->terminal) {
        length_bytes =
            detach_keys_filter(&attached->detach_keys, typed, (size_t)got, passed, &detach);
        bytes = passed;
    }
    if (length_bytes > 0 && credit_take(&pump->input_credit, (uint32_t)length_bytes) == STATUS_OK) {
        struct control_frame header = {
            .length = (uint32_t)length_bytes, .session = attached->session, .type = CONTROL_DATA};
        connection_put(attached->connection, &header, bytes);
    }
    if (detach) {
        pump_end(pump, ATTACHED_DETACHED);
    }
}

static void signal_proxy(struct attached *attached, uint32_t number)
{
    uint8_t bytes[512];
    struct record_writer records;
    record_writer_init(&records, bytes, sizeof(bytes));
    record_put_text(&records, RECORD_CONTAINER, attached->container);
    record_put_number(&records, RECORD_SIGNAL, number);
    if (attached->process != 0) {
        record_put_number(&records, RECORD_PROCESS, attached->process);
    }
    /* A session of its own: a signal that comes too late must not end this one. */
    uint32_t session = connection_session(attached->connection);
    connection_ask(attached->connection, session, CONTROL_KILL, &records);
    connection_session_end(attached->connection, session);
}

static void signals_serve(struct pump *pump)
{
    struct attached *attached = pump->attached;
    struct signalfd_siginfo about;
    while (read(signal_fd, &about, sizeof(about)) == (ssize_t)sizeof(about)) {
        if (about.ssi_signo != SIGWINCH) {
            signal_proxy(attached, about.ssi_signo);
            continue;
        }
        struct control_frame header = {
            .session = attached->session, .type = CONTROL_RESIZE, .value = terminal_window()};
        connection_put(attached->connection, &header, NULL);
    }
}

static bool pump_finished(const struct pump *pump)
{
    const struct attached *attached = pump->attached;
    bool written = output_waiting(&pump->output[1]) == 0 && output_waiting(&pump->output[2]) == 0;
    bool eof = pump->output[1].ended && pump->output[2].ended;
    return written && (attached->end_tag != 0 ? pump->done : eof);
}

static void pump_receive(struct pump *pump)
{
    struct frame frame;
    status_t status = STATUS_OK;
    while (!pump->ended) {
        status = connection_receive_now(pump->attached->connection, &frame);
        if (status != STATUS_OK) {
            break;
        }
        frame_serve(pump, &frame);
    }
    if (status == STATUS_CLOSED && !pump->done) {
        pump_end(pump, ATTACHED_LOST);
    }
}

static void pump_wait(struct pump *pump)
{
    struct attached *attached = pump->attached;
    struct connection *connection = attached->connection;
    short channel = POLLIN;
    channel |= frame_queue_length(&connection->out) > 0 ? POLLOUT : 0;
    bool input =
        pump->input_open && pump->input_credit.available_bytes > attached->detach_keys.matched;
    struct pollfd polls[] = {
        {.fd = connection->fd, .events = channel},
        {.fd = input ? STDIN_FILENO : -1, .events = POLLIN},
        {.fd = output_waiting(&pump->output[1]) > 0 ? pump->output[1].fd : -1, .events = POLLOUT},
        {.fd = output_waiting(&pump->output[2]) > 0 ? pump->output[2].fd : -1, .events = POLLOUT},
        {.fd = signal_fd, .events = POLLIN},
    };
    if (poll(polls, ARRAY_LENGTH(polls), -1) < 0) {
        return;
    }
    if (polls[4].revents != 0) {
        signals_serve(pump);
    }
    if (polls[0].revents & (POLLIN | POLLHUP | POLLERR)) {
        pump_receive(pump);
    }
    for (unsigned stream = 1; stream <= 2; stream++) {
        if (polls[1 + stream].revents != 0) {
            output_write(pump, stream);
        }
    }
    if (polls[1].revents != 0 && !pump->ended) {
        input_read(pump);
    }
    if (frame_queue_write(&connection->out, connection->fd) != STATUS_OK) {
        frame_queue_free(&connection->out); /* why is in what the daemon sent before */
    }
}

static void pump_init(struct pump *pump, struct attached *attached)
{
    pump->attached = attached;
    pump->output[1].fd = STDOUT_FILENO;
    pump->output[2].fd = STDERR_FILENO;
    for (unsigned stream = 1; stream <= 2; stream++) {
        struct stat about;
        pump->output[stream].plain_file =
            fstat(pump->output[stream].fd, &about) == 0 && S_ISREG(about.st_mode);
    }
    credit_init(&pump->input_credit);
    pump->input_open = attached->input && attached->begin_tag == 0;
}

enum attached_end attached_run(struct attached *attached)
{
    struct pump *pump = allocate(sizeof(*pump));
    pump_init(pump, attached);
    if (connection_flush(attached->connection) != STATUS_OK) {
        pump_end(pump, ATTACHED_LOST);
    }
    pump_receive(pump);
    while (!pump->ended && !pump_finished(pump)) {
        pump_wait(pump);
    }
    enum attached_end end = pump->ended ? pump->end : ATTACHED_DONE;
    free(pump);
    return end;
}
