/*
 * Memories: sparse sequences of page frames, and views of them.
 *
 * `lock` guards the tree, `regions_lock` the lists of regions that map it. Whoever takes a frame
 * out of a memory, or makes it shared, first changes the tree, then removes the mappings through
 * every region (memory_unmap), then drops the frame: so no translation outlives its frame.
 *
 * A view is a memory without a tree: a range and rights of a base. Regions over a view map the base
 * and hang in the view's list too, so that destroying the view ends them.
 */
#pragma once

#include "kernel/core/call.h"
#include "kernel/core/lock.h"
#include "kernel/object/memory_tree.h"

struct account;

enum memory_kind {
    MEMORY_NORMAL,
    MEMORY_PINNED, /* frames for DMA: their addresses are visible */
    MEMORY_DEVICE, /* no frames: physical addresses */
    MEMORY_VIEW,
};

/* A page whose frame the kernel itself uses: a thread's frame. */
struct memory_pin {
    struct list_node in_memory;
    struct memory *memory;
    struct frame *frame; /* NULL: not pinned */
    uint64_t page;
};

struct memory {
    struct object object;
    enum memory_kind kind;
    uint64_t size_bytes;
    struct spinlock lock;
    struct memory_tree tree;
    struct list_node pins;
    uint64_t device_physical; /* DEVICE */

    handle_t base; /* VIEW */
    uint64_t base_offset;
    uint32_t view_rights;

    struct spinlock pass_lock; /* one pass over the list at a time: each has its own pages */
    struct spinlock regions_lock;
    struct list_node regions; /* struct region_link */
    uint64_t epoch;           /* counts passes over the list */
    void *only_map;           /* the one region map that maps it... */
    uint64_t only_distance;   /* ...with page 0 at this address */
    bool several_places;      /* a page may be mapped more than once */
};

OBJECT_AS(memory)

/* It has frames: it is neither a view nor a device. */
static inline bool memory_has_tree(const struct memory *memory)
{
    return memory->kind == MEMORY_NORMAL || memory->kind == MEMORY_PINNED;
}

status_t memory_make(struct account *account, enum memory_kind kind, uint64_t size_bytes,
                     struct object **out);

/* Read-only memory over part of the kernel image; never freed. */
status_t memory_create_boot(struct account *account, uint64_t physical, uint64_t size_bytes,
                            struct object **out);

/*
 * Remove every mapping of the pages [first, end) from every region of the memory and wait for the
 * shootdown. Blocks nobody; may be called with no lock held only.
 */
void memory_unmap(struct memory *memory, uint64_t first_page, uint64_t end_page);

/* Make every mapping of the memory's own frames of those pages read-only: they are shared with a
 * clone now, or to be noted when they are written. */
void memory_write_protect(struct memory *memory, uint64_t first_page, uint64_t end_page);

/* A step of ending every region that maps it; true: none does any more. */
bool memory_mappings_end(struct memory *memory);

/* struct memory_pages, for object_read and object_write. */
status_t memory_read_pages(const struct call *call, void *out);
status_t memory_clean_pages(const struct call *call, void *in);

bool memory_end_step(struct object *object);
