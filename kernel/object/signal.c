#include "kernel/object/signal.h"

#include "kernel/object/waits.h"

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

void signal_set(handle_t signal, uint64_t bits)
{
    struct cpu *cpu = cpu_current();
    struct object *object = handle_object(signal, OBJECT_SIGNAL);
    if (object != NULL) {
        signal_raise(cpu, cpu->current, object_signal(object), bits);
    }
}

uint64_t signal_take(struct signal *signal)
{
    /* Who raises bits looks for receivers afterwards, under the endpoint's lock: none is missed. */
    if (__atomic_load_n(&signal->bits, __ATOMIC_ACQUIRE) == 0) {
        return 0;
    }
    spin_lock(&signal->lock);
    uint64_t bits = signal->bits;
    signal->bits = 0;
    spin_unlock(&signal->lock);
    return bits;
}

status_t call_signal_raise(struct call *call)
{
    signal_raise(cpu_current(), call->thread, object_signal(call->object), call->argument[1]);
    return STATUS_OK;
}

status_t call_signal_wait(struct call *call)
{
    return signal_wait(cpu_current(), call->thread, object_signal(call->object), call->argument[1],
                       call->argument[2], &call->result[0]);
}

bool signal_end_step(struct object *object)
{
    struct signal *signal = object_signal(object);
    return wait_queue_end(&signal->lock, &signal->waiters, STATUS_CLOSED);
}
