/*
 * Both ends of the engine in its unit tests: clients of the control channel, which remember what
 * they were sent, and a personality that does what a test tells it.
 */
#pragma once

#include "lib/base/record.h"
#include "lib/base/test/check.h"
#include "services/engine/engine.h"
#include "services/engine/test/simulated_objects.h"

#define CLIENT_RESULTS 64

struct result {
    bool came;
    uint64_t when; /* counts all frames */
    uint32_t status;
    uint8_t *bytes;
    uint32_t length_bytes;
};

struct client {
    uint32_t number;
    bool holds_credit;                    /* it does not return any */
    bool closed;                          /* CLOSE came */
    struct result result[CLIENT_RESULTS]; /* by tag */
    uint8_t *more;
    uint32_t more_bytes;
    uint8_t *out[3];
    uint32_t out_bytes[3];
    uint64_t first_out[3]; /* when its first bytes came */
    uint64_t eof[3];       /* when */
    uint32_t credit;       /* of stdin, that came back */
};

/* Greet, and have no container and no session. */
void harness_start(void);
/* Nothing may be left of anything. */
void harness_end(void);
/* TAP: what the test just proved. */
void proved(const char *sentence);

struct client *client_new(void);
/* Its session ends, as when the program that had it died; so does the client. */
void client_close(struct client *client);

void frame_send(uint32_t session, uint16_t type, uint16_t stream, uint32_t value,
                const void *payload, uint32_t length_bytes);
/* Give the engine its turns and take what it sends until nothing moves. */
void settle(void);

/* Ask without and with letting the engine work. The records may be NULL. */
uint16_t ask(struct client *client, enum control_request type, const struct record_writer *records);
struct result *asked(struct client *client, enum control_request type,
                     const struct record_writer *records);
/* About one container, perhaps with one number more (tag 0: none). */
uint16_t ask_about(struct client *client, enum control_request type, const char *container,
                   uint16_t tag, uint64_t number);
struct result *asked_about(struct client *client, enum control_request type, const char *container,
                           uint16_t tag, uint64_t number);
uint64_t result_number(const struct result *result, uint16_t tag);
bool result_has(const struct result *result, uint16_t tag);
/* The text of the first record of a kind, or "". */
const char *result_text(const struct result *result, uint16_t tag);
bool client_got(const struct client *client, int stream, const char *text);

#define WITH_STDIN       1u
#define WITH_TERMINAL    2u
#define WITH_AUTO_REMOVE 4u
#define WITHOUT_SEAL     8u

/* A specification into a buffer of the harness; the id is made from the name. */
struct record_writer *specification(const char *name, unsigned int flags);
const char *id_of(const char *name);
struct container *found(const char *name);
/* CREATE by a client of its own. */
struct container *created(const char *name, unsigned int flags);

/* --- The personality's side --- */

struct personality {
    uint64_t badge;
    uint32_t process;
    uint8_t *channel;
    struct byte_ring ring[3];
};

/* The process of START; and of the EXEC that it is told of next. */
struct personality personality_of(struct container *container);
struct container_next_request_reply personality_next(const struct personality *p);
/* It says that somebody waits for the engine's events. */
void personality_attend(const struct personality *p);
struct personality personality_exec(const struct personality *p);
/* The same of a process of that kind. */
struct personality personality_process(const struct personality *p, enum container_request kind);
status_t personality_launched(const struct personality *p, status_t status, const char *message);
status_t personality_ended(const struct personality *p, uint32_t code);
status_t personality_moved(const struct personality *p);
/* Returns what fitted, tells the engine. */
uint32_t personality_write(struct personality *p, int stream, const void *bytes, uint32_t length);
uint32_t personality_read(struct personality *p, void *to, uint32_t length, bool *ended);
void personality_say(struct personality *p, int stream, const char *text);

/* A container that runs, its START asked for by a client of its own. */
struct personality started(const char *name, unsigned int flags);
