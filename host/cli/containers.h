/* What the commands about existing containers share. */
#pragma once

#include "host/cli/connection.h"

/*
 * Connects to the machine that runs; without one there are no containers, which is printed. The
 * exit code: 0, or the command's.
 */
int containers_connect(struct connection *connection);

/* Asks one thing about one container, in a session of its own. */
MUST_USE status_t container_ask(struct connection *connection, enum control_request request,
                                const char *name, struct reply *reply);

/* Prints why the engine refused, frees the reply, and returns 1. */
int container_refused(const char *name, struct reply *reply);

/*
 * A START or EXEC that failed because of the program: prints that and returns 127 or 126; returns 0
 * for any other failure. where is "image" or "container".
 */
int launch_refused(const char *program, const char *where, const char *name,
                   const struct reply *reply);

/* container_ask for every name; prints each name that went well. 1 when one did not. */
int containers_each(enum control_request request, const struct text_list *names);

/* A writer over memory of its own, large enough for any specification. */
void specification_writer(struct record_writer *writer);
