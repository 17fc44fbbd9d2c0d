#include "kernel/object/signal.h"

#include "kernel/core/scheduler.h"
#include "kernel/core/wait.h"
#include "kernel/object/account.h"
#include "kernel/object/endpoint.h"

status_t call_signal_create(struct call *call)
{
    status_t status = object_create(object_account(call->object), OBJECT_SIGNAL,
                                    sizeof(struct signal), &call->made);
    if (status == STATUS_OK) {
        struct signal *signal = object_signal(call->made);
        spin_init(&signal->lock, LOCK_SIGNAL);
        list_init(&signal->waiters);
    }
    return status;
}

/* The first waiter that one of the bits concerns, made ready; NULL without one. Under the lock. */
static struct thread *waiter_take(struct signal *signal)
{
    for (struct list_node *node = signal->waiters.next; node != &signal->waiters;
         node = node->next) {
        struct thread *thread = CONTAINER_OF(node, struct thread, wait_node);
        uint64_t bits = signal->bits & thread->wait_mask;
        if (bits == 0) {
            continue;
        }
        signal->bits &= ~bits;
        list_remove(&thread->wait_node);
        spin_lock(&thread->lock);
        thread->registers.rdi = bits;
        wait_finish(thread, STATUS_OK);
        spin_unlock(&thread->lock);
        return thread;
    }
    return NULL;
}

void signal_set(struct signal *signal, uint64_t bits)
{
    spin_lock(&signal->lock);
    signal->bits |= bits;
    handle_t endpoint = signal->endpoint;
    struct thread *thread = waiter_take(signal);
    spin_unlock(&signal->lock);
    while (thread != NULL) {
        timer_disarm(thread);
        scheduler_ready(thread);
        /* The bits are set: whoever begins to wait from now on sees them. */
        if (list_empty(&signal->waiters)) {
            break;
        }
        spin_lock(&signal->lock);
        thread = waiter_take(signal);
        spin_unlock(&signal->lock);
    }
    struct object *bound = endpoint == 0 ? NULL : handle_object(endpoint, OBJECT_ENDPOINT);
    if (bound != NULL) {
        endpoint_notify(object_endpoint(bound), &signal->object);
    }
}

uint64_t signal_take(struct signal *signal, uint64_t mask)
{
    /* Who raises bits looks for receivers afterwards, under the endpoint's lock: none is missed. */
    if (__atomic_load_n(&signal->bits, __ATOMIC_ACQUIRE) == 0) {
        return 0;
    }
    spin_lock(&signal->lock);
    uint64_t bits = signal->bits & mask;
    signal->bits &= ~bits;
    spin_unlock(&signal->lock);
    return bits;
}

void signal_bind(struct signal *signal, handle_t endpoint)
{
    if (__atomic_load_n(&signal->endpoint, __ATOMIC_RELAXED) != endpoint) {
        spin_lock(&signal->lock);
        signal->endpoint = endpoint;
        spin_unlock(&signal->lock);
    }
}

status_t call_signal_raise(struct call *call)
{
    signal_set(object_signal(call->object), call->argument[1]);
    return STATUS_OK;
}

/* INTERRUPTED or BLOCKED. Under the signal's lock. */
static status_t wait_begin(struct thread *thread, struct signal *signal, uint64_t mask,
                           uint64_t deadline_ns)
{
    status_t status = STATUS_INTERRUPTED;
    spin_lock(&thread->lock);
    /* Under the lock: who interrupts sets this first, then looks whether we wait. */
    if (!(__atomic_load_n(&thread->attention, __ATOMIC_ACQUIRE) & ATTENTION_INTERRUPT)) {
        thread->wait_sequence++;
        thread->interruptible = true;
        thread->wait_mask = mask;
        thread->waiting_at = &signal->object;
        timer_arm(thread, deadline_ns);
        list_append(&signal->waiters, &thread->wait_node);
        thread->state = THREAD_SIGNAL_WAIT;
        scheduler_detach();
        status = CALL_BLOCKED;
    }
    spin_unlock(&thread->lock);
    return status;
}

status_t signal_wait(struct thread *thread, struct signal *signal, uint64_t mask,
                     uint64_t deadline_ns, uint64_t *out_bits)
{
    if (mask == 0) {
        return STATUS_INVALID_ARGUMENT;
    }
    scheduler_save(thread);
    spin_lock(&signal->lock);
    status_t status = STATUS_OK;
    uint64_t bits = signal->bits & mask;
    signal->bits &= ~bits;
    if (bits != 0) {
        *out_bits = bits;
    } else if (signal->object.dying) {
        status = STATUS_CLOSED;
    } else if (deadline_ns == 0) {
        status = STATUS_TIMED_OUT;
    } else {
        status = wait_begin(thread, signal, mask, deadline_ns);
    }
    spin_unlock(&signal->lock);
    return status;
}

status_t call_signal_wait(struct call *call)
{
    return signal_wait(call->thread, object_signal(call->object), call->argument[1],
                       call->argument[2], &call->result[0]);
}

bool signal_end_step(struct object *object)
{
    struct signal *signal = object_signal(object);
    return wait_queue_end(&signal->lock, &signal->waiters, STATUS_CLOSED);
}
