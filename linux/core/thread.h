/*
 * What each Oak thread of the personality knows of itself, found from its stack pointer: the part
 * of the thread's frame that is the personality's own. And the blocks that threads live in.
 */
#pragma once

#include "lib/oak/kernel.h"

struct task;

struct own_thread {
    struct task *task; /* NULL: a thread of the personality's own */
    uint32_t slot;
};

static inline struct own_thread *thread_self(void)
{
    return (struct own_thread *)(void *)thread_frame_self()->own;
}

static inline struct own_thread *frame_thread(struct thread_frame *frame)
{
    return (struct own_thread *)(void *)frame->own;
}

/* Below its frame so much of a thread's stack has memory before the thread starts. */
#define THREAD_STACK_READY_BYTES 12288

/* The first thread's block, from that thread: as if thread_new had made it. */
void thread_first_prepare(void);

/*
 * Make a stopped thread on a block of its own, in band CONTAINER, charged to the application, or to
 * the personality if it is to run no task. flags: enum thread_flags. -ENOMEM, -EAGAIN.
 */
long thread_new(struct task *task, uint64_t flags, uint32_t *slot, struct thread_frame **frame);

/* Give a block and its slot back; its thread may still be about to end. */
void thread_block_release(struct thread_frame *frame);

/* Take the memory of free blocks' stacks away; true: there was some. */
bool thread_blocks_trim(void);

/* Let others run for about two milliseconds, anywhere: a wake-up that comes meanwhile is kept. */
void thread_pause(void);
