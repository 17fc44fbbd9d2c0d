/*
 * Hostile programs on a whole kernel: each input begins in the same world and ends it. Inputs
 * change by whole records, so that what a sequence did up to some point stays the same.
 */
#include "kernel/test/calls/calls.h"

#include "lib/base/string.h"

#define RECORDS_NEW 32 /* at most, at once */

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t length_bytes);
size_t LLVMFuzzerCustomMutator(uint8_t *input, size_t length_bytes, size_t limit_bytes,
                               unsigned int seed);
size_t LLVMFuzzerMutate(uint8_t *input, size_t length_bytes, size_t limit_bytes);

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t length_bytes)
{
    static bool made;
    if (!made) {
        world_make();
        machine_snapshot_take();
    }
    machine_snapshot_restore();
    made = true;
    play(input, length_bytes);
    return 0;
}

static uint32_t random_below(uint64_t *random, uint64_t limit)
{
    *random = *random * 6364136223846793005u + 1442695040888963407u;
    return limit == 0 ? 0 : (uint32_t)((*random >> 33) % limit);
}

/* Make room for so many records at a place; false when there is none. */
static bool records_open(uint8_t *input, size_t *count, size_t limit, size_t place, size_t more)
{
    if (more > limit - *count) {
        return false;
    }
    memmove(input + (place + more) * RECORD_BYTES, input + place * RECORD_BYTES,
            (*count - place) * RECORD_BYTES);
    *count += more;
    return true;
}

static void records_invent(uint8_t *input, size_t place, size_t count, uint64_t *random)
{
    for (size_t i = place * RECORD_BYTES; i < (place + count) * RECORD_BYTES; i++) {
        input[i] = (uint8_t)random_below(random, 256);
    }
}

size_t LLVMFuzzerCustomMutator(uint8_t *input, size_t length_bytes, size_t limit_bytes,
                               unsigned int seed)
{
    uint64_t random = seed;
    size_t limit = limit_bytes / RECORD_BYTES;
    size_t count = MIN(length_bytes / RECORD_BYTES, limit);
    size_t place = random_below(&random, count + 1);
    size_t some = 1 + random_below(&random, RECORDS_NEW);
    switch (count == 0 ? 0 : random_below(&random, 5)) {
    case 0:
        if (records_open(input, &count, limit, place, some)) {
            records_invent(input, place, some, &random);
        }
        break;
    case 1: /* the same again, there or elsewhere */
        some = MIN(some, count - MIN(place, count));
        if (records_open(input, &count, limit, 0, some)) {
            memmove(input, input + (place + some) * RECORD_BYTES, some * RECORD_BYTES);
        }
        break;
    case 2:
        some = MIN(some, count - place);
        memmove(input + place * RECORD_BYTES, input + (place + some) * RECORD_BYTES,
                (count - place - some) * RECORD_BYTES);
        count -= some;
        break;
    default: { /* one byte, or all of them a little */
        size_t record = MIN(place, count - 1) * RECORD_BYTES;
        if (random_below(&random, 2) == 0) {
            input[record + random_below(&random, RECORD_BYTES)] = (uint8_t)(random >> 40);
        } else {
            (void)LLVMFuzzerMutate(input + record, RECORD_BYTES, RECORD_BYTES);
        }
    }
    }
    return count * RECORD_BYTES;
}
