/*
 * Parking and signals: what the calls and their short ways have in common. Models:
 * kernel/model/park.pml; and kernel/model/call.pml, because a thread that waits for a signal is
 * under the signal's lock alone, as one that waits for a call under the endpoint's.
 */
#pragma once

#include "kernel/core/switch.h"
#include "kernel/core/wait.h"
#include "kernel/object/endpoint.h"
#include "kernel/object/signal.h"

/* --- parking --------------------------------------------------------------------------------- */

/* The caller's thread waits: OK, INTERRUPTED, TIMED_OUT, or CALL_BLOCKED and it gave way. */
static inline status_t thread_park(struct cpu *cpu, struct thread *thread, uint64_t deadline_ns,
                                   uint64_t flags)
{
    bool interruptible = (flags & PARK_UNINTERRUPTIBLE) == 0;
    scheduler_save(cpu, thread, MODE_PERSONALITY);
    spin_lock(&thread->lock);
    status_t status = STATUS_OK;
    if (thread->unparked) {
        thread->unparked = false;
    } else if (interruptible && (thread->attention & ATTENTION_INTERRUPT)) {
        status = STATUS_INTERRUPTED;
    } else if (deadline_ns == 0) {
        status = STATUS_TIMED_OUT;
    } else {
        thread->wait_sequence++;
        thread->interruptible = interruptible;
        timer_arm(thread, deadline_ns);
        thread->state = THREAD_PARKED;
        status = CALL_BLOCKED;
        scheduler_give_way(cpu, thread);
    }
    spin_unlock(&thread->lock);
    return status;
}

static inline void thread_unpark(struct cpu *cpu, const struct thread *current,
                                 struct thread *thread)
{
    spin_lock(&thread->lock);
    bool woken = thread->state == THREAD_PARKED;
    if (woken) {
        wait_finish(thread, STATUS_OK);
    } else {
        thread->unparked = true;
    }
    spin_unlock(&thread->lock);
    if (woken) {
        timer_disarm(thread);
        scheduler_ready_here(cpu, current, thread);
    }
}

/* --- signals --------------------------------------------------------------------------------- */

/* The first waiter that one of the bits concerns, made ready; NULL without one. Under the lock. */
static inline struct thread *signal_waiter_take(struct signal *signal)
{
    LIST_EACH (struct thread, thread, &signal->waiters, wait_node) {
        uint64_t bits = signal->bits & thread->wait_mask;
        if (bits != 0) {
            signal->bits &= ~bits;
            list_unlink(&thread->wait_node);
            thread->registers.rdi = bits;
            wait_finish(thread, STATUS_OK);
            return thread;
        }
    }
    return NULL;
}

/* Set bits and wake whom they concern: whoever begins to wait afterwards sees them. */
static inline void signal_raise(struct cpu *cpu, const struct thread *current,
                                struct signal *signal, uint64_t bits)
{
    handle_t endpoint;
    struct thread *thread;
    do {
        spin_lock(&signal->lock);
        signal->bits |= bits;
        bits = 0;
        endpoint = signal->endpoint;
        thread = signal_waiter_take(signal);
        spin_unlock(&signal->lock);
        if (thread != NULL) {
            timer_disarm(thread);
            scheduler_ready_here(cpu, current, thread);
        }
    } while (thread != NULL && !list_empty(&signal->waiters));
    if (endpoint != 0) {
        endpoint_notify(endpoint, signal);
    }
}

/* INTERRUPTED or BLOCKED. Under the signal's lock, which whoever ends the wait takes first. */
static inline status_t signal_wait_begin(struct cpu *cpu, struct thread *thread,
                                         struct signal *signal, uint64_t mask, uint64_t deadline_ns)
{
    thread->wait_sequence++;
    thread->interruptible = true;
    thread->wait_mask = mask;
    thread->queue_lock = &signal->lock;
    __atomic_store_n(&thread->state, THREAD_SIGNAL_WAIT, __ATOMIC_SEQ_CST);
    /* Who interrupts sets this first, then looks whether we wait. */
    if (__atomic_load_n(&thread->attention, __ATOMIC_SEQ_CST) & ATTENTION_INTERRUPT) {
        thread->state = THREAD_RUNNING;
        return STATUS_INTERRUPTED;
    }
    timer_arm(thread, deadline_ns);
    list_append(&signal->waiters, &thread->wait_node);
    scheduler_give_way(cpu, thread);
    return CALL_BLOCKED;
}

/*
 * The caller's thread waits for bits of the mask and takes them: OK and the bits, INTERRUPTED,
 * CLOSED, TIMED_OUT, INVALID_ARGUMENT, or CALL_BLOCKED and it gave way.
 */
static inline status_t signal_wait(struct cpu *cpu, struct thread *thread, struct signal *signal,
                                   uint64_t mask, uint64_t deadline_ns, uint64_t *out_bits)
{
    if (mask == 0) {
        return STATUS_INVALID_ARGUMENT;
    }
    scheduler_save(cpu, thread, MODE_PERSONALITY);
    spin_lock(&signal->lock);
    status_t status = STATUS_OK;
    uint64_t bits = signal->bits & mask;
    if (bits != 0) {
        signal->bits &= ~bits;
        *out_bits = bits;
    } else if (signal->object.dying) {
        status = STATUS_CLOSED;
    } else if (deadline_ns == 0) {
        status = STATUS_TIMED_OUT;
    } else {
        status = signal_wait_begin(cpu, thread, signal, mask, deadline_ns);
    }
    spin_unlock(&signal->lock);
    return status;
}
