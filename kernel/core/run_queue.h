/*
 * One CPU's run queue: for each band a tree of the accounts that have threads waiting here, by
 * virtual time, each with its threads in order of arrival. docs/decisions/007-cpu-sharing.md.
 *
 * The node of an account lies in one of its waiting threads, its *host*; account->queued says
 * which. An account whose quota is used up leaves the tree with its node and stands in the list of
 * throttled ones, unless a thread in personality mode waits that may go on.
 *
 * A thread that comes into an empty queue, which is the usual case, stays outside the trees until
 * another one comes, or somebody compares it with others: it is the queue's *only* one. That is one
 * word, and no lock: who exchanges it for another owns what was there. Model:
 * kernel/model/only.pml.
 *
 * A thread that is in the queue has the state READY. The queue's lock guards its wait_node, and all
 * of the trees; under it the only one goes into them.
 */
#pragma once

#include "kernel/core/list.h"
#include "kernel/core/lock.h"
#include "lib/base/tree.h"

/* In each thread; used while it is its account's host in a queue. */
struct run_group {
    struct tree_node node;
    uint64_t key;                /* the account's virtual time, or an earlier one */
    struct list_node threads[2]; /* by enum thread_mode */
    uint32_t count;
    struct list_node throttled; /* in the queue's list; empty: the node is in the tree */
    struct account *throttled_by;
    uint64_t throttled_since_ns;
};

struct run_queue {
    struct spinlock lock;
    uint32_t cpu;
    uint32_t ready_count;      /* threads in the trees that may run; others read it */
    struct thread *only;       /* or NULL; atomic */
    uint64_t first_key[BANDS]; /* of the tree's first, with bit 0 set; 0: empty; others read it */
    struct tree accounts[BANDS];
    struct list_node throttled;
    uint64_t release_tsc; /* when to look at the throttled again; UINT64_MAX: there are none */
};

void run_queue_init(struct run_queue *queue, uint32_t cpu);

/* Put in a thread, whose state becomes READY. */
void run_queue_add(struct run_queue *queue, struct thread *thread);

/*
 * Take the band's first thread, RUNNING on that CPU from now on. NULL: none may run, or none that
 * goes before a thread of another CPU with the key `limit` (0: any does).
 */
struct thread *run_queue_take(struct run_queue *queue, uint32_t band, uint32_t cpu, uint64_t limit);

/* Make a READY thread that ran on the queue's CPU last the only one. False: there are others. */
static inline bool run_queue_put_only(struct run_queue *queue, struct thread *thread)
{
    struct thread *none = NULL;
    return __atomic_load_n(&queue->ready_count, __ATOMIC_RELAXED) == 0 &&
           __atomic_compare_exchange_n(&queue->only, &none, thread, false, __ATOMIC_SEQ_CST,
                                       __ATOMIC_RELAXED);
}

/*
 * Take the only thread, if there is no other, RUNNING from now on on the queue's CPU. It does not
 * look at quotas, and the thread may not be counted yet.
 */
static inline struct thread *run_queue_take_only(struct run_queue *queue)
{
    bool more = __atomic_load_n(&queue->ready_count, __ATOMIC_RELAXED) != 0;
    return more ? NULL : __atomic_exchange_n(&queue->only, NULL, __ATOMIC_SEQ_CST);
}

/* The key of the band's first, as far as it is known without the lock; 0: none waits. */
uint64_t run_queue_key(const struct run_queue *queue, uint32_t band);

/* The same, made right. */
uint64_t run_queue_first_key(struct run_queue *queue, uint32_t band);

/* Take out that thread; false when it is not in this queue. Model: kernel/model/withdraw.pml. */
bool run_queue_remove(struct run_queue *queue, struct thread *thread);

/* Look at a bounded number of throttled accounts, and at the rest soon. True: threads came back. */
bool run_queue_release(struct run_queue *queue);

/* Somebody waits. Without the lock, as the next: a moment later it may be wrong. */
static inline __attribute__((always_inline)) bool run_queue_ready(const struct run_queue *queue)
{
    return (__atomic_load_n(&queue->ready_count, __ATOMIC_RELAXED) |
            (uint64_t)__atomic_load_n(&queue->only, __ATOMIC_RELAXED)) != 0;
}

/* Somebody of that band or a higher one. */
bool run_queue_waits(const struct run_queue *queue, uint32_t least_band);

/*
 * Nobody of the band. Looked at in this order: somebody who holds the lock may just be taking the
 * only thread into the trees.
 */
static inline bool run_queue_empty(const struct run_queue *queue, uint32_t band)
{
    return __atomic_load_n(&queue->only, __ATOMIC_ACQUIRE) == NULL &&
           __atomic_load_n(&queue->lock.held, __ATOMIC_ACQUIRE) == 0 &&
           __atomic_load_n(&queue->first_key[band], __ATOMIC_RELAXED) == 0;
}
