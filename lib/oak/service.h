/*
 * The loop of a service: receive a call, check and dispatch it, reply; and in between, signals and
 * a deadline. Single-threaded. A handler never waits for a client: what takes longer is deferred
 * and answered later, in any order.
 *
 * Handlers are tables generated from abi/<name>.idl (tools/idl). A handler gets a checked copy of
 * the request and fills the reply; it returns the status that the client sees. When that is not OK
 * nothing but the status is sent.
 *
 * Capabilities. What a client sends arrives in slots of ours. A handler that wants to keep one
 * calls service_keep; all others are dropped when it returns, deferred or not, so no client can
 * fill our table. Capabilities in a reply are copied to the client; ours stays in its slot, or is
 * dropped with its slot after the reply if the handler calls service_drop_after.
 */
#pragma once

#include "lib/base/types.h"

/* Returned by a handler that will answer with service_answer or the generated NAME_answer. */
#define STATUS_DEFERRED ((status_t)0x10000)

/* One received call. The fields above the line are for handlers, the rest for generated code. */
struct service_call {
    void *context;  /* of the interface */
    uint64_t badge; /* of the gate it came through: set by us at gate_create, so trusted */
    uint32_t endpoint;
    uint64_t token; /* to answer it later; keep it together with the endpoint */

    uint64_t header;
    uint64_t request[MESSAGE_WORDS];
    uint32_t received[MESSAGE_CAPABILITIES];
    uint64_t reply_header;
    uint64_t reply[MESSAGE_WORDS];
    uint32_t send[MESSAGE_CAPABILITIES];
    uint32_t drop[MESSAGE_CAPABILITIES];
    uint32_t drop_count;
};

/* A received capability stays with us: the slot is now the handler's (lib/oak/slots.h). */
void service_keep(struct service_call *call, uint32_t slot);

/* slot_release it once the reply was sent. Not for deferred calls. */
void service_drop_after(struct service_call *call, uint32_t slot);

/* What generated code stands on: the checks before a handler, and its reply into the message. The
 * leading slots that are not SLOT_NONE are sent. */
bool service_request_matches(const struct service_call *call, uint32_t bytes,
                             uint32_t capabilities);
void service_put_reply(struct service_call *call, const void *reply, uint32_t bytes,
                       const uint32_t *slots, uint32_t count);
void service_answer_with(uint32_t endpoint, uint64_t token, const void *reply, uint32_t bytes,
                         const uint32_t *slots, uint32_t count);

/* Answer a deferred call without results; with results: the generated NAME_answer. A caller that
 * is gone by now is not an error. */
void service_answer(uint32_t endpoint, uint64_t token, status_t status);

/* An interface that is served for a range of badges. */
struct service_interface {
    uint64_t badge_first;
    uint64_t badge_last;                                                   /* inclusive */
    status_t (*dispatch)(const void *handlers, struct service_call *call); /* generated */
    const void *handlers; /* generated struct NAME_handlers */
    void *context;
};

struct service {
    uint32_t endpoint;
    uint32_t signal; /* or SLOT_NONE */
    const struct service_interface *interfaces;
    size_t interface_count;
    void *context; /* for the functions below; each may be NULL */
    void (*on_signal)(void *context, uint64_t bits);
    uint64_t (*next_deadline)(void *context); /* when to wake up anyhow, DEADLINE_NEVER if not */
    void (*on_deadline)(void *context);
    void (*on_idle)(void *context); /* after each event, before waiting for the next */
};

/* Never returns, unless the endpoint was destroyed or cannot be received from. */
status_t service_run(const struct service *service);
