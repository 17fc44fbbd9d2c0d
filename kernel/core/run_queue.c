#include "kernel/core/run_queue.h"

#include "kernel/core/assert.h"
#include "kernel/core/clock.h"
#include "kernel/core/scheduler_state.h"
#include "kernel/object/account.h"

#define REFRESH_MAX      64 /* stale keys that are corrected in one choice */
#define THROTTLED_MAX    64 /* accounts that are throttled in one choice */
#define RELEASE_MAX      32 /* throttled accounts that are looked at in one go */
#define RELEASE_NS       10000000ull
#define RELEASE_MORE_NS  500000ull
#define RELEASE_LEAST_NS 100000ull
#define PATIENCE_NS      16000000ull

static int key_compare(const struct tree_node *a, const struct tree_node *b)
{
    const struct run_group *left = CONTAINER_OF(a, struct run_group, node);
    const struct run_group *right = CONTAINER_OF(b, struct run_group, node);
    int64_t ahead = (int64_t)(left->key - right->key);
    return ahead != 0 ? (ahead < 0 ? -1 : 1) : (left < right ? -1 : left > right);
}

void run_queue_init(struct run_queue *queue, uint32_t cpu)
{
    spin_init(&queue->lock, LOCK_RUN_QUEUE);
    queue->cpu = cpu;
    queue->release_tsc = UINT64_MAX;
    list_init(&queue->throttled);
    for (uint32_t band = 0; band < BANDS; band++) {
        tree_init(&queue->accounts[band], key_compare);
    }
}

/* --- the node of an account; all under the queue's lock -------------------------------------- */

static struct thread **host_place(const struct run_queue *queue, const struct thread *thread)
{
    return &thread->object.payer->queued[queue->cpu * BANDS + thread->band];
}

static bool is_throttled(const struct thread *host)
{
    return !list_empty(&host->group.throttled);
}

static void first_key_update(struct run_queue *queue, uint32_t band)
{
    const struct tree_node *first = tree_first(&queue->accounts[band]);
    uint64_t key = first == NULL ? 0 : CONTAINER_OF(first, struct run_group, node)->key | 1;
    __atomic_store_n(&queue->first_key[band], key, __ATOMIC_RELAXED);
}

static void node_insert(struct run_queue *queue, struct thread *host)
{
    host->group.key = account_virtual_time(host->object.payer, host->band);
    tree_insert(&queue->accounts[host->band], &host->group.node);
    first_key_update(queue, host->band);
}

static void node_remove(struct run_queue *queue, struct thread *host)
{
    tree_remove(&queue->accounts[host->band], &host->group.node);
    first_key_update(queue, host->band);
}

static void group_begin(struct run_queue *queue, struct thread *host)
{
    struct run_group *group = &host->group;
    list_init(&group->threads[MODE_PERSONALITY]);
    list_init(&group->threads[MODE_APPLICATION]);
    list_init(&group->throttled);
    group->count = 0;
    *host_place(queue, host) = host;
    node_insert(queue, host);
}

/* The first by arrival, of those who may run. */
static struct thread *group_first(const struct thread *host, enum throttle throttle)
{
    struct thread *first = NULL;
    for (uint32_t mode = MODE_PERSONALITY; mode <= MODE_APPLICATION; mode++) {
        const struct list_node *list = &host->group.threads[mode];
        bool allowed = throttle == THROTTLE_NONE ||
                       (throttle == THROTTLE_APPLICATION && mode == MODE_PERSONALITY);
        if (allowed && !list_empty(list)) {
            struct thread *thread = CONTAINER_OF(list->next, struct thread, wait_node);
            if (first == NULL || thread->queued_tsc < first->queued_tsc) {
                first = thread;
            }
        }
    }
    return first;
}

/* The host leaves, others stay: one of them takes the node over. */
static void group_hand_over(struct run_queue *queue, struct thread *host)
{
    struct thread *next = group_first(host, THROTTLE_NONE);
    struct run_group *old = &host->group;
    struct run_group *group = &next->group;
    *group = *old;
    list_take_all(&group->threads[MODE_PERSONALITY], &old->threads[MODE_PERSONALITY]);
    list_take_all(&group->threads[MODE_APPLICATION], &old->threads[MODE_APPLICATION]);
    list_take_all(&group->throttled, &old->throttled); /* its place in the list, if it is there */
    *host_place(queue, next) = next;
    if (!is_throttled(next)) {
        tree_remove(&queue->accounts[host->band], &old->node);
        node_insert(queue, next);
    }
}

static void group_leave(struct run_queue *queue, struct thread *thread)
{
    struct thread **place = host_place(queue, thread);
    struct thread *host = *place;
    list_unlink(&thread->wait_node);
    thread->queued = NULL;
    host->group.count--;
    if (!is_throttled(host)) {
        queue->ready_count--;
    }
    if (host->group.count > 0) {
        if (host == thread) {
            group_hand_over(queue, host);
        }
        return;
    }
    *place = NULL;
    if (is_throttled(host)) {
        list_remove(&host->group.throttled);
    } else {
        node_remove(queue, host);
    }
}

/* --- throttling ------------------------------------------------------------------------------ */

static void release_at(struct run_queue *queue, uint64_t release_ns)
{
    uint64_t release_tsc = clock_tsc_at(release_ns);
    if (release_tsc < queue->release_tsc) {
        queue->release_tsc = release_tsc;
        if (queue->cpu != cpu_current()->number) {
            cpu_kick(queue->cpu); /* its timer is its own */
        }
    }
}

static void group_throttle(struct run_queue *queue, struct thread *host,
                           const struct quota_state *state)
{
    struct run_group *group = &host->group;
    node_remove(queue, host);
    queue->ready_count -= group->count;
    list_append(&queue->throttled, &group->throttled);
    group->throttled_by = state->cause;
    group->throttled_since_ns = state->now_ns;
    release_at(queue, MIN(state->release_ns, state->now_ns + RELEASE_NS));
}

static void group_release(struct run_queue *queue, struct thread *host)
{
    struct run_group *group = &host->group;
    __atomic_fetch_add(&group->throttled_by->cpu.throttled_ns,
                       clock_now_ns() - group->throttled_since_ns, __ATOMIC_RELAXED);
    list_remove(&group->throttled);
    queue->ready_count += group->count;
    node_insert(queue, host);
}

bool run_queue_release(struct run_queue *queue)
{
    bool released = false;
    spin_lock(&queue->lock);
    uint64_t now_ns = clock_now_ns();
    uint64_t next_ns = now_ns + RELEASE_NS;
    struct list_node *throttled = &queue->throttled;
    const struct list_node *node = throttled;
    const struct list_node *last = throttled->previous;
    for (uint32_t left = RELEASE_MAX; node != last && left > 0; left--) {
        node = throttled->next; /* who stays goes to the end */
        struct thread *host = CONTAINER_OF(node, struct thread, group.throttled);
        struct quota_state state;
        enum throttle throttle = account_throttle(host->object.payer, &state);
        if (group_first(host, throttle) != NULL) {
            group_release(queue, host);
            released = true;
        } else {
            list_remove(&host->group.throttled);
            list_append(throttled, &host->group.throttled);
            next_ns = MIN(next_ns, MAX(state.release_ns, now_ns + RELEASE_LEAST_NS));
        }
    }
    next_ns = node != last ? now_ns + RELEASE_MORE_NS : next_ns;
    queue->release_tsc = list_empty(throttled) ? UINT64_MAX : clock_tsc_at(next_ns);
    spin_unlock(&queue->lock);
    return released;
}

/* --- in and out ------------------------------------------------------------------------------ */

static void trees_add(struct run_queue *queue, struct thread *thread)
{
    struct thread **place = host_place(queue, thread);
    billing_count(thread);
    thread->queued_tsc = tsc_read();
    if (*place == NULL) {
        group_begin(queue, thread);
    }
    struct thread *host = *place;
    list_append(&host->group.threads[thread->mode], &thread->wait_node);
    thread->queued = queue;
    host->group.count++;
    if (!is_throttled(host)) {
        queue->ready_count++;
    } else if (thread->mode == MODE_PERSONALITY) {
        group_release(queue, host); /* looked at again when it comes first */
    }
}

static void only_into_trees(struct run_queue *queue)
{
    struct thread *only = __atomic_exchange_n(&queue->only, NULL, __ATOMIC_SEQ_CST);
    if (only != NULL) {
        trees_add(queue, only);
    }
}

void run_queue_add(struct run_queue *queue, struct thread *thread)
{
    thread_move(thread, queue->cpu);
    __atomic_store_n(&thread->state, THREAD_READY, __ATOMIC_RELEASE);
    if (!run_queue_put_only(queue, thread)) {
        spin_lock(&queue->lock);
        only_into_trees(queue);
        trees_add(queue, thread);
        spin_unlock(&queue->lock);
    }
}

/*
 * A thread with that key goes before one of another CPU with the key `limit`. Threads of one
 * account have the same: then it does if it stood here for several turns, behind one who stays
 * ahead of it.
 */
static bool goes_before(const struct thread *thread, uint64_t key, uint64_t limit)
{
    if ((key | 1) == (limit | 1)) {
        return tsc_read() - thread->queued_tsc > clock_ns_to_cycles(PATIENCE_NS);
    }
    return (int64_t)(limit - key) > 0;
}

/*
 * The first account that may run has its right key then. Its thread, if that goes before one with
 * the key `limit` (0: in any case); otherwise NULL.
 */
static struct thread *first_thread(struct run_queue *queue, uint32_t band, uint64_t limit)
{
    uint32_t refreshed = 0;
    uint32_t throttled = 0;
    struct tree_node *first;
    while ((first = tree_first(&queue->accounts[band])) != NULL) {
        struct thread *host = CONTAINER_OF(first, struct thread, group.node);
        if (account_virtual_time(host->object.payer, band) != host->group.key &&
            refreshed < REFRESH_MAX) {
            tree_remove(&queue->accounts[band], first);
            node_insert(queue, host);
            refreshed++;
            continue;
        }
        struct quota_state state;
        enum throttle throttle = account_throttle(host->object.payer, &state);
        struct thread *thread = group_first(host, throttle);
        if (thread != NULL) {
            if (limit != 0 && !goes_before(thread, host->group.key, limit)) {
                return NULL;
            }
            if (throttle != THROTTLE_NONE) {
                thread_attend_self(thread, ATTENTION_THROTTLE);
            }
            return thread;
        }
        group_throttle(queue, host, &state);
        if (++throttled == THROTTLED_MAX) {
            release_at(queue, state.now_ns + RELEASE_MORE_NS); /* the rest then, or sooner */
            return NULL;
        }
    }
    return NULL;
}

uint64_t run_queue_key(const struct run_queue *queue, uint32_t band)
{
    assert_debug(cpu_current()->kernel_entries & 1); /* or the thread might be freed meanwhile */
    const struct thread *only = __atomic_load_n(&queue->only, __ATOMIC_ACQUIRE);
    uint64_t key = __atomic_load_n(&queue->first_key[band], __ATOMIC_RELAXED);
    bool alone = key == 0 && only != NULL && only->band == band;
    return alone ? account_virtual_time(only->object.payer, band) | 1 : key;
}

bool run_queue_waits(const struct run_queue *queue, uint32_t least_band)
{
    uint32_t band = least_band;
    while (band < BANDS && run_queue_key(queue, band) == 0) {
        band++;
    }
    return band < BANDS;
}

uint64_t run_queue_first_key(struct run_queue *queue, uint32_t band)
{
    if (!run_queue_empty(queue, band)) {
        spin_lock(&queue->lock);
        only_into_trees(queue);
        (void)first_thread(queue, band, 0);
        spin_unlock(&queue->lock);
    }
    return queue->first_key[band];
}

struct thread *run_queue_take(struct run_queue *queue, uint32_t band, uint32_t cpu, uint64_t limit)
{
    spin_lock(&queue->lock);
    only_into_trees(queue);
    struct thread *thread = first_thread(queue, band, limit);
    if (thread != NULL) {
        group_leave(queue, thread);
        thread_move(thread, cpu);
        thread->state = THREAD_RUNNING;
    }
    spin_unlock(&queue->lock);
    return thread;
}

bool run_queue_remove(struct run_queue *queue, struct thread *thread)
{
    spin_lock(&queue->lock);
    only_into_trees(queue);
    /* One word: it may be on its way from one of the other queues to another. */
    bool queued = __atomic_load_n(&thread->queued, __ATOMIC_RELAXED) == queue;
    if (queued) {
        group_leave(queue, thread);
    }
    spin_unlock(&queue->lock);
    return queued;
}
