/* Gates: badged handles on an endpoint. Destroying a gate revokes one client. */
#pragma once

#include "kernel/core/call.h"

struct gate {
    struct object object;
    const struct object_entry *endpoint; /* its handle, taken apart once */
    uint32_t generation;
    uint64_t badge;
};

OBJECT_AS(gate)
