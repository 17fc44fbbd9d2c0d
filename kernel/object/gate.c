#include "kernel/object/gate.h"

#include "kernel/object/account.h"

status_t call_gate_create(struct call *call)
{
    status_t status =
        object_create(object_account(call->object), OBJECT_GATE, sizeof(struct gate), &call->made);
    if (status == STATUS_OK) {
        struct gate *gate = object_gate(call->made);
        gate->endpoint = handle_entry(call->other->handle);
        gate->generation = (uint32_t)(call->other->handle >> 32);
        gate->badge = call->argument[3];
    }
    return status;
}
