/* The end of tasks and groups. */
#include "lib/base/string.h"
#include "linux/core/console.h"
#include "linux/core/container.h"
#include "linux/core/errno.h"
#include "linux/core/heap.h"
#include "linux/core/syscalls.h"
#include "linux/core/user.h"
#include "linux/event/futex.h"
#include "linux/event/process_timers.h"
#include "linux/event/signalfd.h"
#include "linux/mm/mm.h"
#include "linux/ipc/ipc.h"
#include "linux/proc/exit.h"
#include "linux/proc/pidfd.h"
#include "linux/proc/ptrace.h"
#include "linux/proc/table.h"
#include "linux/tty/tty.h"

void vfork_release(struct task *task)
{
    struct vfork *vfork = task->vfork;
    if (vfork != NULL) {
        task->vfork = NULL;
        __atomic_store_n(&vfork->done, true, __ATOMIC_RELEASE);
        wait_queue_wake(&vfork->queue, WAIT_CHANGE);
        vfork_put(vfork);
    }
}

void vfork_put(struct vfork *vfork)
{
    if (vfork != NULL && __atomic_sub_fetch(&vfork->references, 1, __ATOMIC_ACQ_REL) == 0) {
        heap_free(vfork);
    }
}

/* The nearest subreaper above it, or the first process; NULL: nobody is left. */
static struct thread_group *adopter(const struct thread_group *group)
{
    for (struct thread_group *above = group->parent; above != NULL; above = above->parent) {
        if (above->is_subreaper && above->state != GROUP_ZOMBIE && !above->exiting) {
            return above;
        }
    }
    struct thread_group *first = group_find(1);
    return first == group || (first != NULL && first->state == GROUP_ZOMBIE) ? NULL : first;
}

static void group_free(struct thread_group *group)
{
    table_leave_group(group);
    trace_process_gone(group);
    process_handle_detach(group);
    signal_queue_empty(&group->pending);
    console_put(group->console);
    heap_free(group);
}

static void kill_visit(struct thread_group *group, void *context)
{
    const struct signal_info info = {.number = SIGKILL, .code = SI_KERNEL};
    if (group != context) {
        signal_send_group(group, &info);
    }
}

static void child_unlink(struct thread_group *child)
{
    struct thread_group **link = &child->parent->children;
    while (*link != child) {
        link = &(*link)->next_sibling;
    }
    *link = child->next_sibling;
}

void group_reap(struct thread_group *group)
{
    child_unlink(group);
    group_free(group);
}

/* As the signal `number` tells it. */
static struct signal_info end_info(const struct thread_group *group, int number)
{
    int code = group->exit_status & 0x7f;
    return (struct signal_info){.number = number,
                                .code = code == 0                           ? CLD_EXITED
                                        : group->exit_status & DEATH_DUMPED ? CLD_DUMPED
                                                                            : CLD_KILLED,
                                .pid = group->pid,
                                .uid = group->last_uid,
                                .status = code == 0 ? group->exit_status >> 8 : code};
}

/* Tell the parent of the end; who does not want to know of it has the zombie freed. Whom the parent
 * traces it has to wait for. */
static void end_report(struct thread_group *group)
{
    struct thread_group *parent = group->parent;
    int number = group->parent_has_executed ? SIGCHLD : group->exit_signal;
    const struct signal_info info = end_info(group, number);
    struct task *parent_task = parent->tasks;
    const struct signal_action *action =
        parent_task == NULL ? NULL : &parent_task->handlers->action[SIGCHLD - 1];
    bool declined = number == SIGCHLD && action != NULL && group->leader_trace == NULL &&
                    (action->handler == SIG_IGN || (action->flags & SA_NOCLDWAIT));
    if (number != 0) {
        signal_send_group(parent, &info);
    }
    if (action == NULL || declined) {
        group_reap(group);
    }
    wait_queue_wake(&parent->child_wait, WAIT_CHANGE);
}

void group_tell_end(struct thread_group *group)
{
    if (trace_hides_end(group)) {
        struct thread_group *tracer = group->leader_trace->tracer;
        const struct signal_info info = end_info(group, SIGCHLD);
        signal_send_group(tracer, &info);
        wait_queue_wake(&tracer->child_wait, WAIT_CHANGE);
    } else if (group->parent == NULL) {
        group_free(group);
    } else {
        end_report(group);
    }
}

static void death_tell(struct thread_group *child, const struct thread_group *parent, uint32_t uid)
{
    if (child->parent_death_signal != 0) {
        const struct signal_info info = {
            .number = child->parent_death_signal, .pid = parent->pid, .uid = uid};
        signal_send_group(child, &info);
    }
}

/* The children that a thread made go to another one of its group. */
static void children_hand_on(struct thread_group *group, const struct task *task)
{
    for (struct thread_group *child = group->children; child != NULL; child = child->next_sibling) {
        if (child->parent_tid == task->tid) {
            child->parent_tid = group->tasks->tid;
            death_tell(child, group, task->credentials->uid);
        }
    }
}

/* Children of a dead process go to who adopts them; without one they are nobody's. */
static void children_give_away(struct thread_group *group)
{
    struct thread_group *heir = adopter(group);
    while (group->children != NULL) {
        struct thread_group *child = group->children;
        group->children = child->next_sibling;
        child->parent = heir;
        child->next_sibling = NULL;
        death_tell(child, group, group->last_uid);
        if (heir != NULL) {
            child->parent_tid = heir->tasks != NULL ? heir->tasks->tid : 0;
            child->next_sibling = heir->children;
            heir->children = child;
            child->exit_signal = SIGCHLD;
        }
        if (child->state == GROUP_ZOMBIE && !trace_hides_end(child)) {
            group_tell_end(child);
        }
    }
}

/* The group's last task is gone. Under tasks_lock. */
static void group_end(struct thread_group *group)
{
    group->state = GROUP_ZOMBIE;
    process_handle_ended(group);
    trace_tracer_ended(group);
    children_give_away(group);
    if (group->pid == 1) {
        task_for_each_group(kill_visit, group);
    }
    group_tell_end(group);
}

static void task_unlink(struct task *task)
{
    struct thread_group *group = task->group;
    struct task **link = &group->tasks;
    while (*link != task) {
        link = &(*link)->next_in_group;
    }
    *link = task->next_in_group;
    group->task_count--;
    if (group->leader == task) {
        group->leader = NULL;
    }
    table_leave(task);
}

/* The only task of the process that the container was started for, with which all of it ends. */
static bool is_containers_last(const struct task *task)
{
    const struct thread_group *group = task->group;
    mutex_lock(&tasks_lock);
    bool last = group->is_console_main && console_process(group->console) == 0 &&
                group->tasks == task && task->next_in_group == NULL;
    mutex_unlock(&tasks_lock);
    return last;
}

void task_exit(struct task *task, int status)
{
    struct thread_group *group = task->group;
    trace_event(task, TRACE_EVENT_EXIT, (uint64_t)(group->exiting ? group->exit_status : status));
    if (is_containers_last(task)) {
        /* The engine takes everything back at once: nothing need be given up here before. */
        container_ended_now(group->console, group->exiting ? group->exit_status : status,
                            group->out_of_memory);
    }
    struct resource_usage used = {.waits = task->waits};
    if (__atomic_sub_fetch(&group->live, 1, __ATOMIC_ACQ_REL) == 0) {
        used.resident_pages = usage_at_end(task);
        process_timers_end(group);
        semaphores_undo(group);
        signalfds_forget(group);
    }
    robust_list_release(task);
    if (task->clear_tid != 0 && task->mm != NULL) {
        (void)put_user_u32(task->clear_tid, 0);
        (void)futex_wake_address(task->mm, task->clear_tid, 1);
    }
    vfork_release(task);
    /* Out of the application's space before it may be destroyed. */
    (void)kernel_thread_set_space(SLOT_NONE);
    uint32_t thread = task->thread;
    struct thread_frame *frame = task->frame;
    task_resources_put(task);

    mutex_lock(&tasks_lock);
    signal_queue_empty(&task->pending);
    used.cpu = thread_cpu_time(thread);
    usage_add(&group->ended_used, &used);
    task_unlink(task);
    trace_task_ended(task, status);
    bool last = group->tasks == NULL;
    struct console *console = NULL;
    struct tty *terminal = NULL; /* of the session that ends */
    int session = group->session;
    bool out_of_memory = group->out_of_memory;
    if (last && group->pid == session && group->terminal != NULL) {
        terminal = group->terminal;
        tty_get(terminal);
    }
    if (last) {
        group->last_uid = task->credentials->uid;
        group->last_suid = task->credentials->suid;
        if (!group->exiting) {
            group->exit_status = status;
        }
        status = group->exit_status;
        console = group->is_console_main ? group->console : NULL;
        console_get(console);
        group_end(group);
    } else {
        children_hand_on(group, task);
        signal_retarget(group);
        wait_queue_wake(&group->child_wait, WAIT_CHANGE);
    }
    mutex_unlock(&tasks_lock);
    futex_owner_ended(task->tid);
    if (terminal != NULL) {
        tty_leader_end(terminal, session);
        tty_put(terminal);
    }
    if (console != NULL) {
        container_process_ended(console, status, out_of_memory);
    }
    task_parts_put(task);
    heap_free(task);
    thread_self()->task = NULL;
    thread_block_release(frame);
    (void)kernel_object_destroy(thread);
    personality_panic("exit: the thread lives on");
}

/* Tell every other task of the group to end; the first status counts. */
static void group_stop_others(struct task *task, int status)
{
    struct thread_group *group = task->group;
    mutex_lock(&tasks_lock);
    if (!group->exiting) {
        group->exiting = true;
        group->exit_status = status;
    }
    for (struct task *other = group->tasks; other != NULL; other = other->next_in_group) {
        if (other != task) {
            task_poke(other, WORK_EXIT);
        }
    }
    mutex_unlock(&tasks_lock);
}

void group_doom(struct task *task, int status)
{
    group_stop_others(task, status);
    __atomic_fetch_or(&task->work, WORK_EXIT, __ATOMIC_ACQ_REL);
}

void group_exit(struct task *task, int status)
{
    group_stop_others(task, status);
    task_exit(task, status);
}

long linux_exit(uint64_t code, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
    (void)b, (void)c, (void)d, (void)e, (void)f;
    task_exit(task_current(), (int)(code & 0xff) << 8);
}

long linux_exit_group(uint64_t code, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
    (void)b, (void)c, (void)d, (void)e, (void)f;
    group_exit(task_current(), (int)(code & 0xff) << 8);
}

/* --- exec needs the group to itself ----------------------------------------------------------- */

static bool is_alone(void *context)
{
    const struct thread_group *group = context;
    return __atomic_load_n(&group->task_count, __ATOMIC_ACQUIRE) == 1;
}

long group_become_single(struct task *task)
{
    struct thread_group *group = task->group;
    if (is_alone(group) && task->tid == group->pid) {
        return 0;
    }
    mutex_lock(&tasks_lock);
    if (group->exiting) {
        mutex_unlock(&tasks_lock);
        return -ERESTARTSYS;
    }
    group->exiting = true;
    for (struct task *other = group->tasks; other != NULL; other = other->next_in_group) {
        if (other != task) {
            task_poke(other, WORK_EXIT);
        }
    }
    mutex_unlock(&tasks_lock);
    struct waiter waiter = {.queue = NULL};
    waiter_add(&waiter, &group->child_wait, WAIT_CHANGE);
    while (!is_alone(group)) {
        (void)kernel_thread_park(DEADLINE_NEVER, PARK_UNINTERRUPTIBLE);
    }
    waiter_remove(&waiter);
    mutex_lock(&tasks_lock);
    group->exiting = group->out_of_memory; /* it was chosen meanwhile: then it ends instead */
    if (group->exiting) {
        group->exit_status = SIGKILL;
        mutex_unlock(&tasks_lock);
        return -ERESTARTSYS;
    }
    table_leave(task);
    table_take_tid(task, group->pid);
    group->leader = task;
    trace_leader_replaced(task);
    signal_recalculate(task); /* a signal may have been meant for a thread that is gone */
    mutex_unlock(&tasks_lock);
    return 0;
}
