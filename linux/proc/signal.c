#include "linux/proc/signal.h"

#include "lib/base/string.h"
#include "linux/core/container.h"
#include "linux/core/errno.h"
#include "linux/core/heap.h"
#include "linux/event/process_timers.h"
#include "linux/event/signalfd.h"
#include "linux/proc/limit.h"
#include "linux/proc/ptrace.h"
#include "linux/proc/task.h"

#define CALL_RESTART_SYSCALL 219ull

/* --- handlers and queues --------------------------------------------------------------------- */

struct signal_handlers *signal_handlers_new(void)
{
    struct signal_handlers *handlers = heap_alloc(sizeof(*handlers));
    if (handlers != NULL) {
        handlers->references = 1;
    }
    return handlers;
}

struct signal_handlers *signal_handlers_copy(const struct signal_handlers *handlers)
{
    struct signal_handlers *copy = signal_handlers_new();
    if (copy != NULL) {
        memcpy(copy->action, handlers->action, sizeof(copy->action));
        copy->set = handlers->set;
    }
    return copy;
}

void signal_handlers_get(struct signal_handlers *handlers)
{
    __atomic_fetch_add(&handlers->references, 1, __ATOMIC_RELAXED);
}

void signal_handlers_put(struct signal_handlers *handlers)
{
    if (handlers != NULL && __atomic_sub_fetch(&handlers->references, 1, __ATOMIC_ACQ_REL) == 0) {
        heap_free(handlers);
    }
}

void signal_handlers_reset(struct signal_handlers *handlers)
{
    for (uint64_t left = handlers->set; left != 0; left &= left - 1) {
        struct signal_action *action = &handlers->action[__builtin_ctzll(left)];
        if (action->handler != SIG_IGN) {
            *action = (struct signal_action){.handler = SIG_DFL};
        }
    }
}

void signal_queue_empty(struct signal_queue *queue)
{
    while (queue->first != NULL) {
        struct queued_signal *first = queue->first;
        queue->first = first->next;
        heap_free(first);
    }
    queue->set = 0;
}

#define QUEUE_MAX 128

/* False: it was there already, or only its bit is. */
static bool queue_add(struct signal_queue *queue, const struct signal_info *info)
{
    if (info->number < 32 && queue->set & signal_bit(info->number)) {
        return false;
    }
    queue->set |= signal_bit(info->number);
    struct queued_signal **end = &queue->first;
    uint32_t count = 0;
    while (*end != NULL) {
        end = &(*end)->next;
        count++;
    }
    struct queued_signal *entry = count < QUEUE_MAX ? heap_alloc(sizeof(*entry)) : NULL;
    if (entry != NULL) {
        entry->info = *info;
        *end = entry;
    }
    return entry != NULL;
}

/* Take the first entry of that number out; the bit stays set while another is queued. */
static void queue_take(struct signal_queue *queue, int number, struct signal_info *info)
{
    *info = (struct signal_info){.number = number};
    struct queued_signal *found = NULL;
    bool another = false;
    for (struct queued_signal **link = &queue->first; *link != NULL;) {
        struct queued_signal *entry = *link;
        if (entry->info.number == number && found == NULL) {
            found = entry;
            *link = entry->next;
            continue;
        }
        another = another || entry->info.number == number;
        link = &entry->next;
    }
    if (found != NULL) {
        *info = found->info;
        heap_free(found);
    }
    if (!another) {
        queue->set &= ~signal_bit(number);
    }
}

static void queue_drop(struct signal_queue *queue, uint64_t set)
{
    for (int number = 1; number <= SIGNALS; number++) {
        while (queue->set & set & signal_bit(number)) {
            struct signal_info info;
            queue_take(queue, number, &info);
        }
    }
}

/* --- what a signal does ---------------------------------------------------------------------- */

static bool default_ignores(int number)
{
    return number == SIGCHLD || number == SIGURG || number == SIGWINCH || number == SIGCONT;
}

static bool default_stops(int number)
{
    return number == SIGSTOP || number == SIGTSTP || number == SIGTTIN || number == SIGTTOU;
}

static bool default_dumps(int number)
{
    return number == SIGQUIT || number == SIGILL || number == SIGTRAP || number == SIGABRT ||
           number == SIGBUS || number == SIGFPE || number == SIGSEGV || number == SIGSYS ||
           number == SIGXCPU || number == SIGXFSZ;
}

int signal_death_status(int number)
{
    bool dumps = default_dumps(number) && limit_now(RLIMIT_CORE) > 0;
    return number | (dumps ? DEATH_DUMPED : 0);
}

/* The container's first process gets only what it handles, as a namespace's init on Linux. */
static bool is_protected(const struct thread_group *group, int number)
{
    return group->pid == 1 && number != SIGKILL && number != SIGSTOP;
}

static bool is_ignored(const struct task *task, int number)
{
    uint64_t handler = task->handlers->action[number - 1].handler;
    if (handler == SIG_IGN) {
        return number != SIGKILL && number != SIGSTOP;
    }
    return handler == SIG_DFL && (default_ignores(number) || is_protected(task->group, number));
}

void signal_drop_ignored(struct task *task, int number)
{
    if (is_ignored(task, number)) {
        queue_drop(&task->pending, signal_bit(number));
        queue_drop(&task->group->pending, signal_bit(number));
    }
}

/* A tracer may want to know even of what is ignored. */
static bool is_dropped(const struct task *task, int number)
{
    return is_ignored(task, number) && (number == SIGKILL || trace_active(task) == NULL);
}

/* Its group is stopped; or what its tracer is to see of that, or wants, is due. */
static bool must_stop(const struct task *task)
{
    const struct trace *trace = trace_active(task);
    return trace != NULL ? __atomic_load_n(&trace->trap_pending, __ATOMIC_ACQUIRE)
                         : __atomic_load_n(&task->group->state, __ATOMIC_ACQUIRE) == GROUP_STOPPED;
}

void signal_recalculate(struct task *task)
{
    struct thread_group *group = task->group;
    uint64_t pending = task->pending.set | group->pending.set;
    if (pending & ~task->blocked || must_stop(task)) {
        __atomic_fetch_or(&task->work, WORK_SIGNAL, __ATOMIC_ACQ_REL);
    } else {
        __atomic_fetch_and(&task->work, ~(uint32_t)WORK_SIGNAL, __ATOMIC_ACQ_REL);
    }
    if (group->pending.set & task->blocked && group->task_count > 1) {
        signal_retarget(group); /* this task may have been the one that was to take it */
    }
}

void signal_retarget(struct thread_group *group)
{
    for (struct task *task = group->tasks; task != NULL && group->pending.set != 0;
         task = task->next_in_group) {
        bool looks = __atomic_load_n(&task->work, __ATOMIC_ACQUIRE) & WORK_SIGNAL;
        if (group->pending.set & ~task->blocked && !looks) {
            task_poke(task, WORK_SIGNAL);
        }
    }
}

bool signal_kill_pending(const struct task *task)
{
    return (task->pending.set | task->group->pending.set) & signal_bit(SIGKILL);
}

bool signal_ends(struct task *task)
{
    if (!task_signal_pending(task)) {
        return false;
    }
    mutex_lock(&tasks_lock);
    bool ends = task->group->exiting || signal_kill_pending(task);
    mutex_unlock(&tasks_lock);
    return ends;
}

/* Tell the parent that a child stopped or continues; one that traces it learns of stops anyway. */
static void parent_notify(const struct thread_group *group, int code, int status)
{
    struct thread_group *parent = group->parent;
    const struct trace *trace = trace_of_leader(group);
    if (parent == NULL || parent->tasks == NULL ||
        (code == CLD_STOPPED && trace != NULL && trace->tracer == parent)) {
        return;
    }
    const struct signal_info info = {.number = SIGCHLD,
                                     .code = code,
                                     .pid = group->pid,
                                     .uid = group->tasks->credentials->uid,
                                     .status = status};
    if (!(parent->tasks->handlers->action[SIGCHLD - 1].flags & SA_NOCLDSTOP)) {
        signal_send_group(parent, &info);
    }
    wait_queue_wake(&parent->child_wait, WAIT_CHANGE);
}

static void group_continue(struct thread_group *group, int number)
{
    if (group->state == GROUP_STOPPED) {
        group->state = GROUP_RUNNING;
        group->report_stop = false;
        group->report_continue = number == SIGCONT;
        wait_queue_wake(&group->stop_wait, WAIT_CHANGE);
        if (number == SIGCONT) {
            parent_notify(group, CLD_CONTINUED, SIGCONT);
        }
    }
}

/* SIGCONT and the stop signals cancel each other, whether they are handled or not. */
static void side_effects(struct thread_group *group, int number)
{
    uint64_t stops =
        signal_bit(SIGSTOP) | signal_bit(SIGTSTP) | signal_bit(SIGTTIN) | signal_bit(SIGTTOU);
    if (number == SIGCONT) {
        queue_drop(&group->pending, stops);
        for (struct task *task = group->tasks; task != NULL; task = task->next_in_group) {
            queue_drop(&task->pending, stops);
        }
        group_continue(group, number);
        trace_group_continues(group);
    } else if (number == SIGKILL) {
        group_continue(group, number);
    } else if (default_stops(number)) {
        queue_drop(&group->pending, signal_bit(SIGCONT));
    }
}

bool signal_send_task(struct task *task, const struct signal_info *info)
{
    if (info->number == SIGKILL) {
        return signal_send_group(task->group, info);
    }
    side_effects(task->group, info->number);
    bool blocked = task->blocked & signal_bit(info->number);
    if (is_dropped(task, info->number) && !blocked) {
        return false;
    }
    bool queued = queue_add(&task->pending, info);
    signalfds_tell(task->group, info->number);
    if (!blocked) {
        task_poke(task, WORK_SIGNAL);
    } else if (task->awaited & signal_bit(info->number)) {
        task_poke(task, 0);
    }
    return queued;
}

/*
 * The thread that shall take a signal of the process, or NULL when all block it: the first one if
 * it may, as on Linux (complete_signal). What a process of several threads sends itself from there
 * has been handled when kill returns; libuv's loop, for one, ends otherwise.
 */
static struct task *taker_of(const struct thread_group *group, int number)
{
    struct task *taker = NULL;
    for (struct task *task = group->tasks; task != NULL; task = task->next_in_group) {
        bool may = (task->blocked & signal_bit(number)) == 0;
        if (may && (taker == NULL || task->tid == group->pid)) {
            taker = task;
        }
    }
    return taker;
}

bool signal_send_group(struct thread_group *group, const struct signal_info *info)
{
    if (group->state == GROUP_ZOMBIE || group->tasks == NULL) {
        return false;
    }
    side_effects(group, info->number);
    struct task *willing = taker_of(group, info->number);
    bool awaited = false;
    for (struct task *task = group->tasks; task != NULL; task = task->next_in_group) {
        if (info->number == SIGKILL && task != willing) {
            task_poke(task, WORK_SIGNAL); /* whoever comes first ends all */
        }
        awaited = awaited || task->awaited & signal_bit(info->number);
    }
    if (willing != NULL && !awaited && is_dropped(willing, info->number)) {
        return false;
    }
    bool queued = queue_add(&group->pending, info);
    signalfds_tell(group, info->number);
    for (struct task *task = group->tasks; awaited && task != NULL; task = task->next_in_group) {
        if (task->awaited & signal_bit(info->number)) {
            task_poke(task, 0);
        }
    }
    if (willing != NULL) {
        task_poke(willing, WORK_SIGNAL);
    }
    return queued;
}

struct broadcast {
    int process_group;
    const struct signal_info *info;
    bool found;
};

static void broadcast_visit(struct thread_group *group, void *context)
{
    struct broadcast *broadcast = context;
    if (group->process_group == broadcast->process_group) {
        broadcast->found = true;
        signal_send_group(group, broadcast->info);
    }
}

bool signal_send_process_group(int process_group, const struct signal_info *info)
{
    struct broadcast broadcast = {process_group, info, false};
    task_for_each_group(broadcast_visit, &broadcast);
    return broadcast.found;
}

void signal_process_group(int process_group, int number)
{
    struct signal_info info = {.number = number, .code = SI_KERNEL};
    mutex_lock(&tasks_lock);
    (void)signal_send_process_group(process_group, &info);
    mutex_unlock(&tasks_lock);
}

bool signal_group_by_pid(int pid, int number)
{
    struct signal_info info = {.number = number, .code = SI_USER};
    mutex_lock(&tasks_lock);
    struct thread_group *group = group_find(pid);
    if (group != NULL) {
        signal_send_group(group, &info);
    }
    mutex_unlock(&tasks_lock);
    return group != NULL;
}

void signal_force(struct task *task, int number, int code, uint64_t address)
{
    struct signal_info info = {.number = number, .code = code, .address = address, .forced = true};
    mutex_lock(&tasks_lock);
    struct signal_action *action = &task->handlers->action[number - 1];
    if (action->handler == SIG_IGN || task->blocked & signal_bit(number)) {
        *action = (struct signal_action){.handler = SIG_DFL};
        task->blocked &= ~signal_bit(number);
    }
    if (action->handler == SIG_DFL && trace_active(task) == NULL) {
        /* Even the first process dies of its own fault. */
        mutex_unlock(&tasks_lock);
        group_exit(task, signal_death_status(number));
    }
    (void)queue_add(&task->pending, &info);
    __atomic_fetch_or(&task->work, WORK_SIGNAL, __ATOMIC_ACQ_REL);
    mutex_unlock(&tasks_lock);
}

/* --- delivery -------------------------------------------------------------------------------- */

/* Take the next signal of the set; false: none. Under tasks_lock. */
static bool signal_next(struct task *task, uint64_t set, struct signal_info *info)
{
    uint64_t own = task->pending.set & set;
    uint64_t shared = task->group->pending.set & set;
    if ((own | shared) == 0) {
        return false;
    }
    uint64_t all = own | shared;
    int number = all & signal_bit(SIGKILL) ? SIGKILL : __builtin_ctzll(all) + 1;
    queue_take(own & signal_bit(number) ? &task->pending : &task->group->pending, number, info);
    return true;
}

bool signal_take(struct task *task, uint64_t set, struct signal_info *info)
{
    mutex_lock(&tasks_lock);
    bool any = signal_next(task, set, info);
    if (any) {
        signal_recalculate(task);
    }
    mutex_unlock(&tasks_lock);
    return any;
}

/* Stop the whole group until SIGCONT or SIGKILL. Under tasks_lock since the signal was taken, so
 * that neither comes in between. */
static void group_stop(struct task *task, int number)
{
    struct thread_group *group = task->group;
    group->state = GROUP_STOPPED;
    group->stop_signal = number;
    group->report_stop = true;
    for (struct task *other = group->tasks; other != NULL; other = other->next_in_group) {
        if (other != task) {
            task_poke(other, WORK_SIGNAL);
        }
    }
    trace_group_stops(group);
    parent_notify(group, CLD_STOPPED, number);
}

static bool must_wait(const struct task *task)
{
    return must_stop(task) && trace_active(task) == NULL && !task->group->exiting;
}

static void stop_wait(struct task *task)
{
    struct thread_group *group = task->group;
    struct waiter waiter = {.queue = NULL};
    waiter_add(&waiter, &group->stop_wait, WAIT_CHANGE);
    while (must_wait(task)) {
        (void)wait_park(DEADLINE_NEVER);
    }
    waiter_remove(&waiter);
}

/* Until it may go on; a tracer may come and go meanwhile. */
static void stops_make(struct task *task)
{
    while (must_stop(task) && !task->group->exiting && !signal_kill_pending(task)) {
        if (trace_active(task) != NULL) {
            trace_trap(task);
        } else {
            stop_wait(task);
        }
    }
}

/* The call that the signal interrupted: again after the handler, or EINTR. */
static void call_finish(struct task *task, struct thread_frame *frame,
                        const struct signal_action *action)
{
    long result = (long)frame->application.rax;
    if (task->call_number < 0 || !wants_restart(result)) {
        return;
    }
    bool again = action == NULL || result == -ERESTARTNOINTR ||
                 (result == -ERESTARTSYS && action->flags & SA_RESTART);
    if (again) {
        frame->application.rax =
            result == -ERESTARTBLOCK ? CALL_RESTART_SYSCALL : (uint64_t)task->call_number;
        frame->application.rip -= 2;
    } else {
        frame->application.rax = (uint64_t)-EINTR;
        task->restart.again = NULL;
    }
    task->call_number = -1;
}

static void handler_run(struct task *task, struct thread_frame *frame,
                        const struct signal_action *action, const struct signal_info *info)
{
    call_finish(task, frame, action);
    uint64_t saved = task->restore_blocked ? task->saved_blocked : task->blocked;
    task->restore_blocked = false;
    if (!signal_frame_push(task, frame, action, info, saved)) {
        group_exit(task, signal_death_status(SIGSEGV));
    }
    mutex_lock(&tasks_lock);
    task->blocked |= action->mask;
    if (!(action->flags & SA_NODEFER)) {
        task->blocked |= signal_bit(info->number);
    }
    task->blocked &= ~SIGNALS_UNBLOCKABLE;
    if (action->flags & SA_RESETHAND) {
        task->handlers->action[info->number - 1] = (struct signal_action){.handler = SIG_DFL};
    }
    signal_recalculate(task);
    mutex_unlock(&tasks_lock);
    trace_handler(task);
}

/* One signal on its way to the program, and what becomes of it. */
struct delivery {
    struct signal_info info;
    struct signal_action action;
    bool any;
    bool traced;  /* the tracer is to see it before */
    bool ignored; /* or taken away by the tracer */
    bool stops;
};

/* What the signal does now; a stop begins. Under tasks_lock. */
static void delivery_decide(struct delivery *delivery, struct task *task)
{
    int number = delivery->info.number;
    delivery->action = task->handlers->action[number - 1];
    delivery->ignored = is_ignored(task, number) && !delivery->info.forced;
    delivery->stops = !delivery->ignored && delivery->action.handler == SIG_DFL &&
                      default_stops(number) && !task->group->exiting;
}

/* Between a stop signal's being taken and the stop neither SIGCONT nor SIGKILL comes. */
static void delivery_take(struct delivery *delivery, struct task *task)
{
    mutex_lock(&tasks_lock);
    delivery->any = signal_next(task, ~task->blocked, &delivery->info);
    delivery->traced =
        delivery->any && trace_active(task) != NULL && delivery->info.number != SIGKILL;
    if (delivery->traced) {
        task->trace->stop_cancelled = false;
    } else if (delivery->any) {
        delivery_decide(delivery, task);
        if (delivery->stops) {
            group_stop(task, delivery->info.number);
        }
    }
    signal_recalculate(task);
    mutex_unlock(&tasks_lock);
    if (delivery->any) {
        posix_timer_taken(&delivery->info);
    }
}

/* The same in two steps, because the tracer looks at the signal before: if SIGCONT comes meanwhile,
 * there is no stop. */
static void delivery_show(struct delivery *delivery, struct task *task)
{
    if (!trace_signal(task, &delivery->info)) {
        delivery->ignored = true;
        delivery->stops = false;
        return;
    }
    mutex_lock(&tasks_lock);
    delivery_decide(delivery, task);
    if (delivery->stops && task->trace->stop_cancelled) {
        delivery->ignored = true;
    } else if (delivery->stops) {
        group_stop(task, delivery->info.number);
    }
    mutex_unlock(&tasks_lock);
}

void signal_deliver(struct task *task, struct thread_frame *frame)
{
    for (;;) {
        stops_make(task);
        if (task->group->exiting) {
            return;
        }
        struct delivery delivery;
        delivery_take(&delivery, task);
        if (!delivery.any) {
            break;
        }
        if (delivery.traced) {
            delivery_show(&delivery, task);
        }
        if (delivery.ignored || delivery.stops) {
            continue;
        }
        if (delivery.action.handler != SIG_DFL && delivery.action.handler != SIG_IGN) {
            handler_run(task, frame, &delivery.action, &delivery.info);
            return;
        }
        int number = delivery.info.number;
        group_exit(task, signal_death_status(number));
    }
    call_finish(task, frame, NULL);
    if (task->restore_blocked) {
        task->restore_blocked = false;
        mutex_lock(&tasks_lock);
        task->blocked = task->saved_blocked;
        signal_recalculate(task);
        mutex_unlock(&tasks_lock);
    }
}
