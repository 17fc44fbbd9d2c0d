/*
 * The books: whatever the programs did, every byte that is in use is charged to somebody, what an
 * account says is the sum of what it has, and every thread is where its state says.
 */
#include "kernel/test/calls/audit.h"

#include "kernel/core/frame.h"
#include "kernel/object/account.h"
#include "kernel/object/domain.h"
#include "kernel/object/endpoint.h"
#include "kernel/object/signal.h"
#include "kernel/object/thread.h"

#define CHUNKS_MAX  32
#define CHUNK_BYTES (OBJECT_CHUNK_ENTRIES * sizeof(struct object_entry))

static uint32_t next_used[CHUNKS_MAX * OBJECT_CHUNK_ENTRIES]; /* of each entry; 0: none behind */

static void objects_collect(void)
{
    AUDIT(object_chunk_count <= CHUNKS_MAX);
    uint32_t next = 0;
    for (uint32_t index = object_chunk_count * OBJECT_CHUNK_ENTRIES; index-- > 0;) {
        next_used[index] = next;
        next = handle_entry(index)->object != &object_none ? index : next;
    }
}

struct object *object_after(struct object *object)
{
    uint32_t next = next_used[object == NULL ? 0 : object_number(object)];
    return next == 0 ? NULL : handle_entry(next)->object;
}

struct object *object_after_of(struct object *object, enum object_type type)
{
    do {
        object = object_after(object);
    } while (object != NULL && object->type != type);
    return object;
}

static uint64_t bytes_of(const struct account *account)
{
    uint64_t sum = 0;
    for (uint32_t kind = 0; kind < ACCOUNT_KINDS; kind++) {
        sum += account->bytes[kind];
    }
    return sum;
}

static void account_sum(const struct account *account, uint64_t *bytes, uint64_t *threads)
{
    for (struct object *at = NULL; (at = object_after(at)) != NULL;) {
        if (at->type == OBJECT_ACCOUNT && object_account(at)->parent == account) {
            *bytes += object_account(at)->reserved_bytes;
        } else if (at->type == OBJECT_THREAD) {
            *threads += account_is_ancestor(account, at->payer);
        }
    }
}

/* Each object that it paid for is in its list, and nothing else is. */
static void account_objects(struct account *account)
{
    uint64_t listed = 0;
    LIST_EACH (const struct object, object, &account->objects, in_account) {
        AUDIT(object->payer == account && handle_entry(object->handle)->object == object);
        listed++;
    }
    for (struct object *at = NULL; (at = object_after(at)) != NULL;) {
        listed -= at->payer == account;
    }
    AUDIT(listed == 0);
}

static void account_audit(struct account *account)
{
    uint64_t bytes = bytes_of(account);
    uint64_t threads = 0;
    account_sum(account, &bytes, &threads);
    AUDIT(account->lock.held == 0);
    AUDIT(account->used_bytes == bytes && account->threads == threads);
    AUDIT(account->used_bytes <= account->reserved_bytes);
    AUDIT(account->peak_bytes >= account->used_bytes);
    AUDIT(account->object.dying || account->reserved_bytes >= account->guarantee_bytes);
    account_objects(account);
}

/* All that is in use, of the machine, is charged; but for slabs, and the object table's chunks,
 * whose places are charged otherwise. */
static void machine_audit(void)
{
    static struct machine_memory uncharged;
    static bool known;
    uint64_t bytes[ACCOUNT_KINDS] = {0};
    uint64_t objects = 0;
    for (struct object *at = NULL; (at = object_after_of(at, OBJECT_ACCOUNT)) != NULL;) {
        for (uint32_t kind = 0; kind < ACCOUNT_KINDS; kind++) {
            bytes[kind] += object_account(at)->bytes[kind];
        }
        objects += object_account(at)->objects_alive;
    }
    struct machine_memory now = machine_memory();
    now.heap_bytes -= bytes[ACCOUNT_OBJECTS] - objects * account_place_bytes();
    now.heap_bytes -= object_chunk_count * CHUNK_BYTES;
    now.frames_used -= (bytes[ACCOUNT_FRAMES] + bytes[ACCOUNT_TABLES]) / PAGE_SIZE + now.slabs;
    if (!known) {
        uncharged = now;
        known = true;
    }
    AUDIT(now.heap_bytes == uncharged.heap_bytes && now.frames_used == uncharged.frames_used);
}

static bool waits_somewhere(const struct thread *thread)
{
    return thread->state == THREAD_RECEIVING || thread->state == THREAD_CALLING ||
           thread->state == THREAD_AWAITING_REPLY || thread->state == THREAD_SIGNAL_WAIT;
}

static void thread_audit(const struct thread *thread)
{
    uint32_t runs = 0;
    for (uint32_t cpu = 0; cpu < MACHINE_CPUS; cpu++) {
        runs += machine_state(cpu) == MACHINE_USER && machine_thread(cpu) == thread;
    }
    AUDIT(thread->lock.held == 0);
    AUDIT(runs == (thread->state == THREAD_RUNNING));
    AUDIT(!thread->timer_armed || thread->state == THREAD_PARKED || waits_somewhere(thread));
    if (waits_somewhere(thread)) {
        AUDIT(thread->queue_lock != NULL);
        bool signal = thread->state == THREAD_SIGNAL_WAIT;
        const struct object *object =
            signal ? &CONTAINER_OF(thread->queue_lock, struct signal, lock)->object
                   : &CONTAINER_OF(thread->queue_lock, struct endpoint, lock)->object;
        AUDIT(handle_object_dying(object->handle) == object);
        AUDIT(object->type == (signal ? OBJECT_SIGNAL : OBJECT_ENDPOINT));
        AUDIT(!list_empty(&thread->wait_node));
    }
    AUDIT(thread->domain == NULL ||
          handle_entry(thread->domain->object.handle)->object == &thread->domain->object);
}

static bool is_counted(const struct thread *thread)
{
    return thread->state == THREAD_RUNNING || (thread->state == THREAD_READY && thread->counted);
}

/* The threads that are billed to it and run, or wait to run, as far as they are counted. */
static void runnable_audit(const struct account *account)
{
    uint64_t runnable = 0;
    for (struct object *at = NULL; (at = object_after_of(at, OBJECT_THREAD)) != NULL;) {
        const struct thread *thread = object_thread(at);
        runnable += is_counted(thread) && thread->billing == object_handle(&account->object, 0);
    }
    AUDIT(account->object.dying || account->cpu.runnable == runnable);
}

void audit(bool deep)
{
    objects_collect();
    machine_audit();
    for (struct object *at = NULL; (at = object_after(at)) != NULL;) {
        if (at->type == OBJECT_ACCOUNT) {
            account_audit(object_account(at));
            runnable_audit(object_account(at));
        } else if (at->type == OBJECT_THREAD) {
            thread_audit(object_thread(at));
        }
    }
    if (deep) {
        audit_memories();
        audit_mappings();
    }
}
