/*
 * A container as the engine reports it (RECORD_CONTAINER_STATE), together with the notes that the
 * CLI left in its label when it was created: docker's Config and HostConfig.
 */
#pragma once

#include "host/cli/connection.h"

#include <jansson.h>

struct container_state {
    char *id;
    char *name;
    char *state;
    uint8_t blob[32];
    uint64_t created_ns;
    uint64_t started_ns;
    uint64_t ended_ns;
    uint64_t exit_code;
    bool oom_killed;
    uint64_t process_id;
    uint64_t memory_limit; /* 0: none, as the next ones */
    uint64_t cpu_weight;
    uint64_t cpu_quota_ns;
    uint64_t cpu_period_ns;
    uint64_t threads_limit;
    uint64_t memory_used;
    json_t *label; /* an object, empty when the label is not one */
};

/* CORRUPT when the record lacks what every container has. */
MUST_USE status_t container_state_read(const struct record *record, struct container_state *out);
void container_state_free(struct container_state *state);

/* label.group.key, or label.key when group is NULL; otherwise when it is not there. */
const char *label_text(const struct container_state *state, const char *group, const char *key,
                       const char *otherwise);

/* "Created", "Up 2 minutes", "Exited (0) 3 seconds ago", "Up 5 hours (Paused)". */
char *container_status_text(const struct container_state *state);
/* The command line, joined with spaces. */
char *container_command_text(const struct container_state *state);

/* Asks about one container. Prints the error; the exit code is 1, or EXIT_OAK for the machine's. */
int container_inspect(struct connection *connection, const char *name, struct container_state *out);

/* All containers, newest first. */
struct container_list {
    struct container_state *items;
    size_t count;
};
MUST_USE status_t container_list_get(struct connection *connection, struct container_list *list);
void container_list_free(struct container_list *list);
