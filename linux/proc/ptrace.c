/* Who traces whom: beginning, following children, ending, and telling the tracer (ptrace.h). */
#include "linux/proc/ptrace.h"

#include "linux/core/container.h"
#include "linux/core/heap.h"
#include "linux/core/trap.h"
#include "linux/proc/capability.h"
#include "linux/proc/exit.h"
#include "linux/proc/ptrace_call.h"

#define XSAVE_ALIGNMENT 64

struct trace *trace_active(const struct task *task)
{
    struct trace *trace = __atomic_load_n(&task->trace, __ATOMIC_ACQUIRE);
    bool active = trace != NULL && __atomic_load_n(&trace->tracer, __ATOMIC_ACQUIRE) != NULL;
    return active ? trace : NULL;
}

struct trace *trace_of_leader(const struct thread_group *group)
{
    return group->leader != NULL ? trace_active(group->leader) : group->leader_trace;
}

bool trace_hides_end(const struct thread_group *group)
{
    const struct trace *trace = group->leader_trace;
    return group->state == GROUP_ZOMBIE && trace != NULL && trace->tracer != group->parent;
}

/* --- beginning ------------------------------------------------------------------------------- */

struct trace *trace_new(void)
{
    struct trace *trace = heap_alloc(sizeof(*trace));
    void *fpu = heap_alloc(cpu_xsave_bytes() + XSAVE_ALIGNMENT);
    if (trace == NULL || fpu == NULL) {
        heap_free(trace);
        heap_free(fpu);
        return NULL;
    }
    trace->fpu_allocation = fpu;
    trace->fpu = (void *)ALIGN_UP((uintptr_t)fpu, XSAVE_ALIGNMENT);
    return trace;
}

void trace_free(struct trace *trace)
{
    if (trace != NULL) {
        heap_free(trace->fpu_allocation);
        heap_free(trace);
    }
}

static void trace_link(struct trace *trace, struct task *task, struct thread_group *tracer)
{
    trace->task = task;
    trace->process = task->group;
    trace->tid = task->tid;
    trace->options = 0;
    trace->pace = TRACE_CONTINUE;
    trace->report = false;
    trace->message = 0;
    trace->trap_pending = false;
    trace->next = tracer->tracees;
    tracer->tracees = trace;
    __atomic_store_n(&trace->tracer, tracer, __ATOMIC_RELEASE);
    __atomic_store_n(&task->trace, trace, __ATOMIC_RELEASE);
    __atomic_store_n(&task->call_limit, 0, __ATOMIC_RELEASE);
}

/* Under tasks_lock. */
static bool has_ptrace(const struct credentials *credentials)
{
    return credentials_capable(credentials, CAP_SYS_PTRACE);
}

long trace_me(void)
{
    struct task *task = task_current();
    struct trace *spare = trace_new();
    if (spare == NULL) {
        return -ENOMEM;
    }
    mutex_lock(&tasks_lock);
    struct thread_group *parent = task->group->parent;
    const struct task *of = parent == NULL ? NULL : parent->tasks;
    long result = 0;
    if (trace_active(task) != NULL || parent == task->group) {
        result = -EPERM;
    } else if (of != NULL) {
        /* Who cannot do what the task can is not given it. */
        bool more = (task->credentials->permitted & ~of->credentials->permitted) != 0;
        result = more && !has_ptrace(of->credentials) ? -EPERM : 0;
        if (result == 0) {
            struct trace *trace = task->trace != NULL ? task->trace : spare;
            spare = trace == spare ? NULL : spare;
            trace_link(trace, task, parent);
            trace->seized = false;
            trace->powerless = !has_ptrace(of->credentials);
        }
    }
    mutex_unlock(&tasks_lock);
    trace_free(spare);
    return result;
}

static long may_attach(int tid)
{
    const struct task *target = task_find(tid);
    if (target == NULL) {
        return group_find(tid) != NULL ? -EPERM : -ESRCH; /* a zombie */
    }
    bool allowed = target->group != task_current()->group && target->mm != NULL &&
                   task_may_access(target, ACCESS_BY_REAL) && trace_active(target) == NULL;
    return allowed ? 0 : -EPERM;
}

/* As far as the stop that an attached task is told to make. Under tasks_lock. */
static void stop_ask(struct task *task, const struct trace *trace)
{
    if (!trace->seized) {
        const struct signal_info info = {.number = SIGSTOP, .code = SI_KERNEL};
        (void)signal_send_task(task, &info);
    }
    if (task->group->state == GROUP_STOPPED) {
        task->trace->trap_pending = true;
        task_poke(task, WORK_SIGNAL);
    }
}

struct settling {
    int tid;
};

static bool is_settled(void *context)
{
    const struct settling *settling = context;
    mutex_lock(&tasks_lock);
    const struct task *task = task_find(settling->tid);
    const struct trace *trace = task == NULL ? NULL : trace_active(task);
    bool settled = trace == NULL || trace->tracer != task_current()->group ||
                   trace->state != TRACE_RUNS || task->group->state != GROUP_STOPPED;
    mutex_unlock(&tasks_lock);
    return settled;
}

long trace_attach(int tid, bool seize, uint32_t options)
{
    struct task *self = task_current();
    struct trace *spare = trace_new();
    if (spare == NULL) {
        return -ENOMEM;
    }
    bool was_stopped = false;
    mutex_lock(&tasks_lock);
    struct task *task = task_find(tid);
    long result = may_attach(tid);
    if (result == 0) {
        struct trace *trace = task->trace != NULL ? task->trace : spare;
        spare = trace == spare ? NULL : spare;
        trace_link(trace, task, self->group);
        trace->seized = seize;
        trace->options = options;
        trace->powerless = !has_ptrace(self->credentials);
        was_stopped = task->group->state == GROUP_STOPPED;
        stop_ask(task, trace);
    }
    mutex_unlock(&tasks_lock);
    trace_free(spare);
    if (result == 0 && was_stopped) {
        /* It only moves from one stop into the other: who waits next without blocking finds it. */
        struct settling settling = {tid};
        (void)wait_event_first(&self->group->child_wait, is_settled, &settling, DEADLINE_NEVER);
    }
    return result;
}

bool trace_follows(const struct task *task, enum trace_event event)
{
    const struct trace *trace = trace_active(task);
    return trace != NULL && trace->options & 1u << event;
}

void trace_inherit(struct trace *trace, struct task *child, const struct task *parent)
{
    const struct trace *of = trace_active(parent);
    if (of == NULL) {
        trace_free(trace);
        return;
    }
    trace_link(trace, child, of->tracer);
    trace->seized = of->seized;
    trace->powerless = of->powerless;
    trace->options = of->options;
    if (trace->seized) {
        trace->trap_pending = true;
    } else {
        child->pending.set |= signal_bit(SIGSTOP);
    }
    __atomic_fetch_or(&child->work, WORK_SIGNAL, __ATOMIC_ACQ_REL);
}

/* --- exec ------------------------------------------------------------------------------------ */

bool trace_limits_authority(const struct task *task)
{
    const struct trace *trace = trace_active(task);
    return trace != NULL && trace->powerless;
}

/* Out of the tracer's list. It may be waiting for that very process, in vain from now on. */
static void trace_unlink(struct trace *trace)
{
    wait_queue_wake(&trace->tracer->child_wait, WAIT_CHANGE);
    struct trace **link = &trace->tracer->tracees;
    while (*link != trace) {
        link = &(*link)->next;
    }
    *link = trace->next;
    __atomic_store_n(&trace->tracer, NULL, __ATOMIC_RELEASE);
}

void trace_leader_replaced(struct task *task)
{
    trace_process_gone(task->group);
    if (task->trace != NULL) {
        task->trace->tid = task->group->pid;
    }
}

/* --- ending ---------------------------------------------------------------------------------- */

static uint32_t ended_count; /* threads that have ended and were not waited for */

/* Of a task that has ended: nobody else looks at it. */
static void trace_bury(struct trace *trace)
{
    struct thread_group *process = trace->process;
    bool hidden = process != NULL && trace_hides_end(process);
    trace_unlink(trace);
    trace_free(trace);
    if (process == NULL) {
        ended_count--;
    } else {
        process->leader_trace = NULL;
    }
    if (hidden) {
        group_tell_end(process); /* its parent learns of it now */
    }
}

void trace_detach(struct trace *trace, int deliver)
{
    struct task *task = trace->task;
    if (task == NULL) {
        trace_bury(trace);
        return;
    }
    trace_unlink(trace);
    trace_debug_clear(trace);
    trace->trap_pending = false;
    trace->deliver = deliver;
    __atomic_store_n(&trace->state, TRACE_RUNS, __ATOMIC_RELEASE);
    __atomic_store_n(&task->call_limit, LINUX_CALLS, __ATOMIC_RELEASE);
    signal_recalculate(task); /* its group may be stopped: now that is for it too */
    task_poke(task, 0);
}

void trace_tracer_ended(struct thread_group *group)
{
    const struct signal_info kill = {.number = SIGKILL, .code = SI_KERNEL};
    while (group->tracees != NULL) {
        struct trace *trace = group->tracees;
        if (trace->options & TRACE_OPTION_EXIT_KILL && trace->process != NULL) {
            (void)signal_send_group(trace->process, &kill);
        }
        trace_detach(trace, trace->deliver);
    }
}

/* A thread that is not its process's leader: its trace is the tracer's alone. */
static void thread_ended(struct trace *trace, const struct task *task, int status)
{
    if (ended_count == TRACE_ENDED_MAX) {
        trace_unlink(trace);
        trace_free(trace);
        return;
    }
    ended_count++;
    trace->process = NULL;
    trace->process_group = task->group->process_group;
    trace->code = task->group->exiting ? task->group->exit_status : status;
    trace->uid = task->credentials->uid;
    trace->report = true;
    int killed = trace->code & 0x7f;
    trace_notify(trace, killed != 0 ? CLD_KILLED : CLD_EXITED,
                 killed != 0 ? killed : trace->code >> 8);
}

void trace_task_ended(struct task *task, int status)
{
    struct trace *trace = task->trace;
    task->trace = NULL;
    if (trace == NULL) {
        return;
    }
    if (trace->tracer == NULL) {
        trace_free(trace);
        return;
    }
    heap_free(trace->fpu_allocation);
    trace->fpu_allocation = NULL;
    trace->fpu = NULL;
    trace->task = NULL;
    trace->report = false;
    trace->state = TRACE_ENDED;
    if (task->tid == task->group->pid) {
        task->group->leader_trace = trace;
    } else {
        thread_ended(trace, task, status);
    }
}

void trace_process_gone(struct thread_group *group)
{
    struct trace *trace = group->leader_trace;
    if (trace != NULL) {
        trace_unlink(trace);
        group->leader_trace = NULL;
        trace_free(trace);
    }
}

/* --- telling --------------------------------------------------------------------------------- */

bool trace_has_report(const struct trace *trace)
{
    bool ended = trace->state == TRACE_ENDED;
    return (trace->report && (ended || trace->state == TRACE_STOPPED)) ||
           (ended && trace->process != NULL && trace_hides_end(trace->process));
}

void trace_notify(struct trace *trace, int code, int status)
{
    struct thread_group *tracer = trace->tracer;
    const struct signal_info info = {
        .number = SIGCHLD, .code = code, .pid = trace->tid, .uid = trace->uid, .status = status};
    const struct signal_action *action =
        tracer->tasks == NULL ? NULL : &tracer->tasks->handlers->action[SIGCHLD - 1];
    if (action != NULL && action->handler != SIG_IGN &&
        (code <= CLD_DUMPED || !(action->flags & SA_NOCLDSTOP))) {
        (void)signal_send_group(tracer, &info);
    }
    wait_queue_wake(&tracer->child_wait, WAIT_CHANGE);
}
