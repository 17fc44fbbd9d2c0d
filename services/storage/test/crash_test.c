/*
 * Proves crash consistency: power is cut at every transfer of a run of commits and removes, with
 * the sectors written since the last flush on the disk or not at random. The next mount always
 * succeeds and finds exactly the blobs before or after the change that was going on, never losing
 * one that was answered. Damaged and foreign disks are refused and left alone.
 */
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/test/check.h"
#include "lib/oak/service.h"
#include "services/storage/test/simulated.h"
#include "services/storage/update.h"

#define BLOBS  6
#define STEPS  16
#define ROUNDS 3

static struct simulated_blob blobs[BLOBS];

/* What the run has been promised so far; survives the child that runs it. */
struct promise {
    uint32_t present;   /* bits: blobs that are durable */
    uint32_t uncertain; /* the blob being changed, as a bit */
    bool finished;
};
static struct promise *promise;

/* Removed and added in turn, so that places and blocks are used again. */
static const uint8_t script[STEPS] = {0, 1, 2, 1, 3, 0, 4, 1, 2, 5, 0, 3, 3, 4, 1, 2};

static void run_commit(uint32_t which)
{
    struct simulated_blob *blob = &blobs[which];
    struct reservation *reservation;
    uint64_t bytes = blob->shape.total_blocks * BLOB_BLOCK_SIZE;
    CHECK(store_reserve(bytes + 5 * BLOB_BLOCK_SIZE, &reservation) == STATUS_OK);
    uint64_t index = 0;
    for (uint32_t i = 0; i < reservation->extents.count; i++) {
        struct extent extent = reservation->extents.extent[i];
        uint64_t count = MIN(extent.count, blob->shape.total_blocks - index);
        memcpy(simulated_disk->seen[extent.block], blob->bytes + index * BLOB_BLOCK_SIZE,
               count * BLOB_BLOCK_SIZE);
        memcpy(simulated_disk->durable[extent.block], blob->bytes + index * BLOB_BLOCK_SIZE,
               count * BLOB_BLOCK_SIZE);
        index += count;
    }
    simulated_answer[1] = STATUS_DEFERRED;
    CHECK(update_commit(reservation, blob->shape.data_bytes, blob->name, 1) == STATUS_DEFERRED);
    simulated_complete_all();
    CHECK(simulated_answer[1] == STATUS_OK);
}

static void run_script(void)
{
    CHECK(store_mount() == STATUS_OK);
    for (uint32_t i = 0; i < STEPS; i++) {
        uint32_t bit = 1u << script[i];
        promise->uncertain = bit;
        if ((promise->present & bit) == 0) {
            run_commit(script[i]);
        } else {
            simulated_answer[1] = STATUS_DEFERRED;
            CHECK(update_remove(blobs[script[i]].name, 1) == STATUS_DEFERRED);
            simulated_complete_all();
            CHECK(simulated_answer[1] == STATUS_OK);
        }
        promise->present ^= bit;
        promise->uncertain = 0;
    }
    promise->finished = true;
}

static void check_after_crash(void)
{
    CHECK(store_mount() == STATUS_OK);
    uint64_t used = 0;
    uint32_t found = 0;
    for (uint32_t i = 0; i < BLOBS; i++) {
        bool there = catalog_find(&store.catalog, blobs[i].name) != CATALOG_BLOBS_MAX;
        bool promised = (promise->present >> i & 1) != 0;
        CHECK(there == promised || (promise->uncertain >> i & 1) != 0);
        found += there;
        used += there ? blobs[i].shape.total_blocks : 0;
    }
    uint32_t entries = 0;
    for (uint32_t i = 0; i < store.catalog.entry_count; i++) {
        entries += store.catalog.entry[i].data_bytes != 0;
    }
    CHECK(entries == found);
    CHECK(store.map.free_blocks == SIMULATED_BLOCKS - CATALOG_DATA_START - used);
}

/* The modules have state: each life of the service is a process. */
static void in_child(void (*work)(void))
{
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        work();
        _exit(0);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
}

static void test_every_cut(void)
{
    bool finished = false;
    for (int64_t cut = 0; !finished; cut++) {
        for (int round = 0; round < ROUNDS; round++) {
            memset(simulated_disk, 0, sizeof(*simulated_disk));
            *promise = (struct promise){0};
            srand((unsigned int)(cut * ROUNDS + round));
            simulated_crash_after = cut;
            in_child(run_script);
            simulated_crash_after = -1;
            finished = promise->finished;
            in_child(check_after_crash);
        }
    }
}

/* After a failed change the store says so, and the next life sees one of the two states. */
static void run_failing(void)
{
    CHECK(store_mount() == STATUS_OK);
    run_commit(0);
    promise->present = 1;
    simulated_fail_percent = 30;
    for (uint32_t i = 1; i < 4; i++) {
        promise->uncertain |= 1u << i;
        struct reservation *reservation;
        CHECK(store_reserve(blobs[i].shape.total_blocks * BLOB_BLOCK_SIZE, &reservation) ==
              STATUS_OK);
        uint64_t block = reservation->extents.extent[0].block;
        CHECK(reservation->extents.count == 1);
        memcpy(simulated_disk->seen[block], blobs[i].bytes,
               blobs[i].shape.total_blocks * BLOB_BLOCK_SIZE);
        CHECK(update_commit(reservation, blobs[i].shape.data_bytes, blobs[i].name, 10 + i) ==
              STATUS_DEFERRED);
        simulated_complete_all();
        CHECK(simulated_answer[10 + i] == STATUS_OK || simulated_answer[10 + i] == STATUS_IO_ERROR);
        bool there = catalog_find(&store.catalog, blobs[i].name) != CATALOG_BLOBS_MAX;
        CHECK(there == (simulated_answer[10 + i] == STATUS_OK));
        if (there) {
            promise->uncertain &= ~(1u << i);
            promise->present |= 1u << i;
        }
    }
    simulated_fail_percent = 0;
    simulated_crash();
}

static void test_failures(void)
{
    for (unsigned int seed = 0; seed < 60; seed++) {
        memset(simulated_disk, 0, sizeof(*simulated_disk));
        *promise = (struct promise){0};
        srand(seed);
        in_child(run_failing);
        in_child(check_after_crash);
    }
}

static void mount_is_refused(void)
{
    CHECK(store_mount() == STATUS_CORRUPT);
    struct reservation *reservation;
    CHECK(!store.usable && store_reserve(1, &reservation) != STATUS_OK);
}

static void run_two(void)
{
    CHECK(store_mount() == STATUS_OK);
    run_commit(0);
    run_commit(1);
}

static void check_first_only(void)
{
    CHECK(store_mount() == STATUS_OK);
    CHECK(catalog_find(&store.catalog, blobs[0].name) != CATALOG_BLOBS_MAX);
    CHECK(catalog_find(&store.catalog, blobs[1].name) == CATALOG_BLOBS_MAX);
}

static void test_damage(void)
{
    memset(simulated_disk, 0, sizeof(*simulated_disk));
    memcpy(simulated_disk->seen[0], "somebody's data", 15);
    in_child(mount_is_refused);
    /* Generation 2 lies in area 1: without its entries, generation 1 counts. */
    memset(simulated_disk, 0, sizeof(*simulated_disk));
    in_child(run_two);
    simulated_disk->seen[CATALOG_AREA_BLOCKS + 1][40] ^= 1;
    in_child(check_first_only);
    simulated_disk->seen[1][40] ^= 1;
    in_child(mount_is_refused);
}

static void put_entry(uint32_t place, uint64_t data_bytes, struct extent extent)
{
    store.catalog.entry[place] =
        (struct catalog_entry){.data_bytes = data_bytes, .extent_count = 1, .extent = {extent}};
    store.catalog.entry[place].name[0] = (uint8_t)place;
    store.catalog.entry_count = place + 1;
}

static status_t accept(void)
{
    uint8_t block[CATALOG_BLOCK_BYTES];
    struct catalog_header header;
    catalog_header_make(&store.catalog, 1, block);
    CHECK(catalog_header_read(block, &header) == CATALOG_HEADER_VALID);
    store.map.range = store.ranges;
    store.map.capacity = FREE_RANGES_MAX;
    return catalog_accept(&store.catalog, &header, SIMULATED_BLOCKS, &store.map);
}

/* A catalog with a right checksum and wrong contents is refused as well. */
static void run_nonsense(void)
{
    put_entry(0, 4096, (struct extent){CATALOG_DATA_START, 2});
    CHECK(accept() == STATUS_OK);
    put_entry(1, 4096, (struct extent){CATALOG_DATA_START + 1, 2});
    CHECK(accept() == STATUS_CORRUPT);
    put_entry(1, 4096, (struct extent){CATALOG_DATA_START - 1, 2});
    CHECK(accept() == STATUS_CORRUPT);
    put_entry(1, 4096, (struct extent){SIMULATED_BLOCKS - 1, 2});
    CHECK(accept() == STATUS_CORRUPT);
    put_entry(1, 4096, (struct extent){CATALOG_DATA_START + 5, 3});
    CHECK(accept() == STATUS_CORRUPT);
    put_entry(1, UINT64_MAX, (struct extent){CATALOG_DATA_START + 5, 2});
    CHECK(accept() == STATUS_CORRUPT);
    put_entry(1, 4096, (struct extent){CATALOG_DATA_START + 5, 2});
    store.catalog.entry[1].extent_count = EXTENTS_MAX + 1;
    CHECK(accept() == STATUS_CORRUPT);
    put_entry(1, 4096, (struct extent){CATALOG_DATA_START + 5, 2});
    store.catalog.entry[1].name[0] = 0;
    CHECK(accept() == STATUS_CORRUPT);
}

int main(void)
{
    simulated_start();
    promise =
        mmap(NULL, sizeof(*promise), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(promise != MAP_FAILED);
    for (uint32_t i = 0; i < BLOBS; i++) {
        blobs[i] = simulated_blob_make(4096 * (1 + i * 7) - i, i);
    }
    test_every_cut();
    test_failures();
    test_damage();
    in_child(run_nonsense);
    for (uint32_t i = 0; i < BLOBS; i++) {
        simulated_blob_free(&blobs[i]);
    }
    return 0;
}
