/*
 * The bring-up harness: an init that runs one command in a container of the bundle's image, as
 * engine and storage at once, without a device. The command line says what:
 *
 *   [runs=N] [exec] [tty] [readonly] [open] [user=USER] [memory=MIB] [stdin=TEXT] [wall=SECONDS] --
 * COMMAND
 *
 * COMMAND is run as /bin/sh -c 'COMMAND', or with `exec` as it is, split at spaces. In TEXT stand
 * \s for a space, \n for a newline and \\ for a backslash. `open` does not seal the personality.
 *
 * bringup.sh boots it and reads its log lines. Nothing here trusts what comes over
 * the gate or the rings more than the engine does.
 */
#pragma once

#include "abi/container.idl.h"
#include "lib/base/types.h"
#include "lib/oak/program.h"
#include "lib/ring/byte_ring.h"

/* End the program with a line that names the step, unless the status is OK. */
void must(status_t status, const char *step);
uint32_t slot_new(void);

/* --- What to run (bringup_plan.c) --- */

#define PLAN_SPECIFICATION_MAX 8192

struct plan {
    uint64_t runs;
    uint64_t memory_limit_bytes; /* UINT64_MAX: none */
    uint64_t wall_seconds;       /* what the clock is set to, since 1970; 0: not at all */
    uint64_t domain_flags;       /* enum domain_flags */
    uint8_t specification[PLAN_SPECIFICATION_MAX];
    uint32_t specification_bytes;
    char input[BOOT_COMMAND_LINE];
    uint32_t input_bytes;
};

/* INVALID_ARGUMENT: there is no command, or it is too long. */
MUST_USE status_t plan_read(const char *command_line, struct plan *out);

/* --- The streams of one process (bringup_streams.c) --- */

#define STREAM_LINE_BYTES 400

struct stream_lines {
    struct byte_ring ring;
    const char *prefix;
    char line[STREAM_LINE_BYTES];
    uint32_t length;
    bool ended;
};

struct streams {
    struct byte_ring input;
    const char *input_next;
    uint32_t input_left;
    bool input_closed;
    struct stream_lines output[2]; /* stdout, stderr */
};

void streams_start(struct streams *streams, uint8_t *channel, const struct plan *plan);
/* Move what can be moved; returns the enum container_event bits that the container is to get. */
uint64_t streams_pump(struct streams *streams);
/* The process has ended: the rest of the output, with its last line even if it is not complete. */
void streams_finish(struct streams *streams);

/* --- The objects of a container (bringup_container.c) --- */

/* What a container is cloned from. */
struct template
{
    struct program program;
    struct container_template_ready_request ready;
};

struct container {
    uint32_t account; /* all that follows is charged to it or to a child */
    uint32_t personality;
    uint32_t application;
    uint32_t domain;
    uint32_t memory;
    uint32_t gate;
    uint32_t events;
    uint32_t thread;
    uint32_t channel;
    uint8_t *channel_bytes; /* mapped here */
};

struct container_handles {
    uint32_t endpoint; /* of the gate, with `badge` */
    uint64_t badge;
    uint32_t storage_gate;
    uint32_t image; /* memory, READ EXECUTE */
    uint32_t watch_signal;
    uint64_t watch_bits;
};

/* Everything but the start. */
void container_make(const struct plan *plan, const struct template *template,
                    const struct container_handles *handles, struct container *out);
void container_start(const struct container *container, const struct template *template,
                     uint64_t argument);
void container_destroy(struct container *container);

/* Log why a domain faulted, and how it came there; `memory` is its window's. */
void domain_report_log(const char *who, uint32_t domain, uint32_t memory);
