/*
 * Inside the daemon: one machine (QEMU and its control channel), its clients, and the sessions that
 * connect them. One thread, one poll loop; nothing here blocks. What a client sends is passed on
 * only in whole frames that were checked, and only while the port's queue is short; what the engine
 * sends is bounded by credit, so that a client that does not read holds up its own sessions only.
 */
#pragma once

#include "host/channel/credit.h"
#include "host/channel/frame.h"
#include "host/channel/queue.h"
#include "host/machine/accelerator.h"

#define SESSION_SLOTS      4096        /* sessions of all clients together */
#define CLIENT_SESSIONS    64          /* of one client */
#define CLIENT_QUEUE_PAUSE (1u << 20)  /* queued for a client: no more of its requests are taken */
#define CLIENT_QUEUE_LIMIT (64u << 20) /* queued for a client: it is disconnected */
#define PORT_QUEUE_PAUSE   (256u << 10)
#define PORT_QUEUE_LIMIT   (64u << 20)

struct client;

struct session {
    struct client *owner;
    uint32_t client_number;  /* as the client calls it */
    uint32_t number;         /* as the engine knows it: generation << 12 | slot */
    struct credit credit[3]; /* of each stream's sender: stdin the client, the others the engine */
    struct session *next;    /* of the same client */
};

struct session_table {
    struct session *slot[SESSION_SLOTS];
    uint32_t generation[SESSION_SLOTS];
    uint32_t next_slot;
    uint32_t count;
};

struct client {
    int fd;
    bool greeted; /* its HELLO came */
    bool dead;    /* to be freed at the end of this round */
    uint8_t *bytes;
    struct frame_decoder decoder;
    struct frame_queue out;
    struct session *sessions;
    uint32_t session_count;
    struct client *next;
};

enum machine_phase {
    MACHINE_STARTING,
    MACHINE_READY,
    MACHINE_STOPPING, /* SYNC was sent; its answer or the deadline ends QEMU */
};

struct machine {
    struct state state;
    struct machine_options options;
    enum machine_phase phase;
    enum accelerator accelerator;
    int64_t deadline_ns; /* of the phase; INT64_MAX without */
    int64_t started_ns;
    int lock_fd;
    int report_fd; /* to the command that started us; -1 after that */
    int listen_fd;
    int signal_fd;
    int process_fd; /* pidfd of QEMU, -1 without */
    pid_t process;
    bool process_ended;
    int process_status;

    int port_fd;
    uint8_t port_bytes[FRAME_DECODER_BYTES];
    struct frame_decoder port_decoder;
    struct frame_queue port_out;
    struct control_hello hello; /* the engine's */
    bool synchronised;
    bool stop_wanted; /* while starting: no second try */

    struct client *clients;
    uint32_t client_count;
    struct client *stopper; /* who asked to stop, and its request's tag */
    uint16_t stop_tag;
    struct session_table sessions;
};

int64_t clock_now_ns(void);

/* session.c. A number that was used is not used again before 2^20 others of its slot. */
MUST_USE status_t session_open(struct session_table *table, struct client *owner,
                               uint32_t client_number, struct session **out);
void session_free(struct session_table *table, struct session *session);
/* NULL when there is none: closed by the other side while the frame was under way. */
struct session *session_by_number(const struct session_table *table, uint32_t number);
struct session *session_of_client(const struct client *client, uint32_t client_number);

/* client.c */
void client_accept(struct machine *machine);
void client_readable(struct machine *machine, struct client *client);
void client_flush(struct client *client);
/* Queues a frame for it; a client that lets too much pile up is dropped. */
void client_send(struct client *client, const struct control_frame *header, const void *payload);
/* Frees the clients that were marked dead; their sessions are closed at the engine. */
void clients_sweep(struct machine *machine);
/* Tells every client one line, waits a bounded time until they took it, and lets them go. */
void clients_dismiss(struct machine *machine, const char *message);

/* port.c */
MUST_USE status_t port_open(struct machine *machine, int *engine_fd);
void port_close(struct machine *machine);
void port_send(struct machine *machine, const struct control_frame *header, const void *payload);
/* CLOSED or CORRUPT: the engine is of no use any more. */
MUST_USE status_t port_readable(struct machine *machine);
MUST_USE status_t port_flush(struct machine *machine);

/* status.c: answers CONTROL_MACHINE_STATUS. */
void status_answer(struct machine *machine, struct client *client, uint16_t tag);

/* lifecycle.c: the machine's phases. */
void machine_engine_ready(struct machine *machine);
void machine_stop_begin(struct machine *machine);
/* Ends QEMU if it still runs, and waits for it. */
void machine_process_end(struct machine *machine, bool gently);
/* True when the daemon has nothing left to do. */
bool machine_process_ended(struct machine *machine, const char *why);
bool machine_deadline(struct machine *machine);
MUST_USE status_t machine_begin(struct machine *machine, char *problem, size_t problem_bytes);
void machine_report(struct machine *machine, const char *word, const char *text);
