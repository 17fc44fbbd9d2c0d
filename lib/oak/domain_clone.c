#include "lib/oak/domain_clone.h"

#include "lib/base/tree.h"
#include "lib/oak/heap.h"
#include "lib/oak/kernel.h"
#include "lib/oak/slots.h"

/* One object that the domain has a capability for, or shows. */
struct part {
    struct tree_node node; /* by number */
    uint64_t number;
    enum object_type type;
    uint32_t rights;  /* of the capability taken */
    uint32_t taken;   /* the original, a slot of ours */
    uint32_t copy;    /* what stands for it in the copy, a slot of ours; SLOT_NONE: nothing */
    uint32_t account; /* who pays for the copy; SLOT_NONE: it lies outside */
    bool borrowed;    /* `copy` is not ours to give back */
    bool starts;      /* a thread that had been started... */
    uint64_t space;   /* ...in this space, or 0 */
};

struct domain_clone {
    const struct domain_clone_request *request;
    struct tree parts;
    uint32_t domain; /* the copy's */
};

static uint64_t number_of(uint32_t slot)
{
    struct kernel_results results;
    return kernel_capability_read(SLOT_DOMAIN, slot, &results) == STATUS_OK ? results.value[1] : 0;
}

static int part_compare(const struct tree_node *a, const struct tree_node *b)
{
    uint64_t left = CONTAINER_OF(a, struct part, node)->number;
    uint64_t right = CONTAINER_OF(b, struct part, node)->number;
    return left < right ? -1 : left > right;
}

static struct part *part_of(struct tree_node *node)
{
    return node == NULL ? NULL : CONTAINER_OF(node, struct part, node);
}

static struct part *part_first(const struct domain_clone *clone)
{
    return part_of(tree_first(&clone->parts));
}

static struct part *part_next(const struct part *part)
{
    return part_of(tree_next(&part->node));
}

static struct part *part_find(const struct domain_clone *clone, uint64_t number)
{
    struct tree_node *node = clone->parts.root;
    while (node != NULL && part_of(node)->number != number) {
        node = number < part_of(node)->number ? node->left : node->right;
    }
    return part_of(node);
}

static struct part *part_add(struct domain_clone *clone, uint64_t number, enum object_type type)
{
    struct part *part = heap_allocate_zeroed(sizeof(*part));
    if (part != NULL) {
        part->number = number;
        part->type = type;
        tree_insert(&clone->parts, &part->node);
    }
    return part;
}

/* The counterpart of the account that pays for the object; SLOT_NONE: it lies outside. */
static uint32_t account_for(const struct domain_clone *clone, uint32_t slot, bool *readable)
{
    struct object_payer payer = {0};
    *readable = object_state(slot, STATE_PAYER, &payer, sizeof(payer)) == STATUS_OK;
    for (size_t i = 0; *readable && i < clone->request->account_count; i++) {
        if (number_of(clone->request->accounts[i].from) == payer.account) {
            return clone->request->accounts[i].to;
        }
    }
    return SLOT_NONE;
}

/* --- what there is --------------------------------------------------------------------------- */

/* Of two rights to one object the better: one that can be read, and then more. */
static bool is_better(uint32_t rights, uint32_t than)
{
    return (rights & RIGHT_READ) != (than & RIGHT_READ) ? (rights & RIGHT_READ) != 0
                                                        : (rights & ~than) != 0;
}

static status_t capability_take(struct domain_clone *clone, uint64_t slot, uint64_t number,
                                enum object_type type, uint32_t rights)
{
    struct part *part = part_find(clone, number);
    if (part == NULL) {
        part = part_add(clone, number, type);
    } else if (!is_better(rights, part->rights)) {
        return STATUS_OK;
    }
    if (part == NULL) {
        return STATUS_NO_MEMORY;
    }
    uint32_t taken;
    status_t status = slot_allocate(&taken);
    if (status != STATUS_OK) {
        return status;
    }
    status = kernel_capabilities_copy(clone->request->domain, CAPABILITY_TAKE(slot, taken, rights),
                                      0, 0, 0, 0);
    if (status != STATUS_OK) {
        slot_free(taken);
        return status;
    }
    if (part->taken != SLOT_NONE) {
        slot_release(part->taken);
    }
    part->taken = taken;
    part->rights = rights;
    return STATUS_OK;
}

/* For every capability of the domain. */
static status_t capabilities_each(struct domain_clone *clone,
                                  status_t (*act)(struct domain_clone *clone, uint64_t slot,
                                                  uint64_t number, enum object_type type,
                                                  uint32_t rights))
{
    status_t status = STATUS_OK;
    uint64_t slot = 1;
    while (slot != 0 && status == STATUS_OK) {
        struct kernel_results results;
        status = kernel_capability_read(clone->request->domain, slot, &results);
        enum object_type type = (enum object_type)(results.value[0] & 0xff);
        if (status == STATUS_OK && type != OBJECT_NONE) {
            uint32_t rights = (uint32_t)(results.value[0] >> 8) & RIGHTS_ALL;
            status = act(clone, slot, results.value[1], type, rights);
        }
        slot = results.value[2];
    }
    return status;
}

/* The counterpart of an account, the copy of the domain, or what `outside` says. */
static void stand_in_find(struct domain_clone *clone, struct part *part)
{
    const struct domain_clone_request *request = clone->request;
    part->borrowed = true;
    if (part->number == number_of(request->domain)) {
        part->copy = clone->domain;
        return;
    }
    for (size_t i = 0; i < request->account_count; i++) {
        if (part->number == number_of(request->accounts[i].from)) {
            part->copy = request->accounts[i].to;
            return;
        }
    }
    bool readable;
    part->account = account_for(clone, part->taken, &readable);
    part->borrowed = part->account == SLOT_NONE;
    if (part->borrowed) {
        part->copy = request->outside(request->context, part->type, part->number,
                                      readable ? part->taken : SLOT_NONE);
    }
}

/* --- objects --------------------------------------------------------------------------------- */

static status_t memory_copy(const struct domain_clone *clone, struct part *part)
{
    struct memory_state state;
    status_t status = object_state(part->taken, STATE_MEMORY, &state, sizeof(state));
    if (status != STATUS_OK) {
        return status == STATUS_BAD_CAPABILITY ? STATUS_OK : status; /* a dead view */
    }
    if (state.base == 0) {
        status = kernel_memory_clone(part->account, part->copy, part->taken);
        return status == STATUS_NOT_SUPPORTED ? STATUS_OK : status; /* a device */
    }
    const struct part *base = part_find(clone, state.base);
    if (base == NULL || base->copy == SLOT_NONE) {
        return STATUS_NOT_FOUND;
    }
    return kernel_memory_view(part->account, part->copy, base->copy, state.base_offset,
                              state.size_bytes, state.rights);
}

static status_t signal_copy(const struct part *part)
{
    struct signal_state state;
    status_t status = object_state(part->taken, STATE_SIGNAL, &state, sizeof(state));
    if (status == STATUS_OK) {
        status = kernel_signal_create(part->account, part->copy);
    }
    return status == STATUS_OK ? kernel_signal_raise(part->copy, state.bits) : status;
}

static status_t gate_copy(const struct domain_clone *clone, const struct part *part)
{
    struct gate_state state;
    status_t status = object_state(part->taken, STATE_GATE, &state, sizeof(state));
    const struct part *endpoint = status == STATUS_OK ? part_find(clone, state.endpoint) : NULL;
    if (endpoint == NULL || endpoint->copy == SLOT_NONE) {
        return status; /* it leads nowhere: its slot stays empty */
    }
    return kernel_gate_create(part->account, part->copy, endpoint->copy, state.badge);
}

/* What others are made of comes first. Threads need the copy's window: thread_copy. */
enum stage {
    STAGE_SIMPLE,
    STAGE_ABOVE, /* views and gates */
    STAGES,
};

static bool is_above(const struct part *part)
{
    struct memory_state state;
    return part->type == OBJECT_GATE ||
           (part->type == OBJECT_MEMORY &&
            object_state(part->taken, STATE_MEMORY, &state, sizeof(state)) == STATUS_OK &&
            state.base != 0);
}

static status_t part_copy(struct domain_clone *clone, struct part *part)
{
    status_t status = slot_allocate(&part->copy);
    if (status != STATUS_OK) {
        return status;
    }
    switch (1 << part->type) {
    case TYPE_MEMORY:
        return memory_copy(clone, part);
    case TYPE_SPACE:
        return kernel_space_create(part->account, part->copy, clone->domain);
    case TYPE_ENDPOINT:
        return kernel_endpoint_create(part->account, part->copy);
    case TYPE_SIGNAL:
        return signal_copy(part);
    case TYPE_GATE:
        return gate_copy(clone, part);
    default:
        return STATUS_OK; /* threads later; devices and further domains are not copied */
    }
}

static status_t parts_copy(struct domain_clone *clone)
{
    for (struct part *part = part_first(clone); part != NULL; part = part_next(part)) {
        stand_in_find(clone, part);
    }
    status_t status = STATUS_OK;
    for (enum stage stage = STAGE_SIMPLE; stage < STAGES; stage++) {
        for (struct part *part = part_first(clone); part != NULL && status == STATUS_OK;
             part = part_next(part)) {
            if (!part->borrowed && is_above(part) == (stage == STAGE_ABOVE)) {
                status = part_copy(clone, part);
            }
        }
    }
    return status;
}

/* --- regions --------------------------------------------------------------------------------- */

/* The copy of a memory that a region shows; one that the domain has no capability for is asked for
 * once. */
static status_t memory_for(struct domain_clone *clone, uint64_t number, uint32_t *out)
{
    struct part *part = part_find(clone, number);
    *out = SLOT_NONE;
    if (number == 0) {
        return STATUS_OK;
    }
    if (part == NULL) {
        const struct domain_clone_request *request = clone->request;
        uint32_t known = request->memory(request->context, number);
        part = known == SLOT_NONE ? NULL : part_add(clone, number, OBJECT_MEMORY);
        if (part == NULL) {
            return known == SLOT_NONE ? STATUS_NOT_FOUND : STATUS_NO_MEMORY;
        }
        bool readable;
        part->account = account_for(clone, known, &readable);
        part->borrowed = part->account == SLOT_NONE;
        part->copy = part->borrowed ? known : SLOT_NONE;
        if (!part->borrowed) {
            part->taken = known;
            status_t status = part_copy(clone, part);
            part->taken = SLOT_NONE; /* not ours */
            if (status != STATUS_OK) {
                return status;
            }
        }
    }
    *out = part->copy;
    return *out == SLOT_NONE ? STATUS_NOT_FOUND : STATUS_OK;
}

/* region_map with capabilities that carry no more than the region may ever have. */
static status_t region_make(uint32_t half, const struct region_state *region, uint32_t private,
                            uint32_t source)
{
    uint32_t allowed = (uint32_t)region->rights_allowed;
    uint32_t private_part = SLOT_NONE;
    uint32_t source_part = SLOT_NONE;
    status_t status = STATUS_OK;
    if (private != SLOT_NONE) {
        uint32_t rights = source == SLOT_NONE ? allowed | RIGHT_READ : RIGHT_READ | RIGHT_WRITE;
        status = slot_copy(private, rights, &private_part);
    }
    if (status == STATUS_OK && source != SLOT_NONE) {
        status = slot_copy(source, (allowed & (uint32_t)~RIGHT_WRITE) | RIGHT_READ, &source_part);
    }
    if (status == STATUS_OK) {
        status =
            kernel_region_map(half, region->start | region->rights, region->end - region->start,
                              private_part | (uint64_t)source_part << 32, region->private_offset,
                              region->source_offset);
    }
    slot_release(private_part);
    slot_release(source_part);
    return status;
}

static status_t regions_copy(struct domain_clone *clone, uint32_t from, uint32_t to)
{
    struct region_state region = {.end = 0};
    for (;;) {
        status_t status = object_state_at(from, STATE_REGION, region.end, &region, sizeof(region));
        if (status != STATUS_OK) {
            return status == STATUS_NOT_FOUND ? STATUS_OK : status;
        }
        uint32_t private;
        uint32_t source;
        status = memory_for(clone, region.private_memory, &private);
        if (status == STATUS_OK) {
            status = memory_for(clone, region.source_memory, &source);
        }
        if (status == STATUS_OK) {
            status = region_make(to, &region, private, source);
        }
        if (status != STATUS_OK) {
            return status;
        }
    }
}

static status_t halves_copy(struct domain_clone *clone)
{
    status_t status = regions_copy(clone, clone->request->domain, clone->domain);
    for (const struct part *part = part_first(clone); part != NULL && status == STATUS_OK;
         part = part_next(part)) { /* what is added meanwhile are memories */
        if (part->type == OBJECT_SPACE && !part->borrowed) {
            status = regions_copy(clone, part->taken, part->copy);
        }
    }
    return status;
}

/* --- threads --------------------------------------------------------------------------------- */

static status_t fpu_copy(const struct part *part)
{
    struct thread_fpu fpu;
    status_t status = STATUS_OK;
    for (uint64_t at = 0; status == STATUS_OK; at += sizeof(fpu)) {
        status = object_state_at(part->taken, STATE_FPU, at, &fpu, sizeof(fpu));
        if (status == STATUS_OK) {
            status = object_change(part->copy, STATE_FPU, at, &fpu, sizeof(fpu));
        }
    }
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

static status_t thread_copy(const struct domain_clone *clone, struct part *part)
{
    struct thread_registers registers;
    status_t status = object_state(part->taken, STATE_REGISTERS, &registers, sizeof(registers));
    if (status == STATUS_OK) {
        status = kernel_thread_create(part->account, part->copy, clone->domain, registers.frame,
                                      registers.band, 0);
    }
    if (status != STATUS_OK || !(registers.flags & THREAD_STARTED)) {
        return status;
    }
    part->starts = true;
    part->space = registers.space;
    status = object_change(part->copy, STATE_REGISTERS, 0, &registers, sizeof(registers));
    return status == STATUS_OK ? fpu_copy(part) : status;
}

static status_t threads_each(const struct domain_clone *clone,
                             status_t (*act)(const struct domain_clone *, struct part *))
{
    status_t status = STATUS_OK;
    for (struct part *part = part_first(clone); part != NULL && status == STATUS_OK;
         part = part_next(part)) {
        if (part->type == OBJECT_THREAD && !part->borrowed) {
            status = act(clone, part);
        }
    }
    return status;
}

static status_t thread_begin(const struct domain_clone *clone, struct part *part)
{
    const struct part *space = part_find(clone, part->space);
    return !part->starts
               ? STATUS_OK
               : kernel_thread_start(part->copy, space == NULL ? SLOT_NONE : space->copy, 0, 0, 0);
}

/* --- all of it ------------------------------------------------------------------------------- */

static status_t capability_give(struct domain_clone *clone, uint64_t slot, uint64_t number,
                                enum object_type type, uint32_t rights)
{
    (void)type;
    const struct part *part = part_find(clone, number);
    if (part == NULL || part->copy == SLOT_NONE || number_of(part->copy) == 0) {
        return STATUS_OK;
    }
    return kernel_capability_copy(clone->domain, slot, part->copy, rights);
}

static status_t domain_make(struct domain_clone *clone)
{
    struct domain_report report;
    status_t status = object_state(clone->request->domain, STATE_DOMAIN, &report, sizeof(report));
    if (status == STATUS_OK) {
        status = slot_allocate(&clone->domain);
    }
    if (status == STATUS_OK) {
        status = kernel_domain_create(clone->request->accounts[0].to, clone->domain, report.flags,
                                      SLOT_NONE, 0);
    }
    return status == STATUS_OK && report.trap_entry != 0
               ? kernel_domain_set_entries(clone->domain, report.trap_entry, report.fault_entry)
               : status;
}

status_t domain_clone(const struct domain_clone_request *request, struct domain_clone **out)
{
    struct domain_clone *clone = heap_allocate_zeroed(sizeof(*clone));
    if (clone == NULL) {
        return STATUS_NO_MEMORY;
    }
    clone->request = request;
    tree_init(&clone->parts, part_compare);
    status_t status = domain_make(clone);
    if (status == STATUS_OK) {
        status = capabilities_each(clone, capability_take);
    }
    if (status == STATUS_OK) {
        status = parts_copy(clone);
    }
    if (status == STATUS_OK) {
        status = halves_copy(clone);
    }
    if (status == STATUS_OK) {
        status = threads_each(clone, thread_copy);
    }
    if (status == STATUS_OK) {
        status = capabilities_each(clone, capability_give);
    }
    if (status != STATUS_OK) {
        domain_clone_end(clone);
        return status;
    }
    *out = clone;
    return STATUS_OK;
}

status_t domain_clone_start(const struct domain_clone *clone)
{
    return threads_each(clone, thread_begin);
}

uint32_t domain_clone_find(const struct domain_clone *clone, uint64_t number)
{
    if (number == number_of(clone->request->domain)) {
        return clone->domain;
    }
    const struct part *part = part_find(clone, number);
    return part == NULL || part->borrowed ? SLOT_NONE : part->copy;
}

void domain_clone_end(struct domain_clone *clone)
{
    if (clone == NULL) {
        return;
    }
    for (struct part *part; (part = part_first(clone)) != NULL;) {
        slot_release(part->taken);
        slot_release(part->borrowed ? SLOT_NONE : part->copy);
        tree_remove(&clone->parts, &part->node);
        heap_free(part);
    }
    slot_release(clone->domain);
    heap_free(clone);
}
