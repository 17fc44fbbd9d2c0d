/* The platform: the authority over devices, the wall clock and the log. One object, init's. */
#pragma once

#include "kernel/core/call.h"

/* struct platform_state, for object_read. */
void platform_read(struct object *object, void *out);
