/* The object table, lookups through a domain's table, and destruction by type. */
#include "kernel/core/object.h"

#include "kernel/core/barrier.h"
#include "kernel/core/kmem.h"
#include "kernel/object/account.h"
#include "kernel/object/domain.h"
#include "kernel/object/endpoint.h"
#include "kernel/object/irq.h"
#include "kernel/object/memory.h"
#include "kernel/object/signal.h"
#include "kernel/object/space.h"
#include "kernel/object/thread.h"
#include "lib/base/string.h"

struct object_entry *object_chunks[OBJECT_CHUNKS_MAX];
uint32_t object_chunk_count;
struct object object_none = {.dying = 1};
static uint32_t first_free; /* 0: none; index 0 is never used */
uint64_t object_count;
static struct spinlock table_lock = {.lock_class = LOCK_OBJECT_TABLE};

/* One frame more of entries, all free. Under the table's lock. */
static bool chunk_add(void)
{
    if (object_chunk_count == OBJECT_CHUNKS_MAX) {
        return false;
    }
    struct object_entry *chunk = kmem_alloc(OBJECT_CHUNK_ENTRIES * sizeof(struct object_entry));
    if (chunk == NULL) {
        return false;
    }
    uint32_t first = object_chunk_count * OBJECT_CHUNK_ENTRIES;
    for (uint32_t i = OBJECT_CHUNK_ENTRIES; i-- > 0;) {
        chunk[i] =
            (struct object_entry){.object = &object_none, .generation = 1, .next_free = first_free};
        if (first + i != 0) {
            first_free = first + i;
        }
    }
    object_chunks[object_chunk_count] = chunk;
    __atomic_store_n(&object_chunk_count, object_chunk_count + 1, __ATOMIC_RELEASE);
    return true;
}

bool object_enter(struct object *object)
{
    spin_lock(&table_lock);
    if (first_free == 0 && !chunk_add()) {
        spin_unlock(&table_lock);
        return false;
    }
    struct object_entry *entry = handle_entry(first_free);
    object->handle = (uint64_t)entry->generation << 32 | first_free;
    first_free = entry->next_free;
    __atomic_fetch_add(&object_count, 1, __ATOMIC_RELAXED);
    __atomic_store_n(&entry->object, object, __ATOMIC_RELEASE);
    spin_unlock(&table_lock);
    return true;
}

status_t object_create(struct account *payer, enum object_type type, size_t size_bytes,
                       struct object **out)
{
    struct object *object = kmem_alloc(size_bytes);
    if (object == NULL) {
        return STATUS_NO_MEMORY;
    }
    memset(object, 0, size_bytes);
    object->type = (uint8_t)type;
    object->size_bytes = (uint32_t)size_bytes;
    object->payer = payer;
    object->building = true;
    status_t status = account_object_new(object);
    if (status != STATUS_OK) {
        kmem_free(object, size_bytes);
        return status;
    }
    if (!object_enter(object)) {
        account_unlink_object(object);
        barrier_defer(object); /* who destroys the payer may have met it in the payer's list */
        return STATUS_NO_MEMORY;
    }
    *out = object;
    return STATUS_OK;
}

/* From now on its destroyer finds it no more either. */
static void entry_release(const struct object *object)
{
    spin_lock(&table_lock);
    struct object_entry *entry = handle_entry(object->handle);
    __atomic_store_n(&entry->object, &object_none, __ATOMIC_RELEASE);
    /* An entry whose generations are used up is never used again. */
    if (++entry->generation != 0) {
        entry->next_free = first_free;
        first_free = object_number(object);
    }
    spin_unlock(&table_lock);
}

struct object *handle_object_dying(handle_t handle)
{
    const struct object_entry *entry = handle_entry(handle);
    struct object *object = __atomic_load_n(&entry->object, __ATOMIC_ACQUIRE);
    uint32_t generation = __atomic_load_n(&entry->generation, __ATOMIC_ACQUIRE);
    return generation == handle >> 32 && object != &object_none ? object : NULL;
}

/* --- what differs by type -------------------------------------------------------------------- */

struct object_kind {
    /* A bounded step of ending what hangs from it, or waits at it; true: nothing does any more. */
    bool (*end_step)(struct object *object);
    /* Then, once: give back what it holds beside its own memory. */
    void (*release)(struct object *object);
};

static const struct object_kind kinds[OBJECT_TYPES] = {
    [OBJECT_ACCOUNT] = {account_end_step, account_release},
    [OBJECT_DOMAIN] = {domain_end_step, domain_release},
    [OBJECT_SPACE] = {space_end_step, space_release},
    [OBJECT_MEMORY] = {memory_end_step, NULL},
    [OBJECT_THREAD] = {thread_end_step, thread_release},
    [OBJECT_ENDPOINT] = {endpoint_end_step, NULL},
    [OBJECT_SIGNAL] = {signal_end_step, NULL},
    [OBJECT_IRQ] = {NULL, irq_release},
};

/* --- destruction ----------------------------------------------------------------------------- */

bool object_destroy_step(struct object *object)
{
    const struct object_kind *kind = &kinds[object->type];
    /* Every handle ends before all else: who counts himself in first looks at this afterwards. */
    if (!__atomic_exchange_n(&object->dying, 1, __ATOMIC_SEQ_CST)) {
        __atomic_fetch_sub(&object_count, 1, __ATOMIC_RELAXED);
    }
    if (kind->end_step != NULL && !kind->end_step(object)) {
        return false;
    }
    if (!__atomic_exchange_n(&object->released, true, __ATOMIC_ACQ_REL)) {
        if (kind->release != NULL) {
            kind->release(object);
        }
        entry_release(object);
        account_unlink_object(object);
        barrier_defer(object); /* its memory follows once no CPU can look at it */
    }
    return true;
}

/* Would destroying the object end the caller, or pull away what it or another thread stands on? */
static bool is_needed(const struct thread *caller, struct object *object)
{
    switch (1 << object->type) {
    case TYPE_DOMAIN:
        return object_domain(object) == caller->domain;
    case TYPE_SPACE:
        return space_has_threads(object_space(object));
    case TYPE_MEMORY:
        return !list_empty(&object_memory(object)->pins);
    case TYPE_ACCOUNT:
        return account_is_ancestor(object_account(object), caller->object.payer) ||
               account_is_ancestor(object_account(object), caller->domain->object.payer);
    default:
        return false;
    }
}

status_t call_object_destroy(struct call *call)
{
    struct thread *caller = call->thread;
    handle_t handle = domain_slot(caller->domain, call->argument[0]);
    /* The first step makes every handle stale: the next ones go on with the dying object. */
    struct object *object = handle_object_dying(handle);
    if (object == NULL) {
        return call->restarted ? STATUS_OK : STATUS_BAD_CAPABILITY;
    }
    if (!(handle_rights(handle) & RIGHT_DESTROY)) {
        return STATUS_NO_RIGHT;
    }
    if (is_needed(caller, object)) {
        return STATUS_BUSY;
    }
    bool self = object == &caller->object;
    bool gone = object_destroy_step(object);
    return self ? CALL_BLOCKED : gone ? STATUS_OK : CALL_RESTART;
}
