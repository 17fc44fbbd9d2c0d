/*
 * A thread's registers and FPU area, read while it does not run, and written before it first does:
 * so a container is copied, or put away. Who wants all threads of one moment freezes their account.
 */
#include "kernel/core/traps.h"
#include "kernel/core/wait.h"
#include "kernel/object/space.h"
#include "kernel/x86_64/features.h"
#include "kernel/x86_64/layout.h"
#include "lib/base/string.h"

#define SYSCALL_BYTES 2
#define MXCSR_WORD    3
#define MXCSR_ALLOWED 0xffffffff0000ffffull
#define XSAVE_HEADER  512
/* Behind the header's first word, XSTATE_BV, all is 0: the standard format. */
#define XSAVE_HEADER_BYTES 64

/* What else the structure holds, by the names that both have. Its first words are the same. */
_Static_assert(offsetof(struct thread_registers, rip) == offsetof(struct registers, vector),
               "the general registers have one order");
#define GENERAL_BYTES offsetof(struct registers, vector)

/*
 * As if its present call were still to be made; or, where a server has it already, lost. The short
 * ways keep a wait's slots, and the rest is in the thread. A reply was made: what is left of that
 * call is a receive.
 */
static void call_undo(const struct thread *thread, enum thread_state state,
                      struct thread_registers *out)
{
    switch (state) {
    case THREAD_PARKED:
        out->rax = CALL_thread_park;
        out->rdi = thread->deadline_ns;
        out->rsi = thread->interruptible ? 0 : PARK_UNINTERRUPTIBLE;
        break;
    case THREAD_RECEIVING:
        out->rax = CALL_endpoint_receive;
        out->rdx = thread->timer_armed ? thread->deadline_ns : DEADLINE_NEVER;
        break;
    case THREAD_SIGNAL_WAIT:
        out->rax = CALL_signal_wait;
        out->rsi = thread->wait_mask;
        out->rdx = thread->deadline_ns;
        break;
    case THREAD_AWAITING_REPLY:
        out->rax = STATUS_RESTARTED;
        return;
    case THREAD_CALLING:
        break;
    case THREAD_STOPPED:
    case THREAD_READY:
    case THREAD_RUNNING:
    case THREAD_DEAD:
        return;
    }
    out->rip -= SYSCALL_BYTES;
}

static uint64_t flags_of(const struct thread *thread)
{
    return (thread->mode == MODE_APPLICATION ? THREAD_IN_APPLICATION : 0) |
           (thread->in_fault ? THREAD_IN_FAULT : 0) | (thread->restarted ? THREAD_IN_RESTART : 0) |
           (thread->unparked ? THREAD_UNPARKED : 0) |
           (thread->attention & ATTENTION_INTERRUPT ? THREAD_INTERRUPTED : 0) |
           (thread->started ? THREAD_STARTED : 0);
}

/* Under the thread's lock; BAD_STATE when some CPU has it, or it never runs again. */
static status_t may_read(const struct thread *thread, enum thread_state state)
{
    bool still = state != THREAD_RUNNING && state != THREAD_DEAD;
    return still && !thread->object.dying ? STATUS_OK : STATUS_BAD_STATE;
}

status_t thread_read_registers(const struct call *call, void *out_)
{
    struct thread *thread = object_thread(call->object);
    const struct registers *registers = &thread->registers;
    struct thread_registers *out = out_;
    /* Who wakes it writes its results under these. */
    enum thread_state state;
    struct spinlock *outer = wait_lock(thread, &state);
    status_t status = may_read(thread, state);
    if (status == STATUS_OK) {
        memcpy(out, registers, GENERAL_BYTES);
        out->rcx = thread->sysret ? registers->rip : registers->rcx;
        out->r11 = thread->sysret ? registers->rflags : registers->r11;
        out->rip = registers->rip;
        out->rflags = registers->rflags;
        out->rsp = registers->rsp;
        out->fs_base = thread->fs_base;
        out->gs_base = thread->gs_base;
        out->flags = flags_of(thread);
        out->frame = thread->frame_address;
        out->band = thread->band;
        const struct space *space = __atomic_load_n(&thread->space, __ATOMIC_RELAXED);
        out->space = space == NULL ? 0 : object_number(&space->object);
        call_undo(thread, state, out);
    }
    wait_unlock(thread, outer);
    return status;
}

/* Made, and never started. Under the thread's lock. */
static status_t may_write(const struct thread *thread)
{
    bool fresh = thread->state == THREAD_STOPPED && thread->space == NULL && !thread->started;
    return fresh && !thread->object.dying ? STATUS_OK : STATUS_BAD_STATE;
}

/* Nothing that the way out of the kernel cannot load, or that its mode could not have. */
static bool registers_valid(const struct thread_registers *in)
{
    bool application = in->flags & THREAD_IN_APPLICATION;
    bool place = application ? in->rip < APPLICATION_END : in->rip - WINDOW_BASE < WINDOW_SIZE;
    return place && address_canonical(in->fs_base) && address_canonical(in->gs_base) &&
           !(in->flags & ~(uint64_t)THREAD_REGISTER_FLAGS);
}

status_t thread_write_registers(const struct call *call, void *in_)
{
    struct thread *thread = object_thread(call->object);
    const struct thread_registers *in = in_;
    if (!registers_valid(in)) {
        return STATUS_INVALID_ARGUMENT;
    }
    spin_lock(&thread->lock);
    status_t status = may_write(thread);
    if (status == STATUS_OK) {
        thread_enter(thread, in->rip);
        struct registers *registers = &thread->registers;
        memcpy(registers, in, GENERAL_BYTES);
        registers->rflags = (in->rflags & ALLOWED_RFLAGS) | USER_RFLAGS;
        registers->rsp = in->rsp;
        thread->fs_base = in->fs_base;
        thread->gs_base = in->gs_base;
        thread->mode = in->flags & THREAD_IN_APPLICATION ? MODE_APPLICATION : MODE_PERSONALITY;
        thread->in_fault = (in->flags & THREAD_IN_FAULT) != 0;
        thread->restarted = (in->flags & THREAD_IN_RESTART) != 0;
        thread->unparked = in->flags & THREAD_UNPARKED;
        if (in->flags & THREAD_INTERRUPTED) {
            thread_attend_self(thread, ATTENTION_INTERRUPT);
        }
    }
    spin_unlock(&thread->lock);
    return status;
}

/* --- FPU ------------------------------------------------------------------------------------- */

/* Copy a part of the area, from or to there; NOT_FOUND when the position is none of a part's. */
static status_t fpu_copy(const struct call *call, void *part, bool write)
{
    struct thread *thread = object_thread(call->object);
    uint64_t position = call->argument[3];
    uint64_t area_bytes = cpu_features.xsave_bytes;
    if (position % THREAD_FPU_BYTES != 0 || position >= area_bytes) {
        return STATUS_NOT_FOUND;
    }
    uint8_t *area = thread->fpu + position;
    spin_lock(&thread->lock);
    status_t status = write ? may_write(thread) : may_read(thread, thread->state);
    if (status == STATUS_OK) {
        memcpy(write ? area : part, write ? part : area,
               MIN(area_bytes - position, THREAD_FPU_BYTES));
    }
    spin_unlock(&thread->lock);
    return status;
}

status_t thread_read_fpu(const struct call *call, void *out)
{
    return fpu_copy(call, out, false);
}

/* Nothing that XRSTOR refuses. Intel SDM volume 1, 13.4 and 13.8. */
static void fpu_sanitize(uint64_t *words, uint64_t position)
{
    if (position == 0) {
        words[MXCSR_WORD] &= MXCSR_ALLOWED;
    } else if (position == XSAVE_HEADER) {
        words[0] &= cpu_features.xsave_mask;
        memset(&words[1], 0, XSAVE_HEADER_BYTES - sizeof(words[0]));
    }
}

status_t thread_write_fpu(const struct call *call, void *in)
{
    fpu_sanitize(in, call->argument[3]);
    return fpu_copy(call, in, true);
}
