/* Thread blocks are used once each, in order; the main thread has block 0. */
#include "lib/oak/thread.h"

#include "lib/oak/kernel.h"
#include "lib/oak/slots.h"

static uint64_t blocks_used = 1;

/* What a new thread runs: lies in its own frame, in the part that the kernel never looks at. */
struct start {
    void (*entry)(uint64_t argument);
    uint64_t argument;
    uint32_t slot;
};
_Static_assert(sizeof(struct start) <= sizeof(((struct thread_frame *)0)->own), "start fits");

static __attribute__((used)) void thread_main(const struct start *start)
{
    start->entry(start->argument);
    kernel_object_destroy(start->slot);
}

/* RSP is the frame's address, as the kernel starts a thread: the call aligns the stack. */
static __attribute__((naked)) void thread_entry(void)
{
    __asm__("xor %ebp, %ebp\n"
            "call thread_main\n"
            "ud2");
}

/* Map stack and frame of the next block; the guard page in front stays unmapped. */
static status_t block_map(uint64_t *out_frame)
{
    uint64_t block = WINDOW_THREAD_BLOCK(blocks_used);
    status_t status = kernel_region_map(SLOT_DOMAIN, (block + PAGE_SIZE) | RIGHT_READ | RIGHT_WRITE,
                                        THREAD_BLOCK_SIZE - PAGE_SIZE, SLOT_MEMORY,
                                        block + PAGE_SIZE - WINDOW_BASE, 0);
    if (status != STATUS_OK) {
        return status;
    }
    blocks_used++;
    *out_frame = block + THREAD_FRAME_OFFSET;
    return STATUS_OK;
}

status_t thread_run(void (*entry)(uint64_t argument), uint64_t argument, enum thread_band band,
                    uint32_t *out_slot)
{
    if (blocks_used >= THREADS_MAX) {
        return STATUS_LIMIT_REACHED;
    }
    uint32_t slot;
    status_t status = slot_allocate(&slot);
    if (status != STATUS_OK) {
        return status;
    }
    uint64_t frame_address;
    status = block_map(&frame_address);
    if (status != STATUS_OK) {
        slot_free(slot);
        return status;
    }
    struct thread_frame *frame = (struct thread_frame *)frame_address;
    struct start *start = (struct start *)frame->own;
    *start = (struct start){entry, argument, slot};
    status = kernel_thread_create(SLOT_ACCOUNT, slot, SLOT_DOMAIN, frame_address, band, 0);
    if (status != STATUS_OK) {
        slot_free(slot);
        return status;
    }
    status = kernel_thread_start(slot, SLOT_NONE, (uint64_t)thread_entry, (uint64_t)start, 0);
    if (status != STATUS_OK) {
        slot_destroy(slot);
        return status;
    }
    *out_slot = slot;
    return STATUS_OK;
}
