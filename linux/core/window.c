/* The slot bitmap and the places of mapped memories: small tables under one mutex. */
#include "linux/core/window.h"

#include "abi/container.h"
#include "lib/base/tree.h"
#include "lib/oak/kernel.h"
#include "linux/core/errno.h"
#include "linux/core/heap.h"
#include "linux/core/lock.h"
#include "linux/core/trap.h"

#define SLOT_WORDS (SLOTS / 64)

static struct {
    struct mutex lock;
    uint32_t used;  /* slots that were taken at least once: up to there from the first one on */
    uint32_t given; /* of these, how many are free */
    uint32_t given_from; /* none of those lies in a word below */
    uint64_t near_bytes; /* taken from program_near_start on */
    uint64_t maps_bytes; /* taken from WINDOW_MAPS on */
    struct free_range *free_ranges;
} state;
static uint64_t slots_given[SLOT_WORDS] LARGE_TABLE; /* a bit for each that was given back */

/* Addresses given back, by size: windows are few and their sizes repeat. */
struct free_range {
    struct free_range *next;
    uint64_t address;
    uint64_t size_bytes;
};

bool window_back(const void *address, uint64_t size_bytes)
{
    return kernel_region_populate(SLOT_DOMAIN, (uint64_t)(uintptr_t)address, size_bytes) ==
           STATUS_OK;
}

void window_unite(void)
{
    uint64_t stack = (uint64_t)(uintptr_t)program_first_block + PAGE_SIZE;
    uint64_t zero = (uint64_t)(uintptr_t)program_zero_start;
    uint64_t end = (uint64_t)(uintptr_t)program_warm_heap + WINDOW_HEAP_BYTES +
                   (uint64_t)(program_data_end - program_zero_start);
    for (volatile uint8_t *page = program_data_start; page < program_data_end; page += PAGE_SIZE) {
        *page = *page; /* what is written is the private memory's, and needs the file no more */
    }
    /* Between the two nothing may be touched there; should they fail, the next touch ends the
     * template. */
    (void)kernel_region_unmap(SLOT_DOMAIN, zero, (uint64_t)(uintptr_t)program_data_end - zero);
    (void)kernel_region_map(SLOT_DOMAIN, stack | RIGHT_READ | RIGHT_WRITE, end - stack, SLOT_MEMORY,
                            stack - WINDOW_BASE, 0);
}

/* Under the lock. */
static uint32_t given_take(void)
{
    while (slots_given[state.given_from] == 0) {
        state.given_from++;
    }
    uint64_t *word = &slots_given[state.given_from];
    uint32_t bit = (uint32_t)__builtin_ctzll(*word);
    *word &= ~(1ull << bit);
    state.given--;
    return state.given_from * 64 + bit;
}

uint32_t slot_alloc(void)
{
    uint32_t slot = 0;
    mutex_lock(&state.lock);
    if (state.given > 0) {
        slot = given_take();
    } else if (CONTAINER_SLOT_FIRST_FREE + state.used < SLOTS) {
        slot = CONTAINER_SLOT_FIRST_FREE + state.used++;
    }
    mutex_unlock(&state.lock);
    return slot;
}

void slot_free(uint32_t slot)
{
    if (slot < CONTAINER_SLOT_FIRST_FREE) {
        return;
    }
    uint64_t *word = &slots_given[slot / 64];
    uint64_t bit = 1ull << slot % 64;
    mutex_lock(&state.lock);
    if (*word & bit) {
        personality_panic("slots: one was freed that is free");
    }
    *word |= bit;
    state.given_from = state.given == 0 ? slot / 64 : MIN(state.given_from, slot / 64);
    state.given++;
    mutex_unlock(&state.lock);
}

/* A free place of that size, with an unmapped page behind it. */
static uint64_t address_take(uint64_t size_bytes)
{
    uint64_t address = 0;
    mutex_lock(&state.lock);
    struct free_range **link = &state.free_ranges;
    while (*link != NULL && (*link)->size_bytes != size_bytes) {
        link = &(*link)->next;
    }
    struct free_range *found = *link;
    if (found != NULL) {
        address = found->address;
        *link = found->next;
    } else if (range_inside(state.near_bytes, size_bytes + PAGE_SIZE,
                            (uint64_t)(program_first_block - program_near_start))) {
        address = (uint64_t)(uintptr_t)program_near_start + state.near_bytes;
        state.near_bytes += size_bytes + PAGE_SIZE;
    } else if (range_inside(state.maps_bytes, size_bytes + PAGE_SIZE,
                            WINDOW_BASE + WINDOW_SIZE - WINDOW_MAPS)) {
        address = WINDOW_MAPS + state.maps_bytes;
        state.maps_bytes += size_bytes + PAGE_SIZE;
    }
    mutex_unlock(&state.lock);
    heap_free(found);
    return address;
}

static void address_give(uint64_t address, uint64_t size_bytes)
{
    struct free_range *range = heap_alloc(sizeof(*range));
    if (range == NULL) {
        return; /* the addresses are lost, nothing else */
    }
    range->address = address;
    range->size_bytes = size_bytes;
    mutex_lock(&state.lock);
    range->next = state.free_ranges;
    state.free_ranges = range;
    mutex_unlock(&state.lock);
}

static long map(const struct window_page *from, uint64_t size_bytes, uint64_t rights,
                void **address)
{
    uint64_t place = address_take(size_bytes);
    if (place == 0) {
        return -ENOMEM;
    }
    if (kernel_region_map(SLOT_DOMAIN, place | rights, size_bytes,
                          from->private_slot | from->source_slot << 32, from->private_offset,
                          from->source_offset) != STATUS_OK) {
        address_give(place, size_bytes);
        return -ENOMEM;
    }
    *address = (void *)(uintptr_t)place;
    return 0;
}

long window_map_memory(uint32_t slot, uint64_t size_bytes, bool writable, void **address)
{
    const struct window_page from = {.private_slot = slot};
    return map(&from, size_bytes, RIGHT_READ | (writable ? RIGHT_WRITE : 0), address);
}

long window_map_source(uint32_t slot, uint64_t size_bytes, void **address)
{
    const struct window_page from = {.source_slot = slot};
    return map(&from, size_bytes, RIGHT_READ, address);
}

long window_map_page(const struct window_page *page, bool writable, void **address)
{
    return map(page, PAGE_SIZE, RIGHT_READ | (writable ? RIGHT_WRITE : 0), address);
}

void window_unmap_memory(void *address, uint64_t size_bytes)
{
    (void)kernel_region_unmap(SLOT_DOMAIN, (uint64_t)(uintptr_t)address, size_bytes);
    address_give((uint64_t)(uintptr_t)address, size_bytes);
}
