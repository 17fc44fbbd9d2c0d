/*
 * Synchronous call and reply. The message goes from frame to frame, once, under the endpoint's
 * lock; the two threads change places on the same CPU where the bands allow it.
 */
#include "kernel/object/endpoint.h"

#include "kernel/core/switch.h"
#include "kernel/core/wait.h"
#include "kernel/object/gate.h"
#include "kernel/object/signal.h"

/* --- messages -------------------------------------------------------------------------------- */

static bool header_valid(uint64_t header)
{
    return MESSAGE_WORD_COUNT(header) <= MESSAGE_WORDS &&
           MESSAGE_CAPABILITY_COUNT(header) <= MESSAGE_CAPABILITIES;
}

/*
 * Copy the words, hand over the capabilities as far as the receiver accepts them. Returns the
 * header with the number of capabilities that arrived.
 */
static uint64_t message_transfer(struct thread *from, struct thread *to, uint64_t header)
{
    uint32_t words = MESSAGE_WORD_COUNT(header);
    for (uint32_t i = 0; i < words; i++) {
        to->frame->message[i] = from->frame->message[i];
    }
    uint32_t capabilities = MESSAGE_CAPABILITY_COUNT(header);
    uint32_t arrived = 0;
    while (arrived < capabilities) {
        handle_t handle = domain_slot(from->domain, from->frame->send[arrived]);
        uint32_t slot = to->frame->receive[arrived];
        if (handle == 0 || slot == 0 || !domain_put(to->domain, slot, handle)) {
            break;
        }
        arrived++;
    }
    return (header & ~(7ull << 24)) | (uint64_t)arrived << 24;
}

void receive_slots_reserve(struct thread *thread)
{
    for (uint32_t i = 0; i < MESSAGE_CAPABILITIES; i++) {
        uint32_t slot = thread->frame->receive[i];
        if (slot == 0 || domain_reserve(thread->domain, slot) != STATUS_OK) {
            break;
        }
    }
}

/*
 * The receiver gets the first caller's message, and the caller moves on to wait for its reply;
 * false without a caller. Both places change under the endpoint's lock; each one's state under its
 * own.
 */
static bool call_deliver(struct endpoint *endpoint, struct thread *receiver)
{
    if (list_empty(&endpoint->callers)) {
        return false;
    }
    struct thread *caller = CONTAINER_OF(endpoint->callers.next, struct thread, wait_node);
    list_remove(&caller->wait_node);
    spin_lock(&caller->lock);
    caller->state = THREAD_AWAITING_REPLY;
    list_append(&endpoint->awaiting, &caller->wait_node);
    spin_unlock(&caller->lock);
    struct registers *registers = &receiver->registers;
    registers->rdi = message_transfer(caller, receiver, caller->call_header);
    registers->rsi = caller->call_badge;
    registers->rdx = endpoint_token(caller);
    scheduler_set_billing(receiver, caller->billing);
    return true;
}

/* --- call ------------------------------------------------------------------------------------ */

/* Stand in the queue of callers: BLOCKED, or INTERRUPTED. Under the endpoint's lock. */
static status_t caller_wait(struct thread *caller, struct endpoint *endpoint, uint64_t header,
                            uint64_t badge, uint64_t deadline_ns)
{
    status_t status = STATUS_INTERRUPTED;
    spin_lock(&caller->lock);
    caller->interruptible = header & MESSAGE_INTERRUPTIBLE;
    /* Under the lock: who interrupts sets this first, then looks whether we wait. */
    uint8_t attention = __atomic_load_n(&caller->attention, __ATOMIC_ACQUIRE);
    if (!caller->interruptible || !(attention & ATTENTION_INTERRUPT)) {
        caller->call_header = header;
        caller->call_badge = badge;
        timer_arm(caller, deadline_ns);
        list_append(&endpoint->callers, &caller->wait_node);
        endpoint_wait_begin(caller, THREAD_CALLING, endpoint);
        scheduler_detach();
        status = CALL_BLOCKED;
    }
    spin_unlock(&caller->lock);
    return status;
}

status_t call_gate_call(struct call *call)
{
    struct thread *caller = call->thread;
    struct gate *gate = object_gate(call->object);
    uint64_t header = call->argument[1];
    struct object *object = entry_object(gate->endpoint, gate->generation, OBJECT_ENDPOINT);
    if (object == NULL) {
        return STATUS_CLOSED;
    }
    if (!header_valid(header)) {
        return STATUS_INVALID_ARGUMENT;
    }
    receive_slots_prepare(caller);
    struct endpoint *endpoint = object_endpoint(object);
    scheduler_save(cpu_current(), caller, MODE_PERSONALITY);
    spin_lock(&endpoint->lock);
    status_t status = endpoint->object.dying
                          ? STATUS_CLOSED
                          : caller_wait(caller, endpoint, header, gate->badge, call->argument[2]);
    struct thread *receiver = NULL;
    if (status == CALL_BLOCKED && !list_empty(&endpoint->receivers)) {
        receiver = CONTAINER_OF(endpoint->receivers.next, struct thread, wait_node);
        wait_end(receiver, STATUS_OK);
        (void)call_deliver(endpoint, receiver); /* the only one: nobody stood there before */
    }
    spin_unlock(&endpoint->lock);
    if (receiver != NULL) {
        timer_disarm(receiver);
        scheduler_handoff(receiver);
    }
    return status;
}

/* --- receive --------------------------------------------------------------------------------- */

static status_t receive(struct call *call, uint64_t deadline_ns)
{
    struct thread *thread = call->thread;
    receive_slots_prepare(thread);
    scheduler_save(cpu_current(), thread, MODE_PERSONALITY);
    scheduler_set_billing(thread, thread->billing_own);
    struct endpoint *endpoint = object_endpoint(call->object);
    struct signal *signal = call->other == NULL ? NULL : object_signal(call->other);
    handle_t handle = endpoint->object.handle;
    if (signal != NULL && __atomic_load_n(&signal->endpoint, __ATOMIC_RELAXED) != handle) {
        spin_lock(&signal->lock);
        signal->endpoint = handle;
        spin_unlock(&signal->lock);
    }
    spin_lock(&endpoint->lock);
    status_t status = STATUS_OK;
    uint64_t bits = signal == NULL ? 0 : signal_take(signal);
    if (endpoint->object.dying) {
        status = STATUS_CLOSED;
    } else if (bits != 0) {
        call->result[0] = 0;
        call->result[1] = bits;
        call->result[2] = 0;
    } else if (call_deliver(endpoint, thread)) {
        thread->registers.rax = STATUS_OK;
        status = CALL_DONE;
    } else if (deadline_ns == 0) {
        status = STATUS_TIMED_OUT;
    } else {
        spin_lock(&thread->lock);
        thread->interruptible = true;
        thread->receive_signal = signal == NULL ? 0 : object_handle(&signal->object, 0);
        timer_arm(thread, deadline_ns);
        list_append(&endpoint->receivers, &thread->wait_node);
        endpoint_wait_begin(thread, THREAD_RECEIVING, endpoint);
        scheduler_detach();
        spin_unlock(&thread->lock);
        status = CALL_BLOCKED;
    }
    spin_unlock(&endpoint->lock);
    return status;
}

status_t call_endpoint_receive(struct call *call)
{
    return receive(call, call->argument[2]);
}

void endpoint_notify(handle_t handle, struct signal *signal)
{
    struct object *object = handle_object(handle, OBJECT_ENDPOINT);
    if (object == NULL) {
        return;
    }
    struct endpoint *endpoint = object_endpoint(object);
    struct thread *woken = NULL;
    spin_lock(&endpoint->lock);
    LIST_EACH (struct thread, thread, &endpoint->receivers, wait_node) {
        if (handle_object(thread->receive_signal, OBJECT_SIGNAL) == &signal->object) {
            woken = thread;
            break;
        }
    }
    uint64_t bits = woken == NULL ? 0 : signal_take(signal);
    if (bits != 0) {
        woken->registers.rdi = 0;
        woken->registers.rsi = bits;
        woken->registers.rdx = 0;
        wait_end(woken, STATUS_OK);
    }
    spin_unlock(&endpoint->lock);
    if (bits != 0) {
        timer_disarm(woken);
        scheduler_ready(woken);
    }
}

/* --- reply ----------------------------------------------------------------------------------- */

/* Make the caller that the token names ready with its reply: INVALID_ARGUMENT, or NOT_FOUND when it
 * waits no more. */
static status_t reply_deliver(const struct call *call, struct thread **out)
{
    uint64_t token = call->argument[1];
    uint64_t header = call->argument[2];
    if (!header_valid(header)) {
        return STATUS_INVALID_ARGUMENT;
    }
    struct object *object = handle_object(handle_from_user(token), OBJECT_THREAD);
    if (object == NULL) {
        return STATUS_NOT_FOUND;
    }
    struct endpoint *endpoint = object_endpoint(call->object);
    struct thread *caller = object_thread(object);
    spin_lock(&endpoint->lock);
    spin_lock(&caller->lock);
    bool waits = __atomic_load_n(&caller->state, __ATOMIC_ACQUIRE) == THREAD_AWAITING_REPLY &&
                 caller->queue_lock == &endpoint->lock && endpoint_token(caller) == token;
    if (waits) {
        caller->registers.rdi = message_transfer(call->thread, caller, header);
        list_remove(&caller->wait_node);
        wait_finish(caller, STATUS_OK);
    }
    spin_unlock(&caller->lock);
    spin_unlock(&endpoint->lock);
    if (!waits) {
        return STATUS_NOT_FOUND;
    }
    timer_disarm(caller);
    *out = caller;
    return STATUS_OK;
}

status_t call_endpoint_reply(struct call *call)
{
    struct thread *caller;
    status_t status = reply_deliver(call, &caller);
    if (status == STATUS_OK) {
        scheduler_ready(caller);
    }
    return status;
}

status_t call_endpoint_reply_receive(struct call *call)
{
    struct thread *caller = NULL;
    if (reply_deliver(call, &caller) == STATUS_INVALID_ARGUMENT) {
        return STATUS_INVALID_ARGUMENT;
    }
    call->thread->registers.rsi = call->argument[3]; /* as it stands in a receive: thread_state.c */
    status_t status = receive(call, DEADLINE_NEVER);
    if (caller != NULL) {
        scheduler_handoff(caller);
    }
    return status;
}

/* --- ends ------------------------------------------------------------------------------------ */

status_t call_endpoint_create(struct call *call)
{
    status_t status = object_create(object_account(call->object), OBJECT_ENDPOINT,
                                    sizeof(struct endpoint), &call->made);
    if (status == STATUS_OK) {
        struct endpoint *endpoint = object_endpoint(call->made);
        spin_init(&endpoint->lock, LOCK_ENDPOINT);
        list_init(&endpoint->receivers);
        list_init(&endpoint->callers);
        list_init(&endpoint->awaiting);
    }
    return status;
}

status_t call_endpoint_restart(struct call *call)
{
    struct endpoint *endpoint = object_endpoint(call->object);
    return wait_queue_end(&endpoint->lock, &endpoint->awaiting, STATUS_RESTARTED) ? STATUS_OK
                                                                                  : CALL_RESTART;
}

bool endpoint_end_step(struct object *object)
{
    struct endpoint *endpoint = object_endpoint(object);
    return wait_queue_end(&endpoint->lock, &endpoint->receivers, STATUS_CLOSED) &&
           wait_queue_end(&endpoint->lock, &endpoint->callers, STATUS_CLOSED) &&
           wait_queue_end(&endpoint->lock, &endpoint->awaiting, STATUS_CLOSED);
}
