/*
 * Removing translations that other CPUs may have cached. A change of page tables collects addresses
 * in a batch; shootdown_run makes every CPU on which the half is loaded forget them and waits until
 * all have. Only then may the frames behind them be used for anything else.
 * Model: kernel/model/shootdown.pml.
 */
#pragma once

#include "kernel/core/cpu.h"

#define SHOOTDOWN_ADDRESSES 32

struct shootdown_batch {
    uint32_t count; /* above SHOOTDOWN_ADDRESSES: everything */
    uint64_t address[SHOOTDOWN_ADDRESSES];
};

static inline void shootdown_add(struct shootdown_batch *batch, uint64_t address)
{
    if (batch->count < SHOOTDOWN_ADDRESSES) {
        batch->address[batch->count] = address;
    }
    if (batch->count <= SHOOTDOWN_ADDRESSES) {
        batch->count++;
    }
}

/* loaded: the half's mask of CPUs. */
void shootdown_run(const uint64_t *loaded, const struct shootdown_batch *batch);
