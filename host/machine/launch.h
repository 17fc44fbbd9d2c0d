/*
 * How a command gets to its machine: connects to the daemon, and starts it where there is none. Of
 * several commands that find none, one starts it (the lock decides) and the others wait for it.
 */
#pragma once

#include "host/machine/options.h"
#include "host/machine/state.h"

struct launch_notes {
    void (*slow)(void);             /* a start takes over a second */
    void (*note)(const char *text); /* something that the user should know, one line */
};

/* Connects; NOT_FOUND when no daemon runs here. */
MUST_USE status_t launch_connect(const struct state *state, int *fd);

/*
 * Connects, starting a machine with these options if none runs; *started says whether it did. On
 * failure *problem is a line for the user.
 */
MUST_USE status_t launch_machine(const struct state *state, const struct machine_options *options,
                                 const struct launch_notes *notes, int *fd, bool *started,
                                 char *problem, size_t problem_bytes);
