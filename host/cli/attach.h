/* Attaching to a container that exists, for attach and start -a. */
#pragma once

#include "host/cli/attached.h"

struct attach_wish {
    const char *container;
    const char *detach_keys;
    bool input;
    bool start; /* start it, too */
    bool proxy;
};

/* Carries streams until the container ends; returns the exit code. */
int attach_existing(struct connection *connection, const struct attach_wish *wish);

/* The end of an attached session as an exit code: the container's, 0 after detaching, or an error.
 */
int attached_exit_code(struct attached *attached, enum attached_end end);
