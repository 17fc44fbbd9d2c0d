/*
 * An account's part in the CPUs: time used, weight, virtual time, quota. All words are atomic,
 * there is no lock; docs/decisions/007-cpu-sharing.md says how they work together.
 */
#pragma once

#include "lib/base/types.h"

struct account;

struct account_cpu {
    uint64_t application_ns; /* used, with its children, dead ones too */
    uint64_t personality_ns;
    uint64_t throttled_ns; /* that its queues stood throttled, of all CPUs together */
    uint64_t virtual_ns;   /* its own threads'; grows faster the smaller its share is */

    uint64_t runnable;      /* threads billed to it that run or wait to run */
    uint64_t active_weight; /* of children with something to run, its own threads as one of them */
    uint64_t activity;      /* weight << 32 | ended << 31 | 2^30 + number of those children */

    uint64_t quota_ns; /* in each period; 0: none */
    uint64_t period_ns;
    uint64_t period_end_ns;
    int64_t left_ns; /* below zero: debt */
    bool frozen;
};

/* Who of an account must not run now. */
enum throttle {
    THROTTLE_NONE,
    THROTTLE_APPLICATION, /* threads in application mode: the quota is used up */
    THROTTLE_ALL,         /* all: the debt is too large, or it is frozen */
};

struct quota_state {
    struct account *cause; /* whose quota is used up */
    uint64_t release_ns;   /* when to look again */
    uint64_t now_ns;
};

void account_cpu_init(struct account_cpu *cpu);

/* A thread that is billed to the account becomes ready; waits or ends. */
void account_runnable_change(struct account *account, int change);

/* The account ends: whoever is still billed to it counts no more. */
void account_cpu_end(struct account *account);

/*
 * Used by a thread that is billed to the account: its time, and the quotas up to the root. `queued`
 * is the thread's own, by which it waits: its virtual time goes on too, or it would stay first.
 */
void account_bill_cpu(struct account *account, struct account *queued, uint64_t application_ns,
                      uint64_t personality_ns);

/* The virtual time by which it waits in a band now: not far from the band's clock, wherever it was
 * before. */
uint64_t account_virtual_time(struct account *account, uint32_t band);

/* Of all who wait in the band nobody is further behind: who comes later starts close to that. */
void account_clock_advance(uint32_t band, uint64_t virtual_ns);

/* By the quotas of the account and all above it. The state is set unless THROTTLE_NONE. */
enum throttle account_throttle(struct account *account, struct quota_state *state);

/* How long a thread of the account may run before its quotas must be looked at; UINT64_MAX. */
uint64_t account_turn_ns(struct account *account);

/* INVALID_ARGUMENT outside [1, 262144]; [1 ms, 10 s]; 0 and 1. A quota of 0 is none. */
status_t account_set_weight(struct account *account, uint64_t weight);
status_t account_set_period(struct account *account, uint64_t period_ns);
status_t account_set_frozen(struct account *account, uint64_t frozen);
/* Itself, or one above it. */
bool account_is_frozen(const struct account *account);
void account_set_quota(struct account *account, uint64_t quota_ns);
