/*
 * What objects tell of themselves (object_read) and let be changed (object_write): structures of
 * abi/kernel.h in the message of the caller's frame. Readers write there directly; what is to be
 * written is copied once, then checked.
 */
#include "kernel/object/account.h"
#include "kernel/object/domain.h"
#include "kernel/object/gate.h"
#include "kernel/object/memory.h"
#include "kernel/object/platform.h"
#include "kernel/object/region_find.h"
#include "kernel/object/signal.h"
#include "kernel/object/thread.h"
#include "lib/base/string.h"

#define STATES_BOUND 16
_Static_assert(OBJECT_STATES <= STATES_BOUND, "every state's number is below the bound");

/* As the region was mapped: by its view, if there is one. */
static void link_read(const struct region *region, enum link_role role, uint64_t offset,
                      uint64_t *number, uint64_t *out_offset)
{
    const struct memory *memory = region->link[role].memory;
    const struct memory *view = region->link[role + LINK_PRIVATE_VIEW].memory;
    *number = memory == NULL ? 0 : object_number(view == NULL ? &memory->object : &view->object);
    *out_offset = memory == NULL ? 0 : offset - (view == NULL ? 0 : view->base_offset);
}

static status_t region_read(const struct call *call, void *out)
{
    struct region_map *map = region_map_of(call->object);
    struct region_state *state = out;
    spin_lock(&map->lock);
    const struct region *region = region_from(map, call->argument[3]);
    if (region != NULL) {
        state->start = region->start;
        state->end = region->end;
        state->rights = region->rights;
        state->rights_allowed = region->rights_allowed;
        link_read(region, LINK_PRIVATE, region->private_offset, &state->private_memory,
                  &state->private_offset);
        link_read(region, LINK_SOURCE, region->source_offset, &state->source_memory,
                  &state->source_offset);
    }
    spin_unlock(&map->lock);
    return region == NULL ? STATUS_NOT_FOUND : STATUS_OK;
}

static status_t memory_read(const struct call *call, void *out)
{
    struct memory *memory = object_memory(call->object);
    struct region_target at;
    status_t status = region_target_resolve(memory, call->argument[3], PAGE_SIZE, &at);
    if (status != STATUS_OK) {
        return status;
    }
    spin_lock(&at.memory->lock);
    const struct frame *frame = tree_find(&at.memory->tree, at.offset >> PAGE_SHIFT, NULL);
    bool visible = frame != NULL && at.memory->kind == MEMORY_PINNED;
    *(struct memory_state *)out = (struct memory_state){
        .size_bytes = memory->size_bytes,
        .base = at.view == NULL ? 0 : object_number(&at.memory->object),
        .base_offset = memory->base_offset,
        .rights = memory->view_rights,
        .present = frame != NULL || at.memory->kind == MEMORY_DEVICE,
        .physical = visible ? frame_physical(frame) : 0,
    };
    spin_unlock(&at.memory->lock);
    return STATUS_OK;
}

static status_t payer_read(const struct call *call, void *out)
{
    const struct account *payer = call->object->payer;
    *(struct object_payer *)out =
        (struct object_payer){payer == NULL ? 0 : object_number(&payer->object)};
    return STATUS_OK;
}

static status_t gate_read(const struct call *call, void *out)
{
    const struct gate *gate = object_gate(call->object);
    const struct object *endpoint = entry_object(gate->endpoint, gate->generation, OBJECT_ENDPOINT);
    *(struct gate_state *)out =
        (struct gate_state){endpoint == NULL ? 0 : object_number(endpoint), gate->badge};
    return STATUS_OK;
}

static status_t signal_read(const struct call *call, void *out)
{
    const struct signal *signal = object_signal(call->object);
    *(struct signal_state *)out =
        (struct signal_state){__atomic_load_n(&signal->bits, __ATOMIC_ACQUIRE)};
    return STATUS_OK;
}

/* The position is the call's fourth argument. */
struct state {
    uint32_t types;
    uint32_t bytes;
    status_t (*read)(const struct call *call, void *out);
    status_t (*write)(const struct call *call, void *in); /* from a copy of its own; or NULL */
};

static const struct state states[STATES_BOUND] = {
    [STATE_ACCOUNT] = {TYPE_ACCOUNT, sizeof(struct account_usage), account_read, NULL},
    [STATE_DOMAIN] = {TYPE_DOMAIN, sizeof(struct domain_report), domain_read, NULL},
    [STATE_THREAD] = {TYPE_THREAD, sizeof(struct thread_usage), thread_read, NULL},
    [STATE_PLATFORM] = {TYPE_PLATFORM, sizeof(struct platform_state), platform_read, NULL},
    [STATE_REGION] = {TYPE_HALF, sizeof(struct region_state), region_read, NULL},
    [STATE_MEMORY] = {TYPE_MEMORY, sizeof(struct memory_state), memory_read, NULL},
    [STATE_PAGES] = {TYPE_MEMORY, sizeof(struct memory_pages), memory_read_pages,
                     memory_clean_pages},
    [STATE_PAYER] = {TYPE_ANY, sizeof(struct object_payer), payer_read, NULL},
    [STATE_GATE] = {TYPE_GATE, sizeof(struct gate_state), gate_read, NULL},
    [STATE_SIGNAL] = {TYPE_SIGNAL, sizeof(struct signal_state), signal_read, NULL},
    [STATE_REGISTERS] = {TYPE_THREAD, sizeof(struct thread_registers), thread_read_registers,
                         thread_write_registers},
    [STATE_DEBUG] = {TYPE_THREAD, sizeof(struct thread_debug), thread_read_debug,
                     thread_write_debug},
    [STATE_FPU] = {TYPE_THREAD, sizeof(struct thread_fpu), thread_read_fpu, thread_write_fpu},
};

_Static_assert(sizeof(struct account_usage) <= MESSAGE_BYTES &&
                   sizeof(struct domain_report) <= MESSAGE_BYTES &&
                   sizeof(struct platform_state) <= MESSAGE_BYTES &&
                   sizeof(struct thread_fpu) <= MESSAGE_BYTES,
               "the largest fit into the frame's message");

/* The state that the call means: WRONG_TYPE, or INVALID_ARGUMENT for another size than its. */
static status_t state_find(const struct call *call, const struct state **out)
{
    uint64_t number = call->argument[1];
    if (number >= OBJECT_STATES) {
        return STATUS_WRONG_TYPE;
    }
    *out = &states[index_bound(number, STATES_BOUND)];
    if (!((*out)->types >> call->object->type & 1)) {
        return STATUS_WRONG_TYPE;
    }
    return (*out)->bytes == call->argument[2] ? STATUS_OK : STATUS_INVALID_ARGUMENT;
}

status_t call_object_read(struct call *call)
{
    const struct state *state;
    status_t status = state_find(call, &state);
    return status != STATUS_OK ? status : state->read(call, call->thread->frame->message);
}

status_t call_object_write(struct call *call)
{
    const struct state *state;
    status_t status = state_find(call, &state);
    if (status != STATUS_OK || state->write == NULL) {
        return status != STATUS_OK ? status : STATUS_NOT_SUPPORTED;
    }
    uint64_t copy[MESSAGE_WORDS];
    memcpy(copy, call->thread->frame->message, state->bytes);
    return state->write(call, copy);
}
