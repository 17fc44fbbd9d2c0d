/*
 * Places in WINDOW_MAPS: rounded up to a power of two of pages, one list of free places per power.
 * A place taken back from a list is reused; what no list has comes from the end. The nodes of the
 * lists live on the heap; when there is no room for one, the place is lost, which costs addresses
 * only.
 */
#include "lib/oak/window.h"

#include "lib/oak/heap.h"
#include "lib/oak/kernel.h"

#define PLACES_ORDERS 28 /* up to 2^27 pages, the whole window */

struct place {
    struct place *next;
    uint64_t address;
};

static struct place *free_places[PLACES_ORDERS];
static uint64_t places_end = WINDOW_MAPS;

static unsigned int order_of(uint64_t size_bytes)
{
    uint64_t pages = (size_bytes + PAGE_SIZE - 1) >> PAGE_SHIFT;
    return pages <= 1 ? 0 : 64 - (unsigned int)__builtin_clzll(pages - 1);
}

static status_t place_take(uint64_t size_bytes, uint64_t *out)
{
    if (size_bytes == 0 || size_bytes > WINDOW_SIZE) {
        return STATUS_INVALID_ARGUMENT;
    }
    unsigned int order = order_of(size_bytes);
    struct place *place = free_places[order];
    if (place != NULL) {
        free_places[order] = place->next;
        *out = place->address;
        heap_free(place);
        return STATUS_OK;
    }
    uint64_t room = WINDOW_BASE + WINDOW_SIZE - places_end;
    if (PAGE_SIZE << order > room) {
        return STATUS_LIMIT_REACHED;
    }
    *out = places_end;
    places_end += PAGE_SIZE << order;
    return STATUS_OK;
}

static void place_give(uint64_t address, uint64_t size_bytes)
{
    struct place *place = heap_allocate(sizeof(*place));
    if (place == NULL) {
        return;
    }
    unsigned int order = order_of(size_bytes);
    *place = (struct place){free_places[order], address};
    free_places[order] = place;
}

static status_t map(uint64_t slots, uint64_t private_offset, uint64_t source_offset,
                    uint64_t size_bytes, uint32_t rights, uint64_t *out)
{
    uint64_t address;
    status_t status = place_take(size_bytes, &address);
    if (status != STATUS_OK) {
        return status;
    }
    status = kernel_region_map(SLOT_DOMAIN, address | rights, ALIGN_UP(size_bytes, PAGE_SIZE),
                               slots, private_offset, source_offset);
    if (status != STATUS_OK) {
        place_give(address, size_bytes);
        return status;
    }
    *out = address;
    return STATUS_OK;
}

status_t window_map(uint32_t memory, uint64_t offset, uint64_t size_bytes, uint32_t rights,
                    void **out)
{
    uint64_t address;
    status_t status = map(memory, offset, 0, size_bytes, rights, &address);
    if (status == STATUS_OK) {
        *out = (void *)address;
    }
    return status;
}

status_t window_map_source(uint32_t memory, uint64_t offset, uint64_t size_bytes, const void **out)
{
    uint64_t address;
    status_t status = map((uint64_t)memory << 32, 0, offset, size_bytes, RIGHT_READ, &address);
    if (status == STATUS_OK) {
        *out = (const void *)address;
    }
    return status;
}

void window_unmap(const void *address, uint64_t size_bytes)
{
    if (address != NULL) {
        kernel_region_unmap(SLOT_DOMAIN, (uint64_t)address, ALIGN_UP(size_bytes, PAGE_SIZE));
        place_give((uint64_t)address, size_bytes);
    }
}
