/*
 * Looking regions up and making them, for the files that work on region maps. Under the map's lock,
 * but for what checks arguments.
 */
#pragma once

#include "kernel/object/region.h"

/* The half that a domain or a space stands for. */
struct region_map *region_map_of(struct object *object);
/* INVALID_ARGUMENT, OUT_OF_RANGE. */
status_t region_range_check(const struct region_map *map, uint64_t address, uint64_t size_bytes);

/* A memory of the caller's, with the rights that the region needs; slot 0 is none. */
status_t region_memory_argument(struct call *call, uint64_t slot, uint32_t rights,
                                struct memory **out, uint32_t *out_rights);

/* What is shown of that memory, or nothing if it is NULL. OUT_OF_RANGE, BAD_CAPABILITY. */
status_t region_target_resolve(struct memory *memory, uint64_t offset, uint64_t size_bytes,
                               struct region_target *out);

/* A region of the map as the request says. `like`: what it is a copy of, or NULL. */
status_t region_add(struct region_map *map, const struct region_request *request,
                    const struct region *like);

/* Give back the page tables of a range, at most a step's, that no region needs any more. */
void region_tables_trim(struct region_map *map, uint64_t start, uint64_t end);

/* The page table entry of a frame that the region shows; writable as far as the region is. */
uint64_t region_entry(const struct region *region, uint64_t physical, bool writable);

/* May absent pages of the region be filled with zeros, and written? */
static inline bool region_fills_with_zeros(const struct region *region)
{
    const struct memory *memory = region->link[LINK_PRIVATE].memory;
    return memory != NULL && memory->kind == MEMORY_NORMAL &&
           region->link[LINK_SOURCE].memory == NULL && region->rights & RIGHT_WRITE;
}

/* For a fault in a region with MAP_LARGE. OK: a large page is mapped that allows the access.
 * CALL_RESTART: one step nearer to be. Else none is, so that a page of 4 KiB may. */
status_t region_large_fault(struct region *region, uint64_t address, uint32_t access);

/* No large page is mapped any more that has an address of [start, end). */
void region_large_clear(struct region *region, uint64_t start, uint64_t end);

/* The first region that ends above the address; NULL when none does. */
struct region *region_from(const struct region_map *map, uint64_t address);
struct region *region_next(const struct region *region);

/* The region that the address lies in; NULL when none does. */
static inline struct region *region_at(const struct region_map *map, uint64_t address)
{
    struct region *region = region_from(map, address);
    return region != NULL && region->start <= address ? region : NULL;
}

/* The page of the region's private memory that the address shows. */
static inline uint64_t region_private_page(const struct region *region, uint64_t address)
{
    return (address - region->start + region->private_offset) >> PAGE_SHIFT;
}
