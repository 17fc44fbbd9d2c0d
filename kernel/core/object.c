/* The object table, lookups through a domain's table, and destruction by type. */
#include "kernel/core/object.h"

#include "kernel/core/assert.h"
#include "kernel/core/barrier.h"
#include "kernel/core/call.h"
#include "kernel/core/frame.h"
#include "kernel/core/kmem.h"
#include "kernel/core/lock.h"
#include "kernel/object/account.h"
#include "kernel/object/domain.h"
#include "kernel/object/endpoint.h"
#include "kernel/object/gate.h"
#include "kernel/object/irq.h"
#include "kernel/object/memory.h"
#include "kernel/object/platform.h"
#include "kernel/object/signal.h"
#include "kernel/object/space.h"
#include "kernel/object/thread.h"
#include "lib/base/string.h"

struct object_entry *object_chunks[OBJECT_CHUNKS_MAX];
uint32_t object_chunk_count;
struct object object_none = {.dying = 1};
static uint32_t first_free; /* 0: none; index 0 is never used */
static uint64_t alive;
static struct spinlock table_lock = SPINLOCK_INIT(LOCK_OBJECT_TABLE);

static struct object_entry *entry_at(uint32_t index)
{
    return &object_chunks[index / OBJECT_CHUNK_ENTRIES][index % OBJECT_CHUNK_ENTRIES];
}

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

/* False without memory. */
static bool entry_take(struct object *object)
{
    spin_lock(&table_lock);
    if (first_free == 0 && !chunk_add()) {
        spin_unlock(&table_lock);
        return false;
    }
    struct object_entry *entry = entry_at(first_free);
    object->handle = (uint64_t)entry->generation << 32 | first_free;
    first_free = entry->next_free;
    alive++;
    __atomic_store_n(&entry->object, object, __ATOMIC_RELEASE);
    spin_unlock(&table_lock);
    return true;
}

void object_table_add(struct object *object)
{
    bool entered = entry_take(object);
    assert(entered);
}

uint64_t object_count(void)
{
    return alive;
}

status_t object_create(struct account *payer, enum object_type type, size_t size_bytes,
                       struct object **out)
{
    status_t status = account_object_new(payer, kmem_size(size_bytes));
    if (status != STATUS_OK) {
        return status;
    }
    struct object *object = kmem_alloc(size_bytes);
    if (object == NULL) {
        account_object_gone(payer, kmem_size(size_bytes));
        return STATUS_NO_MEMORY;
    }
    memset(object, 0, size_bytes);
    object->type = (uint8_t)type;
    object->size_bytes = (uint32_t)size_bytes;
    object->payer = payer;
    object->building = true;
    list_init(&object->in_account);
    if (!entry_take(object)) {
        kmem_free(object, size_bytes);
        account_object_gone(payer, kmem_size(size_bytes));
        return STATUS_NO_MEMORY;
    }
    account_link_object(payer, object);
    *out = object;
    return STATUS_OK;
}

bool object_begin_destroy(struct object *object)
{
    spin_lock(&table_lock);
    bool first = !object->dying;
    if (first) {
        __atomic_store_n(&object->dying, 1, __ATOMIC_RELEASE);
        alive--;
    }
    spin_unlock(&table_lock);
    return first;
}

bool object_claim_free(struct object *object)
{
    uint8_t began = 1;
    return __atomic_compare_exchange_n(&object->dying, &began, 2, false, __ATOMIC_ACQ_REL,
                                       __ATOMIC_ACQUIRE);
}

/* From now on its destroyer finds it no more either. */
static void entry_release(const struct object *object)
{
    spin_lock(&table_lock);
    uint32_t index = (uint32_t)(object->handle & 0xffffff);
    struct object_entry *entry = entry_at(index);
    __atomic_store_n(&entry->object, &object_none, __ATOMIC_RELEASE);
    /* An entry whose generations are used up is never used again. */
    if (++entry->generation != 0) {
        entry->next_free = first_free;
        first_free = index;
    }
    spin_unlock(&table_lock);
}

void object_free(struct object *object)
{
    assert(object->dying);
    entry_release(object);
    account_unlink_object(object->payer, object);
    barrier_defer(object);
}

struct object *handle_object_dying(handle_t handle)
{
    const struct object_entry *entry = handle_entry(handle);
    struct object *object = __atomic_load_n(&entry->object, __ATOMIC_ACQUIRE);
    uint32_t generation = __atomic_load_n(&entry->generation, __ATOMIC_ACQUIRE);
    return generation == handle >> 32 && object != &object_none ? object : NULL;
}

status_t capability_find(struct thread *caller, uint64_t slot, uint32_t types, uint32_t rights,
                         struct object **out)
{
    uint32_t had;
    return domain_find(caller->domain, slot, types, rights, out, &had);
}

/* --- reading --------------------------------------------------------------------------------- */

/* What object_read leaves in the frame's message, by type. */
static const struct {
    size_t size_bytes;
    void (*read)(struct object *object, void *out);
} states[OBJECT_TYPES] = {
    [OBJECT_ACCOUNT] = {sizeof(struct account_usage), account_read},
    [OBJECT_DOMAIN] = {sizeof(struct domain_report), domain_read},
    [OBJECT_THREAD] = {sizeof(struct thread_usage), thread_read},
    [OBJECT_PLATFORM] = {sizeof(struct platform_state), platform_read},
};

_Static_assert(sizeof(struct account_usage) <= MESSAGE_BYTES &&
                   sizeof(struct domain_report) <= MESSAGE_BYTES &&
                   sizeof(struct thread_usage) <= MESSAGE_BYTES &&
                   sizeof(struct platform_state) <= MESSAGE_BYTES,
               "every structure fits into the frame's message");

status_t call_object_read(struct call *call)
{
    struct object *object = call->object;
    if (call->argument[1] != object->type || states[object->type].read == NULL) {
        return STATUS_WRONG_TYPE;
    }
    if (states[object->type].size_bytes != call->argument[2]) {
        return STATUS_INVALID_ARGUMENT;
    }
    states[object->type].read(object, call->thread->frame->message);
    return STATUS_OK;
}

/* --- destruction ----------------------------------------------------------------------------- */

bool object_destroy_step(struct object *object)
{
    switch ((enum object_type)object->type) {
    case OBJECT_ACCOUNT:
        return account_destroy_step(object);
    case OBJECT_DOMAIN:
        return domain_destroy_step(object_domain(object));
    case OBJECT_SPACE:
        return space_destroy_step(object);
    case OBJECT_MEMORY:
        return memory_destroy_step(object);
    case OBJECT_THREAD:
        return thread_destroy_step(object_thread(object));
    case OBJECT_ENDPOINT:
        return endpoint_destroy_step(object_endpoint(object));
    case OBJECT_SIGNAL:
        return signal_destroy_step(object_signal(object));
    case OBJECT_IRQ:
        return irq_destroy_step(object_irq(object));
    case OBJECT_GATE:
    case OBJECT_IOPORT:
    case OBJECT_PLATFORM:
        (void)object_begin_destroy(object);
        if (object_claim_free(object)) {
            object_free(object);
        }
        return true;
    case OBJECT_NONE:
    case OBJECT_TYPES:
        break;
    }
    panic(__FILE__, __LINE__, "an object without a type");
}

/* Would destroying the object end the caller, or pull away what it stands on? */
static bool caller_depends(const struct thread *caller, struct object *object)
{
    switch ((enum object_type)object->type) {
    case OBJECT_DOMAIN:
        return object_domain(object) == caller->domain;
    case OBJECT_SPACE:
        return object_space(object) == caller->space;
    case OBJECT_ACCOUNT:
        return account_is_ancestor(object_account(object), caller->object.payer) ||
               account_is_ancestor(object_account(object), caller->domain->object.payer);
    case OBJECT_NONE:
    case OBJECT_MEMORY:
    case OBJECT_THREAD:
    case OBJECT_ENDPOINT:
    case OBJECT_GATE:
    case OBJECT_SIGNAL:
    case OBJECT_IRQ:
    case OBJECT_IOPORT:
    case OBJECT_PLATFORM:
    case OBJECT_TYPES:
        break;
    }
    return false;
}

status_t object_destroy_call(struct call *call, struct object *object)
{
    struct thread *caller = call->thread;
    if (caller_depends(caller, object)) {
        return STATUS_BUSY;
    }
    if (object->type == OBJECT_SPACE && space_has_threads(object_space(object))) {
        return STATUS_BUSY;
    }
    if (object->type == OBJECT_MEMORY && !list_empty(&object_memory(object)->pins)) {
        return STATUS_BUSY;
    }
    bool self = object == &caller->object;
    bool gone = object_destroy_step(object);
    if (self) {
        return CALL_BLOCKED;
    }
    return gone ? STATUS_OK : CALL_RESTART;
}
