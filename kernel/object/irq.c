#include "kernel/object/irq.h"

#include "kernel/object/account.h"
#include "kernel/object/domain.h"
#include "kernel/object/signal.h"
#include "kernel/object/thread.h"
#include "kernel/x86_64/apic.h"

#define MSI_ADDRESS 0xfee00000ull

static handle_t irq_of_vector[256]; /* 0: free; atomic */

/* To the first free device vector. */
static status_t irq_route(struct irq *irq)
{
    for (uint32_t i = VECTOR_DEVICE_FIRST; i <= VECTOR_DEVICE_LAST && irq->vector == 0; i++) {
        handle_t none = 0;
        if (__atomic_compare_exchange_n(&irq_of_vector[i], &none, irq->object.handle, false,
                                        __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)) {
            irq->vector = i;
        }
    }
    if (irq->vector == 0) {
        return STATUS_LIMIT_REACHED;
    }
    return irq->source == IRQ_MSI ? STATUS_OK : ioapic_route(irq->source, irq->vector, apic_id());
}

status_t call_irq_create(struct call *call)
{
    struct object *signal;
    uint32_t had;
    status_t status = domain_find(call->thread->domain, call->argument[4], TYPE_SIGNAL, RIGHT_WRITE,
                                  &signal, &had);
    if (status == STATUS_OK) {
        status =
            object_create(object_account(call->other), OBJECT_IRQ, sizeof(struct irq), &call->made);
    }
    if (status != STATUS_OK) {
        return status;
    }
    struct irq *irq = object_irq(call->made);
    irq->signal = object_handle(signal, RIGHT_WRITE);
    irq->source = call->argument[3];
    irq->bits = call->argument[5];
    status = irq_route(irq);
    if (status == STATUS_OK) {
        call->result[0] = MSI_ADDRESS | (uint64_t)apic_id() << 12;
        call->result[1] = irq->vector;
    }
    return status;
}

void irq_deliver(uint32_t vector)
{
    handle_t handle = __atomic_load_n(&irq_of_vector[vector], __ATOMIC_ACQUIRE);
    struct object *object = handle_object(handle, OBJECT_IRQ);
    if (object != NULL) {
        signal_set(object_irq(object)->signal, object_irq(object)->bits);
    }
}

void irq_release(struct object *object)
{
    struct irq *irq = object_irq(object);
    if (irq->vector == 0) {
        return;
    }
    (void)ioapic_route(irq->source, VECTOR_MASKED, 0); /* which knows no IRQ_MSI */
    __atomic_store_n(&irq_of_vector[irq->vector], 0, __ATOMIC_RELEASE);
}
