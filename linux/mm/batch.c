/* Regions of an address space that nobody is in yet, made together (struct mm_batch). */
#include "linux/mm/area.h"

#include "lib/oak/kernel.h"
#include "linux/core/errno.h"

/* That one, and as many more as the message has. */
static long regions_map(const struct mm *mm, const uint64_t *words, uint32_t more)
{
    status_t status = kernel_region_map(mm->space, words[0] | REGION_MORE(more), words[1], words[2],
                                        words[3], words[4]);
    return status == STATUS_OK                                              ? 0
           : status == STATUS_NO_RIGHT || status == STATUS_INVALID_ARGUMENT ? -EACCES
                                                                            : -ENOMEM;
}

void mm_batch_begin(struct mm *mm, struct mm_batch *batch)
{
    batch->count = 0;
    mm->batch = batch;
}

long batch_flush(struct mm *mm)
{
    struct mm_batch *batch = mm->batch;
    if (batch == NULL || batch->count == 0) {
        return 0;
    }
    uint32_t more = batch->count - 1;
    batch->count = 0;
    memcpy(thread_frame_self()->message, batch->words[1], more * sizeof(batch->words[1]));
    return regions_map(mm, batch->words[0], more);
}

long mm_batch_end(struct mm *mm)
{
    long result = batch_flush(mm);
    mm->batch = NULL;
    return result;
}

long batch_add(struct mm *mm, const uint64_t words[REGION_WORDS])
{
    struct mm_batch *batch = mm->batch;
    if (batch == NULL) {
        return regions_map(mm, words, 0);
    }
    long result = batch->count == MM_BATCH_REGIONS ? batch_flush(mm) : 0;
    memcpy(batch->words[batch->count++], words, sizeof(batch->words[0]));
    return result;
}
