/*
 * Copies of region maps: for fork, and for a container's window, which is its template's. Regions
 * of one private memory get another in the copy; the rest is shared.
 */
#include "kernel/object/domain.h"
#include "kernel/object/region_find.h"
#include "lib/base/string.h"

#define REGIONS_PER_STEP 32
/* Of larger regions a copy's pages are faulted in. */
#define COPY_BYTES_MAX (512ull << PAGE_SHIFT)

/* What the copies are to have in place of one private memory. */
struct exchange {
    const struct memory *from; /* or NULL: nothing is exchanged */
    struct memory *to;
    uint32_t to_rights;
};

static struct region_target target_of(const struct region *region, enum link_role role,
                                      uint64_t offset)
{
    return (struct region_target){region->link[role].memory,
                                  region->link[role + LINK_PRIVATE_VIEW].memory, offset};
}

/*
 * What a window's region shows that nobody can write through it, its copy shows at once. Both show
 * the same memories, and a pass over those finds the copy if it has yet to find the region. Short
 * of memory for a table, in large regions, and in spaces, whose copies mostly execute another
 * program soon, the pages are faulted in.
 */
static void entries_copy(struct region_map *to, const struct region *region)
{
    uint64_t next;
    for (uint64_t at = region->start; at < region->end; at = next) {
        const uint64_t *entry = page_entries(&region->map->tables, at, region->end, 1, &next);
        next = MIN(next, region->end);
        uint64_t *copy = entry == NULL ? NULL : page_entry_make(&to->tables, at);
        if (copy != NULL) {
            memcpy(copy, entry, ((next - at) >> PAGE_SHIFT) * sizeof(*copy));
        }
    }
}

/* Copy the region, which lies behind all of the map. Under both maps' locks. */
static status_t region_copy(struct region_map *to, const struct region *region,
                            const struct exchange *exchange)
{
    struct region_request request = {
        .address = region->start,
        .size_bytes = region->end - region->start,
        .rights = region->rights,
        .rights_allowed = region->rights_allowed,
        .private = target_of(region, LINK_PRIVATE, region->private_offset),
        .source = target_of(region, LINK_SOURCE, region->source_offset),
    };
    bool exchanged = exchange->from != NULL && request.private.memory == exchange->from;
    if (exchanged) {
        status_t status = region_target_resolve(exchange->to, region->private_offset,
                                                request.size_bytes, &request.private);
        request.rights_allowed &= request.source.memory == NULL ? exchange->to_rights : RIGHTS_ALL;
        if (status != STATUS_OK || request.rights & ~(request.rights_allowed | MAP_LARGE)) {
            return status != STATUS_OK ? status : STATUS_NO_RIGHT;
        }
    }
    status_t status = region_add(to, &request, region);
    if (status == STATUS_OK && to->window && !exchanged && !(region->rights & RIGHT_WRITE) &&
        request.size_bytes <= COPY_BYTES_MAX) {
        entries_copy(to, region);
    }
    return status;
}

status_t call_regions_copy(struct call *call)
{
    struct memory *memory_to;
    struct memory *memory_from;
    uint32_t rights_to;
    uint32_t rights_from;
    status_t status = region_memory_argument(call, call->argument[2], RIGHT_READ | RIGHT_WRITE,
                                             &memory_to, &rights_to);
    if (status == STATUS_OK) {
        status = region_memory_argument(call, call->argument[3], 0, &memory_from, &rights_from);
    }
    if (status != STATUS_OK) {
        return status;
    }
    if (memory_from != NULL && memory_to == NULL) {
        return STATUS_BAD_CAPABILITY;
    }
    struct region_map *to = region_map_of(call->object);
    struct region_map *from = region_map_of(call->other);
    if (to == from || to->window != from->window) {
        return STATUS_INVALID_ARGUMENT;
    }
    const struct exchange exchange = {memory_from, memory_to, rights_to};
    spin_lock_two(&to->lock, &from->lock);
    /* It goes on behind the last region there: so the call can be restarted. */
    struct tree_node *last = tree_last(&to->regions);
    uint64_t next = last == NULL ? 0 : CONTAINER_OF(last, struct region, node)->end;
    const struct region *region = region_from(from, next);
    for (uint32_t i = 0; i < REGIONS_PER_STEP && region != NULL && status == STATUS_OK; i++) {
        status = region_copy(to, region, &exchange);
        region = region_next(region);
    }
    spin_unlock_two(&to->lock, &from->lock);
    if (status == STATUS_OK && region != NULL) {
        return CALL_RESTART;
    }
    if (status == STATUS_OK && to->window) {
        const struct domain *domain = object_domain(call->other);
        domain_set_entries(object_domain(call->object), domain->trap_entry, domain->fault_entry);
    }
    return status;
}
