/*
 * The short ways of gate_call and endpoint_reply_receive: the two threads change places on this
 * CPU at once, without the run queue. They do what endpoint.c does, and are taken when
 *
 *   both    the message carries no capabilities; no deadline is involved; nobody else is due on
 *           this CPU (scheduler_may_switch); the slots offered for capabilities have their leaves;
 *   call    a receiver waits; the caller's interruption, if it minds one, is not pending;
 *   reply   the token names the caller that was received last, and pays; no call waits; the signal,
 *           if there is one, is bound to this endpoint and has no bits.
 *
 * Otherwise nothing has changed, and the general way does it all, errors too. Saving
 * the current thread's context is no change: it may be saved again.
 *
 * The endpoint's lock is held from the last check to the last change, so both threads change at
 * once for all others. Their own locks are not taken: who looks at a thread under that lock alone
 * looks again under the endpoint's before it changes anything (wait_cancel). Model:
 * kernel/model/call.pml.
 */
#include "kernel/core/cpu.h"
#include "kernel/core/switch.h"
#include "kernel/object/domain.h"
#include "kernel/object/endpoint.h"
#include "kernel/object/gate.h"
#include "kernel/object/short_ways.h"
#include "kernel/object/signal.h"
#include "kernel/object/thread.h"

/* The number of words and, above it, the number of capabilities: a large number for any of those.
 */
static uint32_t counts(uint64_t header)
{
    return (uint32_t)(header >> 16 & 0x7ff);
}

static bool header_plain(uint64_t header)
{
    return counts(header) <= MESSAGE_WORDS;
}

/* The leaves of the slots offered for capabilities exist. */
static bool slots_prepared(const struct thread *thread)
{
    const uint32_t *offered = thread->frame->receive;
    if (offered[0] == 0) {
        return true;
    }
    for (uint32_t i = 0; i < MESSAGE_CAPABILITIES; i++) {
        uint32_t slot = __atomic_load_n(&offered[i], __ATOMIC_RELAXED);
        if (slot == 0) {
            break;
        }
        if (domain_slot_place(thread->domain, slot) == NULL) {
            return false;
        }
    }
    return true;
}

/* Of a plain message. */
static void words_copy(const struct thread *from, struct thread *to, uint64_t header)
{
    const uint64_t *source = from->frame->message;
    uint64_t *target = to->frame->message;
    size_t words = counts(header);
    for (; words % 4 != 0; words--) {
        target[words - 1] = source[words - 1];
    }
    for (; words != 0; words -= 4) {
        target[words - 4] = source[words - 4];
        target[words - 3] = source[words - 3];
        target[words - 2] = source[words - 2];
        target[words - 1] = source[words - 1];
    }
}

static bool timer_is_armed(const struct thread *thread)
{
    return __atomic_load_n(&thread->timer_armed, __ATOMIC_ACQUIRE);
}

/* From waiting to running here. Under the endpoint's lock. */
static void take_over(struct thread *thread, const struct cpu *cpu)
{
    list_remove(&thread->wait_node);
    if (thread->cpu != cpu->number) {
        thread->cpu = cpu->number;
        thread_moved(thread);
    }
    __atomic_store_n(&thread->state, THREAD_RUNNING, __ATOMIC_RELEASE);
}

/* The receiver that can take over from the caller. Under the endpoint's lock. */
static bool receiver_ready(const struct endpoint *endpoint, const struct cpu *cpu,
                           struct thread **out)
{
    *out = CONTAINER_OF(endpoint->receivers.next, struct thread, wait_node);
    return !endpoint->object.dying && !list_empty(&endpoint->receivers) && !timer_is_armed(*out) &&
           scheduler_may_switch(cpu, *out);
}

/* In this order: whoever sees that it waits sees where. */
static void wait_begin(struct thread *thread, enum thread_state state, struct endpoint *endpoint)
{
    thread->wait_sequence++;
    thread->waiting_at = &endpoint->object;
    __atomic_store_n(&thread->state, state, __ATOMIC_RELEASE);
}

/* From running to waiting for the reply; false when it must not wait. */
static bool caller_wait(struct thread *caller, struct endpoint *endpoint, uint64_t header)
{
    caller->interruptible = false;
    wait_begin(caller, THREAD_AWAITING_REPLY, endpoint);
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

/* The receiver takes over. False when all is as it was. */
static inline bool call(struct cpu *cpu, struct thread *caller, uint64_t slot, uint64_t header,
                        struct thread **out_receiver, uint64_t *out_badge, uint64_t *out_token)
{
    struct object *object = short_way_find(caller, slot, OBJECT_GATE, RIGHT_CALL);
    if (object == NULL || !header_plain(header)) {
        return false;
    }
    const struct gate *gate = object_gate(object);
    object = entry_object(gate->endpoint, gate->generation, OBJECT_ENDPOINT);
    if (object == NULL || !slots_prepared(caller)) {
        return false;
    }
    struct endpoint *endpoint = object_endpoint(object);
    scheduler_save_for_switch(cpu, caller);
    spin_lock(&endpoint->lock);
    struct thread *receiver;
    if (!receiver_ready(endpoint, cpu, &receiver) || !caller_wait(caller, endpoint, header)) {
        spin_unlock(&endpoint->lock);
        return false;
    }
    caller->restarted = 0;
    words_copy(caller, receiver, header);
    *out_receiver = receiver;
    *out_badge = gate->badge;
    *out_token = endpoint_token(caller);
    receiver->billing = caller->billing;
    take_over(receiver, cpu);
    spin_unlock(&endpoint->lock);
    return true;
}

/*
 * The caller that the token names, if it was the last to be received and can take over. Who is in
 * the list waits for its reply here. Under the endpoint's lock.
 */
static bool caller_ready(const struct endpoint *endpoint, uint64_t token, const struct cpu *cpu,
                         struct thread **out)
{
    *out = CONTAINER_OF(endpoint->awaiting.previous, struct thread, wait_node);
    return !list_empty(&endpoint->awaiting) && endpoint_token(*out) == token &&
           !timer_is_armed(*out) && scheduler_may_switch(cpu, *out);
}

/* Nothing to receive: no call, no bits, and the endpoint lives. Under its lock. */
static bool nothing_waits(const struct endpoint *endpoint, const struct signal *signal)
{
    return !endpoint->object.dying && list_empty(&endpoint->callers) &&
           __atomic_load_n(&signal->bits, __ATOMIC_ACQUIRE) == 0;
}

static void server_wait(struct thread *server, struct endpoint *endpoint,
                        const struct signal *signal)
{
    server->billing = server->billing_own;
    server->interruptible = true;
    server->receive_signal = signal->object.handle;
    wait_begin(server, THREAD_RECEIVING, endpoint);
    list_append(&endpoint->receivers, &server->wait_node);
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

/* The caller takes over. False when all is as it was. */
static inline bool reply_receive(struct cpu *cpu, struct thread *server, uint64_t slot,
                                 uint64_t token, uint64_t header, struct thread **out_caller)
{
    struct object *object = short_way_find(server, slot, OBJECT_ENDPOINT, RIGHT_RECEIVE);
    if (object == NULL || !header_plain(header)) {
        return false;
    }
    struct endpoint *endpoint = object_endpoint(object);
    const struct signal *signal;
    if (!signal_find(server, server->registers.r10, endpoint, &signal) || !slots_prepared(server)) {
        return false;
    }
    scheduler_save_for_switch(cpu, server);
    spin_lock(&endpoint->lock);
    struct thread *caller;
    if (!nothing_waits(endpoint, signal) || !caller_ready(endpoint, token, cpu, &caller) ||
        caller->billing != server->billing) {
        spin_unlock(&endpoint->lock);
        return false;
    }
    server->restarted = 0;
    server_wait(server, endpoint, signal);
    words_copy(server, caller, header);
    *out_caller = caller;
    take_over(caller, cpu);
    spin_unlock(&endpoint->lock);
    return true;
}

SHORT_WAY(ipc_call, slot, header, deadline_ns)
{
    arguments_save(thread, slot, header, deadline_ns);
    struct cpu *cpu = cpu_current();
    uint64_t badge;
    uint64_t token;
    struct thread *receiver;
    if (deadline_ns != DEADLINE_NEVER ||
        !call(cpu, thread, slot, header, &receiver, &badge, &token)) {
        short_way_not(thread, CALL_gate_call);
    }
    scheduler_switch(cpu, receiver, header, badge, token);
}

SHORT_WAY(ipc_reply_receive, slot, token, header)
{
    arguments_save(thread, slot, token, header);
    struct cpu *cpu = cpu_current();
    struct thread *caller;
    if (!reply_receive(cpu, thread, slot, token, header, &caller)) {
        short_way_not(thread, CALL_endpoint_reply_receive);
    }
    scheduler_switch(cpu, caller, header, 0, 0);
}
