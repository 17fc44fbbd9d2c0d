/* Gates: badged handles on an endpoint. Destroying a gate revokes one client. */
#pragma once

#include "kernel/core/call.h"

struct gate {
    struct object object;
    handle_t endpoint;
    uint64_t badge;
};

OBJECT_AS(gate)
