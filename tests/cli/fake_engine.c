/*
 * A stand-in for the machine: OAK_QEMU points at it, and the daemon starts it in QEMU's place. It
 * speaks the engine's side of abi/control.h on descriptor 3 and runs a container's command as a
 * plain process of the host, so that CLI and daemon are tested without a kernel.
 *
 * FAKE_MODE chooses misbehaviour: "hang-kvm" never answers when started with -accel kvm, "hang"
 * never answers, "overdraw" sends more than a stream's credit, "garbage" sends what is no frame.
 */
#include "tests/cli/fake_engine.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define CHANNEL_FD 3
#define AHEAD_MAX  65536 /* bytes in a log that an attached session has not taken yet */

void engine_send(struct engine *engine, uint32_t session, uint16_t type, uint16_t stream,
                 uint32_t value, const void *payload, size_t length_bytes)
{
    struct control_frame header = {.length = (uint32_t)length_bytes,
                                   .session = session,
                                   .type = type,
                                   .stream = stream,
                                   .value = value};
    if (frame_queue_put(&engine->out, &header, payload) != STATUS_OK) {
        abort();
    }
}

void engine_result(struct engine *engine, uint32_t session, uint16_t tag, status_t status,
                   const struct record_writer *records)
{
    size_t done = 0;
    size_t total = records != NULL ? records->length_bytes : 0;
    for (; total - done > CONTROL_FRAME_MAX; done += CONTROL_FRAME_MAX) {
        engine_send(engine, session, CONTROL_MORE, 0, 0, records->bytes + done, CONTROL_FRAME_MAX);
    }
    engine_send(engine, session, CONTROL_RESULT, tag, status,
                records != NULL ? records->bytes + done : NULL, total - done);
}

static struct fake_session *session_find(struct engine *engine, uint32_t number, bool make)
{
    struct fake_session *session = engine->sessions;
    while (session != NULL && session->number != number) {
        session = session->next;
    }
    if (session == NULL && make) {
        session = calloc(1, sizeof(*session));
        session->number = number;
        for (int i = 0; i < 3; i++) {
            credit_init(&session->credit[i]);
        }
        session->next = engine->sessions;
        engine->sessions = session;
    }
    return session;
}

static void session_close(struct engine *engine, uint32_t number)
{
    struct fake_session **link = &engine->sessions;
    while (*link != NULL && (*link)->number != number) {
        link = &(*link)->next;
    }
    struct fake_session *session = *link;
    if (session == NULL) {
        return;
    }
    *link = session->next;
    if (session->source != NULL) {
        session->source->unread_bytes = 0;
    }
    process_release(session->source);
    process_release(session->sink);
    process_release(session->wait.process);
    process_release(session->copy.process);
    free(session->more);
    free(session->input);
    free(session);
}

/* Sends what the session may take of its process's log. */
static void session_output(struct engine *engine, struct fake_session *session)
{
    struct process *process = session->source;
    while (!session->finished && *session->cursor != NULL) {
        struct chunk *chunk = *session->cursor;
        struct credit *credit = &session->credit[chunk->stream];
        uint32_t part = MIN(chunk->length - session->cursor_offset, credit->available_bytes);
        if (part == 0) {
            break;
        }
        if (credit_take(credit, part) != STATUS_OK) {
            abort();
        }
        engine_send(engine, session->number, CONTROL_DATA, chunk->stream, 0,
                    chunk->bytes + session->cursor_offset, part);
        session->cursor_offset += part;
        if (session->cursor_offset == chunk->length) {
            session->cursor = &chunk->next;
            session->cursor_offset = 0;
        }
    }
    process->unread_bytes = 0;
    for (struct chunk *chunk = *session->cursor; chunk != NULL; chunk = chunk->next) {
        process->unread_bytes += chunk->length;
    }
    bool over = process_finished(process) || !session->follow;
    if (!session->finished && *session->cursor == NULL && over) {
        engine_send(engine, session->number, CONTROL_EOF, 1, 0, NULL, 0);
        engine_send(engine, session->number, CONTROL_EOF, 2, 0, NULL, 0);
        session->finished = true;
    }
}

static void session_input(struct engine *engine, struct fake_session *session)
{
    struct process *process = session->sink;
    while (session->input_bytes > 0) {
        ssize_t put = -1;
        if (process->in >= 0) {
            put = write(process->in, session->input, session->input_bytes);
        }
        if (put < 0 && process->in >= 0 && errno == EAGAIN) {
            break;
        }
        uint32_t done = put > 0 ? (uint32_t)put : session->input_bytes;
        memmove(session->input, session->input + done, session->input_bytes - done);
        session->input_bytes -= done;
        engine_send(engine, session->number, CONTROL_CREDIT, 0, done, NULL, 0);
        if (credit_return(&session->credit[0], done) != STATUS_OK) {
            abort();
        }
    }
    if (session->input_bytes == 0 && session->input_over && process->in >= 0 &&
        !process->terminal) {
        close(process->in);
        process->in = -1;
    }
}

static void session_waits(struct engine *engine, struct fake_session *session)
{
    struct wait *wait = &session->wait;
    bool told = session->source != wait->process || session->finished;
    if (wait->active && process_finished(wait->process) && told) {
        uint8_t bytes[64];
        struct record_writer writer;
        record_writer_init(&writer, bytes, sizeof(bytes));
        record_put_number(&writer, RECORD_EXIT_CODE, (uint64_t)wait->process->code);
        engine_result(engine, session->number, wait->tag, STATUS_OK, &writer);
        wait->active = false;
    }
    if (session->copy.active && process_finished(session->copy.process)) {
        engine_result(engine, session->number, session->copy.tag,
                      session->copy.process->code == 0 ? STATUS_OK : STATUS_IO_ERROR, NULL);
        session->copy.active = false;
    }
}

static void stdin_take(struct fake_session *session, const struct frame *frame)
{
    if (credit_take(&session->credit[0], frame->header.length) != STATUS_OK ||
        session->sink == NULL) {
        return;
    }
    session->input = realloc(session->input, session->input_bytes + frame->header.length + 1);
    memcpy(session->input + session->input_bytes, frame->payload, frame->header.length);
    session->input_bytes += frame->header.length;
}

static void overdraw(struct engine *engine, uint32_t session)
{
    static const uint8_t bytes[CONTROL_FRAME_MAX];
    for (int i = 0; i < 3; i++) {
        engine_send(engine, session, CONTROL_DATA, 1, 0, bytes, sizeof(bytes));
    }
}

static void request_take(struct engine *engine, const struct frame *frame)
{
    struct fake_session *session = session_find(engine, frame->header.session, true);
    size_t total = session->more_bytes + frame->header.length;
    session->more = realloc(session->more, total + 1);
    memcpy(session->more + session->more_bytes, frame->payload, frame->header.length);
    session->more_bytes = total;
    if (frame->header.type == CONTROL_MORE) {
        return;
    }
    uint8_t *bytes = session->more;
    session->more = NULL;
    session->more_bytes = 0;
    const char *mode = getenv("FAKE_MODE");
    if (mode != NULL && strcmp(mode, "overdraw") == 0) {
        overdraw(engine, session->number);
    }
    if (frame->header.value >= CONTROL_BLOB_RESERVE) {
        blob_request(engine, session, frame->header.stream, frame->header.value, bytes, total);
    } else {
        engine_request(engine, session, frame->header.stream, frame->header.value, bytes, total);
    }
    free(bytes);
}

static void frame_take(struct engine *engine, const struct frame *frame)
{
    struct fake_session *session = session_find(engine, frame->header.session, false);
    uint16_t type = frame->header.type;
    if (type == CONTROL_REQUEST && frame->header.session == CONTROL_SESSION_ALL) {
        engine_result(engine, 0, frame->header.stream, STATUS_OK, NULL);
    } else if (type == CONTROL_REQUEST || type == CONTROL_MORE) {
        request_take(engine, frame);
    } else if (type == CONTROL_CLOSE) {
        session_close(engine, frame->header.session);
    } else if (session != NULL && type == CONTROL_DATA) {
        stdin_take(session, frame);
    } else if (session != NULL && type == CONTROL_EOF) {
        session->input_over = true;
    } else if (session != NULL && type == CONTROL_CREDIT) {
        if (credit_return(&session->credit[frame->header.stream], frame->header.value) !=
            STATUS_OK) {
            abort();
        }
    } else if (session != NULL && type == CONTROL_RESIZE && session->source != NULL) {
        process_resize(session->source, frame->header.value);
    }
}

static void channel_read(struct engine *engine, struct frame_decoder *decoder)
{
    size_t room_bytes;
    uint8_t *room = frame_decoder_room(decoder, &room_bytes);
    ssize_t got = recv(engine->fd, room, room_bytes, MSG_DONTWAIT);
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) {
        exit(0);
    }
    if (got < 0) {
        return;
    }
    frame_decoder_filled(decoder, (size_t)got);
    struct frame frame;
    while (frame_decoder_next(decoder, &frame) == STATUS_OK) {
        frame_take(engine, &frame);
    }
}

static struct process *processes[4096];
static size_t process_total;

/* All processes with something to read. */
static void processes_collect(struct engine *engine)
{
    process_total = 0;
    for (struct container *c = engine->containers; c != NULL; c = c->next) {
        for (uint32_t i = 0; i < c->process_count; i++) {
            processes[process_total++] = c->process[i];
        }
    }
    for (struct fake_session *s = engine->sessions; s != NULL; s = s->next) {
        if (s->copy.process != NULL) {
            processes[process_total++] = s->copy.process;
        }
    }
}

static void everything_advance(struct engine *engine)
{
    for (size_t i = 0; i < process_total; i++) {
        process_reap(processes[i]);
    }
    for (struct container *next, *c = engine->containers; c != NULL; c = next) {
        next = c->next;
        container_ended_check(engine, c);
    }
    for (struct fake_session *s = engine->sessions; s != NULL; s = s->next) {
        if (s->source != NULL) {
            session_output(engine, s);
        }
        if (s->sink != NULL) {
            session_input(engine, s);
        }
        session_waits(engine, s);
    }
}

static size_t polls_fill(struct engine *engine, struct pollfd *polls, int signals)
{
    size_t count = 0;
    short events = POLLIN;
    events |= frame_queue_length(&engine->out) > 0 ? POLLOUT : 0;
    polls[count++] = (struct pollfd){.fd = engine->fd, .events = events};
    polls[count++] = (struct pollfd){.fd = signals, .events = POLLIN};
    for (size_t i = 0; i < process_total; i++) {
        for (int stream = 1; stream <= 2; stream++) {
            bool room = processes[i]->unread_bytes < AHEAD_MAX;
            polls[count++] =
                (struct pollfd){.fd = room ? processes[i]->out[stream] : -1, .events = POLLIN};
        }
    }
    for (struct fake_session *s = engine->sessions; s != NULL; s = s->next) {
        if (s->input_bytes > 0 && s->sink->in >= 0) {
            polls[count++] = (struct pollfd){.fd = s->sink->in, .events = POLLOUT};
        }
    }
    return count;
}

static void engine_loop(struct engine *engine, int signals)
{
    static uint8_t bytes[FRAME_DECODER_BYTES];
    static struct pollfd polls[16384];
    struct frame_decoder decoder;
    frame_decoder_init(&decoder, bytes);
    for (;;) {
        processes_collect(engine);
        size_t count = polls_fill(engine, polls, signals);
        poll(polls, count, -1);
        for (size_t i = 0; i < process_total; i++) {
            for (int stream = 1; stream <= 2; stream++) {
                if (polls[2 + 2 * i + (size_t)stream - 1].revents != 0) {
                    process_read(processes[i], stream);
                }
            }
        }
        struct signalfd_siginfo about;
        while (read(signals, &about, sizeof(about)) > 0) {
            if (about.ssi_signo == SIGTERM) {
                exit(0);
            }
        }
        everything_advance(engine);
        channel_read(engine, &decoder);
        processes_collect(engine);
        everything_advance(engine);
        if (frame_queue_write(&engine->out, engine->fd) != STATUS_OK) {
            exit(0);
        }
    }
}

static void arguments_look(struct engine *engine, int argc, char **argv, const char *mode)
{
    bool kvm = false;
    for (int i = 1; i < argc; i++) {
        char *file = strstr(argv[i], "file=");
        if (strcmp(argv[i - 1], "-drive") == 0 && file != NULL) {
            engine->store_path = file + strlen("file=");
        }
        kvm = kvm || (strcmp(argv[i - 1], "-accel") == 0 && strcmp(argv[i], "kvm") == 0);
    }
    if (strcmp(mode, "hang") == 0 || (kvm && strcmp(mode, "hang-kvm") == 0)) {
        for (;;) {
            pause();
        }
    }
}

int main(int argc, char **argv)
{
    static struct engine engine = {.fd = CHANNEL_FD, .store_next = 1 << 20};
    const char *mode = getenv("FAKE_MODE");
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGTERM);
    arguments_look(&engine, argc, argv, mode != NULL ? mode : "");
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    frame_queue_init(&engine.out, 256u << 20);
    if (mode != NULL && strcmp(mode, "garbage") == 0) {
        return write(CHANNEL_FD, "this is certainly not a frame at all", 36) < 0;
    }
    struct control_hello hello = {.store_bytes = 1ull << 30, .memory_bytes = 1ull << 30};
    engine_send(&engine, 0, CONTROL_HELLO, 0, CONTROL_VERSION, &hello, sizeof(hello));
    engine_loop(&engine, signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
}
