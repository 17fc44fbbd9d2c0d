/*
 * Processes that the engine knows: each container's own (number 0), its EXECs and those that copy
 * files for a session. Streams run
 * through a channel's rings; what the personality writes there is moved into the process's log,
 * from which attached sessions are served, each at its own pace.
 *
 * A process is held up (its rings stay full) only by sessions that were attached to follow it, when
 * the slowest is behind by half the log; LOGS readers are overtaken instead. The personality may
 * write anything into the rings; lib/ring checks.
 */
#pragma once

#include "lib/ring/byte_ring.h"
#include "services/engine/log_ring.h"
#include "services/engine/objects.h"

#define CONTAINER_LOG_BYTES (256u << 10)
#define EXEC_LOG_BYTES      (128u << 10) /* half of it takes what the rings hold at the end */
#define PROCESS_MESSAGE     256
#define PROCESS_PUMP_BYTES  (64u << 10) /* moved in one turn */

struct container;
struct session;
struct wait;

enum process_state {
    PROCESS_CREATED,
    PROCESS_LAUNCHING, /* the personality was asked */
    PROCESS_RUNNING,
    PROCESS_ENDED, /* all it wrote is in the log */
};

struct process {
    struct container *container;
    struct process *next; /* the container's others: EXECs and copies */
    uint32_t number;
    enum process_state state;
    bool terminal;
    bool open_stdin;
    bool copies; /* files out of the container or into it, for one session: no program */
    bool stdin_closed;
    bool oom_killed;
    uint32_t exit_code;
    uint64_t pid;
    uint32_t specification_bytes;
    uint32_t window;               /* RESIZE that came before it ran, or 0 */
    char message[PROCESS_MESSAGE]; /* one line for the user, or empty */

    struct channel_memory channel;
    struct byte_ring ring[3];
    bool ring_open[3];
    struct log_memory log_memory;
    struct log_ring log;

    struct session *sessions; /* attached, and of an EXEC the one that made it */
    struct wait *waits;
    struct session *launcher; /* whose START or EXEC waits, or NULL */
    uint16_t launcher_tag;

    struct process *active_next;
    bool active;  /* in the list of those to be pumped */
    bool early;   /* something moved before the launch was answered */
    bool held_up; /* by a slow session */
};

/*
 * Make its channel and log; the specification was checked. The rings are ready to be used. Its log
 * may be missing when there is no memory: then its output is counted as dropped. A process that
 * copies gets all of its log at once, so that the session that follows it loses nothing.
 */
MUST_USE status_t process_open(struct process *process, const void *specification,
                               uint32_t specification_bytes);

/* Something may have moved: pump it soon. */
void process_activate(struct process *process);
/* Pump those that are active, some of them. True when there is more to do. */
bool processes_pump(void);

/* Put bytes into its stdin; returns how many were taken. What nobody will read is thrown away. */
uint32_t process_input(struct process *process, const uint8_t *bytes, uint32_t length_bytes);
void process_stdin_close(struct process *process);

/* It runs now. */
void process_launched(struct process *process, uint64_t pid);
/* RESIZE of its terminal: rows << 16 | columns. */
void process_resize(struct process *process, uint32_t window);

/* It has ended: take the rest of its output, give up its channel, tell whoever waits. */
void process_ended(struct process *process, uint32_t exit_code, bool oom_killed);

/* No session and no WAIT holds it any more after this, and its log is gone. */
void process_release(struct process *process);

/* A session took from the log, or left: go on if that was what held the process up. */
void process_unhold(struct process *process);

/* Answer the START, EXEC or COPY that made it, if somebody still waits for that. */
void process_launch_answer(struct process *process, status_t status);

/*
 * Text from outside, fit for a user's terminal: cut to what fits and at the first NUL, control
 * characters replaced. Returns its length.
 */
uint32_t text_keep(char *to, uint32_t capacity_bytes, const char *text, uint32_t length_bytes);
