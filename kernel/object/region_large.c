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

#define LEAVES     (LARGE_FRAMES / NODE_SLOTS)
#define LEAVES_ALL ((1u << LEAVES) - 1)
#define LEAF_BYTES (NODE_SLOTS * PAGE_SIZE)
/* What must be left to pay for one, with its nodes and tables. */
#define LARGE_COST (LARGE_BYTES + 8 * PAGE_SIZE)

/* What is there of a large page. */
struct leaves {
    uint32_t complete; /* a bit for each leaf; of the others no page is there */
    uint64_t physical; /* of the large page; 0: no leaf is there */
    bool writable;     /* all that is there is only here, and known to be written */
};

/* False: what is there makes no large page. Under the memory's lock, like all that follow. */
static bool leaf_look(const struct node *leaf, uint32_t number, struct leaves *out)
{
    const struct frame *first = leaf->slot[0];
    bool adjacent = leaf->present == UINT64_MAX;
    for (uint32_t i = 0; i < NODE_SLOTS && adjacent; i++) {
        adjacent = leaf->slot[i] == first + i;
        out->writable = out->writable && adjacent && frame_is_exclusive(first + i);
    }
    uint64_t physical = adjacent ? frame_physical(first) - number * LEAF_BYTES : 0;
    if (!adjacent || physical % LARGE_BYTES != 0 ||
        (out->complete != 0 && physical != out->physical)) {
        return false;
    }
    out->writable = out->writable && leaf->written == UINT64_MAX;
    out->physical = physical;
    out->complete |= 1u << number;
    return true;
}

static bool leaves_look(const struct memory *memory, uint64_t page, struct leaves *out)
{
    bool fit = true;
    *out = (struct leaves){.writable = true};
    for (uint32_t i = 0; i < LEAVES && fit; i++) {
        bool alone;
        const struct node *leaf = tree_leaf(&memory->tree, page + i * NODE_SLOTS, &alone);
        if (leaf != NULL && leaf->present != 0) {
            out->writable = out->writable && alone;
            fit = leaf_look(leaf, i, out);
        }
    }
    return fit;
}

/* Could all of it be paid? Then a large page that is begun is mostly ended as well. */
static bool is_affordable(struct account *payer)
{
    bool good = account_charge(payer, ACCOUNT_FRAMES, LARGE_COST, NULL) == STATUS_OK;
    if (good) {
        account_uncharge(payer, ACCOUNT_FRAMES, LARGE_COST);
    }
    return good;
}

/* Add the first leaf that is missing. */
static status_t leaf_fill(const struct region *region, struct memory *memory, uint64_t page,
                          const struct leaves *leaves)
{
    struct frame *frames[NODE_SLOTS];
    struct account *payer = memory->object.payer;
    uint32_t number = (uint32_t)__builtin_ctz(~leaves->complete);
    if (!region_fills_with_zeros(region) || (leaves->complete == 0 && !is_affordable(payer))) {
        return STATUS_NO_MEMORY;
    }
    struct frame *first =
        leaves->complete != 0 ? frame_of_physical(leaves->physical) : frames_large_free();
    page += number * NODE_SLOTS;
    struct node *leaf = first == NULL ? NULL : tree_leaf_own(&memory->tree, payer, page);
    if (leaf == NULL ||
        !account_frames_take(payer, first + number * NODE_SLOTS, frames, NODE_SLOTS)) {
        return STATUS_NO_MEMORY;
    }
    for (uint32_t i = 0; i < NODE_SLOTS; i++) {
        (void)leaf_put(leaf, page + i, frames[i]);
    }
    return CALL_RESTART;
}

static status_t large_install(struct region *region, uint64_t start, const struct leaves *leaves)
{
    uint64_t *entry = large_entry_make(&region->map->tables, start);
    if (entry == NULL) {
        return STATUS_NO_MEMORY;
    }
    *entry = region_entry(region, leaves->physical, leaves->writable) | PTE_LARGE;
    region->has_large = true;
    region->has_writable = region->has_writable || leaves->writable;
    return STATUS_OK;
}

/* Can the aligned 2 MiB at `start` be a large page: all in the region, and so in its memory? */
static bool large_fits(const struct region *region, uint64_t start)
{
    const struct memory *memory = region->link[LINK_PRIVATE].memory;
    return !region->map->window && memory != NULL && memory_has_tree(memory) &&
           start >= region->start && region->end - start >= LARGE_BYTES &&
           region_private_page(region, start) % LARGE_FRAMES == 0;
}

status_t region_large_fault(struct region *region, uint64_t address, uint32_t access)
{
    uint64_t next;
    uint64_t start = ALIGN_DOWN(address, LARGE_BYTES);
    const uint64_t *entry = page_entries(&region->map->tables, start, start, LARGE_LEVEL, &next);
    uint64_t old = entry == NULL ? 0 : *entry;
    if (old & PTE_LARGE && (access != RIGHT_WRITE || old & PTE_WRITE)) {
        return STATUS_OK; /* somebody was faster */
    }
    if ((old & PTE_PRESENT && !(old & PTE_LARGE)) || !large_fits(region, start)) {
        return STATUS_NOT_FOUND;
    }
    region_large_clear(region, start, start + LARGE_BYTES);
    struct memory *memory = region->link[LINK_PRIVATE].memory;
    uint64_t page = region_private_page(region, start);
    struct leaves leaves;
    status_t status = STATUS_NOT_FOUND;
    spin_lock(&memory->lock);
    if (leaves_look(memory, page, &leaves) && (access != RIGHT_WRITE || leaves.writable)) {
        status = leaves.complete == LEAVES_ALL ? large_install(region, start, &leaves)
                                               : leaf_fill(region, memory, page, &leaves);
    }
    spin_unlock(&memory->lock);
    return status;
}

void region_large_clear(struct region *region, uint64_t start, uint64_t end)
{
    struct shootdown_batch batch = {.count = 0};
    uint64_t next;
    for (uint64_t at = ALIGN_DOWN(start, LARGE_BYTES); region->has_large && at < end; at = next) {
        uint64_t *entry = page_entries(&region->map->tables, at, end, LARGE_LEVEL, &next);
        next = MIN(next, ALIGN_UP(end, LARGE_BYTES));
        for (; entry != NULL && at < next; at += LARGE_BYTES, entry++) {
            if (*entry & PTE_LARGE) {
                *entry = 0;
                shootdown_add(&batch, at);
            }
        }
    }
    shootdown_run(&region->map->loaded, &batch);
}
