/*
 * Clones of domains: a second domain with the same capability numbers, the same objects under them,
 * shared among one another as the first one's are, and the same memory, copied when written. It is
 * what a snapshot of a container is made with, and what starts one again.
 *
 * Whose thread runs meanwhile is copied in the middle of something: freeze the domain's account
 * first (ACCOUNT_FROZEN), and wait until its usage tells that nothing of it runs.
 *
 * What is inside is paid for by one of the accounts given, and is made again in that account's
 * counterpart. What lies outside is what `outside` says. A thread that waited in a call makes it
 * again; one whose call somebody outside had received gets RESTARTED. What a gate into the domain,
 * held by somebody outside, would bring reaches the original only.
 */
#pragma once

#include "lib/base/types.h"

struct domain_clone_account {
    uint32_t from; /* slots of the caller's */
    uint32_t to;
};

struct domain_clone_request {
    uint32_t domain; /* with READ and CONTROL */
    const struct domain_clone_account *accounts;
    size_t account_count; /* the first one's counterpart pays for the domain itself */
    /*
     * What is to stand in the copy for an object outside, of which the caller holds `slot` for as
     * long as this runs, with the rights of the capability in the domain: a slot of the caller's,
     * `slot` itself for sharing the object, or SLOT_NONE: the copy's slot stays empty. `slot` is
     * SLOT_NONE if the domain has no right to read the object, so that nobody knows whose it is.
     */
    uint32_t (*outside)(void *context, enum object_type type, uint64_t number, uint32_t slot);
    /* A slot of the caller's with that memory, which a region of the domain shows and the domain
     * has no capability for; with READ, and EXECUTE where it is executed. SLOT_NONE: not known. */
    uint32_t (*memory)(void *context, uint64_t number);
    void *context;
};

struct domain_clone;

/*
 * Everything but the start. NOT_FOUND: `memory` does not know one; BAD_STATE: a thread runs, or the
 * domain has ended; and the errors of the calls. On failure the caller destroys the accounts that
 * were to pay. Threads and spaces without a capability in the domain are left out. It takes as long
 * as the domain has objects and regions.
 */
MUST_USE status_t domain_clone(const struct domain_clone_request *request,
                               struct domain_clone **out);

/* Let the copy's threads go on, those that had been started. */
MUST_USE status_t domain_clone_start(const struct domain_clone *clone);

/* A slot of the caller's with the copy of an object inside, by the original's number, until
 * domain_clone_end; SLOT_NONE: there is none. */
uint32_t domain_clone_find(const struct domain_clone *clone, uint64_t number);

/* Forget it; the copy lives on. NULL is ignored. */
void domain_clone_end(struct domain_clone *clone);
