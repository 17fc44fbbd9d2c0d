/*
 * Thread blocks: guard page, stack, frame. A block of an ended thread is used again; that its
 * thread is really gone the kernel knows: until then the frame is pinned and thread_create refuses
 * it.
 */
#include "linux/core/thread.h"

#include "abi/container.h"
#include "linux/core/errno.h"
#include "linux/core/lock.h"
#include "linux/core/window.h"

#define BLOCKS_MAX 32768 /* WINDOW_THREADS up to WINDOW_MAPS holds more */

static struct {
    struct mutex lock;
    uint32_t made;                   /* blocks that are mapped; block 0 is the event thread's */
    struct thread_frame *first_free; /* linked through the frame's own part */
} blocks;

/* What a block keeps between its threads: their slot stays its own, so that a thread can destroy
 * itself without racing who takes the slot next. */
struct free_block {
    struct thread_frame *next;
    uint32_t slot;
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
    return (struct thread_frame *)(uintptr_t)(WINDOW_THREADS + number * THREAD_BLOCK_SIZE +
                                              THREAD_FRAME_OFFSET);
}

static struct thread_frame *block_map(void)
{
    if (blocks.made == 0) {
        blocks.made = 1;
    }
    if (blocks.made == BLOCKS_MAX) {
        return NULL;
    }
    uint64_t start = WINDOW_THREADS + blocks.made * THREAD_BLOCK_SIZE + PAGE_SIZE;
    status_t status =
        kernel_region_map(SLOT_DOMAIN, start | RIGHT_READ | RIGHT_WRITE,
                          THREAD_BLOCK_SIZE - PAGE_SIZE, SLOT_MEMORY, start - WINDOW_BASE, 0);
    return status == STATUS_OK ? block_frame(blocks.made++) : NULL;
}

static struct thread_frame *block_take(void)
{
    mutex_lock(&blocks.lock);
    struct thread_frame *frame = blocks.first_free;
    if (frame != NULL) {
        blocks.first_free = free_block(frame)->next;
    } else {
        frame = block_map();
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

#define TRIES 64 /* blocks whose last thread is about to end, before we give up */

/* A thread in the block; what stood there may be about to end still: then the kernel refuses. */
static status_t block_thread(struct thread_frame *block, uint64_t flags)
{
    struct free_block *own = free_block(block);
    if (own->slot == 0) {
        own->slot = slot_alloc();
    }
    return own->slot == 0 ? STATUS_LIMIT_REACHED
                          : kernel_thread_create(CONTAINER_SLOT_APPLICATION, own->slot, SLOT_DOMAIN,
                                                 (uint64_t)block, BAND_CONTAINER, flags);
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
        status = block_thread(block, flags);
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
