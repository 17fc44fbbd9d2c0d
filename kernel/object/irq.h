/* Interrupt sources: each owns a vector and sets bits in a signal when it comes. */
#pragma once

#include "kernel/core/call.h"

struct irq {
    struct object object;
    handle_t signal;
    uint64_t bits;
    uint64_t source; /* global interrupt, or IRQ_MSI */
    uint32_t vector;
};

OBJECT_AS(irq)

/* A device interrupted on that vector. */
void irq_deliver(uint32_t vector);

void irq_release(struct object *object);
