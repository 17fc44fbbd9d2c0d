/* fork, vfork, clone: a new task that shares or copies what the flags say. */
#include "lib/base/string.h"
#include "linux/core/console.h"
#include "linux/core/container.h"
#include "linux/core/errno.h"
#include "linux/core/heap.h"
#include "linux/core/syscalls.h"
#include "linux/core/user.h"
#include "linux/event/process_timers.h"
#include "linux/file/descriptor.h"
#include "linux/file/path.h"
#include "linux/mm/mm.h"
#include "linux/proc/capability.h"
#include "linux/proc/exit.h"
#include "linux/proc/limit.h"
#include "linux/proc/pidfd.h"
#include "linux/proc/ptrace.h"
#include "linux/proc/table.h"

#define CLONE_VM             0x00000100ull
#define CLONE_FS             0x00000200ull
#define CLONE_FILES          0x00000400ull
#define CLONE_SIGHAND        0x00000800ull
#define CLONE_PIDFD          0x00001000ull
#define CLONE_PTRACE         0x00002000ull
#define CLONE_VFORK          0x00004000ull
#define CLONE_PARENT         0x00008000ull
#define CLONE_THREAD         0x00010000ull
#define CLONE_SYSVSEM        0x00040000ull
#define CLONE_SETTLS         0x00080000ull
#define CLONE_PARENT_SETTID  0x00100000ull
#define CLONE_CHILD_CLEARTID 0x00200000ull
#define CLONE_DETACHED       0x00400000ull
#define CLONE_UNTRACED       0x00800000ull
#define CLONE_CHILD_SETTID   0x01000000ull
#define CLONE_IO             0x80000000ull
#define CLONE_CLEAR_SIGHAND  0x100000000ull
#define CLONE_SIGNAL_MASK    0xffull /* of clone: the low bits are the signal */

#define CLONE_SUPPORTED                                                                            \
    (CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_PIDFD | CLONE_PTRACE |              \
     CLONE_VFORK | CLONE_UNTRACED | CLONE_PARENT | CLONE_THREAD | CLONE_SYSVSEM | CLONE_SETTLS |   \
     CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID | CLONE_DETACHED | CLONE_CHILD_SETTID | CLONE_IO | \
     CLONE_CLEAR_SIGHAND)

struct clone_request {
    uint64_t flags; /* CLONE_SUPPORTED */
    uint64_t exit_signal;
    uint64_t stack;
    uint64_t parent_tid;
    uint64_t child_tid;
    uint64_t tls;
    uint64_t pidfd; /* user address */
};

/* The counted parts, shared or copied. */
static long parts_copy(struct task *child, const struct task *task, uint64_t flags)
{
    if (flags & CLONE_FILES) {
        file_table_get(task->files);
        child->files = task->files;
    } else {
        child->files = file_table_clone(task->files);
    }
    if (flags & CLONE_FS) {
        fs_context_get(task->fs);
        child->fs = task->fs;
    } else {
        child->fs = fs_context_clone(task->fs);
    }
    if (flags & CLONE_SIGHAND) {
        signal_handlers_get(task->handlers);
        child->handlers = task->handlers;
    } else {
        child->handlers = signal_handlers_copy(task->handlers);
        if ((flags & CLONE_CLEAR_SIGHAND) && child->handlers != NULL) {
            signal_handlers_reset(child->handlers);
        }
    }
    __atomic_fetch_add(&task->credentials->references, 1, __ATOMIC_RELAXED);
    child->credentials = task->credentials;
    if (flags & CLONE_VM) {
        mm_get(task->mm);
        child->mm = task->mm;
    } else {
        child->mm = mm_copy(task->mm);
    }
    bool good =
        child->files != NULL && child->fs != NULL && child->handlers != NULL && child->mm != NULL;
    return good ? 0 : -ENOMEM;
}

static void group_inherit(struct thread_group *group, const struct thread_group *from)
{
    table_place_group(group, from->process_group, from->session);
    group->terminal = from->terminal;
    group->console = from->console;
    console_get(group->console);
    memcpy(group->limits, from->limits, sizeof(group->limits));
    memcpy(group->exe, from->exe, sizeof(group->exe));
    group->oom_adjust = from->oom_adjust;
    group->huge_pages_off = from->huge_pages_off;
}

/* The child's registers, on its own stack where thread_entry expects them. */
static struct application_registers *registers_copy(struct task *child, const struct task *task,
                                                    uint64_t stack)
{
    struct application_registers *registers = (struct application_registers *)child->frame - 1;
    *registers = *task->registers;
    child->frame->application = task->frame->application;
    child->frame->application.rax = 0;
    if (task->trace != NULL && task->trace->flag_set) {
        child->frame->application.rflags &= ~RFLAGS_TRAP; /* its tracer has just ended */
    }
    if (stack != 0) {
        child->frame->application.rsp = stack;
    }
    return registers;
}

static struct task *child_new(const struct task *task, const struct clone_request *request)
{
    struct task *child = heap_alloc(sizeof(*child));
    if (child == NULL) {
        return NULL;
    }
    child->call_limit = LINUX_CALLS;
    child->blocked = task->blocked;
    if (!(request->flags & CLONE_VM) || (request->flags & CLONE_VFORK)) {
        child->altstack_base = task->altstack_base;
        child->altstack_size = task->altstack_size;
    }
    if (request->flags & CLONE_CHILD_CLEARTID) {
        child->clear_tid = request->child_tid;
    }
    if (request->flags & CLONE_CHILD_SETTID) {
        child->set_tid = request->child_tid;
    }
    if (request->flags & CLONE_SETTLS) {
        child->set_fs_base = true;
        child->new_fs_base = request->tls;
    }
    return child;
}

static struct vfork *vfork_new(void)
{
    struct vfork *vfork = heap_alloc(sizeof(*vfork));
    if (vfork != NULL) {
        vfork->references = 2; /* the parent's and the child's */
        wait_queue_init(&vfork->queue);
    }
    return vfork;
}

static bool must_end(struct task *task)
{
    if (__atomic_load_n(&task->work, __ATOMIC_ACQUIRE) & WORK_EXIT) {
        return true;
    }
    mutex_lock(&tasks_lock);
    bool kill = signal_kill_pending(task);
    mutex_unlock(&tasks_lock);
    return kill;
}

/* The child has our memory until it executes or ends: wait, whatever signals come but for the end
 * of our own group. */
static void vfork_wait(struct task *task, struct vfork *vfork)
{
    struct waiter waiter = {.queue = NULL};
    waiter_add(&waiter, &vfork->queue, WAIT_CHANGE);
    while (!__atomic_load_n(&vfork->done, __ATOMIC_ACQUIRE) && !must_end(task)) {
        (void)kernel_thread_park(DEADLINE_NEVER, PARK_UNINTERRUPTIBLE);
    }
    waiter_remove(&waiter);
}

static long request_check(const struct clone_request *request)
{
    uint64_t flags = request->flags;
    bool good = !(flags & ~CLONE_SUPPORTED) && request->exit_signal <= SIGNALS &&
                !((flags & CLONE_SIGHAND) && !(flags & CLONE_VM)) &&
                !((flags & CLONE_SIGHAND) && (flags & CLONE_CLEAR_SIGHAND)) &&
                !((flags & CLONE_THREAD) && !(flags & CLONE_SIGHAND)) &&
                !((flags & CLONE_PIDFD) && (flags & (CLONE_THREAD | CLONE_DETACHED)));
    return !good ? -EINVAL : (flags & CLONE_SETTLS) && request->tls >= APPLICATION_END ? -EPERM : 0;
}

/* What a clone is made of, until it runs. */
struct birth {
    struct task *child;
    struct thread_group *group; /* NULL: it is a thread of ours */
    struct vfork *vfork;
    struct process_handle *handle; /* with a reference; NULL: no pidfd is wanted */
    long pidfd;
    struct trace *trace; /* NULL: the child is not traced as we are */
};

/* What a tracer calls that clone. */
static enum trace_event event_of(const struct clone_request *request)
{
    return request->flags & CLONE_VFORK      ? TRACE_EVENT_VFORK
           : request->exit_signal != SIGCHLD ? TRACE_EVENT_CLONE
                                             : TRACE_EVENT_FORK;
}

/* Under tasks_lock. */
static void group_enter(const struct birth *birth, const struct task *task,
                        const struct clone_request *request)
{
    struct thread_group *group = birth->group;
    struct thread_group *parent = request->flags & CLONE_PARENT ? task->group->parent : task->group;
    birth->child->group = group;
    group->pid = birth->child->tid;
    group->tasks = birth->child;
    group->task_count = 1;
    group->live = 1;
    group->leader = birth->child;
    /* Not the caller's to choose what a parent gets that may be another user's. */
    group->exit_signal =
        request->flags & CLONE_PARENT ? task->group->exit_signal : (int)request->exit_signal;
    group->parent_has_executed =
        (request->flags & CLONE_PARENT) && task->group->parent_has_executed;
    group_inherit(group, task->group);
    memcpy(group->name, task->name, sizeof(group->name));
    group->parent = parent;
    group->parent_tid = request->flags & CLONE_PARENT ? task->group->parent_tid : task->tid;
    if (parent != NULL) {
        group->next_sibling = parent->children;
        parent->children = group;
    }
    if (birth->handle != NULL) {
        process_handle_attach(birth->handle, group);
    }
    table_enter_group(group);
}

/* Has the user as many tasks as RLIMIT_NPROC lets it have? Under tasks_lock. A limit above all
 * numbers is none, and costs nothing. */
static bool is_over_limit(const struct task *task)
{
    uint64_t limit = task->group->limits[RLIMIT_NPROC].soft;
    uint32_t uid = task->credentials->uid;
    return limit < PID_MAX && uid != 0 && !task_capable(CAP_SYS_RESOURCE) &&
           !task_capable(CAP_SYS_ADMIN) && table_count_user(uid) >= limit;
}

/* Into the tree: a thread of our group, or a new group that is our child. */
static long tree_enter(const struct birth *birth, struct task *task,
                       const struct clone_request *request)
{
    struct task *child = birth->child;
    mutex_lock(&tasks_lock);
    memcpy(child->name, task->name, sizeof(child->name));
    child->personality = task->personality;
    child->timer_slack_ns = child->timer_slack_first_ns = task->timer_slack_ns;
    scheduling_inherit(&child->scheduling, &task->scheduling);
    /* Who sweeps with SIGKILL, under the lock, meets every child or its parent before it forks. */
    long result = task->group->exiting || signal_kill_pending(task) ? -ERESTARTSYS
                  : is_over_limit(task)                             ? -EAGAIN
                                                                    : table_enter(child);
    if (result != 0) {
        mutex_unlock(&tasks_lock);
        return result;
    }
    if (birth->group == NULL) {
        child->group = task->group;
        child->next_in_group = task->group->tasks;
        task->group->tasks = child;
        task->group->task_count++;
        __atomic_fetch_add(&task->group->live, 1, __ATOMIC_RELAXED);
        signal_recalculate(child); /* the group may be stopped */
    } else {
        group_enter(birth, task, request);
    }
    if (birth->trace != NULL) {
        trace_inherit(birth->trace, child, task);
    }
    mutex_unlock(&tasks_lock);
    return 0;
}

static void birth_undo(struct birth *birth)
{
    if (birth->child != NULL) {
        if (birth->child->thread != 0) {
            (void)kernel_object_destroy(birth->child->thread);
            thread_block_release(birth->child->frame);
        }
        task_parts_put(birth->child);
    }
    if (birth->handle != NULL) {
        (void)descriptor_close((int)birth->pidfd);
        process_handle_put(birth->handle);
    }
    if (birth->group != NULL && birth->group->timers != NULL) {
        process_timers_end(birth->group);
    }
    heap_free(birth->child);
    heap_free(birth->group);
    heap_free(birth->vfork);
    trace_free(birth->trace);
}

static long birth_pidfd(struct birth *birth, const struct clone_request *request)
{
    if (!(request->flags & CLONE_PIDFD)) {
        return 0;
    }
    birth->pidfd = pidfd_new(&birth->handle);
    if (birth->pidfd < 0) {
        return birth->pidfd;
    }
    return put_user_u32(request->pidfd, (uint32_t)birth->pidfd);
}

/* What the limit of CPU time that it inherits needs. */
static long birth_limit(struct thread_group *group, const struct task *task)
{
    const struct resource_limit *limit = &task->group->limits[RLIMIT_CPU];
    if (limit->soft == UINT64_MAX) {
        return 0;
    }
    mutex_lock(&timers_lock);
    long result = cpu_limit_prepare(group, limit);
    mutex_unlock(&timers_lock);
    return result;
}

static void birth_limit_apply(struct thread_group *group)
{
    if (group != NULL && group->timers != NULL) {
        mutex_lock(&timers_lock);
        cpu_limit_apply(group);
        mutex_unlock(&timers_lock);
    }
}

/* Everything that can fail. birth_undo comes after a failure. */
static long birth_prepare(struct birth *birth, struct task *task,
                          const struct clone_request *request)
{
    bool new_group = !(request->flags & CLONE_THREAD);
    bool waits = request->flags & CLONE_VFORK;
    birth->child = child_new(task, request);
    birth->group = new_group ? group_new() : NULL;
    birth->vfork = waits ? vfork_new() : NULL;
    if (birth->child == NULL || (new_group && birth->group == NULL) ||
        (waits && birth->vfork == NULL)) {
        return -ENOMEM;
    }
    birth->child->vfork = birth->vfork;
    bool followed = !(request->flags & CLONE_UNTRACED) && trace_follows(task, event_of(request));
    if (followed || (request->flags & CLONE_PTRACE && trace_active(task) != NULL)) {
        birth->trace = trace_new();
        if (birth->trace == NULL) {
            return -ENOMEM;
        }
    }
    long result = parts_copy(birth->child, task, request->flags);
    if (result == 0) {
        result = birth_pidfd(birth, request);
    }
    if (result == 0) {
        result =
            thread_new(birth->child, THREAD_COPY_FPU, &birth->child->thread, &birth->child->frame);
    }
    if (result == 0 && new_group) {
        result = birth_limit(birth->group, task);
    }
    return result != 0 ? result : tree_enter(birth, task, request);
}

static long clone_with(const struct clone_request *request)
{
    struct task *task = task_current();
    struct birth birth = {.child = NULL};
    long result = request_check(request);
    if (result == 0 && !container_attend()) {
        result = -ENOMEM;
    }
    if (result != 0) {
        return result;
    }
    result = birth_prepare(&birth, task, request);
    if (result != 0) {
        birth_undo(&birth);
        return result;
    }
    process_handle_put(birth.handle);
    birth_limit_apply(birth.group);
    struct task *child = birth.child;
    int tid = child->tid;
    if (request->flags & CLONE_PARENT_SETTID) {
        (void)put_user_u32(request->parent_tid, (uint32_t)tid);
    }
    struct application_registers *registers = registers_copy(child, task, request->stack);
    if (kernel_thread_start(child->thread, child->mm->space, (uint64_t)thread_entry,
                            (uint64_t)registers, 0) != STATUS_OK) {
        personality_panic("clone: the thread does not start");
    }
    if (!(request->flags & CLONE_UNTRACED)) {
        trace_event(task, event_of(request), (uint64_t)tid);
    }
    if (birth.vfork != NULL) {
        vfork_wait(task, birth.vfork);
        vfork_put(birth.vfork);
        trace_event(task, TRACE_EVENT_VFORK_DONE, (uint64_t)tid);
    }
    return tid;
}

/* --- system calls ---------------------------------------------------------------------------- */

long linux_clone(uint64_t flags, uint64_t stack, uint64_t parent_tid, uint64_t child_tid,
                 uint64_t tls, uint64_t f)
{
    (void)f;
    const struct clone_request request = {
        .flags = (uint32_t)flags & ~CLONE_SIGNAL_MASK,
        .exit_signal = flags & CLONE_SIGNAL_MASK,
        .stack = stack,
        .parent_tid = parent_tid,
        .child_tid = child_tid,
        .tls = tls,
        .pidfd = parent_tid,
    };
    /* Both would have their answer at the same address. */
    bool twice = (flags & CLONE_PIDFD) && (flags & CLONE_PARENT_SETTID);
    return twice ? -EINVAL : clone_with(&request);
}

struct user_clone { /* struct clone_args */
    uint64_t flags;
    uint64_t pidfd;
    uint64_t child_tid;
    uint64_t parent_tid;
    uint64_t exit_signal;
    uint64_t stack;
    uint64_t stack_bytes;
    uint64_t tls;
    uint64_t set_tid;
    uint64_t set_tid_count;
    uint64_t cgroup;
};

#define USER_CLONE_FIRST 64u /* bytes that the first version had */

/* What a newer caller says beyond our structure has to be nothing. */
static long user_clone_read(struct user_clone *user, uint64_t address, uint64_t size_bytes)
{
    if (size_bytes < USER_CLONE_FIRST || size_bytes > PAGE_SIZE) {
        return size_bytes < USER_CLONE_FIRST ? -EINVAL : -E2BIG;
    }
    memset(user, 0, sizeof(*user));
    if (copy_from_user(user, address, MIN(size_bytes, sizeof(*user))) != 0) {
        return -EFAULT;
    }
    for (uint64_t at = sizeof(*user); at < size_bytes; at++) {
        uint8_t byte;
        if (copy_from_user(&byte, address + at, 1) != 0) {
            return -EFAULT;
        }
        if (byte != 0) {
            return -E2BIG;
        }
    }
    return 0;
}

long linux_clone3(uint64_t user_arguments, uint64_t size_bytes, uint64_t c, uint64_t d, uint64_t e,
                  uint64_t f)
{
    (void)c, (void)d, (void)e, (void)f;
    struct user_clone user;
    long result = user_clone_read(&user, user_arguments, size_bytes);
    if (result != 0) {
        return result;
    }
    bool not_child = user.flags & (CLONE_THREAD | CLONE_PARENT);
    if (user.flags & (CLONE_SIGNAL_MASK | CLONE_DETACHED) || user.exit_signal > SIGNALS ||
        (not_child && user.exit_signal != 0) || (user.stack == 0) != (user.stack_bytes == 0) ||
        !user_range(user.stack, user.stack_bytes)) {
        return -EINVAL;
    }
    if (user.set_tid_count != 0) {
        return -EPERM; /* numbers are chosen for containers that are restored, by their runtime */
    }
    const struct clone_request request = {
        .flags = user.flags,
        .exit_signal = user.exit_signal,
        .stack = user.stack + user.stack_bytes,
        .parent_tid = user.parent_tid,
        .child_tid = user.child_tid,
        .tls = user.tls,
        .pidfd = user.pidfd,
    };
    return clone_with(&request);
}

long linux_fork(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
    (void)a, (void)b, (void)c, (void)d, (void)e, (void)f;
    struct clone_request request = {.exit_signal = SIGCHLD};
    return clone_with(&request);
}

long linux_vfork(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
    (void)a, (void)b, (void)c, (void)d, (void)e, (void)f;
    struct clone_request request = {.flags = CLONE_VM | CLONE_VFORK, .exit_signal = SIGCHLD};
    return clone_with(&request);
}
