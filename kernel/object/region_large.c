/*
 * Large pages (2 MiB), where a region was mapped with MAP_LARGE. A memory knows frames of 4 KiB
 * only: a large page is 512 of them that lie behind one another, shown by one entry as long as
 * nothing happens to any of them. Whatever does, a clone, a discard, a region cut in two, takes the
 * whole entry away; the next fault makes another, or entries of 4 KiB.
 *
 * Where none of the 512 is there yet, a fault adds a leaf of the memory's tree, 64 zeroed frames,
 * and the access faults again until all are: the steps are bounded and keep nothing but the tree.
 */
#include "kernel/object/account.h"
#include "kernel/object/region_find.h"
#include "kernel/x86_64/shootdown.h"

#define LARGE_LEVEL 2
#define LEAVES      (LARGE_FRAMES / NODE_SLOTS)
#define LEAVES_ALL  ((1u << LEAVES) - 1)
#define LEAF_BYTES  (NODE_SLOTS * PAGE_SIZE)

/* Which of the leaves that a large page needs are there, and complete. */
struct leaves {
    struct node *leaf[LEAVES]; /* NULL: it has no page */
    uint32_t complete;
    uint64_t physical; /* of the large page; 0: no leaf is there */
    bool alone;        /* nobody shares them */
};

/* Do the leaf's frames lie behind one another? */
static bool leaf_is_adjacent(const struct node *leaf)
{
    const struct frame *first = leaf->slot[0];
    for (uint32_t i = 0; i < NODE_SLOTS; i++) {
        if (leaf->slot[i] != first + i) {
            return false;
        }
    }
    return true;
}

/* False: what is there makes no large page. Under the memory's lock, like all that follow. */
static bool leaves_find(const struct memory *memory, uint64_t page, struct leaves *out)
{
    *out = (struct leaves){.alone = true};
    for (uint32_t i = 0; i < LEAVES; i++) {
        bool alone;
        struct node *leaf = tree_leaf(&memory->tree, page + i * NODE_SLOTS, &alone);
        if (leaf == NULL || leaf->present == 0) {
            continue;
        }
        if (leaf->present != UINT64_MAX || !leaf_is_adjacent(leaf)) {
            return false;
        }
        uint64_t physical = frame_physical(leaf->slot[0]) - i * LEAF_BYTES;
        if (physical % LARGE_BYTES != 0 || (out->physical != 0 && physical != out->physical)) {
            return false;
        }
        out->physical = physical;
        out->leaf[i] = leaf;
        out->complete |= 1u << i;
        out->alone = out->alone && alone;
    }
    return true;
}

/* May the large page be mapped writable: is it only here, and is all of it known to be written? */
static bool leaves_writable(const struct leaves *leaves)
{
    bool writable = leaves->alone;
    for (uint32_t i = 0; i < LEAVES && writable; i++) {
        const struct node *leaf = leaves->leaf[i];
        writable = leaf->written == UINT64_MAX;
        for (uint32_t slot = 0; slot < NODE_SLOTS && writable; slot++) {
            writable = frame_is_exclusive(leaf->slot[slot]);
        }
    }
    return writable;
}

/* Add the first leaf that is missing. */
static bool leaf_fill(const struct region *region, struct memory *memory, uint64_t page,
                      const struct leaves *leaves)
{
    struct frame *frames[NODE_SLOTS];
    uint32_t number = (uint32_t)__builtin_ctz(~leaves->complete);
    struct frame *first =
        leaves->physical != 0 ? frame_of_physical(leaves->physical) : frames_large_free();
    if (first == NULL || !region_fills_with_zeros(region)) {
        return false;
    }
    page += number * NODE_SLOTS;
    struct node *leaf = tree_leaf_own(&memory->tree, memory->object.payer, page);
    if (leaf == NULL || !account_frames_take(memory->object.payer, first + number * NODE_SLOTS,
                                             frames, NODE_SLOTS)) {
        return false;
    }
    for (uint32_t i = 0; i < NODE_SLOTS; i++) {
        (void)leaf_put(leaf, page + i, frames[i]);
    }
    return true;
}

static bool large_install(struct region *region, uint64_t start, uint32_t access,
                          const struct leaves *leaves)
{
    bool writable = region->rights & RIGHT_WRITE && leaves_writable(leaves);
    if (access == RIGHT_WRITE && !writable) {
        return false;
    }
    uint64_t *entry = page_entry_make(&region->map->tables, start, LARGE_LEVEL);
    if (entry == NULL) {
        return false;
    }
    /* Whoever has another one of old forgets it. */
    region_large_clear(region, start, start + LARGE_BYTES);
    *entry = region_entry(region, leaves->physical, writable) | PTE_LARGE;
    region->has_large = true;
    region->has_writable = region->has_writable || writable;
    return true;
}

/* Can the aligned 2 MiB at `start` be a large page: all in the region, and so in its memory? */
static bool large_fits(const struct region *region, uint64_t start)
{
    const struct memory *memory = region->link[LINK_PRIVATE].memory;
    return !region->map->window && memory != NULL && memory_has_tree(memory) &&
           start >= region->start && region->end - start >= LARGE_BYTES &&
           region_private_page(region, start) % LARGE_FRAMES == 0;
}

bool region_large_fault(struct region *region, uint64_t address, uint32_t access)
{
    uint64_t next;
    uint64_t start = ALIGN_DOWN(address, LARGE_BYTES);
    const uint64_t *entry = page_entries(&region->map->tables, start, start, LARGE_LEVEL, &next);
    bool pages = entry != NULL && (*entry & (PTE_PRESENT | PTE_LARGE)) == PTE_PRESENT;
    if (pages || !large_fits(region, start)) {
        return false;
    }
    struct memory *memory = region->link[LINK_PRIVATE].memory;
    uint64_t page = region_private_page(region, start);
    struct leaves leaves;
    spin_lock(&memory->lock);
    bool nearer = leaves_find(memory, page, &leaves) &&
                  (leaves.complete == LEAVES_ALL ? large_install(region, start, access, &leaves)
                                                 : leaf_fill(region, memory, page, &leaves));
    spin_unlock(&memory->lock);
    if (!nearer) {
        region_large_clear(region, start, start + LARGE_BYTES);
    }
    return nearer;
}

void region_large_clear(struct region *region, uint64_t start, uint64_t end)
{
    struct shootdown_batch batch = {.count = 0};
    uint64_t next;
    for (uint64_t at = ALIGN_DOWN(start, LARGE_BYTES); region->has_large && at < end; at = next) {
        uint64_t *entry = page_entries(&region->map->tables, at, end, LARGE_LEVEL, &next);
        next = MIN(next, ALIGN_UP(end, LARGE_BYTES));
        for (; entry != NULL && at < next; at += LARGE_BYTES, entry++) {
            if (*entry & PTE_PRESENT && *entry & PTE_LARGE) {
                *entry = 0;
                shootdown_add(&batch, at);
            }
        }
    }
    shootdown_run(&region->map->loaded, &batch);
}
