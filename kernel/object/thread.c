/* Threads: making, starting, interrupting and ending them. Scheduling is core/scheduler.c.
 */
#include "kernel/object/thread.h"

#include "kernel/core/assert.h"
#include "kernel/object/waits.h"
#include "kernel/x86_64/layout.h"
#include "lib/base/string.h"

/* What is not zero in the FPU area of a thread that begins. Intel SDM volume 1, 11.6.4. */
#define FPU_MXCSR        24
#define FPU_MXCSR_MASKED 0x1f80

/* What entry.S believes. */
_Static_assert(offsetof(struct thread, frame) == 40, "entry.S T_FRAME");
_Static_assert(offsetof(struct thread, registers) == THREAD_REGISTERS, "entry.S T_r15");
_Static_assert(offsetof(struct thread, registers.rip) == 184, "entry.S T_RIP");
_Static_assert(offsetof(struct thread, mode) == 224, "entry.S T_MODE");
_Static_assert(offsetof(struct thread, sysret) == 226, "entry.S T_SYSRET");
_Static_assert(offsetof(struct thread, root_application) == 232, "entry.S T_ROOT_APP");
_Static_assert(offsetof(struct thread, frame_address) == 256, "entry.S T_FRAME_ADDR");
_Static_assert(offsetof(struct thread, mode_cycles) == 264, "entry.S T_PERS_CYCLES, T_APP_CYCLES");
_Static_assert(offsetof(struct cpu, tsc_since) == 48, "entry.S CPU_TSC_SINCE");
_Static_assert((THREAD_REGISTERS + sizeof(struct registers)) % 16 == 0, "RSP0 is aligned");

/* Into the domain's list, unless the domain is dying or has ended. */
static status_t domain_join(struct thread *thread, struct domain *domain)
{
    spin_lock(&domain->lock);
    bool alive = !domain->object.dying && !domain->ended;
    if (alive) {
        thread->domain = domain;
        thread->root_personality = domain->root;
        thread->trap_entry = domain->trap_entry;
        list_append(&domain->threads, &thread->in_domain);
    }
    spin_unlock(&domain->lock);
    return alive ? STATUS_OK : STATUS_BAD_CAPABILITY;
}

status_t thread_create(struct account *payer, struct domain *domain, uint64_t frame_address,
                       uint32_t band, bool copy_fpu, struct object **out)
{
    status_t status = account_charge_thread(payer);
    if (status != STATUS_OK) {
        return status;
    }
    size_t size_bytes = sizeof(struct thread) + cpu_features.xsave_bytes;
    status = object_create(payer, OBJECT_THREAD, size_bytes, out);
    if (status != STATUS_OK) {
        account_uncharge_thread(payer, NULL);
        return status;
    }
    struct thread *thread = object_thread(*out);
    spin_init(&thread->lock, LOCK_THREAD);
    list_init(&thread->in_domain);
    thread->state = THREAD_STOPPED;
    thread->band = band;
    thread->cpu = cpu_current()->number;
    thread->billing_own = object_handle(&payer->object, 0);
    thread->billing = thread->billing_own;
    thread->time_trap_cycles = UINT64_MAX;
    thread->frame_address = frame_address;
    *(uint64_t *)(void *)(thread->fpu + FPU_MXCSR) = FPU_MXCSR_MASKED;
    if (copy_fpu) {
        fpu_save(thread->fpu);
        bases_save(&thread->fs_base, &thread->gs_base);
    }

    status = region_pin_frame(&domain->window, frame_address, &thread->pin);
    if (status == STATUS_OK) {
        thread->frame = frame_pointer(thread->pin.frame);
        status = domain_join(thread, domain);
    }
    return status;
}

status_t call_thread_create(struct call *call)
{
    uint64_t frame_address = call->argument[3];
    uint64_t band = call->argument[4];
    if (frame_address % PAGE_SIZE != 0 || frame_address - WINDOW_BASE >= WINDOW_SIZE ||
        band >= BANDS || call->argument[5] > THREAD_COPY_FPU) {
        return STATUS_INVALID_ARGUMENT;
    }
    /* Nobody gives out a higher band than its own. */
    if (band > call->thread->band) {
        return STATUS_NOT_PERMITTED;
    }
    return thread_create(object_account(call->object), object_domain(call->other), frame_address,
                         (uint32_t)band, call->argument[5] & THREAD_COPY_FPU, &call->made);
}

void thread_enter(struct thread *thread, uint64_t entry)
{
    struct registers *registers = &thread->registers;
    registers->rip = entry;
    registers->rsp = thread->frame_address;
    registers->rflags = USER_RFLAGS;
    registers->cs = USER_CODE;
    registers->ss = USER_DATA;
    thread->mode = MODE_PERSONALITY;
    thread->sysret = 0;
}

/* The space that the thread will be in, which counts it already; the object, or NULL for none. */
static status_t space_for(const struct thread *thread, struct object *object, struct space **out)
{
    *out = object == NULL ? NULL : object_space(object);
    if (*out != NULL && (*out)->domain != thread->domain) {
        return STATUS_INVALID_ARGUMENT;
    }
    return *out == NULL || space_thread_entered(*out) ? STATUS_OK : STATUS_BAD_CAPABILITY;
}

status_t call_thread_start(struct call *call)
{
    struct thread *thread = object_thread(call->object);
    uint64_t entry = call->argument[2];
    if (((entry != 0 || thread->registers.rip == 0) && entry - WINDOW_BASE >= WINDOW_SIZE) ||
        call->argument[4] > MESSAGE_WORDS) {
        return STATUS_INVALID_ARGUMENT;
    }
    struct space *space;
    status_t status = space_for(thread, call->other, &space);
    if (status != STATUS_OK) {
        return status;
    }
    spin_lock(&thread->lock);
    bool written =
        thread->registers.rip != 0 && (space != NULL || thread->mode == MODE_PERSONALITY);
    bool startable = thread->state == THREAD_STOPPED && !thread->started && !thread->object.dying &&
                     (entry != 0 || written);
    if (startable) {
        thread->started = true;
        thread_enter_space(thread, space);
        memcpy(thread->frame->message, call->thread->frame->message,
               call->argument[4] * sizeof(uint64_t));
        if (entry != 0) {
            thread_enter(thread, entry);
            thread->registers.rdi = call->argument[3];
        }
        thread->state = THREAD_READY;
    }
    spin_unlock(&thread->lock);
    if (!startable) {
        if (space != NULL) {
            space_thread_left(space);
        }
        return STATUS_BAD_STATE;
    }
    scheduler_ready(thread);
    return STATUS_OK;
}

status_t call_thread_set_space(struct call *call)
{
    struct space *space;
    status_t status = space_for(call->thread, call->other, &space);
    if (status == STATUS_OK) {
        thread_enter_space(call->thread, space);
    }
    return status;
}

void thread_attend(struct thread *thread, uint8_t attention)
{
    __atomic_fetch_or(&thread->attention, attention, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&thread->state, __ATOMIC_ACQUIRE) == THREAD_RUNNING &&
        thread->cpu != cpu_current()->number) {
        cpu_kick(thread->cpu);
    }
}

status_t call_thread_interrupt(struct call *call)
{
    struct thread *thread = object_thread(call->object);
    uint64_t value = call->argument[2];
    switch (call->argument[1]) {
    case INTERRUPT_NOW:
        thread_attend(thread, ATTENTION_INTERRUPT);
        wait_cancel(thread, STATUS_INTERRUPTED, 0);
        return STATUS_OK;
    case INTERRUPT_AFTER_TIME:
        scheduler_set_time_trap(thread, value);
        return STATUS_OK;
    case INTERRUPT_ON_PREEMPTION:
        if (value > 1) {
            return STATUS_INVALID_ARGUMENT;
        }
        __atomic_store_n(&thread->trap_on_preemption, value == 1, __ATOMIC_RELAXED);
        return STATUS_OK;
    default:
        return STATUS_INVALID_ARGUMENT;
    }
}

status_t call_thread_park(struct call *call)
{
    return thread_park(cpu_current(), call->thread, call->argument[0], call->argument[1]);
}

status_t call_thread_unpark(struct call *call)
{
    thread_unpark(cpu_current(), call->thread, object_thread(call->object));
    return STATUS_OK;
}

status_t call_thread_yield(struct call *call)
{
    (void)call;
    scheduler_yield();
    return STATUS_OK;
}

_Static_assert(THREAD_READY == THREAD_STATE_READY && THREAD_RUNNING == THREAD_STATE_RUNNING,
               "states as abi/kernel.h tells them");

status_t thread_read(const struct call *call, void *out)
{
    const struct thread *thread = object_thread(call->object);
    uint64_t cycles[2] = {thread->mode_cycles[0], thread->mode_cycles[1]};
    cycles[thread->mode] += scheduler_turn_cycles(thread);
    *(struct thread_usage *)out = (struct thread_usage){
        .application_ns = clock_cycles_to_ns(cycles[MODE_APPLICATION]),
        .personality_ns = clock_cycles_to_ns(cycles[MODE_PERSONALITY]),
        .state = thread->state,
    };
    return STATUS_OK;
}

/* It never runs again; false while a CPU still runs it. */
bool thread_end_step(struct object *object)
{
    struct thread *thread = object_thread(object);
    thread_attend(thread, ATTENTION_DIE);
    wait_cancel(thread, STATUS_CLOSED, 0);
    if (cpu_current()->current == thread) {
        scheduler_bill(thread);
        scheduler_detach();
        __atomic_store_n(&thread->state, THREAD_DEAD, __ATOMIC_RELEASE);
        return true;
    }
    spin_lock(&thread->lock);
    if (thread->state == THREAD_STOPPED ||
        (thread->state == THREAD_READY && scheduler_withdraw(thread))) {
        thread->state = THREAD_DEAD;
    }
    bool halted = thread->state == THREAD_DEAD;
    spin_unlock(&thread->lock);
    return halted;
}

void thread_release(struct object *object)
{
    struct thread *thread = object_thread(object);
    assert_debug(scheduler_turn_cycles(thread) == 0); /* no CPU shows it to others */
    timer_disarm(thread);
    scheduler_set_time_trap(thread, UINT64_MAX);
    if (thread->space != NULL) {
        thread_enter_space(thread, NULL);
    }
    if (thread->domain != NULL) {
        spin_lock(&thread->domain->lock);
        list_remove(&thread->in_domain);
        spin_unlock(&thread->domain->lock);
    }
    region_unpin_frame(&thread->pin);
    account_uncharge_thread(thread->object.payer, NULL);
}
