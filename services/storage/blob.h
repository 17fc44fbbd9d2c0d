/*
 * Blobs in use: one memory each, shared by everyone who has it open, and the openers' handles. A
 * blob without openers stays, with its pages, until memory or its place is needed.
 *
 * Invariant: a resident cluster's pages are all present in the memory and were verified; every
 * other page is absent.
 */
#pragma once

#include "services/storage/catalog.h"

#define BLOBS_MAX         256
#define OPENERS_MAX       4096
#define CLUSTER_BLOCKS    8
#define CLUSTER_BYTES     (CLUSTER_BLOCKS * BLOB_BLOCK_SIZE)
#define CLUSTERS_PER_WORD 64

struct blob {
    bool used;
    uint32_t index; /* of this struct */
    uint32_t entry; /* in the catalog */
    uint32_t memory;
    uint32_t openers;
    uint32_t fetches; /* in progress */
    uint8_t name[BLOB_HASH_SIZE];
    struct tree_shape shape;
    struct extent_list extents;
    uint64_t clusters;
    uint64_t resident_clusters;
    uint64_t *resident; /* a bit per cluster */
    uint64_t hand;      /* where eviction goes on */
};

struct opener {
    struct blob *blob; /* NULL: free */
    uint64_t generation;
    uint32_t view;
    uint32_t gate;
};

/* Handles begin with this generation: larger than any that a service before us has given out, so
 * that a gate of then never names an opener of now. The clock's microseconds are. */
void blob_start(uint64_t first_generation);

/* Open a blob of the catalog: one more handle. */
MUST_USE status_t blob_open(const struct catalog *catalog, uint32_t entry, uint64_t *out_handle);

/* The opener of a handle, or NULL. */
struct opener *blob_opener(uint64_t handle);
void blob_close(struct opener *opener);

/* The blob of a catalog entry, if it is in use or its pages are still here; else NULL. */
struct blob *blob_of_entry(uint32_t entry);

/* Forget a blob that nobody has open. BUSY. */
MUST_USE status_t blob_forget(struct blob *blob);

bool blob_is_resident(const struct blob *blob, uint64_t cluster);
void blob_set_resident(struct blob *blob, uint64_t cluster);

/* How many blocks a cluster has: fewer than CLUSTER_BLOCKS at the end. */
uint32_t blob_cluster_blocks(const struct blob *blob, uint64_t cluster);

/* Give back memory until the cache can grow by that many bytes. False when it cannot. */
bool blob_make_room(uint64_t bytes);
