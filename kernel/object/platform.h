/* The platform: the authority over devices, the wall clock and the log. One object, init's. */
#pragma once

#include "kernel/core/call.h"

/* struct platform_state, for object_read. */
status_t platform_read(const struct call *call, void *out);
