/*
 * The store as it is now: catalog, free room, reservations. One per service; single-threaded.
 *
 * Invariant: every block from CATALOG_DATA_START on belongs to exactly one of: the free map, a
 * reservation, an entry of the catalog on disk or the one being written.
 */
#pragma once

#include "services/storage/catalog.h"

#define RESERVATIONS_MAX 32
#define FREE_RANGES_MAX  ((CATALOG_BLOBS_MAX + RESERVATIONS_MAX) * EXTENTS_MAX + 1)

struct reservation {
    uint64_t id; /* 0: free */
    bool busy;   /* being committed */
    struct extent_list extents;
};

struct store {
    bool usable; /* mounted, and no write has failed half way */
    uint64_t blocks;
    struct catalog catalog;
    struct free_map map;
    struct extent ranges[FREE_RANGES_MAX];
    struct reservation reservation[RESERVATIONS_MAX];
    uint64_t last_reservation;
};

extern struct store store;

/*
 * Read the catalog; a disk whose two headers are zeros is an empty store. CORRUPT: there is
 * something else on it, which is left alone. Uses backend_wait.
 */
MUST_USE status_t store_mount(void);

/* Room for that many bytes. TOO_LARGE, LIMIT_REACHED. */
MUST_USE status_t store_reserve(uint64_t size_bytes, struct reservation **out);

/* The reservation with that id, or NULL. */
struct reservation *store_reservation(uint64_t id);

/* Give a reservation's blocks back. */
void store_release(struct reservation *reservation);
