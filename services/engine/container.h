/*
 * Containers: OCI's states, the names they are found by, and what the personality has yet to be
 * told. A container is in the table from CREATE to REMOVE.
 *
 *     CREATED --START--> CREATED, its process LAUNCHING --launched--> RUNNING --ended--> STOPPED
 *
 * A container that could not be launched, was killed or whose personality faulted is STOPPED, too;
 * there is no way back from there. The personality is never called: requests wait in a queue that
 * it empties (abi/container.idl).
 */
#pragma once

#include "lib/base/types.h"

#include "abi/control.h"
#include "abi/engine.h"
#include "lib/base/record.h"
#include "lib/base/tree.h"
#include "services/engine/process.h"

#define CONTAINERS_MAX         4096
#define CONTAINER_ID_DIGITS    64
#define CONTAINER_NAME_MAX     63
#define CONTAINER_LABEL_MAX    65536
#define CONTAINERS_LABEL_BYTES (32u << 20) /* of all together */
#define CONTAINER_QUEUE        32          /* requests that the personality did not fetch yet */
#define CONTAINER_EXECS_MAX    64
#define MISSING_NAME_MAX       64
#define SIGNAL_KILL            9
#define WATCH_BITS             48 /* domains share this many bits of the engine's signal */
#define CONTAINER_WATCH_BITS   (((1ull << WATCH_BITS) - 1) << ENGINE_EVENT_OWN)

/* What WAIT says of who could not tell for itself. */
enum exit_code {
    EXIT_NO_START = 125,      /* it could not be launched */
    EXIT_NOT_PERMITTED = 126, /* its program cannot be executed */
    EXIT_NOT_FOUND = 127,     /* there is no such program */
    EXIT_KILLED = 137,        /* 128 + SIGKILL */
    EXIT_FAULTED = 255,       /* its personality failed */
};

enum container_state {
    CONTAINER_CREATED,
    CONTAINER_RUNNING,
    CONTAINER_STOPPED,
};

struct queued_request {
    uint32_t kind; /* enum container_request */
    uint32_t process;
    uint64_t value;
};

/* What the engine itself needs of a specification; the personality reads the rest. */
struct container_specification {
    char id[CONTAINER_ID_DIGITS + 1];
    char name[CONTAINER_NAME_MAX + 1];
    uint8_t blob[32];
    struct container_limits limits;
    bool terminal;
    bool open_stdin;
    bool auto_remove;
    bool unsealed;
    const uint8_t *label;
    uint32_t label_bytes;
};

struct blob; /* blobs.h */

struct missing_call {
    struct missing_call *next;
    uint32_t counter; /* in the channel of the container's process */
    uint32_t count;   /* what that said when the channel was given up */
    char name[MISSING_NAME_MAX + 1];
};

struct container {
    struct tree_node by_id;
    struct tree_node by_name;
    uint64_t id_key; /* what mostly decides their order */
    uint64_t name_key;
    uint32_t index; /* in the table */
    uint32_t generation;
    enum container_state state;
    char id[CONTAINER_ID_DIGITS + 1];
    char name[CONTAINER_NAME_MAX + 1];
    bool auto_remove;
    bool paused; /* RUNNING, and frozen */
    struct container_limits limits;
    uint8_t *label;
    uint32_t label_bytes;
    uint8_t blob_name[32];
    uint64_t created_ns;
    uint64_t started_ns;
    uint64_t ended_ns;

    struct container_objects objects;
    struct blob *blob;      /* NULL until it is opened */
    struct process process; /* its own: number 0 */
    struct process *execs;
    uint32_t exec_count;
    uint32_t exec_last;
    struct queued_request queue[CONTAINER_QUEUE];
    uint32_t queue_first;
    uint32_t queue_count;
    struct missing_call *missing; /* each has a counter of its own */
};

void containers_init(void);
uint32_t container_count(void);
/* The containers in no particular order: index from 0 to CONTAINERS_MAX - 1, NULL for a gap. */
struct container *container_at(uint32_t index);

/* The one whose gate has the badge; NULL without. */
struct container *container_by_badge(uint64_t badge);
uint64_t container_badge(const struct container *container);
/* What its domain's end raises; other containers may share it. */
uint64_t container_watch_bits(const struct container *container);

/* By id, name or the beginning of an id. NOT_FOUND; EXISTS: several ids begin so. */
MUST_USE status_t container_find(const char *text, uint32_t length_bytes, struct container **out);

/*
 * Check the records of a CREATE or EXEC to the end (their form: nobody finds the rest cut off), and
 * take a CREATE's apart; the label stays where it is. INVALID_ARGUMENT with *why set: it is none.
 */
MUST_USE status_t specification_check(const void *bytes, uint32_t length_bytes, const char **why);
/* COPY_OUT's and COPY_IN's: CONTAINER and one absolute PATH. */
MUST_USE status_t copy_specification_check(const void *bytes, uint32_t length_bytes);
MUST_USE status_t specification_read(const void *bytes, uint32_t length_bytes,
                                     struct container_specification *out, const char **why);

/* Take the number of a record over, if the record is a limit. */
bool limit_take(struct container_limits *limits, uint16_t tag, uint64_t number);
/* Why no container can have these limits; NULL: it can. */
const char *limits_problem(const struct container_limits *limits);

/* A new container without objects. EXISTS (id or name), LIMIT_REACHED, NO_MEMORY. */
MUST_USE status_t container_new(const struct container_specification *specification,
                                struct container **out);
/* Whatever its state: end it, cut off who is attached, forget it. */
void container_delete(struct container *container);

/* A process by number; NULL without. */
struct process *container_process(struct container *container, uint64_t number);
MUST_USE status_t container_exec_new(struct container *container, struct process **out);
void container_exec_delete(struct process *process);
/* Delete it if it has ended and nobody is interested. */
void container_exec_check(struct process *process);

/* Raise enum container_event; until somebody attends to them, the first thread is interrupted. */
void container_raise(struct container *container, uint64_t events);

/*
 * A container's own process is launching, or does so no more. If nothing was heard of it by the
 * deadline (UINT64_MAX: none is), its thread is interrupted, and reports; so again from time to
 * time.
 */
#define START_LATE_NS     1000000ull
#define START_WAIT_MAX_NS 1000000000ull
void container_start_begins(void);
void container_start_is_over(void);
uint64_t containers_deadline(void);
void containers_late(void);

/* Tell the personality something. BUSY: it does not fetch what it was told before. */
MUST_USE status_t container_tell(struct container *container, enum container_request kind,
                                 uint32_t process, uint64_t value);
/* Take what it was told first; false: there is nothing. */
bool container_told(struct container *container, struct queued_request *out);

/* A Linux call that does not exist was used; that counter says how often. A counter that has a name
 * keeps it. INVALID_ARGUMENT: there is no such counter, or no name. NO_MEMORY. */
MUST_USE status_t container_call_missing(struct container *container, uint32_t counter,
                                         const char *name, uint32_t length_bytes);
/* How often, as the personality says. */
uint32_t container_missing_count(const struct container *container,
                                 const struct missing_call *missing);

/*
 * Its process ended, or it is to end: everything is given back, but log and record stay. One that
 * is to be removed by itself may be gone after this.
 */
void container_end(struct container *container, uint32_t exit_code, bool oom_killed);

/* Delete it if it has ended, is to be removed by itself, and nobody waits for anything of it. */
void container_auto_remove(struct container *container);

/* Domains whose bits of the signal are these: end those that faulted. */
void containers_faulted(uint64_t watch_bits);
