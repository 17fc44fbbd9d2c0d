/*
 * The processor's breakpoints of a stopped task, for its tracer: DR0 to DR7 of struct user. The
 * kernel loads them while the task runs in its program (STATE_DEBUG); DR6 is kept here, as Linux
 * keeps it (arch/x86/kernel/ptrace.c, hw_breakpoint.c).
 */
#include "lib/oak/kernel.h"
#include "linux/proc/ptrace_call.h"
#include "linux/proc/task.h"

#define BREAKPOINTS      4
#define DEBUG_STATUS     6
#define DEBUG_CONTROL    7
#define STATUS_RESERVED  0xffff0ff0ull
#define STATUS_HITS      0xfull
#define STATUS_STEP      0x4000ull
#define CONTROL_RESERVED 0xffffffff0000fc00ull
#define ACCESS_EXECUTE   0u
#define ACCESS_PORT      2u
#define RFLAGS_RESUME    0x10000ull

static bool is_enabled(uint64_t control, uint32_t number)
{
    return control >> (2 * number) & 3;
}

static uint32_t access_of(uint64_t control, uint32_t number)
{
    return (uint32_t)(control >> (16 + 4 * number)) & 3;
}

/* Less one: the two bits say 1, 2, 8, 4. */
static uint64_t length_mask(uint64_t control, uint32_t number)
{
    static const uint8_t mask[] = {0, 1, 7, 3};
    return mask[control >> (18 + 4 * number) & 3];
}

static bool are_valid(const struct thread_debug *debug)
{
    for (uint32_t i = 0; i < BREAKPOINTS; i++) {
        uint32_t access = access_of(debug->control, i);
        uint64_t mask = length_mask(debug->control, i);
        bool valid = access != ACCESS_PORT && (access != ACCESS_EXECUTE || mask == 0) &&
                     (debug->address[i] & mask) == 0;
        if (is_enabled(debug->control, i) && !valid) {
            return false;
        }
    }
    return true;
}

static long debug_load(struct trace *trace, const struct thread_debug *debug)
{
    struct thread_debug loaded = *debug;
    if (!are_valid(debug)) {
        return -EINVAL;
    }
    for (uint32_t i = 0; i < BREAKPOINTS; i++) {
        if (!is_enabled(loaded.control, i)) {
            loaded.control &= ~(0xfull << (16 + 4 * i));
        }
    }
    if (object_change(trace->task->thread, STATE_DEBUG, 0, &loaded, sizeof(loaded)) != STATUS_OK) {
        return -EINVAL;
    }
    trace->debug = *debug;
    return 0;
}

uint64_t trace_debug_peek(const struct trace *trace, uint64_t number)
{
    return number < BREAKPOINTS      ? trace->debug.address[number]
           : number == DEBUG_STATUS  ? trace->debug_status ^ STATUS_RESERVED
           : number == DEBUG_CONTROL ? trace->debug.control
                                     : 0;
}

long trace_debug_poke(struct trace *trace, uint64_t number, uint64_t word)
{
    struct thread_debug debug = trace->debug;
    if (number == DEBUG_STATUS) {
        trace->debug_status = word ^ STATUS_RESERVED;
        return 0;
    }
    if (number < BREAKPOINTS) {
        debug.address[number] = word;
        return word >= APPLICATION_END ? -EINVAL : debug_load(trace, &debug);
    }
    debug.control = word & ~CONTROL_RESERVED;
    return number == DEBUG_CONTROL ? debug_load(trace, &debug) : -EIO;
}

void trace_debug_clear(struct trace *trace)
{
    const struct thread_debug none = {.control = 0};
    if (trace->debug.control != 0) {
        (void)debug_load(trace, &none);
    }
    trace->debug = none;
}

int trace_debug_trap(struct task *task, struct thread_frame *frame)
{
    struct trace *trace = task->trace;
    uint64_t status = frame->application.error;
    if (trace == NULL || !(status & STATUS_HITS)) {
        return TRAP_TRACE;
    }
    trace->debug_status = status;
    for (uint32_t i = 0; i < BREAKPOINTS; i++) {
        if (status >> i & 1 && access_of(trace->debug.control, i) == ACCESS_EXECUTE) {
            frame->application.rflags |= RFLAGS_RESUME; /* or it would stop there again */
        }
    }
    return status & STATUS_STEP ? TRAP_TRACE : TRAP_HWBKPT;
}
