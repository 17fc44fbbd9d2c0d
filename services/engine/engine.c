/*
 * Frames in and out. Owns the decoder. A host that greets again is a new one: the sessions of the
 * one before are ended. After a frame that cannot be one all sessions are ended, too, because
 * nobody knows any more what the host believes to have said.
 */
#include "services/engine/engine.h"

#include "lib/base/string.h"
#include "lib/oak/log.h"
#include "services/engine/blobs.h"
#include "services/engine/session.h"

static uint8_t decoder_bytes[FRAME_DECODER_BYTES] __attribute__((aligned(8)));
static struct frame_decoder decoder;
static bool hello_due;

void engine_init(void)
{
    frame_decoder_init(&decoder, decoder_bytes);
    containers_init();
}

static void host_greets(const uint8_t *payload)
{
    struct control_hello hello;
    memcpy(&hello, payload, sizeof(hello));
    session_end_all();
    hello_due = true;
    if (hello.wall_ns != 0) {
        objects_clock_set(hello.wall_ns);
    }
}

static void request_take(struct session *session, const struct frame *frame)
{
    if (session == NULL && session_refused(frame->header.session)) {
        return;
    }
    if (session == NULL) {
        session = session_open(frame->header.session);
    }
    if (session == NULL) {
        session_refuse_number(frame->header.session);
    } else if (frame->header.type == CONTROL_MORE) {
        session_more(session, frame->payload, frame->header.length);
    } else {
        session_request(session, frame->header.stream, frame->header.value, frame->payload,
                        frame->header.length);
    }
}

/* What belongs to a session that is gone already was under way when it went. */
static void session_take(struct session *session, const struct frame *frame)
{
    switch ((enum control_type)frame->header.type) {
    case CONTROL_DATA:
        session_data(session, frame->payload, frame->header.length);
        break;
    case CONTROL_CREDIT:
        session_credit(session, frame->header.stream, frame->header.value);
        break;
    case CONTROL_EOF:
        session_eof(session);
        break;
    case CONTROL_RESIZE:
        session_resize(session, frame->header.value);
        break;
    case CONTROL_CLOSE:
        session_end(session);
        break;
    case CONTROL_HELLO:
    case CONTROL_REQUEST:
    case CONTROL_MORE:
    case CONTROL_RESULT:
        break;
    }
}

static void frame_take(const struct frame *frame)
{
    struct session *session = session_find(frame->header.session);
    if (frame->header.type == CONTROL_HELLO) {
        host_greets(frame->payload);
    } else if (frame->header.type == CONTROL_REQUEST || frame->header.type == CONTROL_MORE) {
        request_take(session, frame);
    } else if (session != NULL) {
        session_take(session, frame);
    }
}

static void frames_take(void)
{
    struct frame frame;
    status_t status;
    while ((status = frame_decoder_next(&decoder, &frame)) != STATUS_WOULD_BLOCK) {
        if (status == STATUS_OK) {
            frame_take(&frame);
        } else {
            log_line("the host sent what is no frame: waiting for it to greet again");
            session_end_all();
        }
        sessions_attend();
    }
}

void engine_input(const void *bytes, uint32_t length_bytes)
{
    const uint8_t *next = bytes;
    while (length_bytes > 0) {
        uint32_t room_bytes;
        uint8_t *room = frame_decoder_room(&decoder, &room_bytes);
        uint32_t part = MIN(room_bytes, length_bytes);
        memcpy(room, next, part);
        frame_decoder_filled(&decoder, part);
        next += part;
        length_bytes -= part;
        frames_take();
    }
}

static uint32_t hello_produce(uint8_t *to)
{
    struct blob_statistics store;
    struct control_hello hello = {.memory_bytes = objects_machine().memory_bytes};
    struct control_frame header = {
        .length = sizeof(hello), .type = CONTROL_HELLO, .value = CONTROL_VERSION};
    if (blob_statistics(&store) == STATUS_OK) {
        hello.store_bytes = store.store_bytes;
    }
    memcpy(to, &header, sizeof(header));
    memcpy(to + sizeof(header), &hello, sizeof(hello));
    hello_due = false;
    return (uint32_t)(sizeof(header) + sizeof(hello));
}

uint32_t engine_output(uint8_t *to, uint32_t room_bytes)
{
    uint32_t total = hello_due ? hello_produce(to) : 0;
    uint32_t made;
    while (room_bytes - total >= FRAME_BYTES_MAX && session_produce(to + total, &made)) {
        total += made;
    }
    return total;
}

bool engine_turn(void)
{
    sessions_attend();
    return processes_pump();
}

void engine_faulted(uint64_t bits)
{
    containers_faulted(bits);
}
