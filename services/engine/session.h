/*
 * Sessions of the control channel: what each has yet to be sent, its credit, its requests.
 *
 * What goes out is made one frame at a time when there is room on the channel (session_produce), in
 * turns: replies first, then returned credit, then the output of the process it is attached to,
 * then the answers to its WAITs. A session without credit makes nothing and holds up nobody. What
 * waits here is bounded for each session; who lets more pile up is closed.
 *
 * The loop calls none of this: services/engine/engine.h.
 */
#pragma once

#include "lib/base/types.h"

#include "abi/control.h"
#include "services/engine/log_ring.h"

#define SESSIONS_MAX          4096
#define SESSION_BACKLOG_MAX   64          /* requests behind a START or EXEC under way */
#define SESSION_BACKLOG_BYTES (1u << 20)  /* their payload */
#define SESSION_REPLIES_BYTES (40u << 20) /* results that the host does not take */
#define SESSION_OWN_BYTES     8192 /* of input and of results: granted whatever others hold */
#define SESSION_WAITS_MAX     64
#define SESSION_RESERVATIONS  8
#define SESSIONS_INPUT_BYTES                                                                       \
    (32u << 20)                     /* of all sessions together: stdin and unfinished requests */
#define SESSION_DATA_BYTES    16384 /* one frame of output at most, so that turns are short */
#define SESSION_CREDIT_RETURN (CONTROL_WINDOW / 4)

#define WAIT_MESSAGE 256

struct process;

/* A result on its way. */
struct reply {
    struct reply *next;
    uint16_t tag;
    uint32_t status;
    uint32_t length_bytes;
    uint32_t sent_bytes;
    uint8_t bytes[];
};

/* A request that waits for the one before it. */
struct pending_request {
    struct pending_request *next;
    uint16_t tag;
    uint32_t type;
    uint32_t length_bytes;
    uint8_t bytes[];
};

/* What a WAIT is answered with. */
struct wait_result {
    uint32_t exit_code;
    bool oom_killed;
    char message[WAIT_MESSAGE];
};

/* A WAIT: in its session's list and, while the process exists, in that one's. */
struct wait {
    struct wait *session_next;
    struct wait *process_next;
    struct session *session;
    struct process *process; /* NULL: it is gone, and this was the result */
    struct wait_result result;
    uint16_t tag;
};

enum attachment {
    ATTACHMENT_NONE,
    ATTACHMENT_OUTPUT, /* ATTACH, EXEC: the process waits for a slow session */
    ATTACHMENT_LOGS,   /* it does not */
};

struct session {
    uint32_t number;
    struct session *hash_next;
    struct session *ready_next;
    struct session *attend_next;
    bool ready;                /* in the ready list */
    bool attended;             /* in the list of those that sessions_attend looks at */
    bool closing;              /* CLOSE is to be sent; then it is freed */
    struct process *launching; /* its START or EXEC is under way */

    uint8_t *more; /* the beginning of the next request */
    uint32_t more_bytes;
    struct pending_request *backlog;
    uint32_t backlog_count;
    uint32_t backlog_bytes;
    struct reply *replies;
    struct reply *replies_last;
    uint32_t reply_bytes;

    uint32_t credit[3];  /* 1, 2: what we may send; 0: what the client may */
    uint32_t owed_bytes; /* stdin that was taken, its credit not yet returned */
    uint8_t *input;      /* stdin that the process has no room for; CONTROL_WINDOW bytes */
    uint32_t input_start;
    uint32_t input_end;
    bool input_closed;

    enum attachment attachment;
    struct process *process;      /* NULL after session_detach */
    struct session *process_next; /* in the process's list */
    struct log_cursor cursor;
    uint64_t until;   /* LOGS without FOLLOW ends at this position */
    bool foreground;  /* attached before the container started: its end is the end of stdin */
    bool output_over; /* both streams are to end, or have */
    uint32_t eof_due; /* a bit per stream */

    struct wait *waits;
    uint32_t wait_count;
    uint64_t reservations[SESSION_RESERVATIONS];
};

/* NULL without. */
struct session *session_find(uint32_t number);
uint32_t session_count(void);
/* NULL when there are too many, or no memory. */
struct session *session_open(uint32_t number);

/* A frame for this session came. */
void session_more(struct session *session, const uint8_t *payload, uint32_t length_bytes);
void session_request(struct session *session, uint16_t tag, uint32_t type, const uint8_t *payload,
                     uint32_t length_bytes);
void session_data(struct session *session, const uint8_t *payload, uint32_t length_bytes);
void session_eof(struct session *session);
void session_credit(struct session *session, uint32_t stream, uint32_t bytes);
void session_resize(struct session *session, uint32_t window);

/* Free it: the client closed it, or is gone. */
void session_end(struct session *session);
/* A new host, or none: nothing of the one before is remembered. */
void session_end_all(void);
/* We end it, soon: the client sees CLOSE. Why goes to the log. */
void session_refuse(struct session *session, const char *why);
/* A session that could not be opened: the client sees CLOSE. */
void session_refuse_number(uint32_t number);
/* We closed it: frames that were under way are to be ignored. The host uses no number twice. */
bool session_refused(uint32_t number);

/* Queue a result; the bytes are copied. */
void session_reply(struct session *session, uint16_t tag, status_t status, const void *records,
                   uint32_t length_bytes);
/* The same for a large one that is made in place; NULL: no memory. The queue owns what it is given.
 */
struct reply *reply_make(uint32_t capacity_bytes);
void session_reply_queue(struct session *session, uint16_t tag, status_t status,
                         struct reply *reply, uint32_t length_bytes);

/* The START or EXEC that it waited for is answered: carry out, soon, what came after it. */
void session_resume(struct session *session);
/* Do what was put off: requests after a START or EXEC, the end of sessions that were refused. */
void sessions_attend(void);

/* There may be something to send. */
void session_wake(struct session *session);

/* Attach to a process; BUSY when it is attached to one already. */
MUST_USE status_t session_attach(struct session *session, struct process *process,
                                 enum attachment attachment, struct log_cursor cursor);
/* Leave the process, which is not looked at any more: the caller says that it may be deleted. */
void session_detach(struct session *session);
/* The process goes away: its streams end here. */
void session_cut(struct session *session);

/* LIMIT_REACHED, NO_MEMORY; otherwise answered when the process has ended. */
MUST_USE status_t session_wait(struct session *session, uint16_t tag, struct process *process);
/* The process goes away: what it says now is the answer. */
void wait_settle(struct wait *wait);

/* Bytes of stdin that wait for its process. */
static inline uint32_t session_input_bytes(const struct session *session)
{
    return session->input_end - session->input_start;
}
/* That many of them are taken. */
void session_input_taken(struct session *session, uint32_t bytes);
/* Close the process's stdin if this session's was all that it is to read. */
void session_input_check(struct session *session);

/*
 * Make the next frame of the session whose turn it is, at most FRAME_BYTES_MAX bytes. False: no
 * session has anything that it may send now.
 */
bool session_produce(uint8_t *to, uint32_t *out_bytes);

/* --- Between session.c and session_output.c --- */

void session_ready_remove(struct session *session);
/* Send CLOSE for a session that does not exist; forget such. */
void session_output_refuse(uint32_t number);
void session_output_reset(void);
/* Forget the results that were not sent. */
void session_output_drop(struct session *session);
/* It was answered, or nobody waits any more. Its container may be gone after this. */
void wait_end(struct wait *wait);
