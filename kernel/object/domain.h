/*
 * Domains: a capability table and the window that all spaces of a container share.
 *
 * The table is an array of leaves, which are arrays of handles. Lookups take no lock: a leaf, once
 * there, stays until the domain is freed, and a slot is one word. Leaves are made under `lock`.
 */
#pragma once

#include "kernel/object/region.h"

#define TABLE_LEAF_SLOTS 512
#define TABLE_LEAVES     (SLOTS / TABLE_LEAF_SLOTS)

struct table_leaf {
    handle_t slot[TABLE_LEAF_SLOTS];
};
_Static_assert(sizeof(struct table_leaf) == PAGE_SIZE, "made as page tables are");

struct domain {
    struct object object;
    struct spinlock lock;
    bool open;  /* applications see the window */
    bool ended; /* by an unhandled fault: no thread of it runs again */
    uint64_t trap_entry;
    uint64_t fault_entry;
    handle_t watcher; /* signal to raise when it ends, or 0; never changes */
    uint64_t watcher_bits;
    struct domain_report report;
    uint64_t root; /* page-table root for threads without a space */
    struct region_map window;
    struct list_node spaces;  /* under lock */
    struct list_node threads; /* under lock */
    struct table_leaf *leaf[TABLE_LEAVES];
};

OBJECT_AS(domain)

status_t domain_create(struct account *payer, bool open, struct object **out);
bool domain_end_step(struct object *object);
void domain_release(struct object *object);

/* Free the capability table, when no CPU can look anything up in it any more. */
void domain_table_free(struct domain *domain);

/* Where the slot is, or NULL when it is outside the table or its leaf does not exist. */
static inline handle_t *domain_slot_place(const struct domain *domain, uint64_t slot)
{
    if (slot >= SLOTS) {
        return NULL;
    }
    slot = index_bound(slot, SLOTS);
    struct table_leaf *leaf =
        __atomic_load_n(&domain->leaf[slot / TABLE_LEAF_SLOTS], __ATOMIC_ACQUIRE);
    return leaf == NULL ? NULL : &leaf->slot[slot % TABLE_LEAF_SLOTS];
}

/* The slot's handle; 0 when empty or outside the table. */
static inline handle_t domain_slot(const struct domain *domain, uint64_t slot)
{
    const handle_t *place = domain_slot_place(domain, slot);
    return place == NULL ? 0 : __atomic_load_n(place, __ATOMIC_ACQUIRE);
}

/* Where traps and faults enter its window. */
void domain_set_entries(struct domain *domain, uint64_t trap_entry, uint64_t fault_entry);

/* Make sure that the slot exists and is empty; then domain_put cannot fail. */
status_t domain_reserve(struct domain *domain, uint64_t slot);

/* False when somebody filled the slot meanwhile. */
bool domain_put(struct domain *domain, uint64_t slot, handle_t handle);

/* struct domain_report, for object_read. */
status_t domain_read(const struct call *call, void *out);

/* Stop every thread of the domain for good, keep the report, tell the watcher. */
void domain_end(struct domain *domain, const struct domain_report *report);

/*
 * Find what a slot names, an object of one of the types (enum object_types), with all rights that
 * its handle carries. BAD_CAPABILITY, WRONG_TYPE, NO_RIGHT.
 */
static inline __attribute__((always_inline)) status_t
domain_find(const struct domain *domain, uint64_t slot, uint32_t types, uint32_t rights,
            struct object **out, uint32_t *out_rights)
{
    handle_t handle = domain_slot(domain, slot);
    struct object *object = handle_object(handle, OBJECT_NONE);
    if (object == NULL) {
        return STATUS_BAD_CAPABILITY;
    }
    if (!(types >> object->type & 1)) {
        return STATUS_WRONG_TYPE;
    }
    if ((handle_rights(handle) & rights) != rights) {
        return STATUS_NO_RIGHT;
    }
    *out = object;
    *out_rights = handle_rights(handle);
    return STATUS_OK;
}
