/*
 * The CLI's end of the control channel. Requests of simple commands are sent and answered one at a
 * time; attached sessions (attached.h) take frames as they come.
 *
 * Errors of the connection itself are final for a command: they are printed where they are
 * noticed, once, and the functions here return CLOSED.
 */
#pragma once

#include "host/channel/frame.h"
#include "host/channel/queue.h"
#include "host/cli/cli.h"
#include "host/machine/options.h"
#include "host/machine/state.h"
#include "lib/base/record.h"

struct connection {
    struct state state;
    int fd;
    uint8_t *bytes;
    struct frame_decoder decoder;
    struct frame_queue out;
    struct control_hello hello;
    uint32_t next_session;
    uint16_t next_tag;
    bool lost;
};

/* A request's answer. The records belong to it until reply_free. */
struct reply {
    status_t status;
    uint8_t *bytes;
    size_t length_bytes;
};

/*
 * Connects; starts a machine (with these options, or the defaults if NULL) where none runs.
 * False: the error was printed.
 */
MUST_USE bool connection_open(struct connection *connection, const struct machine_options *options);

/* Connects to a machine that runs. NOT_FOUND: there is none, nothing was printed. */
MUST_USE status_t connection_open_running(struct connection *connection);
void connection_close(struct connection *connection);

/* A session number of this connection; the session opens with its first request. */
uint32_t connection_session(struct connection *connection);
void connection_session_end(struct connection *connection, uint32_t session);

/* Queues a request, in pieces if it is large, and returns its tag. */
uint16_t connection_ask(struct connection *connection, uint32_t session,
                        enum control_request request, const struct record_writer *records);
/* Queues any frame. */
void connection_put(struct connection *connection, const struct control_frame *header,
                    const void *payload);

/* Sends all that is queued; waits as long as that takes. */
MUST_USE status_t connection_flush(struct connection *connection);

/* The next frame; waits for it. */
MUST_USE status_t connection_receive(struct connection *connection, struct frame *out);

/* The next frame if it is there: WOULD_BLOCK otherwise. Reads the socket only when it must. */
MUST_USE status_t connection_receive_now(struct connection *connection, struct frame *out);

/* Asks and waits for the answer, in a session of its own unless session is given. */
MUST_USE status_t connection_request(struct connection *connection, uint32_t session,
                                     enum control_request request,
                                     const struct record_writer *records, struct reply *reply);
void reply_free(struct reply *reply);

/* The reply's MESSAGE, or what its status means. Valid until the next call. */
const char *reply_message(const struct reply *reply);

/* The text of a record, with a terminating zero, in memory of its own; NULL if it has zeros inside.
 */
char *record_text(const struct record *record);
/* The first record with that tag as text; NULL without. */
char *records_text(const void *bytes, size_t length_bytes, uint16_t tag);
uint64_t records_number(const void *bytes, size_t length_bytes, uint16_t tag, uint64_t otherwise);
