#include "services/storage/update.h"

#include "lib/base/string.h"
#include "lib/oak/service.h"
#include "services/storage/backend.h"
#include "services/storage/blob.h"

#define JOBS_MAX 32

enum job_kind {
    JOB_COMMIT,
    JOB_REMOVE,
    JOB_SYNCHRONISE,
};

struct job {
    enum job_kind kind;
    uint64_t token;
    uint8_t name[BLOB_HASH_SIZE];
    struct reservation *reservation; /* COMMIT */
    struct tree_shape shape;         /* COMMIT */
};

enum step {
    STEP_CHECK,   /* COMMIT: reading the top tree block */
    STEP_ENTRIES, /* writing entries, a piece at a time */
    STEP_ENTRIES_FLUSH,
    STEP_HEADER,
    STEP_HEADER_FLUSH,
    STEP_FLUSH, /* SYNCHRONISE */
};

static struct job jobs[JOBS_MAX]; /* a ring; the first one is being done */
static uint32_t jobs_first;
static uint32_t jobs_count;

/* Of the job being done. */
static enum step step;
static uint32_t entries_written; /* blocks */
static uint32_t place;           /* of the entry that changes */
static struct catalog_entry old; /* what it was */

/* --- The chain --- */

static struct job *job_now(void)
{
    return &jobs[jobs_first];
}

/* Answer the first job and go on with the next that needs the disk. */
static void job_end(status_t status)
{
    struct job *job = job_now();
    if (job->kind == JOB_COMMIT) {
        job->reservation->busy = false;
    }
    backend_answer(job->token, status);
    jobs_first = (jobs_first + 1) % JOBS_MAX;
    jobs_count--;
}

/* The change will not be: the catalog in memory is again what is on disk. */
static void change_undo(status_t status)
{
    store.catalog.entry[place] = old;
    store.usable = store.usable && step < STEP_HEADER;
    job_end(status);
}

/* The change is durable: now blocks may change hands. */
static void change_done(void)
{
    struct job *job = job_now();
    store.catalog.generation++;
    store.catalog.area ^= 1;
    struct extent_list list;
    if (job->kind == JOB_COMMIT) {
        /* What the blob did not need goes back; the rest is the blob's now. */
        list = job->reservation->extents;
        store.usable &= free_map_trim(&store.map, &list, job->shape.total_blocks) == STATUS_OK;
        job->reservation->id = 0;
    } else {
        catalog_extents(&old, &list);
        store.usable &= free_map_trim(&store.map, &list, 0) == STATUS_OK;
    }
    job_end(STATUS_OK);
}

static status_t submit(enum step next, enum backend_operation operation, uint64_t block,
                       uint32_t count)
{
    step = next;
    return backend_submit(operation, block, BACKEND_UPDATE_FIRST, count, UPDATE_COOKIE);
}

static uint64_t area_start(void)
{
    return (uint64_t)(store.catalog.area ^ 1) * CATALOG_AREA_BLOCKS;
}

static status_t entries_write(void)
{
    uint32_t blocks = catalog_blocks(store.catalog.entry_count);
    if (entries_written == blocks) {
        return submit(STEP_ENTRIES_FLUSH, BACKEND_FLUSH, 0, 0);
    }
    uint32_t count = MIN(blocks - entries_written, (uint32_t)BACKEND_UPDATE_PAGES);
    for (uint32_t i = 0; i < count; i++) {
        memcpy(backend_page(BACKEND_UPDATE_FIRST + i),
               catalog_block(&store.catalog, entries_written + i), CATALOG_BLOCK_BYTES);
    }
    uint64_t block = area_start() + 1 + entries_written;
    entries_written += count;
    return submit(STEP_ENTRIES, BACKEND_WRITE, block, count);
}

static status_t header_write(void)
{
    catalog_header_make(&store.catalog, store.catalog.generation + 1,
                        backend_page(BACKEND_UPDATE_FIRST));
    return submit(STEP_HEADER, BACKEND_WRITE, area_start(), 1);
}

/* The entry at `place` gets this value, on disk first of all. */
static void change_begin(const struct catalog_entry *entry)
{
    old = store.catalog.entry[place];
    store.catalog.entry[place] = *entry;
    entries_written = 0;
    step = STEP_ENTRIES;
    status_t status = entries_write();
    if (status != STATUS_OK) {
        change_undo(status);
    }
}

/* --- Commit --- */

static void entry_make(const struct job *job, struct catalog_entry *out)
{
    *out = (struct catalog_entry){.data_bytes = job->shape.data_bytes};
    memcpy(out->name, job->name, sizeof(out->name));
    uint64_t left = job->shape.total_blocks;
    for (uint32_t i = 0; left > 0; i++) {
        struct extent extent = job->reservation->extents.extent[i];
        extent.count = MIN(extent.count, left);
        left -= extent.count;
        out->extent[out->extent_count++] = extent;
    }
}

static void commit_checked(void)
{
    const struct job *job = job_now();
    uint8_t copy[BLOB_BLOCK_SIZE];
    memcpy(copy, backend_page(BACKEND_UPDATE_FIRST), sizeof(copy));
    if (!tree_top_matches(&job->shape, copy, job->name)) {
        job_end(STATUS_CORRUPT);
        return;
    }
    status_t status = catalog_place(&store.catalog, &place);
    if (status != STATUS_OK) {
        job_end(status);
        return;
    }
    struct catalog_entry entry;
    entry_make(job, &entry);
    change_begin(&entry);
}

static void commit_start(const struct job *job)
{
    if (catalog_find(&store.catalog, job->name) != CATALOG_BLOBS_MAX) {
        struct reservation *reservation = job->reservation;
        job_end(STATUS_OK);
        store_release(reservation);
        return;
    }
    uint64_t block;
    uint64_t run;
    status_t status = extent_list_find(&job->reservation->extents,
                                       job->shape.level_start[job->shape.levels - 1], &block, &run);
    if (status == STATUS_OK) {
        status = submit(STEP_CHECK, BACKEND_READ, block, 1);
    }
    if (status != STATUS_OK) {
        job_end(status);
    }
}

/* --- Remove --- */

static void remove_start(const struct job *job)
{
    place = catalog_find(&store.catalog, job->name);
    if (place == CATALOG_BLOBS_MAX) {
        job_end(STATUS_NOT_FOUND);
        return;
    }
    struct blob *blob = blob_of_entry(place);
    if (blob != NULL && blob_forget(blob) != STATUS_OK) {
        job_end(STATUS_BUSY);
        return;
    }
    change_begin(&(struct catalog_entry){0});
}

/* --- The queue --- */

static void job_start(void)
{
    const struct job *job = job_now();
    if (job->kind == JOB_SYNCHRONISE) {
        status_t status = submit(STEP_FLUSH, BACKEND_FLUSH, 0, 0);
        if (status != STATUS_OK) {
            job_end(status);
        }
    } else if (!store.usable) {
        job_end(STATUS_IO_ERROR);
    } else if (job->kind == JOB_COMMIT) {
        commit_start(job);
    } else {
        remove_start(job);
    }
}

/* Start jobs until one waits for the disk: each start either ends its job or waits. */
static void jobs_run(void)
{
    uint32_t before;
    do {
        before = jobs_count;
        if (jobs_count > 0) {
            job_start();
        }
    } while (jobs_count != before);
}

static status_t job_add(const struct job *job)
{
    if (jobs_count == JOBS_MAX) {
        return STATUS_LIMIT_REACHED;
    }
    jobs[(jobs_first + jobs_count) % JOBS_MAX] = *job;
    jobs_count++;
    if (jobs_count == 1) {
        jobs_run();
    }
    return STATUS_DEFERRED;
}

status_t update_commit(struct reservation *reservation, uint64_t data_bytes,
                       const uint8_t name[BLOB_HASH_SIZE], uint64_t token)
{
    struct job job = {.kind = JOB_COMMIT, .token = token, .reservation = reservation};
    status_t status = tree_shape_of(data_bytes, &job.shape);
    if (status != STATUS_OK) {
        return status;
    }
    if (reservation->busy) {
        return STATUS_BUSY;
    }
    if (job.shape.total_blocks > extent_list_blocks(&reservation->extents)) {
        return STATUS_OUT_OF_RANGE;
    }
    memcpy(job.name, name, sizeof(job.name));
    reservation->busy = true;
    status = job_add(&job);
    if (status != STATUS_DEFERRED) {
        reservation->busy = false;
    }
    return status;
}

status_t update_remove(const uint8_t name[BLOB_HASH_SIZE], uint64_t token)
{
    struct job job = {.kind = JOB_REMOVE, .token = token};
    memcpy(job.name, name, sizeof(job.name));
    return job_add(&job);
}

status_t update_synchronise(uint64_t token)
{
    return job_add(&(struct job){.kind = JOB_SYNCHRONISE, .token = token});
}

/* What follows a step that went well; the status of starting it. */
static status_t step_next(void)
{
    switch (step) {
    case STEP_ENTRIES:
        return entries_write();
    case STEP_ENTRIES_FLUSH:
        return header_write();
    case STEP_HEADER:
        return submit(STEP_HEADER_FLUSH, BACKEND_FLUSH, 0, 0);
    case STEP_HEADER_FLUSH:
        change_done();
        return STATUS_OK;
    case STEP_CHECK:
        commit_checked();
        return STATUS_OK;
    case STEP_FLUSH:
    default:
        job_end(STATUS_OK);
        return STATUS_OK;
    }
}

void update_complete(status_t status)
{
    if (jobs_count == 0) {
        return;
    }
    uint32_t before = jobs_count;
    if (status == STATUS_OK) {
        status = step_next();
    }
    if (status != STATUS_OK) {
        if (step == STEP_CHECK || step == STEP_FLUSH) {
            job_end(status);
        } else {
            change_undo(status);
        }
    }
    if (jobs_count != before) {
        jobs_run();
    }
}
