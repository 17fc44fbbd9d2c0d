/*
 * Threads: registers, FPU state, a priority band, and the place where one waits.
 *
 * A thread runs in personality mode (code of its domain's window; `syscall` is a kernel call) or in
 * application mode (everything unresolved is forwarded to the window). A blocked thread owns no
 * kernel stack: its registers are here, and whoever wakes it writes the results into them.
 *
 * State changes are made under `lock` (model: kernel/model/park.pml), but for the short ways of
 * calls, which hold only the endpoint's (object/ipc_fast.c), and waiting for a signal, which holds
 * only the signal's (object/waits.h). A thread's registers, FPU area and mode belong to the CPU
 * that runs it, and while it waits to whoever holds that lock.
 */
#pragma once

#include "kernel/core/run_queue.h"
#include "kernel/object/memory.h"

/* As the entry code pushes them; the last five are the hardware's. */
struct registers {
    uint64_t r15, r14, r13, r12, r11, r10, r9, r8;
    uint64_t rbp, rdi, rsi, rdx, rcx, rbx, rax;
    uint64_t vector;
    uint64_t error;
    uint64_t rip, cs, rflags, rsp, ss;
};

enum thread_state {
    THREAD_STOPPED,        /* made, not started */
    THREAD_READY,          /* in a run queue */
    THREAD_RUNNING,        /* some CPU's current */
    THREAD_PARKED,         /* thread_park: the first that waits; until SIGNAL_WAIT */
    THREAD_RECEIVING,      /* in an endpoint's list of receivers; it and the next have queue_lock */
    THREAD_CALLING,        /* in an endpoint's queue of callers */
    THREAD_AWAITING_REPLY, /* its call was received and not yet answered */
    THREAD_SIGNAL_WAIT,    /* in a signal's list of waiters */
    THREAD_DEAD,           /* never runs again */
};

enum thread_mode {
    MODE_PERSONALITY = 0,
    MODE_APPLICATION = 1,
};

/* Why a thread must not simply go on; looked at on every way out of the kernel. */
enum thread_attention {
    /* Trap instead of running the application; told as these. */
    ATTENTION_INTERRUPT = INTERRUPTED_ASKED,      /* thread_interrupt */
    ATTENTION_TIME = INTERRUPTED_TIME,            /* as it asked, for the time it has used */
    ATTENTION_PREEMPTED = INTERRUPTED_PREEMPTION, /* as it asked, because it lost its CPU */
    ATTENTION_TRAPS = ATTENTION_INTERRUPT | ATTENTION_TIME | ATTENTION_PREEMPTED,

    ATTENTION_STOP = 8,      /* its domain has ended: it never runs again */
    ATTENTION_DIE = 16,      /* it is being destroyed */
    ATTENTION_THROTTLE = 32, /* its quota is used up: not on into the application */
    ATTENTION_DEBUG = 64,    /* stays: it has breakpoints (thread_debug.c) */
};

struct thread {
    struct object object;
    struct thread_frame *frame; /* the pinned frame, by kernel address */
    struct registers registers; /* at THREAD_REGISTERS: the hardware pushes into it */

    /* Used by entry.S; offsets are asserted in thread.c. */
    uint8_t mode;
    uint8_t attention; /* set by anyone with an atomic or, cleared by its own CPU */
    uint8_t sysret;    /* the registers came by syscall: RCX and R11 hold RIP and RFLAGS */
    uint8_t in_fault;  /* between the fault entry and fault_resume */
    uint8_t restarted; /* its last kernel call, but for short ways, returned CALL_RESTART */
    uint64_t root_application;
    uint64_t root_personality;
    uint64_t trap_entry;
    uint64_t frame_address;  /* in the window */
    uint64_t mode_cycles[2]; /* of the TSC; in application mode counted up to its last entry */

    struct spinlock lock;
    enum thread_state state;
    uint32_t band;
    uint32_t cpu; /* where it runs, or ran last */
    bool started;
    bool unparked;
    bool interruptible;          /* of the present wait */
    struct list_node wait_node;  /* run queue, or the queue of what it waits at */
    struct spinlock *queue_lock; /* of the endpoint or signal that it waits at, or did */
    uint64_t wait_sequence;      /* counts waits, so that a timer knows its own */
    uint64_t wait_mask;          /* SIGNAL_WAIT */
    uint64_t call_header;        /* CALLING: what will be delivered */
    uint64_t call_badge;
    handle_t receive_signal; /* RECEIVING: the signal waited for as well */
    /* Whose account pays for its time now; while it is READY or RUNNING, it is counted there
     * (account_runnable_change). */
    handle_t billing;
    handle_t billing_own;     /* its own account */
    struct run_queue *queued; /* in whose trees it is, or NULL: changes under that one's lock */
    bool counted;             /* READY: it is, which its queue's only thread may not be yet */
    uint64_t queued_tsc;      /* READY: when it came into the queue's trees */
    struct run_group group;
    bool trap_on_preemption;
    uint64_t time_trap_cycles; /* trap when mode_cycles together reach this; UINT64_MAX: never */

    uint64_t deadline_ns;
    struct tree_node timer_node;
    uint32_t timer_cpu;
    bool timer_armed;

    struct domain *domain; /* dies after its threads */
    struct space *space;   /* or NULL; cannot die while a thread is in it */
    struct list_node in_domain;
    struct memory_pin pin;

    uint64_t fs_base;
    uint64_t gs_base;
    struct thread_debug debug;

    uint8_t fpu[] __attribute__((aligned(64))); /* XSAVE area */
};

#define THREAD_REGISTERS 48

OBJECT_AS(thread)

/* Take effect at the thread's next way out of the kernel, and make that soon. */
void thread_attend(struct thread *thread, uint8_t attention);

/* The same for the caller's own thread, or one that waits in a queue whose lock it holds. */
static inline void thread_attend_self(struct thread *thread, uint8_t attention)
{
    __atomic_fetch_or(&thread->attention, attention, __ATOMIC_SEQ_CST);
}

/* Its call on a range ends a step here: it is made again on what is left, [from, end). */
static inline status_t thread_go_on(struct thread *thread, uint64_t from, uint64_t end)
{
    thread->registers.rsi = from;
    thread->registers.rdx = end - from;
    return CALL_RESTART;
}

/* It goes on there, perhaps on another CPU than it left. */
static inline void thread_move(struct thread *thread, uint32_t cpu)
{
    if (thread->cpu != cpu) {
        thread->cpu = cpu;
        if (thread->trap_on_preemption) {
            thread_attend_self(thread, ATTENTION_PREEMPTED);
        }
    }
}

/* A stopped thread; its frame is the page at frame_address in the domain's window, pinned. */
status_t thread_create(struct account *payer, struct domain *domain, uint64_t frame_address,
                       uint32_t band, bool copy_fpu, struct object **out);

/* The thread, the caller's own or one that does not run, is in personality mode from now on, at
 * that place of the window and with its frame as the stack. Other registers stay. */
void thread_enter(struct thread *thread, uint64_t entry);

/* For object_read and object_write: struct thread_usage, thread_registers, thread_fpu. */
status_t thread_read(const struct call *call, void *out);
status_t thread_read_registers(const struct call *call, void *out);
status_t thread_write_registers(const struct call *call, void *in);
status_t thread_read_fpu(const struct call *call, void *out);
status_t thread_write_fpu(const struct call *call, void *in);
status_t thread_read_debug(const struct call *call, void *out);
status_t thread_write_debug(const struct call *call, void *in);

struct cpu;
/* On the way out with the thread: the CPU has its breakpoints then, or none. */
void thread_debug_load(struct cpu *cpu, const struct thread *thread);
/* A debug trap of user code. What came about is in registers.error then. True: it does not matter.
 */
bool thread_debug_trap(struct thread *thread);

bool thread_end_step(struct object *object);
void thread_release(struct object *object);

/* Put the caller into another space of its domain, or none; the roots follow. */
void thread_enter_space(struct thread *thread, struct space *space);
