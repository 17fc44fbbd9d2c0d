#include "kernel/object/domain.h"

#include "kernel/object/account.h"
#include "kernel/object/signal.h"
#include "kernel/object/space.h"
#include "kernel/object/thread.h"
#include "lib/base/string.h"

status_t domain_create(struct account *payer, bool open, struct object **out)
{
    status_t status = object_create(payer, OBJECT_DOMAIN, sizeof(struct domain), out);
    if (status != STATUS_OK) {
        return status;
    }
    struct domain *domain = object_domain(*out);
    spin_init(&domain->lock, LOCK_DOMAIN);
    list_init(&domain->spaces);
    list_init(&domain->threads);
    domain->open = open;
    if (region_map_init_window(&domain->window, payer) == STATUS_OK) {
        domain->root = space_root_new(payer, &domain->window);
    }
    return domain->root == 0 ? STATUS_NO_MEMORY : STATUS_OK;
}

status_t call_domain_create(struct call *call)
{
    if (call->argument[2] & ~(uint64_t)DOMAIN_OPEN) {
        return STATUS_INVALID_ARGUMENT;
    }
    status_t status =
        domain_create(object_account(call->object), call->argument[2] & DOMAIN_OPEN, &call->made);
    if (status == STATUS_OK) {
        struct domain *domain = object_domain(call->made);
        domain->watcher = call->other == NULL ? 0 : object_handle(call->other, RIGHT_WRITE);
        domain->watcher_bits = call->argument[4];
    }
    return status;
}

void domain_set_entries(struct domain *domain, uint64_t trap_entry, uint64_t fault_entry)
{
    spin_lock(&domain->lock);
    domain->trap_entry = trap_entry;
    domain->fault_entry = fault_entry;
    LIST_EACH (struct thread, thread, &domain->threads, in_domain) {
        thread->trap_entry = trap_entry;
    }
    spin_unlock(&domain->lock);
}

status_t call_domain_set_entries(struct call *call)
{
    uint64_t trap_entry = call->argument[1];
    uint64_t fault_entry = call->argument[2];
    if (trap_entry - WINDOW_BASE >= WINDOW_SIZE || fault_entry - WINDOW_BASE >= WINDOW_SIZE) {
        return STATUS_INVALID_ARGUMENT;
    }
    domain_set_entries(object_domain(call->object), trap_entry, fault_entry);
    return STATUS_OK;
}

status_t domain_read(const struct call *call, void *out)
{
    struct domain *domain = object_domain(call->object);
    struct domain_report *report = out;
    spin_lock(&domain->lock);
    *report = domain->report;
    report->trap_entry = domain->trap_entry;
    report->fault_entry = domain->fault_entry;
    report->flags = domain->open ? DOMAIN_OPEN : 0;
    spin_unlock(&domain->lock);
    return STATUS_OK;
}

void domain_end(struct domain *domain, const struct domain_report *report)
{
    spin_lock(&domain->lock);
    bool first = !domain->ended;
    domain->ended = true;
    if (first) {
        domain->report = *report;
    }
    LIST_EACH (struct thread, thread, &domain->threads, in_domain) {
        thread_attend(thread, ATTENTION_STOP);
    }
    spin_unlock(&domain->lock);
    if (first) {
        signal_set(domain->watcher, domain->watcher_bits);
    }
}

#define SLOTS_PER_STEP 64

/* --- capability table ------------------------------------------------------------------------ */

/* Make the slot's leaf exist. Under the domain's lock. */
static status_t leaf_make(struct domain *domain, uint64_t slot)
{
    struct table_leaf **place = &domain->leaf[slot / TABLE_LEAF_SLOTS];
    if (*place != NULL) {
        return STATUS_OK;
    }
    void *leaf = table_new(domain->object.payer);
    __atomic_store_n(place, leaf, __ATOMIC_RELEASE);
    return leaf == NULL ? STATUS_NO_MEMORY : STATUS_OK;
}

/* A slot whose object is gone counts as empty: nothing can be reached through it any more. */
static bool slot_is_empty(handle_t handle)
{
    return handle == 0 || handle_object(handle, OBJECT_NONE) == NULL;
}

status_t domain_reserve(struct domain *domain, uint64_t slot)
{
    if (slot == 0 || slot >= SLOTS) {
        return STATUS_OUT_OF_RANGE;
    }
    handle_t *place = domain_slot_place(domain, slot);
    if (place == NULL) {
        spin_lock(&domain->lock);
        status_t status = domain->object.dying ? STATUS_BAD_CAPABILITY : leaf_make(domain, slot);
        spin_unlock(&domain->lock);
        if (status != STATUS_OK) {
            return status;
        }
        place = domain_slot_place(domain, slot);
    }
    return slot_is_empty(__atomic_load_n(place, __ATOMIC_ACQUIRE)) ? STATUS_OK : STATUS_SLOT_USED;
}

bool domain_put(struct domain *domain, uint64_t slot, handle_t handle)
{
    handle_t *place = domain_slot_place(domain, slot);
    if (place == NULL || slot == 0) {
        return false;
    }
    handle_t old = __atomic_load_n(place, __ATOMIC_ACQUIRE);
    return slot_is_empty(old) && __atomic_compare_exchange_n(place, &old, handle, false,
                                                             __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

static status_t capability_copy(const struct domain *from, uint64_t here, struct domain *to,
                                uint64_t there, uint32_t rights)
{
    handle_t handle = domain_slot(from, here);
    if (slot_is_empty(handle)) {
        return STATUS_BAD_CAPABILITY;
    }
    rights &= handle_rights(handle);
    handle_t copy = (handle & ~(0xffull << 24)) | (uint64_t)rights << 24;
    if (domain_put(to, there, copy)) {
        return STATUS_OK;
    }
    status_t status = domain_reserve(to, there); /* it may only lack its part of the table */
    return status != STATUS_OK || domain_put(to, there, copy) ? status : STATUS_SLOT_USED;
}

static status_t capability_drop(struct domain *domain, uint64_t slot)
{
    handle_t *place = domain_slot_place(domain, slot);
    return place == NULL || __atomic_exchange_n(place, 0, __ATOMIC_ACQ_REL) == 0
               ? STATUS_BAD_CAPABILITY
               : STATUS_OK;
}

/* What the words say, until one is refused. */
static status_t words_copy(const struct call *call, const uint64_t *next, const uint64_t *end)
{
    struct domain *domain = object_domain(call->object);
    struct domain *own = call->thread->domain;
    status_t status = STATUS_OK;
    for (; next < end && status == STATUS_OK; next++) {
        uint64_t word =
            __atomic_load_n(next, __ATOMIC_RELAXED); /* once: users write to a message */
        uint64_t there = word & 0xffffff;
        uint64_t here = word >> 24 & 0xffffff;
        uint32_t rights = (uint32_t)(word >> 48) & RIGHTS_ALL;
        if ((there | here) != 0) {
            status = here == 0        ? capability_drop(domain, there)
                     : word >> 56 & 1 ? capability_copy(domain, there, own, here, rights)
                                      : capability_copy(own, here, domain, there, rights);
        }
    }
    return status;
}

status_t call_capabilities_copy(struct call *call)
{
    uint64_t more = call->argument[5] >> 57;
    if (more > MESSAGE_WORDS) {
        return STATUS_INVALID_ARGUMENT;
    }
    status_t status = words_copy(call, &call->argument[1], &call->argument[6]);
    const uint64_t *message = call->thread->frame->message;
    return status == STATUS_OK ? words_copy(call, message, message + more) : status;
}

/* A slot above that one, with nothing in those between them; 0: no other is in use. */
static uint64_t slot_next(const struct domain *domain, uint64_t slot)
{
    uint64_t next = MIN(slot, SLOTS) + 1;
    for (uint32_t i = 0; i < SLOTS_PER_STEP && next < SLOTS; i++) {
        const handle_t *place = domain_slot_place(domain, next);
        if (place != NULL && *place != 0) {
            break;
        }
        next = place == NULL ? ALIGN_UP(next + 1, TABLE_LEAF_SLOTS) : next + 1;
    }
    return next < SLOTS ? next : 0;
}

status_t call_capability_read(struct call *call)
{
    handle_t handle = domain_slot(object_domain(call->object), call->argument[1]);
    struct object *object = handle == 0 ? NULL : handle_object(handle, OBJECT_NONE);
    call->result[0] = object == NULL ? 0 : object->type | handle_rights(handle) << 8;
    call->result[1] = object == NULL ? 0 : object_number(object);
    call->result[2] = slot_next(object_domain(call->object), call->argument[1]);
    return STATUS_OK;
}

/* --- destruction ----------------------------------------------------------------------------- */

void domain_table_free(struct domain *domain)
{
    struct account *payer = domain->object.payer;
    for (uint32_t i = 0; i < TABLE_LEAVES; i++) {
        if (domain->leaf[i] != NULL) {
            table_free(payer, domain->leaf[i]->slot);
        }
    }
}

/* Threads, then spaces, then the window; one of them a step. */
bool domain_end_step(struct object *object)
{
    struct domain *domain = object_domain(object);
    struct object *first = NULL;
    spin_lock(&domain->lock);
    if (!list_empty(&domain->threads)) {
        first = &CONTAINER_OF(domain->threads.next, struct thread, in_domain)->object;
    } else if (!list_empty(&domain->spaces)) {
        first = &CONTAINER_OF(domain->spaces.next, struct space, in_domain)->object;
    }
    spin_unlock(&domain->lock);
    if (first != NULL) {
        (void)object_destroy_step(first);
        return false;
    }
    return region_map_destroy_step(&domain->window);
}

void domain_release(struct object *object)
{
    space_root_free(object->payer, object_domain(object)->root);
}
