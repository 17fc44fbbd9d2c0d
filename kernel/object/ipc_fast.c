/*
 * The short ways of gate_call and endpoint_reply_receive: the two threads change places on this
 * CPU at once, without the run queue. They do what endpoint.c does, and are taken when
 *
 *   both    the message carries no capabilities; no deadline is involved; nobody else is due on
 *           this CPU (scheduler_may_switch);
 *   call    a receiver waits; the caller's interruption, if it minds one, is not pending;
 *   reply   the token names the caller that was received last, and pays; no call waits; the signal,
 *           if there is one, is bound to this endpoint and has no bits.
 *
 * Otherwise nothing has changed, and the general way does it all, errors too. Saving
 * the current thread's context is no change, nor are leaves of the slots that it offers for
 * capabilities: both may be done again.
 *
 * The endpoint's lock is held from the last check to the last change, so both threads change at
 * once for all others. Their own locks are not taken: who looks at a thread under that lock alone
 * looks again under the endpoint's before it changes anything (wait_cancel). Model:
 * kernel/model/call.pml.
 */
#include "kernel/core/switch.h"
#include "kernel/object/endpoint.h"
#include "kernel/object/gate.h"
#include "kernel/object/short_ways.h"
#include "kernel/object/signal.h"

/* The number of words and, above it, the number of capabilities: a large number for any of those;
 * both where they are in the header. */
static uint32_t counts(uint64_t header)
{
    return (uint32_t)header & 0x7ff0000;
}

static bool header_plain(uint64_t header)
{
    return counts(header) <= MESSAGE_WORDS << 16;
}

/* Of a plain message. */
static inline void words_copy(const struct thread *from, struct thread *to, uint64_t header)
{
    if (counts(header) == 0) {
        return;
    }
    size_t words = counts(header) >> 16;
    const uint64_t *source = from->frame->message;
    uint64_t *target = to->frame->message;
    for (; __builtin_expect(words % 4 != 0, 0); words--) {
        target[words - 1] = source[words - 1];
    }
    for (; words != 0; words -= 4) {
        target[words - 4] = source[words - 4];
        target[words - 3] = source[words - 3];
        target[words - 2] = source[words - 2];
        target[words - 1] = source[words - 1];
    }
}

/* From waiting to running here. Under the endpoint's lock: afterwards the one before may end. */
static void take_over(struct thread *thread, struct cpu *cpu)
{
    list_unlink(&thread->wait_node);
    thread_move(thread, cpu->number);
    __atomic_store_n(&thread->state, THREAD_RUNNING, __ATOMIC_RELEASE);
    cpu->current = thread;
}

/* Under the endpoint's lock. */
static bool may_take_over(const struct thread *thread, const struct cpu *cpu)
{
    return !__atomic_load_n(&thread->timer_armed, __ATOMIC_ACQUIRE) &&
           scheduler_may_switch(cpu, thread);
}

/* From running to waiting for the reply; false when it must not wait. */
static bool caller_wait(struct thread *caller, struct endpoint *endpoint, uint64_t header)
{
    caller->interruptible = false;
    endpoint_wait_begin(caller, THREAD_AWAITING_REPLY, endpoint);
    if (header & MESSAGE_INTERRUPTIBLE) {
        caller->interruptible = true;
        /* Who interrupts sets this first, then looks whether we wait. */
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
        if (__atomic_load_n(&caller->attention, __ATOMIC_RELAXED) & ATTENTION_INTERRUPT) {
            caller->state = THREAD_RUNNING;
            return false;
        }
    }
    list_append(&endpoint->awaiting, &caller->wait_node);
    return true;
}

/* Nothing to receive: no call, no bits, and the endpoint lives. Under its lock. */
static bool nothing_waits(const struct endpoint *endpoint, const struct signal *signal)
{
    return !endpoint->object.dying && list_empty(&endpoint->callers) &&
           __atomic_load_n(&signal->bits, __ATOMIC_ACQUIRE) == 0;
}

/* In the place of a signal where there is none. */
static const struct signal no_signal;

/* The signal of that slot, if it is bound to the endpoint already. */
static bool signal_find(const struct thread *server, uint64_t slot, const struct endpoint *endpoint,
                        const struct signal **out)
{
    *out = &no_signal;
    if (slot == 0) {
        return true;
    }
    struct object *object = short_way_find(server, slot, OBJECT_SIGNAL, RIGHT_READ);
    if (object == NULL) {
        return false;
    }
    *out = object_signal(object);
    return __atomic_load_n(&(*out)->endpoint, __ATOMIC_RELAXED) == endpoint->object.handle;
}

SHORT_WAY(gate_call, slot, header, deadline_ns)
{
    struct cpu *cpu = cpu_current();
    struct object *object = short_way_find(thread, slot, OBJECT_GATE, RIGHT_CALL);
    if (object == NULL || !header_plain(header) || deadline_ns != DEADLINE_NEVER) {
        short_way_not(thread, CALL_gate_call, slot, header, deadline_ns);
    }
    const struct gate *gate = object_gate(object);
    object = entry_object(gate->endpoint, gate->generation, OBJECT_ENDPOINT);
    if (object == NULL) {
        short_way_not(thread, CALL_gate_call, slot, header, deadline_ns);
    }
    receive_slots_prepare(thread);
    struct endpoint *endpoint = object_endpoint(object);
    scheduler_save(cpu, thread, MODE_PERSONALITY);
    spin_lock(&endpoint->lock);
    struct thread *receiver = CONTAINER_OF(endpoint->receivers.next, struct thread, wait_node);
    if (endpoint->object.dying || list_empty(&endpoint->receivers) ||
        !may_take_over(receiver, cpu) || !caller_wait(thread, endpoint, header)) {
        spin_unlock(&endpoint->lock);
        short_way_not(thread, CALL_gate_call, slot, header, deadline_ns);
    }
    words_copy(thread, receiver, header);
    uint64_t token = endpoint_token(thread);
    receiver->billing = thread->billing;
    take_over(receiver, cpu);
    spin_unlock(&endpoint->lock);
    scheduler_switch(cpu, receiver, header, gate->badge, token);
}

SHORT_WAY(endpoint_reply_receive, slot, token, header)
{
    struct cpu *cpu = cpu_current();
    struct object *object = short_way_find(thread, slot, OBJECT_ENDPOINT, RIGHT_RECEIVE);
    if (object == NULL || !header_plain(header)) {
        short_way_not(thread, CALL_endpoint_reply_receive, slot, token, header);
    }
    struct endpoint *endpoint = object_endpoint(object);
    const struct signal *signal;
    if (!signal_find(thread, thread->registers.r10, endpoint, &signal)) {
        short_way_not(thread, CALL_endpoint_reply_receive, slot, token, header);
    }
    receive_slots_prepare(thread);
    scheduler_save(cpu, thread, MODE_PERSONALITY);
    spin_lock(&endpoint->lock);
    /* The last to be received; who is in the list waits for its reply here. */
    struct thread *caller = CONTAINER_OF(endpoint->awaiting.previous, struct thread, wait_node);
    if (!nothing_waits(endpoint, signal) || list_empty(&endpoint->awaiting) ||
        endpoint_token(caller) != token || !may_take_over(caller, cpu) ||
        caller->billing != thread->billing) {
        spin_unlock(&endpoint->lock);
        short_way_not(thread, CALL_endpoint_reply_receive, slot, token, header);
    }
    thread->billing = thread->billing_own;
    thread->interruptible = true;
    thread->receive_signal = signal->object.handle;
    thread->registers.rdi = slot; /* for who copies the thread while it waits */
    thread->registers.rsi = thread->registers.r10;
    endpoint_wait_begin(thread, THREAD_RECEIVING, endpoint);
    list_append(&endpoint->receivers, &thread->wait_node);
    words_copy(thread, caller, header);
    take_over(caller, cpu);
    spin_unlock(&endpoint->lock);
    scheduler_switch(cpu, caller, header, 0, 0);
}
