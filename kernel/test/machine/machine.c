/* The CPUs: what entry.S and the hardware do around the kernel's C code. */
#include "kernel/test/machine/machine.h"

#include "kernel/core/barrier.h"
#include "kernel/core/clock.h"
#include "kernel/core/frame.h"
#include "kernel/core/log.h"
#include "kernel/core/scheduler.h"
#include "kernel/core/trace.h"
#include "kernel/core/traps.h"
#include "kernel/object/account.h"
#include "kernel/object/endpoint.h"
#include "kernel/x86_64/apic.h"
#include "kernel/x86_64/cpu.h"
#include "kernel/x86_64/kernel_map.h"
#include "lib/base/string.h"

#define TSC_STEP      20
#define XSAVE_BYTES   64
#define SLICE_MAX     2000 /* before the others may go on */
#define SLICE_SPREAD  251
#define ROUNDS_MAX    100000 /* more: nobody will ever leave the kernel */
#define SYSCALL_BYTES 2
#define LOST          0x105e /* in a register that was not saved */
#define PROGRAMS      256    /* whose state is remembered, by their threads' numbers */

struct machine_cpu {
    struct cpu cpu;
    struct fiber fiber;
    enum machine_state state;
    bool listens;    /* idle, but goes on by itself */
    uint32_t passed; /* of the slice */
    uint32_t slice;
    uint32_t kicks;
    uint64_t timer_tsc; /* 0: not set */
    uint32_t vector;    /* of the interrupt that wakes it, 0: none */
    uint64_t error;
    uint64_t fault_address;
    uint64_t debug_address; /* DR0 */
    uint64_t debug_control; /* DR7 */
    uint64_t fpu;           /* what its FPU and the user's bases hold */
};

struct program {
    handle_t thread;
    uint64_t fpu;
};

struct cpu *cpus[CPUS_MAX];
uint32_t cpu_count;
uint64_t kernel_root_physical;

/* What the kernel's functions call: -finstrument-functions. */
void __cyg_profile_func_enter(void *function, void *caller);
void __cyg_profile_func_exit(void *function, void *caller);

static struct machine_cpu machines[MACHINE_CPUS];
static struct machine_cpu *running; /* whose fiber runs; NULL: the driver's stack */
static struct program programs[PROGRAMS];
static uint64_t tsc;
static uint32_t turns;

/* --- from the kernel -------------------------------------------------------------------------- */

static void leave(struct machine_cpu *own, enum machine_state state, bool ended)
{
    own->state = state;
    fiber_leave(&own->fiber, ended);
    own->passed = 0;
}

/* A place where other CPUs may be faster: at the begin and the end of every function. */
static void slice_pass(void)
{
    if (running != NULL && running->state == MACHINE_INSIDE &&
        ++running->passed >= running->slice) {
        leave(running, MACHINE_INSIDE, false);
    }
}

void __cyg_profile_func_enter(void *function, void *caller)
{
    (void)function;
    (void)caller;
    slice_pass();
}

void __cyg_profile_func_exit(void *function, void *caller)
{
    (void)function;
    (void)caller;
    slice_pass();
}

struct cpu *cpu_current(void)
{
    return running == NULL ? cpus[0] : &running->cpu;
}

/* It waits for another. */
void cpu_pause(void)
{
    if (running != NULL) {
        leave(running, MACHINE_INSIDE, false);
    }
}

void cpu_kick(uint32_t number)
{
    machines[number].kicks++;
}

uint64_t tsc_read(void)
{
    return tsc += TSC_STEP;
}

void apic_timer_set(uint64_t tsc_now, uint64_t tsc_deadline)
{
    (void)tsc_now;
    running->timer_tsc = tsc_deadline;
}

uint64_t cr2_read(void)
{
    return running->fault_address;
}

/* Nothing is watched here; but what a thread has loaded must be its own (debug_check). */
void dr0_write(uint64_t value)
{
    running->debug_address = value;
}

void dr1_write(uint64_t value)
{
    (void)value;
}

void dr2_write(uint64_t value)
{
    (void)value;
}

void dr3_write(uint64_t value)
{
    (void)value;
}

uint64_t dr6_read(void)
{
    return 0;
}

void dr6_write(uint64_t value)
{
    (void)value;
}

void dr7_write(uint64_t value)
{
    running->debug_control = value;
}

/* A thread leaves with its own breakpoints, or none. */
static void debug_check(const struct machine_cpu *own)
{
    const struct thread_debug *debug = &own->cpu.current->debug;
    bool on = (debug->control & 0xff) != 0;
    if ((own->debug_control & 0xff) != (debug->control & 0xff) ||
        (on && own->debug_address != debug->address[0])) {
        machine_fail("a thread runs with other breakpoints than its own");
    }
}

/* Interrupts come in, or not; then the kernel goes on. */
static void idle(bool listens)
{
    struct machine_cpu *own = running;
    own->listens = listens;
    leave(own, MACHINE_IDLE, false);
    if (own->vector != 0) {
        struct registers registers = {.vector = own->vector};
        own->vector = 0;
        trap_kernel(&registers);
    }
}

void cpu_sleep(void)
{
    idle(false);
}

void cpu_listen(void)
{
    idle(true);
}

void fpu_save(void *area)
{
    memcpy(area, &running->fpu, sizeof(running->fpu));
}

void fpu_restore(const void *area)
{
    memcpy(&running->fpu, area, sizeof(running->fpu));
}

void bases_save(uint64_t *fs_base, uint64_t *gs_base)
{
    *fs_base = running->fpu;
    *gs_base = ~running->fpu;
}

void bases_restore(uint64_t fs_base, uint64_t gs_base)
{
    (void)gs_base;
    if (fs_base != running->fpu) {
        machine_fail("a thread's bases do not go with its FPU state");
    }
}

/* The program uses the FPU and moves its bases: it must find them so when it goes on. */
static void fpu_use(struct machine_cpu *own)
{
    const struct object *thread = &own->cpu.current->object;
    own->fpu = tsc_read();
    programs[object_number(thread) % PROGRAMS] = (struct program){thread->handle, own->fpu};
}

static void fpu_check(const struct machine_cpu *own)
{
    const struct object *thread = &own->cpu.current->object;
    const struct program *program = &programs[object_number(thread) % PROGRAMS];
    if (program->thread == thread->handle && program->fpu != own->fpu) {
        machine_fail("a thread runs with another one's FPU state");
    }
}

/* Nothing that others left, in registers and message. */
static void results_check(const struct thread *thread)
{
    const struct registers *registers = &thread->registers;
    bool stale = machine_stale(registers->rax) || machine_stale(registers->rdi) ||
                 machine_stale(registers->rsi) || machine_stale(registers->rdx);
    for (uint32_t i = 0; i < MESSAGE_WORDS; i++) {
        stale = stale || machine_stale(thread->frame->message[i]);
    }
    if (stale) {
        machine_fail("a program is told what another one left");
    }
}

/* What the user's program would run with, if all is well. */
static void leave_check(const struct cpu *cpu, const struct thread *thread)
{
    const struct registers *registers = &thread->registers;
    uint64_t root =
        thread->mode == MODE_APPLICATION ? thread->root_application : thread->root_personality;
    if (cpu->current != thread || thread->state != THREAD_RUNNING || thread->cpu != cpu->number) {
        machine_fail("CPU %u runs a thread that is not its own", cpu->number);
    }
    if (cpu->tss.rsp[0] != (uint64_t)(uintptr_t)(registers + 1)) {
        machine_fail("traps would push their frame into another thread");
    }
    if (cpu->locks_held != 0 || cpu->kernel_entries % 2 != 0) {
        machine_fail("CPU %u leaves the kernel with a lock, or uncounted", cpu->number);
    }
    if (cpu->root_loaded != cr3_read() || cr3_read() != root) {
        machine_fail("CPU %u runs a thread in an address space that is not its own", cpu->number);
    }
    if ((registers->cs & 3) != 3 || (registers->ss & 3) != 3 || !(registers->rflags & 0x200) ||
        registers->rflags & 0x3000) {
        machine_fail("CPU %u goes to user mode with the kernel's rights", cpu->number);
    }
    if (thread->sysret && (int64_t)(registers->rip << 16) >> 16 != (int64_t)registers->rip) {
        machine_fail("sysret would fault in the kernel");
    }
}

void kernel_leave(struct thread *thread)
{
    leave_check(&running->cpu, thread);
    fpu_check(running);
    debug_check(running);
    results_check(thread);
    leave(running, MACHINE_USER, true);
    __builtin_unreachable();
}

void kernel_leave_call(uint64_t rdi, uint64_t rsi, uint64_t rdx, struct thread *thread)
{
    struct registers *registers = &thread->registers;
    if (!thread->sysret) {
        machine_fail("a call ends that none was");
    }
    registers->rax = STATUS_OK;
    registers->rdi = rdi;
    registers->rsi = rsi;
    registers->rdx = rdx;
    registers->r8 = registers->r9 = registers->r10 = 0;
    kernel_leave(thread);
}

/* --- into the kernel -------------------------------------------------------------------------- */

static void go(struct machine_cpu *own, void (*way)(void), uint32_t slice)
{
    /* Not always the same, or one CPU might see another's lock held each time. */
    own->slice = slice == 0 ? SLICE_MAX + turns++ % SLICE_SPREAD : slice;
    own->passed = 0;
    running = own;
    if (own->state == MACHINE_USER) {
        fpu_use(own);
    }
    if (way != NULL) {
        own->state = MACHINE_INSIDE;
        fiber_begin(&own->fiber, way);
    } else {
        own->state = MACHINE_INSIDE;
        fiber_go_on(&own->fiber);
    }
    running = NULL;
}

static bool interrupt_due(const struct machine_cpu *own)
{
    return own->kicks != 0 || (own->timer_tsc != 0 && tsc >= own->timer_tsc);
}

static void way_interrupt(void);

/* One that is due, to a CPU that is not in the kernel, for one slice. */
static void interrupt_take(struct machine_cpu *own)
{
    bool kicked = own->kicks != 0;
    own->vector = kicked ? VECTOR_KICK : VECTOR_TIMER;
    if (kicked) {
        own->kicks = 0;
    } else {
        own->timer_tsc = 0;
    }
    go(own, own->state == MACHINE_USER ? way_interrupt : NULL, 0);
}

/* The others do what this CPU may wait for. */
static void others_go_on(const struct machine_cpu *own)
{
    for (uint32_t i = 0; i < MACHINE_CPUS; i++) {
        struct machine_cpu *other = &machines[i];
        if (other == own) {
            continue;
        }
        if (other->state == MACHINE_INSIDE) {
            go(other, NULL, 0);
        } else if (other->kicks != 0 && other->state != MACHINE_OFF) {
            interrupt_take(other);
        }
    }
}

static void finish(struct machine_cpu *own)
{
    for (uint32_t round = 0; own->state == MACHINE_INSIDE; round++) {
        if (round == ROUNDS_MAX) {
            machine_fail("CPU %u never leaves the kernel", own->cpu.number);
        }
        others_go_on(own);
        go(own, NULL, 0);
    }
}

static void enter(uint32_t cpu, void (*way)(void), uint32_t slice)
{
    go(&machines[cpu], way, slice);
    if (slice == 0) {
        finish(&machines[cpu]);
    }
}

static struct thread *entered(bool sysret)
{
    struct cpu *cpu = &running->cpu;
    cpu->current->sysret = sysret;
    cpu->kernel_entries++;
    return cpu->current;
}

static void way_trap(void)
{
    struct thread *thread = entered(false);
    thread->registers.vector = running->vector;
    thread->registers.error = running->error;
    running->vector = 0;
    trap_user(thread);
}

static void way_interrupt(void)
{
    running->error = 0;
    way_trap();
}

#define SHORT_WAY_OF(call) void short_##call(uint64_t, uint64_t, uint64_t, struct thread *)
SHORT_WAY_OF(gate_call);
SHORT_WAY_OF(endpoint_reply_receive);
SHORT_WAY_OF(thread_unpark);
SHORT_WAY_OF(thread_park);
SHORT_WAY_OF(signal_raise);
SHORT_WAY_OF(signal_wait);

/* A call with a short way gets its arguments in registers; where they are saved is something old.
 */
static void short_way_go(void (*way)(uint64_t, uint64_t, uint64_t, struct thread *),
                         struct thread *thread)
{
    struct registers *registers = &thread->registers;
    uint64_t a = registers->rdi;
    uint64_t b = registers->rsi;
    uint64_t c = registers->rdx;
    registers->rax = registers->rdi = registers->rsi = registers->rdx = LOST;
    registers->r8 = registers->r9 = LOST;
    way(a, b, c, thread);
}

/* As syscall_entry: calls with short ways have entries of their own. */
static void way_syscall(void)
{
    struct thread *thread = entered(true);
    switch (thread->registers.rax) {
    case CALL_gate_call:
        short_way_go(short_gate_call, thread);
        break;
    case CALL_endpoint_reply_receive:
        short_way_go(short_endpoint_reply_receive, thread);
        break;
    case CALL_thread_unpark:
        short_way_go(short_thread_unpark, thread);
        break;
    case CALL_thread_park:
        short_way_go(short_thread_park, thread);
        break;
    case CALL_signal_raise:
        short_way_go(short_signal_raise, thread);
        break;
    case CALL_signal_wait:
        short_way_go(short_signal_wait, thread);
        break;
    default:
        kernel_call(thread);
    }
}

static void way_syscall_traced(void)
{
    syscall_traced(entered(true));
}

/* The half of syscall_entry that is no kernel call. */
static void system_call_forward(struct cpu *cpu)
{
    struct thread *thread = cpu->current;
    struct registers *registers = &thread->registers;
    struct trap_words *words = &thread->frame->application;
    words->rip = registers->rip;
    words->rflags = registers->rflags;
    words->rax = registers->rax;
    words->rsp = registers->rsp;
    words->cause = TRAP_SYSCALL;
    uint64_t cycles = tsc_read() - cpu->tsc_since;
    cpu->tsc_since += cycles;
    thread->mode = MODE_PERSONALITY;
    thread->mode_cycles[MODE_APPLICATION] += cycles;
    cpu->application_cycles += cycles;
    if (cpu->root_loaded != thread->root_personality) {
        cpu->root_loaded = thread->root_personality;
        cr3_write(cpu->root_loaded);
    }
    registers->rsp = thread->frame_address;
    registers->rip = thread->trap_entry;
    registers->rflags = 0x202;
}

void machine_syscall(uint32_t cpu, bool traced, uint32_t slice)
{
    struct thread *thread = machine_thread(cpu);
    thread->registers.rip += SYSCALL_BYTES; /* RCX, as the instruction leaves it */
    if (thread->mode == MODE_APPLICATION) {
        running = &machines[cpu];
        running->state = MACHINE_USER;
        system_call_forward(&machines[cpu].cpu);
        running = NULL;
        return;
    }
    enter(cpu, traced || machines[cpu].cpu.traced ? way_syscall_traced : way_syscall, slice);
}

void machine_page_fault(uint32_t cpu, uint64_t address, uint64_t error, uint32_t slice)
{
    machines[cpu].fault_address = address;
    machines[cpu].error = error;
    machines[cpu].vector = 14;
    enter(cpu, way_trap, slice);
}

void machine_exception(uint32_t cpu, uint32_t vector, uint32_t slice)
{
    machines[cpu].vector = vector;
    machines[cpu].error = 0;
    enter(cpu, way_trap, slice);
}

void machine_interrupt(uint32_t cpu, uint32_t vector, uint32_t slice)
{
    machines[cpu].vector = vector;
    enter(cpu, machines[cpu].state == MACHINE_USER ? way_interrupt : NULL, slice);
}

void machine_go_on(uint32_t cpu, uint32_t slice)
{
    enter(cpu, NULL, slice);
}

/* --- for the driver --------------------------------------------------------------------------- */

enum machine_state machine_state(uint32_t cpu)
{
    return machines[cpu].state;
}

bool machine_sleeps(uint32_t cpu)
{
    return machines[cpu].state == MACHINE_IDLE && !machines[cpu].listens;
}

struct thread *machine_thread(uint32_t cpu)
{
    return machines[cpu].cpu.current;
}

void machine_deliver(void)
{
    for (uint32_t i = 0; i < MACHINE_CPUS; i++) {
        struct machine_cpu *own = &machines[i];
        if (own->state != MACHINE_INSIDE && interrupt_due(own)) {
            interrupt_take(own);
            finish(own);
        }
    }
}

static bool settled(void)
{
    for (uint32_t i = 0; i < MACHINE_CPUS; i++) {
        if (machines[i].state == MACHINE_INSIDE || interrupt_due(&machines[i])) {
            return false;
        }
    }
    return true;
}

void machine_settle(void)
{
    for (uint32_t round = 0; !settled(); round++) {
        if (round == ROUNDS_MAX) {
            machine_fail("interrupts without end");
        }
        for (uint32_t i = 0; i < MACHINE_CPUS; i++) {
            finish(&machines[i]);
        }
        machine_deliver();
    }
}

uint64_t machine_now(void)
{
    return tsc;
}

void machine_advance(uint64_t cycles)
{
    tsc += cycles;
}

uint64_t machine_next_timer(void)
{
    uint64_t next = 0;
    for (uint32_t i = 0; i < MACHINE_CPUS; i++) {
        uint64_t timer = machines[i].timer_tsc;
        if (timer != 0 && (next == 0 || timer < next)) {
            next = timer;
        }
    }
    return next;
}

void machine_boot(void)
{
    cpu_features.xsave_bytes = XSAVE_BYTES;
    memory_boot();
    for (uint32_t i = 0; i < MACHINE_CPUS; i++) {
        struct machine_cpu *own = &machines[i];
        fiber_make(&own->fiber);
        own->cpu.self = &own->cpu;
        own->cpu.number = i;
        own->cpu.apic_id = i;
        own->cpu.kernel_entries = 1;
        cpus[i] = &own->cpu;
        cpu_count = i + 1;
        scheduler_init(&own->cpu);
    }
    log_init();
    clock_init();
    kernel_root_physical = (uint64_t)(uintptr_t)frames_boot_pages(1) - DIRECT_MAP;
    account_init_root();
    trace_rings = frames_boot_pages((uint64_t)cpu_count * TRACE_RING_BYTES / PAGE_SIZE);
    memory_poison_free();
    for (uint32_t i = 0; i < MACHINE_CPUS; i++) {
        running = &machines[i];
        running->cpu.root_loaded = kernel_root_physical;
        cr3_write(kernel_root_physical);
    }
    running = NULL;
}

void machine_start(void)
{
    for (uint32_t i = 0; i < MACHINE_CPUS; i++) {
        enter(i, scheduler_leave, 0);
    }
}
