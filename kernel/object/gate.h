/* Gates: badged handles on an endpoint. Destroying a gate revokes one client. */
#pragma once

#include "kernel/core/call.h"

struct gate {
    struct object object;
    handle_t endpoint;
    uint64_t badge;
};

static inline struct gate *object_gate(struct object *object)
{
    return CONTAINER_OF(object, struct gate, object);
}
