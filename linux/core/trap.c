/*
 * What brings a thread into the personality: system calls, page faults, exceptions, interruptions
 * by another thread; and the personality's own faults.
 */
#include "linux/core/trap.h"

#include "lib/oak/log.h"
#include "linux/core/container.h"
#include "linux/core/errno.h"
#include "linux/core/image.h"
#include "linux/core/missing.h"
#include "linux/core/reserve.h"
#include "linux/core/syscalls.h"
#include "linux/core/thread.h"
#include "linux/mm/mm.h"
#include "linux/proc/ptrace.h"
#include "linux/proc/signal.h"
#include "linux/proc/task.h"

typedef long (*linux_handler)(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t);

#define LINUX_CALL(number, name, handler) [number] = handler,
static const linux_handler handlers[LINUX_CALLS] = {
#include "linux/core/syscalls.def"
};
#undef LINUX_CALL

#define LINUX_REFUSED(number, name, error) [number] = (error),
static const uint8_t refusals[LINUX_CALLS] = {
#include "linux/core/refused.def"
};
#undef LINUX_REFUSED

#define VECTOR_GENERAL_PROTECTION 13

/* There is no handler. */
static long missing_call(uint64_t number)
{
    if (number < LINUX_CALLS && refusals[number] != 0) {
        return -(long)refusals[number];
    }
    if (number < LINUX_CALLS) {
        missing_count(MISSING_CALL, (uint32_t)number);
    }
    return -ENOSYS;
}

/* A call without a handler, or by a task that is traced: its tracer may stop it, change it or make
 * it none. */
static long unusual_call(struct task *task, const struct application_registers *registers)
{
    struct trap_words *words = &task->frame->application;
    words->rax = (uint64_t)-ENOSYS;
    trace_call_begin(task);
    if ((int)task->call_number == -1) {
        return (long)words->rax;
    }
    uint64_t number = (uint64_t)task->call_number;
    linux_handler handler = number < LINUX_CALLS ? handlers[number] : NULL;
    return handler == NULL ? missing_call(number)
                           : handler(registers->rdi, registers->rsi, registers->rdx, registers->r10,
                                     registers->r8, registers->r9);
}

static void system_call(struct task *task, struct application_registers *registers,
                        struct thread_frame *frame)
{
    uint64_t number = frame->application.rax;
    task->call_number = (long)number;
    linux_handler handler = number < task->call_limit ? handlers[number] : NULL;
    long result = handler == NULL ? unusual_call(task, registers)
                                  : handler(registers->rdi, registers->rsi, registers->rdx,
                                            registers->r10, registers->r8, registers->r9);
    if (!task->registers_replaced) {
        frame->application.rax = (uint64_t)result;
        if (wants_restart(result)) {
            __atomic_fetch_or(&task->work, WORK_RESTART, __ATOMIC_ACQ_REL);
        }
    }
    task->registers_replaced = false;
}

/* The code of the first exception that is raised and not masked. */
static int float_code(uint32_t raised)
{
    return raised & 1      ? FPE_FLTINV
           : raised & 4    ? FPE_FLTDIV
           : raised & 8    ? FPE_FLTOVF
           : raised & 0x12 ? FPE_FLTUND
                           : FPE_FLTRES;
}

static int x87_code(void)
{
    uint16_t control;
    uint16_t status;
    __asm__ volatile("fnstcw %0; fnstsw %1" : "=m"(control), "=m"(status));
    return float_code((uint32_t)status & ~(uint32_t)control);
}

static int sse_code(void)
{
    uint32_t mxcsr;
    __asm__ volatile("stmxcsr %0" : "=m"(mxcsr));
    return float_code(mxcsr & ~(mxcsr >> 7));
}

/* The kernel runs nothing there, and says general protection, as the CPU does only where an address
 * cannot be. */
static bool is_fetch_of_nothing(uint64_t rip)
{
    return rip >= APPLICATION_END && (int64_t)(rip << 16) >> 16 == (int64_t)rip;
}

/* Exceptions and the signals they become (Linux arch/x86/kernel/traps.c). */
static void exception(struct task *task, struct thread_frame *frame)
{
    uint64_t rip = frame->application.rip;
    switch (frame->application.vector) {
    case 0:
        signal_force(task, SIGFPE, FPE_INTDIV, rip);
        break;
    case 1:
        if (!trace_step_is_stale(task, frame)) {
            signal_force(task, SIGTRAP, trace_debug_trap(task, frame), rip);
        }
        break;
    case 3:
        signal_force(task, SIGTRAP, SI_KERNEL, 0);
        break;
    case 6:
        signal_force(task, SIGILL, ILL_ILLOPN, rip);
        break;
    case 11:
    case 12:
        signal_force(task, SIGBUS, SI_KERNEL, 0);
        break;
    case VECTOR_GENERAL_PROTECTION:
        if (is_fetch_of_nothing(rip)) {
            signal_force(task, SIGSEGV, SEGV_MAPERR, rip);
        } else {
            signal_force(task, SIGSEGV, SI_KERNEL, 0);
        }
        break;
    case 16:
        signal_force(task, SIGFPE, x87_code(), rip);
        break;
    case 17:
        signal_force(task, SIGBUS, BUS_ADRALN, 0);
        break;
    case 19:
        signal_force(task, SIGFPE, sse_code(), rip);
        break;
    default:
        signal_force(task, SIGSEGV, SI_KERNEL, 0);
        break;
    }
}

void linux_trap(struct application_registers *registers, struct thread_frame *frame)
{
    struct task *task = frame_thread(frame)->task;
    task->registers = registers;
    task->call_number = -1;
    switch (frame->application.cause) {
    case TRAP_SYSCALL:
        system_call(task, registers, frame);
        break;
    case TRAP_PAGE_FAULT:
        mm_fault(task, frame);
        break;
    case TRAP_EXCEPTION:
        exception(task, frame);
        break;
    default:
        (void)container_attend();
        break;
    }
    if (__atomic_load_n(&task->work, __ATOMIC_ACQUIRE) != 0) {
        task_work(task, frame);
    }
}

void linux_thread_begin(struct application_registers *registers, struct thread_frame *frame)
{
    struct task *task = frame_thread(frame)->task;
    task->registers = registers;
    task->call_number = -1;
    task_begin(task);
    if (__atomic_load_n(&task->work, __ATOMIC_ACQUIRE) != 0) {
        task_work(task, frame);
    }
}

/* --- faults of the personality ---------------------------------------------------------------- */

extern char user_access_start[];
extern char user_access_end[];
extern char user_access_failed[];

static bool in_user_access(uint64_t rip)
{
    return rip >= (uint64_t)user_access_start && rip < (uint64_t)user_access_end;
}

/* The page that a copy touched: of the image, or of a file that the application has mapped. */
static bool fault_page_in(struct task *task, uint64_t address, uint64_t error)
{
    uint64_t image = (uint64_t)image_base();
    if (address - image < image_size()) {
        return image_page_in(address - image) == 0;
    }
    struct mm *mm = task == NULL ? NULL : task->visited_mm != NULL ? task->visited_mm : task->mm;
    if (mm == NULL || address >= APPLICATION_END) {
        return false;
    }
    /* Should the same page be missing again and again, the task can at least be ended. */
    bool again = task->fault_address == address;
    task->fault_address = address;
    if (again && ((__atomic_load_n(&task->work, __ATOMIC_ACQUIRE) & WORK_EXIT) ||
                  signal_kill_pending(task))) {
        return false;
    }
    return mm_page_in(mm, address, error);
}

/*
 * There is no memory for a page of the window that is there otherwise: one written for the first
 * time, or a page table. What can fail leaves most of the reserve to what cannot.
 */
static bool fault_of_shortage(const struct trap_words *words)
{
    return words->cause == TRAP_PAGE_FAULT && words->address >= WINDOW_BASE &&
           (words->error >> 32 & 0xffff) == STATUS_NO_MEMORY;
}

void linux_fault(struct fault_registers *registers)
{
    struct thread_frame *frame = thread_frame_self();
    struct trap_words *words = &frame->personality;
    struct task *task = frame_thread(frame)->task;
    (void)registers;
    if (fault_of_shortage(words)) {
        bool may_fail = in_user_access(words->rip);
        if ((!may_fail || reserve_comfortable()) && reserve_spend()) {
            return;
        }
        if (may_fail) {
            words->rip = (uint64_t)user_access_failed;
            return;
        }
    }
    if (words->cause == TRAP_PAGE_FAULT && in_user_access(words->rip)) {
        if (!fault_page_in(task, words->address, words->error)) {
            words->rip = (uint64_t)user_access_failed;
        }
        return;
    }
    if (in_user_access(words->rip)) {
        words->rip = (uint64_t)user_access_failed; /* not canonical, or xrstor of nonsense */
        return;
    }
    log_line("linux: fault in the personality: cause %lu vector %lu error %lx address %lx rip %lx",
             words->cause, words->vector, words->error, words->address, words->rip);
    __builtin_trap(); /* a second fault: the kernel ends the domain and keeps this one's report */
}

void personality_panic(const char *what)
{
    log_line("linux: %s", what);
    __builtin_trap();
}
