/*
 * A thread's breakpoints: addresses of its application, which the CPU watches while the thread runs
 * (Intel SDM volume 3, 17.2). Such a thread keeps ATTENTION_DEBUG, and a CPU that has breakpoints
 * loaded says so: both lead every change of threads past scheduler_leave, which loads and unloads.
 * The window and the kernel have no such addresses; what its personality touches is not told.
 */
#include "kernel/core/cpu.h"
#include "kernel/core/traps.h"
#include "kernel/x86_64/asm.h"

#define DR6_NONE    0xffff0ff0ull
#define DR6_STEP    0x4000ull
#define DR6_TOLD    (0xfull | DR6_STEP)
#define DR7_NONE    0x400ull
#define DR7_ENABLES 0xffull
#define DR7_ALLOWED (0xffff0300ull | DR7_ENABLES | DR7_NONE)
#define ACCESS_PORT 2

status_t thread_read_debug(const struct call *call, void *out)
{
    struct thread *thread = object_thread(call->object);
    spin_lock(&thread->lock);
    *(struct thread_debug *)out = thread->debug;
    spin_unlock(&thread->lock);
    return STATUS_OK;
}

static bool debug_valid(const struct thread_debug *debug)
{
    bool valid = !(debug->control & ~DR7_ALLOWED);
    for (uint32_t i = 0; i < ARRAY_LENGTH(debug->address); i++) {
        valid = valid && debug->address[i] < APPLICATION_END &&
                (debug->control >> (16 + 4 * i) & 3) != ACCESS_PORT;
    }
    return valid;
}

status_t thread_write_debug(const struct call *call, void *in)
{
    struct thread *thread = object_thread(call->object);
    const struct thread_debug *debug = in;
    if (!debug_valid(debug)) {
        return STATUS_INVALID_ARGUMENT;
    }
    /* Breakpoints and their mark in one: who writes them at the same time may say otherwise. */
    spin_lock(&thread->lock);
    thread->debug = *debug;
    if (debug->control & DR7_ENABLES) {
        __atomic_fetch_or(&thread->attention, ATTENTION_DEBUG, __ATOMIC_SEQ_CST);
    } else {
        __atomic_fetch_and(&thread->attention, (uint8_t)~ATTENTION_DEBUG, __ATOMIC_SEQ_CST);
    }
    spin_unlock(&thread->lock);
    thread_attend(thread, 0); /* some CPU may run it */
    return STATUS_OK;
}

void thread_debug_load(struct cpu *cpu, const struct thread *thread)
{
    const struct thread_debug *debug = &thread->debug;
    cpu->debugged = (thread->attention & ATTENTION_DEBUG) != 0;
    dr7_write(DR7_NONE);
    if (cpu->debugged) {
        dr0_write(debug->address[0]);
        dr1_write(debug->address[1]);
        dr2_write(debug->address[2]);
        dr3_write(debug->address[3]);
        dr6_write(DR6_NONE);
        dr7_write(debug->control | DR7_NONE);
    }
}

bool thread_debug_trap(struct thread *thread)
{
    uint64_t status = dr6_read();
    dr6_write(DR6_NONE);
    for (uint32_t i = 0; i < ARRAY_LENGTH(thread->debug.address); i++) {
        bool enabled = thread->debug.control >> (2 * i) & 3;
        status &= enabled ? UINT64_MAX : ~(1ull << i); /* another thread's may be there still */
    }
    thread->registers.error = status & DR6_TOLD;
    return thread->mode == MODE_PERSONALITY && !(status & DR6_STEP);
}
