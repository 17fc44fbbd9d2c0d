/*
 * Region maps: what one half of an address space (an application half, or a window) contains.
 *
 * A region maps [start, end) to pages of a private memory over an optional source memory, with
 * rights. The private memory holds what was written, the source what is read until then; without a
 * source absent pages are zeros. The page tables are only a cache of this.
 *
 * `lock` guards regions and page tables. It comes before any memory's locks; where a memory's list
 * leads to a map, the map's lock is only tried.
 */
#pragma once

#include "kernel/object/memory.h"
#include "kernel/x86_64/page_table.h"
#include "lib/base/tree.h"

/* Addresses whose translations one step clears at most. */
#define CLEAR_PER_STEP (32ull << 20)

struct region;
struct region_map;

enum link_role {
    LINK_PRIVATE,
    LINK_SOURCE,
    LINK_PRIVATE_VIEW,
    LINK_SOURCE_VIEW,
    LINK_ROLES,
};

/* A region's place in the list of one memory. */
struct region_link {
    struct list_node in_memory;
    struct region *region;
    struct memory *memory; /* NULL: unused */
    uint64_t epoch;
};

struct region {
    struct tree_node node;
    struct region_map *map;
    uint64_t start;
    uint64_t end;
    uint32_t rights;         /* and MAP_LARGE */
    uint32_t rights_allowed; /* what the capabilities that it was mapped with carried */
    uint64_t private_offset; /* of start, in bytes */
    uint64_t source_offset;
    bool has_writable; /* a page table entry of it may be writable: a clone must protect them */
    bool has_large;    /* an entry may be of a large page, which lies in the region as a whole */
    struct region_link link[LINK_ROLES];
};

struct region_map {
    struct spinlock lock;
    struct tree regions; /* by start; never overlapping */
    struct page_tables tables;
    struct account *payer;
    uint64_t loaded; /* bit per CPU whose root holds these tables; atomic */
    uint64_t first_address;
    uint64_t end_address;
    bool window; /* never writable and executable */
    bool dying;
};

/* What a region shows: of a view the base, and the view, which is linked too. */
struct region_target {
    struct memory *memory; /* NULL: nothing */
    struct memory *view;   /* or NULL */
    uint64_t offset;
};

struct region_request {
    uint64_t address;
    uint64_t size_bytes;
    uint32_t rights;
    uint32_t rights_allowed;      /* the most that region_protect may ever give */
    struct region_target private; /* nothing: read-only over the source */
    struct region_target source;
};

status_t region_map_init_window(struct region_map *map, struct account *payer);
/* The application half, over a PML4 (and its twin). */
void region_map_init_application(struct region_map *map, struct account *payer, uint64_t *top,
                                 uint64_t *twin);

/* One step of removing everything; true when regions and tables are gone. False while loaded. */
bool region_map_destroy_step(struct region_map *map);

/* INVALID_ARGUMENT, OUT_OF_RANGE, EXISTS, NOT_PERMITTED, NO_RIGHT, NO_MEMORY, BAD_CAPABILITY. */
status_t region_map_add(struct region_map *map, const struct region_request *request);

/*
 * Resolve a fault: OK, then run the instruction again. CALL_RESTART: the same, it was a step of
 * several. NOT_FOUND: no region. NO_RIGHT. NO_MEMORY.
 * WOULD_BLOCK: the source has no such page now.
 */
status_t region_fault(struct region_map *map, uint64_t address, uint32_t access);

/* Make the frame of the window's page at `address` the kernel's to use as well. */
status_t region_pin_frame(struct region_map *window, uint64_t address, struct memory_pin *pin);
void region_unpin_frame(struct memory_pin *pin);

/* Before a root with these tables is loaded, and after it was left. */
static inline void region_map_loaded(struct region_map *map, uint64_t cpu_bit)
{
    __atomic_fetch_or(&map->loaded, cpu_bit, __ATOMIC_SEQ_CST);
}

static inline void region_map_unloaded(struct region_map *map, uint64_t cpu_bit)
{
    __atomic_fetch_and(&map->loaded, ~cpu_bit, __ATOMIC_SEQ_CST);
}

/* Remove mappings of a page range of `memory` through this region. Under the map's lock. */
void region_clear_pages(struct region *region, enum link_role role, uint64_t first_page,
                        uint64_t end_page);
/* Make the mappings of a page range of its private memory read-only. */
void region_write_protect(struct region *region, uint64_t first_page, uint64_t end_page);

/* Take the region out of its map, its memories' lists, and free it. Under the map's lock. */
void region_remove(struct region *region);
