/*
 * A session with streams: from the user's stdin to a process in a container, from its stdout and
 * stderr to the user's. One poll loop; output waits in memory (at most the credit it was granted)
 * when the user's side is slow, and only then is no more credit returned.
 */
#pragma once

#include "host/cli/connection.h"
#include "host/cli/terminal.h"

enum attached_end {
    ATTACHED_DONE,     /* the awaited result came and all output was written */
    ATTACHED_REFUSED,  /* a request of the session failed: failed_tag, reply */
    ATTACHED_DETACHED, /* the detach keys were typed */
    ATTACHED_LOST,     /* the machine is gone; that was printed */
};

struct attached {
    struct connection *connection;
    uint32_t session;
    bool input;    /* pass on stdin */
    bool terminal; /* stdin is raw, window changes are passed on */
    bool proxy;    /* pass signals on to the container */
    const char *container;
    uint64_t process; /* of an exec; 0 the container's own */
    struct detach_keys detach_keys;

    uint16_t begin_tag; /* its OK result lets stdin begin; 0: at once */
    uint16_t end_tag;   /* the result that ends the session when all output came; 0: EOF does */

    /* Set by attached_run. */
    uint16_t failed_tag;
    struct reply reply; /* of end_tag, or of failed_tag; the caller frees it */
};

/* Signals to be proxied are blocked and collected from here on: before START is sent. */
void attached_signals_take(struct attached *attached);

/* Sends what is queued and carries streams until the end. */
enum attached_end attached_run(struct attached *attached);
