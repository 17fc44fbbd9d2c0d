/*
 * Credit of one stream in one direction (abi/control.h): how many bytes its sender may still send.
 * The same count serves the sender (may I?), the receiver (did it?) and a relay between them.
 */
#pragma once

#include "lib/base/types.h"
#include "abi/control.h"

struct credit {
    uint32_t available_bytes;
};

static inline void credit_init(struct credit *credit)
{
    credit->available_bytes = CONTROL_WINDOW;
}

/* The sender sends: OUT_OF_RANGE when that is more than it may. */
static inline MUST_USE status_t credit_take(struct credit *credit, uint32_t length_bytes)
{
    if (length_bytes > credit->available_bytes) {
        return STATUS_OUT_OF_RANGE;
    }
    credit->available_bytes -= length_bytes;
    return STATUS_OK;
}

/* The receiver returns credit: OUT_OF_RANGE when it returns more than was ever used. */
static inline MUST_USE status_t credit_return(struct credit *credit, uint32_t length_bytes)
{
    if (length_bytes > CONTROL_WINDOW - credit->available_bytes) {
        return STATUS_OUT_OF_RANGE;
    }
    credit->available_bytes += length_bytes;
    return STATUS_OK;
}

/* What a receiver has consumed and not yet returned; small amounts are returned together. */
struct credit_owed {
    uint32_t owed_bytes;
};

/* Bytes to return now, 0 when it is better to wait. */
static inline uint32_t credit_consumed(struct credit_owed *owed, uint32_t length_bytes)
{
    owed->owed_bytes += length_bytes;
    if (owed->owed_bytes < CONTROL_WINDOW / 4) {
        return 0;
    }
    uint32_t returned_bytes = owed->owed_bytes;
    owed->owed_bytes = 0;
    return returned_bytes;
}
