/*
 * Backing a range before it is touched: a run of pages that nothing is known of yet is charged,
 * taken and mapped at once; every other page is resolved as if it had been written.
 */
#include "kernel/object/account.h"
#include "kernel/object/region_find.h"
#include "kernel/object/thread.h"

#define PAGES_PER_STEP 64
#define RUN_MAX        16 /* pages */
#define FAULT_COST     8  /* of a page that is resolved as a fault: it may have to be unmapped */

/*
 * How many pages from `page` on are absent, share the leaf, and are no more than `most`. A page
 * that is being taken out of the memory just now may still have its old entry: it ends the run.
 */
static uint32_t absent_run(const struct node *leaf, uint64_t page, uint64_t most,
                           const uint64_t *entry)
{
    uint32_t slot = (uint32_t)(page % NODE_SLOTS);
    uint64_t present = leaf->present >> slot;
    uint32_t absent = present == 0 ? NODE_SLOTS - slot : (uint32_t)__builtin_ctzll(present);
    uint32_t run = 0;
    while (run < MIN(absent, most) && !(entry[run] & PTE_PRESENT)) {
        run++;
    }
    return run;
}

/* Fill the run at `page`, `entry` being its first page's. Pages filled; under the memory's lock. */
static uint32_t run_install(struct region *region, struct node *leaf, uint64_t page, uint64_t most,
                            uint64_t *entry)
{
    struct frame *frames[RUN_MAX];
    uint32_t count = absent_run(leaf, page, most, entry);
    struct account *payer = region->link[LINK_PRIVATE].memory->object.payer;
    if (count == 0 || !account_frames_take(payer, NULL, frames, count)) {
        return 0;
    }
    uint64_t rights = region_entry(region, 0, true);
    uint64_t filled = ((1ull << count) - 1) << page % NODE_SLOTS;
    for (uint32_t i = 0; i < count; i++) {
        leaf->slot[page % NODE_SLOTS + i] = frames[i];
        entry[i] = frame_physical(frames[i]) | rights;
    }
    leaf->present |= filled;
    leaf->written |= filled;
    region->has_writable = true;
    return count;
}

/* Back pages from `address` on as a run: how many; 0: the page is not that simple. */
static uint32_t run_populate(struct region_map *map, uint64_t address, uint64_t end)
{
    uint32_t count = 0;
    spin_lock(&map->lock);
    struct region *region = region_at(map, address);
    if (region != NULL && !map->dying && region_fills_with_zeros(region) &&
        !(region->rights & MAP_LARGE)) {
        struct memory *memory = region->link[LINK_PRIVATE].memory;
        uint64_t page = region_private_page(region, address);
        uint64_t most = (MIN(end, region->end) - address) >> PAGE_SHIFT;
        most = MIN(most, page_entries_left(address));
        spin_lock(&memory->lock);
        struct node *leaf = tree_leaf_own(&memory->tree, memory->object.payer, page);
        uint64_t *entry = leaf == NULL ? NULL : page_entry_make(&map->tables, address);
        if (entry != NULL) {
            count = run_install(region, leaf, page, MIN(most, RUN_MAX), entry);
        }
        spin_unlock(&memory->lock);
    }
    spin_unlock(&map->lock);
    return count;
}

status_t call_region_populate(struct call *call)
{
    struct region_map *map = region_map_of(call->object);
    uint64_t address = call->argument[1];
    uint64_t end = address + call->argument[2];
    status_t status = region_range_check(map, address, call->argument[2]);
    for (uint32_t done = 0; done < PAGES_PER_STEP && status == STATUS_OK && address < end;) {
        uint32_t count = run_populate(map, address, end);
        if (count == 0) {
            status = region_fault(map, address, RIGHT_WRITE);
            address += status == STATUS_OK ? PAGE_SIZE : 0;
            done += FAULT_COST;
        }
        address += count * PAGE_SIZE;
        done += count;
    }
    bool goes_on = (status == STATUS_OK && address < end) || status == CALL_RESTART;
    return goes_on ? thread_go_on(call->thread, address, end) : status;
}
