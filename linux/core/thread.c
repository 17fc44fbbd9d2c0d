/*
 * Thread blocks: guard page, stack, frame. A block of an ended thread is used again; that its
 * thread is really gone the kernel knows: until then the frame is pinned and thread_create refuses
 * it. The first thread's block is program_first_block, the others are those of abi/kernel.h.
 *
 * A stack cannot wait for memory when it is used: what the deepest paths need is there before its
 * thread starts. Measured and added up they stay below 12 KiB; the rest is for what comes. Of a
 * free block the stack may be taken away; its frame stays.
 */
#include "linux/core/thread.h"

#include "abi/container.h"
#include "lib/oak/clock.h"
#include "linux/core/errno.h"
#include "linux/core/lock.h"
#include "linux/core/reserve.h"
#include "linux/core/window.h"

#define BLOCKS_MAX WINDOW_THREADS_MAX
#define PAUSE_NS   2000000

static struct {
    struct mutex lock;
    uint32_t made;                   /* blocks that are mapped, but for the first thread's */
    struct thread_frame *first_free; /* linked through the frame's own part */
} blocks;

/* What a block keeps between its threads: their slot stays its own, so that a thread can destroy
 * itself without racing who takes the slot next. */
struct free_block {
    struct thread_frame *next;
    uint32_t slot;
    bool has_stack;
};
_Static_assert(sizeof(struct own_thread) + sizeof(struct free_block) <=
                   sizeof(((struct thread_frame *)0)->own),
               "both fit into the frame");

static struct free_block *free_block(struct thread_frame *frame)
{
    return (struct free_block *)(void *)(frame->own + sizeof(struct own_thread));
}

static struct thread_frame *block_frame(uint32_t number)
{
    return (struct thread_frame *)(uintptr_t)(WINDOW_THREAD_BLOCK(number) + THREAD_FRAME_OFFSET);
}

/* The stack's upper part, and the frame. */
static bool block_back(struct thread_frame *frame)
{
    return reserve_full() && window_back((uint8_t *)frame - THREAD_STACK_READY_BYTES,
                                         THREAD_STACK_READY_BYTES + PAGE_SIZE);
}

static void stack_discard(const struct thread_frame *frame)
{
    uint64_t start = (uint64_t)(uintptr_t)frame - (THREAD_FRAME_OFFSET - PAGE_SIZE);
    (void)kernel_memory_discard(SLOT_MEMORY, start - WINDOW_BASE, THREAD_FRAME_OFFSET - PAGE_SIZE);
}

static struct thread_frame *block_map(void)
{
    if (blocks.made == BLOCKS_MAX) {
        return NULL;
    }
    struct thread_frame *frame = block_frame(blocks.made);
    uint64_t start = WINDOW_THREAD_BLOCK(blocks.made) + PAGE_SIZE;
    uint64_t size_bytes = THREAD_BLOCK_SIZE - PAGE_SIZE;
    if (kernel_region_map(SLOT_DOMAIN, start | RIGHT_READ | RIGHT_WRITE, size_bytes, SLOT_MEMORY,
                          start - WINDOW_BASE, 0) != STATUS_OK) {
        return NULL;
    }
    if (!block_back(frame)) {
        (void)kernel_region_unmap(SLOT_DOMAIN, start, size_bytes);
        (void)kernel_memory_discard(SLOT_MEMORY, start - WINDOW_BASE, size_bytes);
        return NULL;
    }
    blocks.made++;
    free_block(frame)->has_stack = true;
    return frame;
}

static struct thread_frame *block_take(void)
{
    mutex_lock(&blocks.lock);
    struct thread_frame *frame = blocks.first_free;
    if (frame == NULL) {
        frame = block_map();
    } else if (free_block(frame)->has_stack ? reserve_full() : block_back(frame)) {
        free_block(frame)->has_stack = true;
        blocks.first_free = free_block(frame)->next;
    } else {
        frame = NULL;
    }
    mutex_unlock(&blocks.lock);
    return frame;
}

void thread_block_release(struct thread_frame *frame)
{
    mutex_lock(&blocks.lock);
    free_block(frame)->next = blocks.first_free;
    blocks.first_free = frame;
    mutex_unlock(&blocks.lock);
}

/* A thread that is no object any more never comes back to its stack. */
static bool thread_is_gone(uint32_t slot)
{
    struct kernel_results results;
    return kernel_capability_read(SLOT_DOMAIN, slot, &results) == STATUS_OK &&
           (results.value[0] & 0xff) == OBJECT_NONE;
}

bool thread_blocks_trim(void)
{
    bool any = false;
    mutex_lock(&blocks.lock);
    for (struct thread_frame *frame = blocks.first_free; frame != NULL;
         frame = free_block(frame)->next) {
        struct free_block *own = free_block(frame);
        if (own->has_stack && thread_is_gone(own->slot)) {
            stack_discard(frame);
            own->has_stack = false;
            any = true;
        }
    }
    mutex_unlock(&blocks.lock);
    return any;
}

void thread_pause(void)
{
    if (kernel_thread_park(clock_now_ns() + PAUSE_NS, PARK_UNINTERRUPTIBLE) == STATUS_OK) {
        /* That was for a wait which this pause interrupts. */
        (void)kernel_thread_unpark(thread_self()->slot);
        (void)kernel_thread_yield();
    }
}

#define TRIES 64 /* blocks whose last thread is about to end, before we give up */

void thread_first_prepare(void)
{
    struct thread_frame *frame = thread_frame_self();
    free_block(frame)->slot = SLOT_THREAD;
    free_block(frame)->has_stack = true;
    frame_thread(frame)->slot = SLOT_THREAD;
}

/* A thread in the block; what stood there may be about to end still: then the kernel refuses. */
static status_t block_thread(struct thread_frame *block, const struct task *task, uint64_t flags)
{
    struct free_block *own = free_block(block);
    if (own->slot == 0) {
        own->slot = slot_alloc();
    }
    uint32_t payer = task == NULL ? SLOT_ACCOUNT : CONTAINER_SLOT_APPLICATION;
    return own->slot == 0 ? STATUS_LIMIT_REACHED
                          : kernel_thread_create(payer, own->slot, SLOT_DOMAIN, (uint64_t)block,
                                                 BAND_CONTAINER, flags);
}

long thread_new(struct task *task, uint64_t flags, uint32_t *slot, struct thread_frame **frame)
{
    status_t status = STATUS_NO_MEMORY;
    struct thread_frame *refused = NULL; /* kept aside, so that the next try takes another */
    struct thread_frame *block = NULL;
    for (uint32_t i = 0; i < TRIES; i++) {
        block = block_take();
        if (block == NULL) {
            break;
        }
        status = block_thread(block, task, flags);
        if (status == STATUS_OK) {
            break;
        }
        free_block(block)->next = refused;
        refused = block;
        block = NULL;
        if (status != STATUS_INVALID_ARGUMENT && status != STATUS_SLOT_USED &&
            status != STATUS_BUSY) {
            break;
        }
    }
    while (refused != NULL) {
        struct thread_frame *next = free_block(refused)->next;
        thread_block_release(refused);
        refused = next;
    }
    if (block == NULL) {
        return status == STATUS_NO_MEMORY ? -ENOMEM : -EAGAIN;
    }
    struct own_thread *own = frame_thread(block);
    own->task = task;
    own->slot = free_block(block)->slot;
    *slot = own->slot;
    *frame = block;
    return 0;
}
