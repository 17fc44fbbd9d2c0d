#include "kernel/object/gate.h"

#include "kernel/object/account.h"

status_t call_gate_create(struct call *call)
{
    struct object *endpoint;
    status_t status =
        capability_find(call->thread, call->argument[2], TYPE_ENDPOINT, RIGHT_CALL, &endpoint);
    if (status != STATUS_OK) {
        return status;
    }
    status = capability_check_empty(call->thread, call->argument[1]);
    if (status != STATUS_OK) {
        return status;
    }
    struct object *object;
    status = object_create(object_account(call->object), OBJECT_GATE, sizeof(struct gate), &object);
    if (status != STATUS_OK) {
        return status;
    }
    struct gate *gate = object_gate(object);
    gate->endpoint = object_handle(endpoint, 0);
    gate->badge = call->argument[3];
    capability_put(call->thread, call->argument[1], object_handle(object, RIGHTS_ALL));
    return STATUS_OK;
}
