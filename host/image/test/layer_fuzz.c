/*
 * Proves: no two archives, merged as layers, take the tree or the EROFS writer out of bounds, and
 * whatever was merged can be written: every inode within the blocks that were planned.
 */
#include "host/image/erofs_writer.h"
#include "host/image/test/image_make.h"

#include <stdlib.h>

#define ROOM (64u << 20)

static status_t bytes_count(void *context, const void *bytes, size_t length_bytes)
{
    uint64_t *total_bytes = context;
    (void)bytes;
    *total_bytes += length_bytes;
    return STATUS_OK;
}

static void write_all(struct fixture *fixture)
{
    static const uint8_t uuid[EROFS_UUID_BYTES];
    struct erofs_plan plan;
    uint64_t total_bytes = 0;
    if (erofs_plan_make(&plan, &fixture->tree) != STATUS_OK ||
        erofs_write(&plan, uuid, bytes_count, &total_bytes) != STATUS_OK ||
        total_bytes != plan.size_bytes) {
        abort();
    }
    erofs_plan_free(&plan);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fixture fixture;
    size_t first = size / 1024 * 512; /* whole tar records */
    fixture_open(&fixture, ROOM);
    if (layer_merge_bytes(&fixture.tree, data, first, 1) == STATUS_OK &&
        layer_merge_bytes(&fixture.tree, data + first, size - first, 2) == STATUS_OK) {
        write_all(&fixture);
    }
    fixture_close(&fixture);
    return 0;
}
