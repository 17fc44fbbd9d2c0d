/* The traced task's side of tracing: its stops, and how it goes on (ptrace.h). */
#include "lib/oak/kernel.h"
#include "linux/core/container.h"
#include "linux/proc/fpu.h"
#include "linux/proc/ptrace.h"
#include "linux/proc/task.h"

/* --- registers ------------------------------------------------------------------------------- */

/*
 * All registers lie where the tracer looks for them, and all are loaded again from there: what
 * `syscall` has destroyed is what Linux shows in its place.
 */
static void words_complete(struct trap_words *words)
{
    if (words->cause == TRAP_SYSCALL) {
        words->rcx = words->rip;
        words->r11 = words->rflags;
        words->cause = TRAP_INTERRUPT;
    }
}

/* The flag that makes single steps is not the program's, and not the tracer's to see. */
static void step_clear(struct trace *trace, struct thread_frame *frame)
{
    if (trace->flag_set) {
        trace->flag_set = false;
        frame->application.rflags &= ~RFLAGS_TRAP;
    }
}

bool trace_step_is_stale(struct task *task, struct thread_frame *frame)
{
    struct trace *trace = task->trace;
    if (trace == NULL || !trace->flag_set) {
        return false;
    }
    step_clear(trace, frame);
    return trace_active(task) == NULL;
}

static void processor_save(struct trace *trace)
{
    __asm__ volatile("rdfsbase %0" : "=r"(trace->fs_base));
    __asm__ volatile("rdgsbase %0" : "=r"(trace->gs_base));
    trace->fpu_changed = false;
    (void)fpu_save(trace->fpu);
}

/* The tracer's values were checked when they came. */
static void processor_load(const struct trace *trace)
{
    __asm__ volatile("wrfsbase %0" : : "r"(trace->fs_base));
    __asm__ volatile("wrgsbase %0" : : "r"(trace->gs_base));
    if (trace->fpu_changed && fpu_load(trace->fpu) != 0) {
        fpu_renew();
    }
}

/* --- stopping -------------------------------------------------------------------------------- */

struct stop {
    int code;    /* as wait4 reports it, >> 8 */
    int why;     /* as SIGCHLD says: CLD_TRAPPED, CLD_STOPPED */
    int deliver; /* what to go on with when the tracer is not there to say it */
    bool ending; /* the process ends: only another SIGKILL ends the stop */
    const struct signal_info *info;
    uint64_t message;
};

static bool must_go(const struct task *task, const struct stop *stop)
{
    return signal_kill_pending(task) || task->group->out_of_memory ||
           (!stop->ending && __atomic_load_n(&task->group->exiting, __ATOMIC_ACQUIRE));
}

static bool stays(const struct task *task, const struct stop *stop)
{
    const struct trace *trace = task->trace;
    enum trace_state state = __atomic_load_n(&trace->state, __ATOMIC_ACQUIRE);
    bool listens =
        state == TRACE_LISTENS && !__atomic_load_n(&trace->trap_pending, __ATOMIC_ACQUIRE);
    return (state == TRACE_STOPPED || listens) && !must_go(task, stop);
}

/* Under tasks_lock; false: it does not stop. */
static bool stop_begin(struct task *task, const struct stop *stop)
{
    struct trace *trace = task->trace;
    trace->has_info = stop->info != NULL;
    if (stop->info != NULL) {
        trace->info = *stop->info;
    }
    if (trace_active(task) == NULL || must_go(task, stop)) {
        return false;
    }
    trace->code = stop->code;
    trace->deliver = stop->deliver;
    trace->message = stop->message;
    trace->report = true;
    trace->uid = task->credentials->uid;
    __atomic_store_n(&trace->state, TRACE_STOPPED, __ATOMIC_RELEASE);
    trace_notify(trace, stop->why, stop->code & 0x7f);
    return true;
}

/* The signal to go on with: the tracer's, none when the task is to end, or what it had when nobody
 * traces it any more. */
static int stop_make(struct task *task, const struct stop *stop)
{
    struct trace *trace = task->trace;
    words_complete(&task->frame->application);
    processor_save(trace);
    mutex_lock(&tasks_lock);
    bool stopped = stop_begin(task, stop);
    bool killed = !stopped && must_go(task, stop);
    mutex_unlock(&tasks_lock);
    if (!stopped) {
        return killed ? 0 : stop->deliver;
    }
    while (stays(task, stop)) {
        (void)kernel_thread_park(DEADLINE_NEVER, PARK_UNINTERRUPTIBLE);
    }
    mutex_lock(&tasks_lock);
    __atomic_store_n(&trace->state, TRACE_RUNS, __ATOMIC_RELEASE);
    trace->report = false;
    int deliver = must_go(task, stop) ? 0 : trace->deliver;
    mutex_unlock(&tasks_lock);
    processor_load(trace);
    __atomic_fetch_or(&task->work, WORK_TRACE, __ATOMIC_ACQ_REL);
    return deliver;
}

/* What the tracer reads of a stop that is not a signal's. Its process's number and user lie where
 * those of a fault have the address. */
static struct signal_info info_of(const struct task *task, int number, int code)
{
    uint64_t user = task->credentials->uid;
    return (struct signal_info){.number = number,
                                .code = code,
                                .pid = task->tid,
                                .uid = task->credentials->uid,
                                .address = (uint32_t)task->tid | user << 32};
}

static int stop_plain(struct task *task, int code, uint64_t message, bool ending)
{
    const struct signal_info info = info_of(task, SIGTRAP, code);
    const struct stop stop = {
        .code = code, .why = CLD_TRAPPED, .ending = ending, .info = &info, .message = message};
    return stop_make(task, &stop);
}

/* --- calls and steps ------------------------------------------------------------------------- */

/* What the tracer goes on with there is a new signal. */
static void stop_at_call(struct task *task, const struct trace *trace, uint64_t message)
{
    int mark = trace->options & TRACE_OPTION_CALLS_GOOD ? 0x80 : 0;
    int number = stop_plain(task, SIGTRAP | mark, message, false);
    if (number != 0) {
        const struct signal_info info = {.number = number, .code = SI_KERNEL};
        mutex_lock(&tasks_lock);
        (void)signal_send_task(task, &info);
        mutex_unlock(&tasks_lock);
    }
}

void trace_call_begin(struct task *task)
{
    struct trace *trace = trace_active(task);
    if (trace == NULL) {
        return;
    }
    step_clear(trace, task->frame);
    words_complete(&task->frame->application);
    trace->call_exit_due = true;
    __atomic_fetch_or(&task->work, WORK_TRACE, __ATOMIC_ACQ_REL);
    if (trace->pace == TRACE_CALLS) {
        stop_at_call(task, trace, TRACE_MESSAGE_ENTRY);
        if (task->group->exiting || signal_kill_pending(task)) {
            task->call_number = -1;
        }
    }
}

void trace_work_begin(struct task *task, struct thread_frame *frame)
{
    struct trace *trace = task->trace;
    step_clear(trace, frame);
    bool call = trace->call_exit_due;
    trace->call_exit_due = false;
    if (!call || trace_active(task) == NULL) {
        return;
    }
    if (trace->pace == TRACE_CALLS) {
        stop_at_call(task, trace, TRACE_MESSAGE_EXIT);
    } else if (trace->pace == TRACE_STEP) {
        signal_force(task, SIGTRAP, TRAP_BRKPT, frame->application.rip);
    }
}

void trace_work_end(struct task *task, struct thread_frame *frame)
{
    struct trace *trace = task->trace;
    if (trace_active(task) == NULL || trace->pace != TRACE_STEP) {
        __atomic_fetch_and(&task->work, ~(uint32_t)WORK_TRACE, __ATOMIC_ACQ_REL);
        return;
    }
    __atomic_fetch_or(&task->work, WORK_TRACE, __ATOMIC_ACQ_REL);
    if (!(frame->application.rflags & RFLAGS_TRAP)) {
        /* Loaded by iret: after sysret the trap might come before the instruction. */
        words_complete(&frame->application);
        frame->application.rflags |= RFLAGS_TRAP;
        trace->flag_set = true;
    }
}

void trace_handler(struct task *task)
{
    const struct trace *trace = trace_active(task);
    if (trace != NULL && trace->pace == TRACE_STEP) {
        (void)stop_plain(task, SIGTRAP, 0, false);
    }
}

/* --- signals --------------------------------------------------------------------------------- */

/* Under tasks_lock. */
static void info_of_tracer(struct signal_info *info, const struct trace *trace, int number)
{
    const struct thread_group *tracer = trace->tracer;
    *info = (struct signal_info){.number = number, .code = SI_USER};
    if (tracer != NULL && tracer->tasks != NULL) {
        info->pid = tracer->pid;
        info->uid = tracer->tasks->credentials->uid;
    }
}

/* The end of a step is nobody's but the tracer's. */
static bool is_step(const struct signal_info *info)
{
    return info->forced && info->number == SIGTRAP &&
           (info->code == TRAP_TRACE || info->code == TRAP_BRKPT || info->code == TRAP_HWBKPT);
}

bool trace_signal(struct task *task, struct signal_info *info)
{
    struct trace *trace = task->trace;
    const struct stop stop = {.code = info->number,
                              .why = CLD_TRAPPED,
                              .deliver = is_step(info) ? 0 : info->number,
                              .info = info};
    int number = stop_make(task, &stop);
    if (number == 0) {
        return false;
    }
    mutex_lock(&tasks_lock);
    if (number != info->number) {
        info_of_tracer(info, trace, number);
    } else if (trace->has_info) {
        bool forced = info->forced;
        *info = trace->info;
        info->number = number;
        info->forced = forced;
    }
    bool blocked = task->blocked & signal_bit(number);
    if (blocked) {
        (void)signal_send_task(task, info);
    }
    mutex_unlock(&tasks_lock);
    return !blocked;
}

void trace_trap(struct task *task)
{
    struct trace *trace = task->trace;
    mutex_lock(&tasks_lock);
    bool active = trace_active(task) != NULL && trace->trap_pending;
    bool stopped = task->group->state == GROUP_STOPPED;
    int number = stopped ? task->group->stop_signal : SIGTRAP;
    __atomic_store_n(&trace->trap_pending, false, __ATOMIC_RELEASE);
    bool seized = trace->seized;
    signal_recalculate(task);
    mutex_unlock(&tasks_lock);
    if (!active || (!seized && !stopped)) {
        return;
    }
    int code = number | (seized ? TRACE_EVENT_STOP << 8 : 0);
    const struct signal_info info = info_of(task, number, code);
    const struct stop stop = {.code = code, .why = CLD_STOPPED, .info = seized ? &info : NULL};
    (void)stop_make(task, &stop);
}

void trace_group_stops(struct thread_group *group)
{
    for (struct task *task = group->tasks; task != NULL; task = task->next_in_group) {
        struct trace *trace = trace_active(task);
        if (trace != NULL) {
            __atomic_store_n(&trace->trap_pending, true, __ATOMIC_RELEASE);
        }
    }
}

void trace_group_continues(struct thread_group *group)
{
    for (struct task *task = group->tasks; task != NULL; task = task->next_in_group) {
        struct trace *trace = task->trace;
        if (trace != NULL) {
            trace->stop_cancelled = true;
        }
        if (trace_active(task) != NULL) {
            __atomic_store_n(&trace->trap_pending, trace->seized, __ATOMIC_RELEASE);
            task_poke(task, trace->seized ? WORK_SIGNAL : 0);
            wait_queue_wake(&trace->tracer->child_wait, WAIT_CHANGE); /* who attaches looks again */
        }
    }
}

/* --- events ---------------------------------------------------------------------------------- */

void trace_event(struct task *task, enum trace_event event, uint64_t message)
{
    if (trace_follows(task, event)) {
        (void)stop_plain(task, SIGTRAP | (int)event << 8, message, event == TRACE_EVENT_EXIT);
    }
}

void trace_exec(struct task *task, int old_tid)
{
    struct trace *trace = trace_active(task);
    if (trace == NULL) {
        return;
    }
    trace_debug_clear(trace);
    if (trace_follows(task, TRACE_EVENT_EXEC)) {
        /* The call has no result yet. */
        task->frame->application.rax = (uint64_t)-ENOSYS;
        trace_event(task, TRACE_EVENT_EXEC, (uint64_t)old_tid);
        task->frame->application.rax = 0;
    } else if (!trace->seized) {
        const struct signal_info info = {.number = SIGTRAP,
                                         .code = SI_USER,
                                         .pid = task->group->pid,
                                         .uid = task->credentials->uid};
        mutex_lock(&tasks_lock);
        (void)signal_send_task(task, &info);
        mutex_unlock(&tasks_lock);
    }
}
