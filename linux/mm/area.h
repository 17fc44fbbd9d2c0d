/* Areas, for the files of linux/mm. */
#pragma once

#include "linux/mm/mm.h"

/* The memory behind an anonymous shared mapping, counted by the areas that map it. */
struct shared_pages {
    uint32_t references; /* atomic */
    uint32_t memory;     /* slot */
};

struct vm_area *area_copy(const struct vm_area *area);
void area_free(struct vm_area *area);
/* Count a new area with the inode, if stores may go through it now or after an mprotect: it is not
 * sealed against them while one is there (tree_file_seal). Copies are counted as well. */
void area_stores_begin(struct vm_area *area);

/* Under mm->lock. Into the tree, and out of it. */
static inline void area_enter(struct mm *mm, struct vm_area *area)
{
    tree_insert(&mm->areas, &area->node);
    mm->area_count++;
}
static inline void area_leave(struct mm *mm, struct vm_area *area)
{
    tree_remove(&mm->areas, &area->node);
    mm->area_count--;
}
/* Does the second lie behind the first, and differ in nothing but its place? */
bool area_continues(const struct vm_area *first, const struct vm_area *next);
/* Make one of those that touch the range and continue one another. Who holds an area looks for it
 * again. */
void areas_join(struct mm *mm, uint64_t start, uint64_t end);

/* Under mm->lock. */
bool range_free(const struct mm *mm, uint64_t start, uint64_t length);
/* Up to where every page of the range is in some area. */
uint64_t range_covered_end(const struct mm *mm, uint64_t start, uint64_t end);
/* Cut the areas at both ends of a range. */
long range_cut(struct mm *mm, uint64_t start, uint64_t end);
/* May the current task map so many bytes more (RLIMIT_AS, RLIMIT_DATA), as that area is? */
bool mm_may_grow(const struct mm *mm, const struct vm_area *area, uint64_t length);
/* Of the area's region in the kernel, with that protection. */
uint64_t region_rights(const struct vm_area *area, uint32_t protection);
/* Which pages the kernel shows for an area: of a private memory over a source. */
struct area_pages {
    uint64_t private_slot; /* 0: none */
    uint64_t private_offset;
    uint64_t source_slot; /* 0: none */
    uint64_t source_offset;
    uint64_t length_bytes; /* less than the area's where the file ended; 0: nothing */
};
long area_pages_find(const struct mm *mm, const struct vm_area *area, struct area_pages *out);
/* The kernel's region for an area. */
long region_make(struct mm *mm, struct vm_area *area);
/* Make the regions that wait, if any do. */
long batch_flush(struct mm *mm);
/* Have a region made, with the words of region_map, now or with others. */
long batch_add(struct mm *mm, const uint64_t words[REGION_WORDS]);
long unmap_locked(struct mm *mm, uint64_t start, uint64_t length);

/* Between an area that grows down and what lies below it; Linux's stack_guard_gap. */
#define STACK_GAP_BYTES (256 * PAGE_SIZE)
/* From where on an area keeps the places of others off. */
uint64_t area_low(const struct vm_area *area);
/* Let it come down to the address, which lies below it and in no area: false if it does not grow,
 * or not so far. Under mm->lock. */
bool area_grow_down(struct mm *mm, struct vm_area *area, uint64_t address);

/* move.c: the pages of a private area from one range to another, of which none is there yet; both
 * have that protection. mm->moving is held. -ENOMEM, -EFAULT: the old place has all of it still, or
 * the process is about to end. */
struct page_move {
    uint64_t from;
    uint64_t from_length;
    uint64_t to;
    uint64_t to_length;
    uint32_t protection;
};
long pages_move(struct mm *mm, const struct page_move *wanted);

/* Give a new area a place; area->end is its length. The address; frees the area when there is
 * none. Takes mm->lock. */
long area_place(struct mm *mm, struct vm_area *area, uint64_t address, uint32_t flags);
