/*
 * Register sets of a stopped task by their ELF note types: the general registers, FXSAVE's area,
 * the XSAVE area in its standard format. The task left its FPU state in its trace and loads it from
 * there; what a tracer writes is checked here as XRSTOR would, so that loading cannot fail.
 */
#include "lib/base/string.h"
#include "linux/core/container.h"
#include "linux/core/heap.h"
#include "linux/core/user.h"
#include "linux/file/io.h"
#include "linux/proc/ptrace_call.h"
#include "linux/proc/task.h"

#define NT_PRSTATUS   1
#define NT_PRFPREG    2
#define NT_X86_XSTATE 0x202

/* The legacy area and the header behind it (Intel SDM volume 1, 13.4). */
#define FXSAVE_BYTES       512
#define MXCSR_OFFSET       24
#define MXCSR_MASK_OFFSET  28
#define MXCSR_MASK_DEFAULT 0xffbfu
#define SOFTWARE_OFFSET    464 /* for software: here the features that there are */
#define SOFTWARE_BYTES     48
#define HEADER_OFFSET      512 /* XSTATE_BV, XCOMP_BV, zeros */
#define HEADER_WORDS       8
#define FEATURES_LEGACY    3ull /* x87 and SSE */

static uint32_t word_at(const uint8_t *area, uint32_t offset)
{
    uint32_t word;
    memcpy(&word, area + offset, sizeof(word));
    return word;
}

static bool mxcsr_is_good(const struct trace *trace, const uint8_t *area)
{
    uint32_t mask = word_at(trace->fpu, MXCSR_MASK_OFFSET);
    return (word_at(area, MXCSR_OFFSET) & ~(mask == 0 ? MXCSR_MASK_DEFAULT : mask)) == 0;
}

/* --- FXSAVE ---------------------------------------------------------------------------------- */

static void legacy_read(const struct trace *trace, uint8_t *out)
{
    memcpy(out, trace->fpu, FXSAVE_BYTES);
    memset(out + SOFTWARE_OFFSET, 0, SOFTWARE_BYTES);
}

static long legacy_write(struct trace *trace, const uint8_t *from)
{
    if (!mxcsr_is_good(trace, from)) {
        return -EINVAL;
    }
    uint64_t *features = (uint64_t *)(void *)((uint8_t *)trace->fpu + HEADER_OFFSET);
    uint32_t mask = word_at(trace->fpu, MXCSR_MASK_OFFSET);
    memcpy(trace->fpu, from, FXSAVE_BYTES);
    memcpy((uint8_t *)trace->fpu + MXCSR_MASK_OFFSET, &mask, sizeof(mask));
    *features |= FEATURES_LEGACY;
    trace->fpu_changed = true;
    return 0;
}

/* --- XSAVE ----------------------------------------------------------------------------------- */

static void extended_read(const struct trace *trace, uint8_t *out)
{
    const uint64_t features = cpu_xsave_mask();
    memcpy(out, trace->fpu, cpu_xsave_bytes());
    memset(out + SOFTWARE_OFFSET, 0, SOFTWARE_BYTES);
    memcpy(out + SOFTWARE_OFFSET, &features, sizeof(features));
}

static long extended_write(struct trace *trace, const uint8_t *from)
{
    uint64_t header[HEADER_WORDS];
    memcpy(header, from + HEADER_OFFSET, sizeof(header));
    bool good = (header[0] & ~cpu_xsave_mask()) == 0 && mxcsr_is_good(trace, from);
    for (int i = 1; i < HEADER_WORDS; i++) {
        good = good && header[i] == 0;
    }
    if (!good) {
        return -EINVAL;
    }
    uint32_t mask = word_at(trace->fpu, MXCSR_MASK_OFFSET);
    memcpy(trace->fpu, from, cpu_xsave_bytes());
    memcpy((uint8_t *)trace->fpu + MXCSR_MASK_OFFSET, &mask, sizeof(mask));
    trace->fpu_changed = true;
    return 0;
}

/* --- sets ------------------------------------------------------------------------------------ */

/* 0: there is no such set. */
static uint64_t set_bytes(uint64_t type)
{
    switch (type) {
    case NT_PRSTATUS:
        return sizeof(struct user_registers);
    case NT_PRFPREG:
        return FXSAVE_BYTES;
    case NT_X86_XSTATE:
        return cpu_xsave_bytes();
    default:
        return 0;
    }
}

/* Under tasks_lock; `out` has set_bytes. */
static void set_read(uint64_t type, const struct trace *trace, void *out)
{
    switch (type) {
    case NT_PRSTATUS:
        user_registers_fill(out, trace);
        break;
    case NT_PRFPREG:
        legacy_read(trace, out);
        break;
    default:
        extended_read(trace, out);
        break;
    }
}

/* General registers may be written in part, from the first on. Under tasks_lock. */
static long set_write(uint64_t type, struct trace *trace, const void *from, uint64_t length_bytes)
{
    struct user_registers registers;
    switch (type) {
    case NT_PRSTATUS:
        user_registers_fill(&registers, trace);
        memcpy(&registers, from, length_bytes);
        return user_registers_load(trace, &registers);
    case NT_PRFPREG:
        return length_bytes != FXSAVE_BYTES ? -EINVAL : legacy_write(trace, from);
    default:
        return length_bytes != cpu_xsave_bytes() ? -EFAULT : extended_write(trace, from);
    }
}

static long set_get(int tid, uint64_t type, uint64_t user_area, uint64_t length_bytes)
{
    void *area = heap_alloc(set_bytes(type));
    if (area == NULL) {
        return -ENOMEM;
    }
    mutex_lock(&tasks_lock);
    const struct trace *trace = trace_stopped(tid);
    if (trace != NULL) {
        set_read(type, trace, area);
    }
    mutex_unlock(&tasks_lock);
    long result = trace == NULL ? -ESRCH : copy_to_user(user_area, area, length_bytes);
    heap_free(area);
    return result;
}

static long set_put(int tid, uint64_t type, uint64_t user_area, uint64_t length_bytes)
{
    void *area = heap_alloc(set_bytes(type));
    if (area == NULL) {
        return -ENOMEM;
    }
    long result = copy_from_user(area, user_area, length_bytes);
    if (result == 0) {
        mutex_lock(&tasks_lock);
        struct trace *trace = trace_stopped(tid);
        result = trace == NULL ? -ESRCH : set_write(type, trace, area, length_bytes);
        mutex_unlock(&tasks_lock);
    }
    heap_free(area);
    return result;
}

long trace_fpu_get(int tid, uint64_t user_area)
{
    return set_get(tid, NT_PRFPREG, user_area, FXSAVE_BYTES);
}

long trace_fpu_set(int tid, uint64_t user_area)
{
    return set_put(tid, NT_PRFPREG, user_area, FXSAVE_BYTES);
}

/* Its length is cut to the set's and told back. */
static long regset_move(int tid, uint64_t type, uint64_t user_vector, bool set)
{
    struct io_vector vector;
    if (copy_from_user(&vector, user_vector, sizeof(vector)) != 0) {
        return -EFAULT;
    }
    if (set_bytes(type) == 0 || vector.length_bytes % 8 != 0) {
        return -EINVAL;
    }
    vector.length_bytes = MIN(vector.length_bytes, set_bytes(type));
    long result = set ? set_put(tid, type, vector.base, vector.length_bytes)
                      : set_get(tid, type, vector.base, vector.length_bytes);
    uint64_t told = user_vector + offsetof(struct io_vector, length_bytes);
    return result != 0 ? result : put_user_u64(told, vector.length_bytes);
}

long trace_regset_get(int tid, uint64_t type, uint64_t user_vector)
{
    return regset_move(tid, type, user_vector, false);
}

long trace_regset_set(int tid, uint64_t type, uint64_t user_vector)
{
    return regset_move(tid, type, user_vector, true);
}
