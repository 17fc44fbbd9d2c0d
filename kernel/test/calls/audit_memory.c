/*
 * Memories: every node and every frame has as many references as there are places that lead to it.
 * Mappings: the page tables say nothing that regions and memories do not.
 */
#include "kernel/test/calls/audit.h"

#include "kernel/core/frame.h"
#include "kernel/object/account.h"
#include "kernel/object/domain.h"
#include "kernel/object/memory.h"
#include "kernel/object/region_find.h"
#include "kernel/object/space.h"
#include "kernel/x86_64/page_table.h"
#include "lib/base/string.h"

#define NODES_MAX 4096

/* --- references ------------------------------------------------------------------------------- */

static struct {
    const struct node *node[NODES_MAX];
    uint32_t references[NODES_MAX];
    uint32_t frame_references[MACHINE_RAM_END / PAGE_SIZE];
} seen;

/* True: seen for the first time. */
static bool node_see(const struct node *node)
{
    uint32_t place = (uint32_t)((uintptr_t)node / 64 * 2654435761u) % NODES_MAX;
    while (seen.node[place] != NULL && seen.node[place] != node) {
        place = (place + 1) % NODES_MAX;
    }
    bool first = seen.node[place] == NULL;
    seen.node[place] = node;
    seen.references[place]++;
    return first;
}

static void node_walk(const struct node *node)
{
    if (!node_see(node)) {
        return;
    }
    for (uint32_t i = 0; i < NODE_SLOTS; i++) {
        AUDIT((node->slot[i] != NULL) == (node->present >> i & 1));
        if (node->slot[i] == NULL) {
            continue;
        }
        if (node->level > 0) {
            const struct node *below = node->slot[i];
            AUDIT(below->level < node->level && below->first >> NODE_BITS * node->level ==
                                                    (node->first >> NODE_BITS * node->level) + i);
            node_walk(below);
        } else {
            seen.frame_references[frame_physical(node->slot[i]) >> PAGE_SHIFT]++;
        }
    }
}

static bool half_freed(const struct memory *memory)
{
    return memory->tree.root != NULL && memory->object.dying;
}

void audit_memories(void)
{
    memset(&seen, 0, sizeof(seen));
    for (struct object *at = NULL; (at = object_after_of(at, OBJECT_MEMORY)) != NULL;) {
        struct memory *memory = object_memory(at);
        if (half_freed(memory)) {
            return; /* its nodes are freed step by step */
        }
        if (memory->tree.root != NULL) {
            node_walk(memory->tree.root);
        }
        LIST_EACH (const struct memory_pin, pinned, &memory->pins, in_memory) {
            AUDIT(pinned->memory == memory && pinned->frame->flags & FRAME_PINNED);
            seen.frame_references[frame_physical(pinned->frame) >> PAGE_SHIFT]++;
        }
    }
    for (uint32_t i = 0; i < NODES_MAX; i++) {
        AUDIT(seen.node[i] == NULL || seen.node[i]->references == seen.references[i]);
    }
    for (uint32_t i = 0; i < ARRAY_LENGTH(seen.frame_references); i++) {
        const struct frame *frame = frame_of_physical((uint64_t)i << PAGE_SHIFT);
        AUDIT(seen.frame_references[i] == 0 || frame->flags & FRAME_FOREIGN ||
              frame->references == seen.frame_references[i]);
    }
}

/* --- mappings --------------------------------------------------------------------------------- */

static bool page_is_written(const struct memory *memory, uint64_t offset)
{
    bool alone;
    const struct node *leaf = tree_leaf(&memory->tree, offset >> PAGE_SHIFT, &alone);
    return leaf != NULL && leaf->written & leaf_bit(offset >> PAGE_SHIFT);
}

/* What the page behind that address is now; the entry must be no more than that. */
static void entry_audit(const struct region *region, uint64_t address, uint64_t entry)
{
    AUDIT(region != NULL && region->start <= address);
    AUDIT(!(entry & PTE_WRITE) || region->rights & RIGHT_WRITE);
    AUDIT(entry & PTE_NX || region->rights & RIGHT_EXECUTE);
    AUDIT(entry & PTE_USER && !(entry & (PTE_GLOBAL | PTE_LARGE)));
    const struct memory *private = region->link[LINK_PRIVATE].memory;
    const struct memory *source = region->link[LINK_SOURCE].memory;
    uint64_t into = address - region->start;
    uint64_t physical = entry & PTE_ADDRESS;
    if (private != NULL && private->kind == MEMORY_DEVICE) {
        AUDIT(physical == private->device_physical + region->private_offset + into);
        return;
    }
    bool exclusive = false;
    const struct frame *frame = NULL;
    if (private != NULL) {
        frame =
            tree_find(&private->tree, (region->private_offset + into) >> PAGE_SHIFT, &exclusive);
    }
    if (frame == NULL && source != NULL) {
        frame = tree_find(&source->tree, (region->source_offset + into) >> PAGE_SHIFT, &exclusive);
        exclusive = false;
    }
    AUDIT(frame != NULL && frame_physical(frame) == physical);
    AUDIT(!(entry & PTE_WRITE) || exclusive);
    AUDIT(!(entry & PTE_WRITE) || region->has_writable);
    AUDIT(!(entry & PTE_WRITE) || page_is_written(private, region->private_offset + into));
}

/* Each page of it, and the region must have all of them. */
static void large_audit(const struct region_map *map, uint64_t address, uint64_t entry)
{
    const struct region *region = region_from(map, address);
    AUDIT(region != NULL && region->has_large && region->rights & MAP_LARGE && !map->window);
    AUDIT(region->end - address >= LARGE_BYTES && (entry & PTE_ADDRESS) % LARGE_BYTES == 0);
    for (uint64_t i = 0; i < LARGE_BYTES; i += PAGE_SIZE) {
        entry_audit(region, address + i, entry + i);
    }
}

static void table_audit(const struct region_map *map, const uint64_t *table, uint32_t level,
                        uint64_t address)
{
    uint64_t covered = 1ull << (PAGE_SHIFT + 9 * (level - 1));
    for (uint32_t i = 0; i < PAGE_TABLE_ENTRIES; i++) {
        uint64_t at = address + i * covered;
        if (!(table[i] & PTE_PRESENT) || at >= map->end_address) {
            continue; /* the upper half of a space's root is not its own */
        }
        if (level == 2 && table[i] & PTE_LARGE) {
            large_audit(map, at, table[i] & ~PTE_LARGE);
        } else if (level > 1) {
            table_audit(map, memory_at(table[i] & PTE_ADDRESS), level - 1, at);
        } else {
            entry_audit(region_from(map, at), at, table[i]);
        }
    }
}

static void link_audit(const struct region *region, uint32_t role)
{
    const struct region_link *link = &region->link[role];
    if (link->memory == NULL) {
        return;
    }
    AUDIT(link->region == region && !list_empty(&link->in_memory));
    AUDIT(handle_entry(link->memory->object.handle)->object == &link->memory->object);
    AUDIT(link->memory->kind == MEMORY_VIEW ||
          range_inside(role == LINK_PRIVATE ? region->private_offset : region->source_offset,
                       region->end - region->start, link->memory->size_bytes));
}

static void map_audit(const struct region_map *map)
{
    if (map->dying || map->tables.top == NULL) {
        return;
    }
    AUDIT(map->lock.held == 0);
    uint64_t end = map->first_address;
    for (struct tree_node *node = tree_first(&map->regions); node != NULL; node = tree_next(node)) {
        const struct region *region = CONTAINER_OF(node, struct region, node);
        AUDIT(region->map == map && region->start >= end && region->start < region->end);
        AUDIT(!(region->rights & ~(region->rights_allowed | MAP_LARGE)));
        AUDIT(!map->window ||
              (region->rights & (RIGHT_WRITE | RIGHT_EXECUTE)) != (RIGHT_WRITE | RIGHT_EXECUTE));
        end = region->end;
        for (uint32_t role = 0; role < LINK_ROLES; role++) {
            link_audit(region, role);
        }
    }
    AUDIT(end <= map->end_address);
    table_audit(map, map->tables.top, map->tables.levels, map->window ? WINDOW_BASE : 0);
}

void audit_mappings(void)
{
    for (struct object *at = NULL; (at = object_after(at)) != NULL;) {
        if (at->type == OBJECT_DOMAIN) {
            map_audit(&object_domain(at)->window);
        } else if (at->type == OBJECT_SPACE) {
            map_audit(&object_space(at)->map);
        }
    }
}
