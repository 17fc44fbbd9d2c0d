/*
 * Resolving page faults: which frame belongs where, with which rights (design: memory). No two
 * memories are locked at once: a hostile personality may make two of them each other's source.
 */
#include "kernel/object/account.h"
#include "kernel/object/region.h"
#include "kernel/object/region_find.h"
#include "kernel/x86_64/asm.h"
#include "kernel/x86_64/shootdown.h"
#include "lib/base/string.h"

/* One fault in progress, under the map's lock. */
struct fault {
    struct region_map *map;
    struct region *region;
    uint64_t address; /* of the page */
    uint32_t access;
    /* A frame that lost its place in a tree; released when nobody maps it any more. */
    struct frame *replaced;
    uint64_t *entry;         /* where the page was installed */
    uint32_t private_around; /* the pages around that the private memory has, or may have */
};

static uint64_t private_page(const struct fault *fault)
{
    return region_private_page(fault->region, fault->address);
}

static uint64_t source_page(const struct fault *fault)
{
    return (fault->address - fault->region->start + fault->region->source_offset) >> PAGE_SHIFT;
}

uint64_t region_entry(const struct region *region, uint64_t physical, bool writable)
{
    uint64_t value = physical | PTE_PRESENT | PTE_USER;
    if (writable && region->rights & RIGHT_WRITE) {
        value |= PTE_WRITE;
    }
    if (!(region->rights & RIGHT_EXECUTE)) {
        value |= PTE_NX;
    }
    return value;
}

static status_t entry_install(struct fault *fault, uint64_t physical, bool writable, uint64_t extra)
{
    uint64_t *entry = page_entry_make(&fault->map->tables, fault->address);
    if (entry == NULL) {
        return STATUS_NO_MEMORY;
    }
    uint64_t value = region_entry(fault->region, physical, writable) | extra;
    fault->region->has_writable = fault->region->has_writable || (value & PTE_WRITE);
    fault->entry = entry;
    uint64_t old = *entry;
    *entry = value;
    bool loses = (old & PTE_ADDRESS) != physical || (old & ~value & PTE_WRITE);
    if (old & PTE_PRESENT && loses) {
        struct shootdown_batch batch = {.count = 0};
        shootdown_add(&batch, fault->address);
        shootdown_run(&fault->map->loaded, &batch);
    } else if (old & PTE_PRESENT) {
        translation_forget(fault->address); /* it gained rights: others will fault and look again */
    }
    return STATUS_OK;
}

/* --- pages around ----------------------------------------------------------------------------- */

/*
 * Neighbours that are resident anyway are mapped with the page, so that a program that is read from
 * front to back does not fault at every page. Nothing is allocated, copied or waited for. The pages
 * around are the aligned AROUND_PAGES of the memory that shows them, as far as region and page
 * table reach: they share a leaf of its tree. Bit 0 of a set of them is the first.
 */
#define AROUND_PAGES 16
_Static_assert(NODE_SLOTS % AROUND_PAGES == 0, "they share a leaf");

struct around {
    uint32_t below; /* how many come before the page */
    uint32_t count;
};

static struct around around_find(const struct fault *fault, uint64_t page)
{
    const struct region *region = fault->region;
    uint64_t left = page_entries_left(fault->address);
    uint64_t below = MIN(page % AROUND_PAGES, (fault->address - region->start) >> PAGE_SHIFT);
    below = MIN(below, PAGE_TABLE_ENTRIES - left);
    uint64_t above =
        MIN(AROUND_PAGES - page % AROUND_PAGES, (region->end - fault->address) >> PAGE_SHIFT);
    return (struct around){(uint32_t)below, (uint32_t)(below + MIN(above, left))};
}

/* Which pages around are the private memory's, whose leaf that is (or NULL), or in another leaf of
 * it. Under its lock. */
static uint32_t around_present(const struct fault *fault, const struct node *leaf)
{
    uint64_t page = private_page(fault);
    struct around around = around_find(fault, source_page(fault));
    uint32_t present = 0;
    for (uint32_t i = 0; i < around.count; i++) {
        uint64_t slot = page % NODE_SLOTS + i - around.below; /* wraps below the leaf */
        bool absent = slot < NODE_SLOTS && (leaf == NULL || !(leaf->present >> slot & 1));
        present |= absent ? 0 : 1u << i;
    }
    return present;
}

/* Map what is resident around `page`, which is in that leaf, but for the set `skip`; writable, as
 * far as it may be, if the leaf is the region's own. Under the memory's lock. */
static void around_install(const struct fault *fault, const struct node *leaf, uint64_t page,
                           bool own, uint32_t skip)
{
    struct around around = around_find(fault, page);
    uint64_t *entry = fault->entry - around.below;
    void *const *slot = leaf->slot + page % NODE_SLOTS - around.below;
    uint64_t left = leaf->present >> (page % NODE_SLOTS - around.below) & ~(uint64_t)skip;
    left &= (1ull << around.count) - 1;
    uint64_t shown = region_entry(fault->region, 0, false);
    uint64_t owned = region_entry(fault->region, 0, own);
    uint64_t written = leaf->written >> (page % NODE_SLOTS - around.below);
    for (; left != 0; left &= left - 1) {
        uint32_t i = (uint32_t)__builtin_ctzll(left);
        const struct frame *frame = slot[i];
        if (entry[i] != 0) {
            continue;
        }
        bool exclusive = owned != shown && written >> i & 1 && frame_is_exclusive(frame);
        entry[i] = frame_physical(frame) | (exclusive ? owned : shown);
        fault->region->has_writable |= exclusive;
    }
}

/* --- resolving -------------------------------------------------------------------------------- */

/*
 * Put a new frame where the private memory's page is absent or shared with a clone; it is released
 * when there is no memory for that. `leaf` is the page's, or NULL, and `alone` whether nobody
 * shares it. Under the memory's lock.
 */
static status_t private_put(struct fault *fault, struct memory *memory, struct node *leaf,
                            bool alone, struct frame *frame)
{
    uint64_t page = private_page(fault);
    if (leaf == NULL || !alone) {
        leaf = tree_leaf_own(&memory->tree, memory->object.payer, page);
    }
    if (leaf == NULL) {
        frame_release(frame);
        return STATUS_NO_MEMORY;
    }
    fault->replaced = leaf_put(leaf, page, frame);
    return STATUS_OK;
}

/* May the page, which nobody shares, be mapped writable? */
static bool leaf_written(struct node *leaf, uint64_t page, uint32_t access)
{
    if (access == RIGHT_WRITE) {
        leaf->written |= leaf_bit(page);
    }
    return leaf->written & leaf_bit(page);
}

/*
 * The private memory's part: OK with the page mapped, WOULD_BLOCK when the page is absent and the
 * region has a source.
 */
static status_t private_resolve(struct fault *fault, struct memory *memory)
{
    bool alone;
    status_t status = STATUS_OK;
    spin_lock(&memory->lock);
    struct node *leaf = tree_leaf(&memory->tree, private_page(fault), &alone);
    struct frame *frame = leaf == NULL ? NULL : leaf->slot[private_page(fault) % NODE_SLOTS];
    if (frame == NULL && fault->region->link[LINK_SOURCE].memory != NULL) {
        fault->private_around = around_present(fault, leaf);
        spin_unlock(&memory->lock);
        return STATUS_WOULD_BLOCK;
    }
    bool exclusive = frame != NULL && alone && frame_is_exclusive(frame);
    bool resident = frame != NULL && (exclusive || fault->access != RIGHT_WRITE);
    if (!resident) {
        struct frame *fresh = account_frame_take(memory->object.payer, frame == NULL);
        if (fresh != NULL && frame != NULL) {
            memcpy(frame_pointer(fresh), frame_pointer(frame), PAGE_SIZE);
        }
        status = fresh == NULL ? STATUS_NO_MEMORY : private_put(fault, memory, leaf, alone, fresh);
        frame = fresh;
        exclusive = true;
    } else if (exclusive) {
        exclusive = leaf_written(leaf, private_page(fault), fault->access);
    }
    if (status == STATUS_OK) {
        status = entry_install(fault, frame_physical(frame), exclusive, 0);
    }
    if (status == STATUS_OK && resident) {
        around_install(fault, leaf, private_page(fault), alone, 0);
    }
    spin_unlock(&memory->lock);
    return status;
}

/* Copy a source's frame into the private memory, unless somebody was faster. */
static status_t source_copy(struct fault *fault, struct memory *memory, struct frame *source)
{
    struct frame *copy = account_frame_take(memory->object.payer, false);
    if (copy == NULL) {
        return STATUS_NO_MEMORY;
    }
    memcpy(frame_pointer(copy), frame_pointer(source), PAGE_SIZE);
    bool alone;
    spin_lock(&memory->lock);
    struct node *leaf = tree_leaf(&memory->tree, private_page(fault), &alone);
    status_t status = STATUS_OK;
    if (leaf == NULL || leaf->slot[private_page(fault) % NODE_SLOTS] == NULL) {
        status = private_put(fault, memory, leaf, alone, copy);
        if (status == STATUS_OK) {
            status = entry_install(fault, frame_physical(copy), true, 0);
        }
        copy = NULL;
    }
    spin_unlock(&memory->lock);
    if (copy != NULL) {
        frame_release(copy);
    }
    return status;
}

/* The source's part; its frame stays while we hold the map's lock: who discards it comes here. */
static status_t source_resolve(struct fault *fault, struct memory *source, struct memory *private)
{
    bool alone;
    bool writes = fault->access == RIGHT_WRITE;
    uint64_t page = source_page(fault);
    spin_lock(&source->lock);
    const struct node *leaf = tree_leaf(&source->tree, page, &alone);
    struct frame *frame = leaf == NULL ? NULL : leaf->slot[page % NODE_SLOTS];
    status_t status = frame == NULL ? STATUS_WOULD_BLOCK : STATUS_OK;
    if (frame != NULL && !writes) {
        status = entry_install(fault, frame_physical(frame), false, 0);
        if (status == STATUS_OK) {
            around_install(fault, leaf, page, false, fault->private_around);
        }
    }
    spin_unlock(&source->lock);
    return status == STATUS_OK && writes ? source_copy(fault, private, frame) : status;
}

static status_t device_resolve(struct fault *fault, const struct memory *memory)
{
    uint64_t physical = memory->device_physical + (private_page(fault) << PAGE_SHIFT);
    return entry_install(fault, physical, true, PTE_UNCACHED | PTE_THROUGH);
}

static status_t fault_resolve(struct fault *fault)
{
    struct memory *private = fault->region->link[LINK_PRIVATE].memory;
    struct memory *source = fault->region->link[LINK_SOURCE].memory;
    if (private != NULL && private->kind == MEMORY_DEVICE) {
        return device_resolve(fault, private);
    }
    if (fault->region->rights & MAP_LARGE) {
        status_t status = region_large_fault(fault->region, fault->address, fault->access);
        if (status == STATUS_OK || status == CALL_RESTART) {
            return status;
        }
    }
    if (private != NULL) {
        status_t status = private_resolve(fault, private);
        if (status != STATUS_WOULD_BLOCK) {
            return status;
        }
    }
    return source_resolve(fault, source, private);
}

status_t region_fault(struct region_map *map, uint64_t address, uint32_t access)
{
    struct fault fault = {.map = map, .address = ALIGN_DOWN(address, PAGE_SIZE), .access = access};
    spin_lock(&map->lock);
    fault.region = region_at(map, address);
    status_t status = STATUS_NOT_FOUND;
    if (fault.region != NULL && !map->dying) {
        status = fault.region->rights & access ? fault_resolve(&fault) : STATUS_NO_RIGHT;
    }
    bool replaces = fault.replaced != NULL;
    struct memory *private = replaces ? fault.region->link[LINK_PRIVATE].memory : NULL;
    uint64_t page = replaces ? private_page(&fault) : 0;
    spin_unlock(&map->lock);
    if (replaces) {
        if (private->several_places) {
            memory_unmap(private, page, page + 1);
        }
        frame_release(fault.replaced);
    }
    return status;
}

/* --- pins ------------------------------------------------------------------------------------ */

/* The frame of a writable page that only the private memory has; false: there is none. */
static bool page_pin(struct region_map *window, uint64_t address, struct memory_pin *pin)
{
    bool good = false;
    spin_lock(&window->lock);
    const struct region *region = region_at(window, address);
    struct memory *memory = region == NULL ? NULL : region->link[LINK_PRIVATE].memory;
    if (memory != NULL && memory->kind == MEMORY_NORMAL && region->rights & RIGHT_WRITE) {
        uint64_t page = region_private_page(region, address);
        bool alone;
        spin_lock(&memory->lock);
        struct node *leaf = tree_leaf(&memory->tree, page, &alone);
        struct frame *frame = leaf == NULL ? NULL : leaf->slot[page % NODE_SLOTS];
        /* Not dying: who destroys it looks for pins under this lock, and then never again. */
        good = frame != NULL && alone && frame_is_exclusive(frame) && !memory->object.dying &&
               !(frame->flags & FRAME_PINNED);
        if (good) {
            __atomic_fetch_add(&frame->references, 1, __ATOMIC_RELAXED);
            frame->flags |= FRAME_PINNED;
            leaf->written |= leaf_bit(page); /* we write */
            *pin = (struct memory_pin){.memory = memory, .frame = frame, .page = page};
            list_append(&memory->pins, &pin->in_memory);
        }
        spin_unlock(&memory->lock);
    }
    spin_unlock(&window->lock);
    return good;
}

status_t region_pin_frame(struct region_map *window, uint64_t address, struct memory_pin *pin)
{
    if (page_pin(window, address, pin)) {
        return STATUS_OK;
    }
    /* As if written: afterwards the frame is the private memory's alone. */
    status_t status = region_fault(window, address, RIGHT_WRITE);
    return status == STATUS_NO_MEMORY                              ? status
           : status == STATUS_OK && page_pin(window, address, pin) ? STATUS_OK
                                                                   : STATUS_INVALID_ARGUMENT;
}

void region_unpin_frame(struct memory_pin *pin)
{
    if (pin->frame == NULL) {
        return;
    }
    spin_lock(&pin->memory->lock);
    list_remove(&pin->in_memory);
    pin->frame->flags &= ~(uint32_t)FRAME_PINNED;
    spin_unlock(&pin->memory->lock);
    frame_release(pin->frame);
    pin->frame = NULL;
}
