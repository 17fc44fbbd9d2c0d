/* fork, vfork, clone: a new task that shares or copies what the flags say. */
#include "lib/base/string.h"
#include "linux/core/console.h"
#include "linux/core/errno.h"
#include "linux/core/heap.h"
#include "linux/core/syscalls.h"
#include "linux/core/user.h"
#include "linux/file/descriptor.h"
#include "linux/file/path.h"
#include "linux/mm/mm.h"
#include "linux/proc/exit.h"
#include "linux/proc/table.h"

#define CLONE_VM             0x00000100ull
#define CLONE_FS             0x00000200ull
#define CLONE_FILES          0x00000400ull
#define CLONE_SIGHAND        0x00000800ull
#define CLONE_VFORK          0x00004000ull
#define CLONE_PARENT         0x00008000ull
#define CLONE_THREAD         0x00010000ull
#define CLONE_SYSVSEM        0x00040000ull
#define CLONE_SETTLS         0x00080000ull
#define CLONE_PARENT_SETTID  0x00100000ull
#define CLONE_CHILD_CLEARTID 0x00200000ull
#define CLONE_DETACHED       0x00400000ull
#define CLONE_CHILD_SETTID   0x01000000ull
#define CLONE_IO             0x80000000ull
#define CLONE_SIGNAL_MASK    0xffull

#define CLONE_SUPPORTED                                                                            \
    (CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_VFORK | CLONE_PARENT |              \
     CLONE_THREAD | CLONE_SYSVSEM | CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID |    \
     CLONE_DETACHED | CLONE_CHILD_SETTID | CLONE_IO | CLONE_SIGNAL_MASK)

struct clone_request {
    uint64_t flags;
    uint64_t stack;
    uint64_t parent_tid;
    uint64_t child_tid;
    uint64_t tls;
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
    group->process_group = from->process_group;
    group->session = from->session;
    group->terminal = from->terminal;
    group->console = from->console;
    console_get(group->console);
    memcpy(group->limits, from->limits, sizeof(group->limits));
    memcpy(group->exe, from->exe, sizeof(group->exe));
    group->oom_adjust = from->oom_adjust;
}

/* Into the tree: a thread of our group, or a new group that is our child. */
static long tree_enter(struct task *child, struct task *task, uint64_t flags,
                       struct thread_group *new_group)
{
    mutex_lock(&tasks_lock);
    /* Who sweeps with SIGKILL, under the lock, meets every child or its parent before it forks. */
    long result =
        task->group->exiting || signal_kill_pending(task) ? -ERESTARTSYS : table_enter(child);
    if (result != 0) {
        mutex_unlock(&tasks_lock);
        return result;
    }
    memcpy(child->name, task->name, sizeof(child->name));
    if (new_group == NULL) {
        child->group = task->group;
        child->next_in_group = task->group->tasks;
        task->group->tasks = child;
        task->group->task_count++;
        __atomic_fetch_add(&task->group->live, 1, __ATOMIC_RELAXED);
        signal_recalculate(child); /* the group may be stopped */
    } else {
        struct thread_group *parent = flags & CLONE_PARENT ? task->group->parent : task->group;
        child->group = new_group;
        new_group->pid = child->tid;
        new_group->tasks = child;
        new_group->task_count = 1;
        new_group->live = 1;
        new_group->leader = child;
        new_group->exit_signal = (int)(flags & CLONE_SIGNAL_MASK);
        group_inherit(new_group, task->group);
        memcpy(new_group->name, task->name, sizeof(new_group->name));
        new_group->parent = parent;
        if (parent != NULL) {
            new_group->next_sibling = parent->children;
            parent->children = new_group;
        }
        table_enter_group(new_group);
    }
    mutex_unlock(&tasks_lock);
    return 0;
}

/* The child's registers, on its own stack where thread_entry expects them. */
static struct application_registers *registers_copy(struct task *child, const struct task *task,
                                                    uint64_t stack)
{
    struct application_registers *registers = (struct application_registers *)child->frame - 1;
    *registers = *task->registers;
    child->frame->application = task->frame->application;
    child->frame->application.rax = 0;
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

static long clone_with(const struct clone_request *request)
{
    struct task *task = task_current();
    uint64_t flags = request->flags;
    if ((flags & ~CLONE_SUPPORTED) || ((flags & CLONE_SIGHAND) && !(flags & CLONE_VM)) ||
        ((flags & CLONE_THREAD) && !(flags & CLONE_SIGHAND)) ||
        (flags & CLONE_SIGNAL_MASK) > SIGNALS) {
        return -EINVAL;
    }
    if (request->flags & CLONE_SETTLS && request->tls >= APPLICATION_END) {
        return -EPERM;
    }
    struct task *child = child_new(task, request);
    struct thread_group *group = flags & CLONE_THREAD ? NULL : group_new();
    struct vfork *vfork = flags & CLONE_VFORK ? vfork_new() : NULL;
    if (child == NULL || (group == NULL && !(flags & CLONE_THREAD)) ||
        (vfork == NULL && (flags & CLONE_VFORK))) {
        heap_free(child);
        heap_free(group);
        heap_free(vfork);
        return -ENOMEM;
    }
    child->vfork = vfork;
    long result = parts_copy(child, task, flags);
    if (result == 0) {
        result = thread_new(child, THREAD_COPY_FPU, &child->thread, &child->frame);
    }
    if (result == 0) {
        result = tree_enter(child, task, flags, group);
        if (result != 0) {
            (void)kernel_object_destroy(child->thread);
            thread_block_release(child->frame);
        }
    }
    if (result != 0) {
        task_parts_put(child);
        heap_free(child);
        heap_free(group);
        heap_free(vfork);
        return result;
    }
    int tid = child->tid;
    if (flags & CLONE_PARENT_SETTID) {
        (void)put_user_u32(request->parent_tid, (uint32_t)tid);
    }
    struct application_registers *registers = registers_copy(child, task, request->stack);
    if (kernel_thread_start(child->thread, child->mm->space, (uint64_t)thread_entry,
                            (uint64_t)registers) != STATUS_OK) {
        personality_panic("clone: the thread does not start");
    }
    if (vfork != NULL) {
        vfork_wait(task, vfork);
        vfork_put(vfork);
    }
    return tid;
}

long linux_clone(uint64_t flags, uint64_t stack, uint64_t parent_tid, uint64_t child_tid,
                 uint64_t tls, uint64_t f)
{
    (void)f;
    struct clone_request request = {flags, stack, parent_tid, child_tid, tls};
    return clone_with(&request);
}

long linux_fork(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
    (void)a, (void)b, (void)c, (void)d, (void)e, (void)f;
    struct clone_request request = {.flags = SIGCHLD};
    return clone_with(&request);
}

long linux_vfork(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
    (void)a, (void)b, (void)c, (void)d, (void)e, (void)f;
    struct clone_request request = {.flags = SIGCHLD | CLONE_VM | CLONE_VFORK};
    return clone_with(&request);
}
