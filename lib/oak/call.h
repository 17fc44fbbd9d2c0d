/*
 * What the client stubs generated from abi/<name>.idl stand on.
 *
 * The message is built in a local struct and copied into the thread's frame just before the call,
 * and the answer is copied out right after it: a page fault that the thread handles in between (in
 * the personality) may use the frame itself.
 */
#pragma once

#include "lib/base/string.h"
#include "lib/oak/kernel.h"

/* Or'd to the gate's slot: the call returns INTERRUPTED when the thread is interrupted. */
#define CALL_INTERRUPTIBLE (1ull << 32)

struct call {
    uint32_t operation;
    const void *request;
    uint32_t request_bytes;
    const uint32_t *send; /* slots */
    uint32_t send_count;
    const uint32_t *receive; /* empty slots */
    uint32_t receive_count;
    void *reply;
    uint32_t reply_bytes;
    uint32_t *received; /* how many of the receive slots were filled, the first ones */
};

/*
 * Returns the status of the kernel (CLOSED, RESTARTED, INTERRUPTED, BAD_CAPABILITY ...) or of the
 * service. The reply is written only when that is OK; a reply that is shorter than the interface
 * says is CORRUPT. (A capability that a reply lacks is for the caller to notice.)
 */
MUST_USE status_t call_gate(uint64_t gate, const struct call *call);
