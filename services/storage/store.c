#include "services/storage/store.h"

#include "lib/base/string.h"
#include "services/storage/backend.h"

#define MOUNT_COOKIE BACKEND_FETCHES

struct store store;

/* --- Mounting --- */

static status_t read_now(uint64_t block, uint32_t count)
{
    status_t status =
        backend_submit(BACKEND_READ, block, BACKEND_UPDATE_FIRST, count, MOUNT_COOKIE);
    return status == STATUS_OK ? backend_wait() : status;
}

static status_t header_load(uint32_t area, struct catalog_header *out,
                            enum catalog_header_kind *out_kind)
{
    status_t status = read_now(area * CATALOG_AREA_BLOCKS, 1);
    if (status != STATUS_OK) {
        return status;
    }
    *out_kind = catalog_header_read(backend_page(BACKEND_UPDATE_FIRST), out);
    return STATUS_OK;
}

static status_t entries_load(uint32_t area, const struct catalog_header *header)
{
    struct catalog *catalog = &store.catalog;
    memset(catalog, 0, sizeof(*catalog));
    uint32_t blocks = catalog_blocks(header->entry_count);
    for (uint32_t done = 0; done < blocks;) {
        uint32_t count = MIN(blocks - done, (uint32_t)BACKEND_UPDATE_PAGES);
        status_t status = read_now(area * CATALOG_AREA_BLOCKS + 1 + done, count);
        if (status != STATUS_OK) {
            return status;
        }
        for (uint32_t i = 0; i < count; i++) {
            memcpy(catalog_block(catalog, done + i), backend_page(BACKEND_UPDATE_FIRST + i),
                   CATALOG_BLOCK_BYTES);
        }
        done += count;
    }
    return catalog_accept(catalog, header, store.blocks, &store.map);
}

static void store_begin_empty(void)
{
    memset(&store.catalog, 0, sizeof(store.catalog));
    store.catalog.area = 1; /* so that the first update goes to area 0 */
    free_map_init(&store.map, store.ranges, FREE_RANGES_MAX, CATALOG_DATA_START,
                  store.blocks - CATALOG_DATA_START);
}

/* The newer valid area first; the older one if the newer one's entries are damaged. */
static status_t areas_try(const struct catalog_header header[2],
                          const enum catalog_header_kind kind[2])
{
    bool valid[2] = {kind[0] == CATALOG_HEADER_VALID, kind[1] == CATALOG_HEADER_VALID};
    uint32_t first = valid[1] && (!valid[0] || header[1].generation > header[0].generation) ? 1 : 0;
    status_t status = STATUS_CORRUPT;
    for (uint32_t i = 0; i < 2 && status == STATUS_CORRUPT; i++) {
        uint32_t area = first ^ i;
        if (valid[area]) {
            status = entries_load(area, &header[area]);
            store.catalog.area = area;
        }
    }
    return status;
}

status_t store_mount(void)
{
    store.usable = false;
    store.blocks = backend_disk_blocks();
    store.map.range = store.ranges;
    store.map.capacity = FREE_RANGES_MAX;
    if (store.blocks <= CATALOG_DATA_START) {
        return STATUS_NOT_SUPPORTED;
    }
    struct catalog_header header[2];
    enum catalog_header_kind kind[2];
    for (uint32_t area = 0; area < 2; area++) {
        status_t status = header_load(area, &header[area], &kind[area]);
        if (status != STATUS_OK) {
            return status;
        }
    }
    status_t status = STATUS_OK;
    if (kind[0] == CATALOG_HEADER_EMPTY && kind[1] == CATALOG_HEADER_EMPTY) {
        store_begin_empty();
    } else {
        status = areas_try(header, kind);
    }
    store.usable = status == STATUS_OK;
    return status;
}

/* --- Reservations --- */

status_t store_reserve(uint64_t size_bytes, struct reservation **out)
{
    for (uint32_t i = 0; i < RESERVATIONS_MAX; i++) {
        struct reservation *reservation = &store.reservation[i];
        if (reservation->id != 0) {
            continue;
        }
        uint64_t blocks =
            size_bytes / BLOB_BLOCK_SIZE + (size_bytes % BLOB_BLOCK_SIZE != 0 ? 1 : 0);
        status_t status = free_map_allocate(&store.map, blocks, &reservation->extents);
        if (status != STATUS_OK) {
            return status;
        }
        reservation->id = ++store.last_reservation;
        reservation->busy = false;
        *out = reservation;
        return STATUS_OK;
    }
    return STATUS_LIMIT_REACHED;
}

struct reservation *store_reservation(uint64_t id)
{
    for (uint32_t i = 0; i < RESERVATIONS_MAX; i++) {
        if (id != 0 && store.reservation[i].id == id) {
            return &store.reservation[i];
        }
    }
    return NULL;
}

void store_release(struct reservation *reservation)
{
    /* Our own lists: giving them back cannot fail, or the invariant is broken and we stop. */
    if (free_map_trim(&store.map, &reservation->extents, 0) != STATUS_OK) {
        store.usable = false;
    }
    reservation->id = 0;
}
