/*
 * Accounts: what everything is charged to, and the only owner of what it paid for.
 *
 * An account reserves bytes from its parent: at once its guarantee, beyond that in chunks as it
 * needs them, never more than its limit. So the common charge touches one account only, and a
 * parent's books always cover its children's.
 *
 * Frames and nodes can outlive the account that paid for them, shared with a clone in another
 * account. They point to the account's *payer record*. When the account dies, what is left of it,
 * the record too, is charged through the record of its parent, the *heir*, which so lives as long.
 *
 * Locks: a child's before its parent's. The account's guards its payer record too, until it is
 * gone.
 */
#pragma once

#include "kernel/core/call.h"
#include "kernel/core/lock.h"
#include "kernel/object/account_cpu.h"

#define ACCOUNT_DEPTH_MAX 8

struct payer {
    struct account *account;
    struct payer *heir;  /* its account is gone */
    uint64_t left_bytes; /* then: what is not yet given back; with the last it goes too. Atomic */
};

struct account {
    struct object object;
    struct spinlock lock;
    struct account *parent; /* NULL: the root */
    struct payer *payer;
    uint32_t depth;
    uint64_t guarantee_bytes;
    uint64_t limit_bytes;
    uint64_t reserved_bytes; /* from the parent; at least used_bytes and guarantee_bytes */
    uint64_t used_bytes;     /* own bytes and what children reserved */
    uint64_t peak_bytes;
    uint64_t bytes[ACCOUNT_KINDS]; /* own */
    uint64_t threads;              /* with its children */
    uint64_t limit_threads;
    uint64_t objects_alive;   /* created and not yet freed by the barrier */
    struct list_node objects; /* threads first: they must stop before what they stand on goes */

    uint64_t alert_bytes; /* above this many used bytes, raise; UINT64_MAX: never */
    bool alert_raised;    /* since the use came above */
    handle_t alert_signal;
    uint64_t alert_bits;

    struct account_cpu cpu;
    /* By CPU and band: the host of its waiting threads (core/run_queue.h); under that queue's lock.
     */
    struct thread *queued[];
};

OBJECT_AS(account)

void account_init_root(void);
extern struct account *const root_account;
bool account_is_ancestor(const struct account *ancestor, const struct account *account);

/* Its use came above the mark: raise the signal. Without locks. */
void account_alert(struct account *account);

/*
 * NO_MEMORY at a limit; BAD_CAPABILITY when the account is dying. What may outlive the account is
 * charged through its payer record, which `out` tells, and given back to that; NULL: nothing may.
 */
status_t account_charge(struct account *account, enum account_kind kind, uint64_t bytes,
                        struct payer **out);
void payer_uncharge(struct payer *payer, enum account_kind kind, uint64_t bytes);
void account_uncharge(struct account *account, enum account_kind kind, uint64_t bytes);
/* The kernel's own memory, charged as objects; contents undefined. NULL: no memory. */
void *account_alloc(struct account *account, size_t size_bytes, struct payer **out);
void payer_free(struct payer *payer, void *memory, size_t size_bytes);
void account_free(struct account *account, void *memory, size_t size_bytes);
status_t account_charge_thread(struct account *account);
/* Up to `end`, which is not among them; NULL: up to the root. */
void account_uncharge_thread(struct account *account, const struct account *end);

/* A charged frame with one reference; NULL: no memory. */
struct frame *account_frame_take(struct account *account, bool zeroed);
/* The same for `count` zeroed frames at once, the adjacent ones from `these` on if it is not NULL;
 * false: none are taken. */
bool account_frames_take(struct account *account, struct frame *these, struct frame **frames,
                         uint32_t count);
/* Drop one reference; the last one frees and uncharges. */
void frame_release(struct frame *frame);

/*
 * For the object table and the barrier: the object's payer pays for its memory and has it in its
 * list; has it there no more; and pays no more, when nothing looks at the object.
 */
status_t account_object_new(struct object *object);
/* What an object costs beside its memory: there is a place in the object table for every object
 * that can be paid. */
uint64_t account_place_bytes(void);
void account_unlink_object(struct object *object);
void account_object_gone(const struct object *object);

/* struct account_usage, for object_read. */
status_t account_read(const struct call *call, void *out);

bool account_end_step(struct object *object);
void account_release(struct object *object);
