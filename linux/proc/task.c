/* The table of tasks and groups, making the first task, credentials, and the work between calls. */
#include "linux/proc/task.h"

#include "lib/base/string.h"
#include "linux/core/console.h"
#include "linux/core/container.h"
#include "linux/core/errno.h"
#include "linux/core/heap.h"
#include "linux/core/trap.h"
#include "linux/core/user.h"
#include "linux/file/descriptor.h"
#include "linux/file/path.h"
#include "linux/mm/mm.h"
#include "linux/proc/capability.h"
#include "linux/proc/limit.h"
#include "linux/proc/ptrace.h"
#include "linux/proc/table.h"

#define FIRST_ENTRIES 16

struct mutex tasks_lock;

/* By number; a group stays as a zombie when its task of that number is gone. `uses` counts the
 * groups whose process group or session has the number: it names nobody else meanwhile. */
struct entry {
    struct task *task;
    struct thread_group *group;
    uint32_t uses;
};
static struct entry first_entries[FIRST_ENTRIES]; /* in pages that every container has anyway */
static struct entry further_entries[PID_MAX] LARGE_TABLE;
static int last_tid;
static uint32_t tasks_alive;

static struct entry *entry_of(int number)
{
    return number < FIRST_ENTRIES ? &first_entries[number] : &further_entries[number];
}

struct task *task_find(int tid)
{
    return tid > 0 && tid < PID_MAX ? entry_of(tid)->task : NULL;
}

struct thread_group *group_find(int pid)
{
    return pid > 0 && pid < PID_MAX ? entry_of(pid)->group : NULL;
}

uint32_t task_count(void)
{
    return tasks_alive;
}

void task_for_each_group(void (*visit)(struct thread_group *group, void *context), void *context)
{
    for (int pid = 1; pid <= table_highest(); pid++) {
        if (entry_of(pid)->group != NULL) {
            visit(entry_of(pid)->group, context);
        }
    }
}

/* --- the table ------------------------------------------------------------------------------- */

static int highest;

int table_highest(void)
{
    return highest;
}

int table_enter(struct task *task)
{
    for (int tries = 0; tries < PID_MAX; tries++) {
        last_tid = last_tid + 1 >= PID_MAX ? (tries > 0 ? 300 : 1) : last_tid + 1;
        if (entry_of(last_tid)->task == NULL && entry_of(last_tid)->group == NULL &&
            entry_of(last_tid)->uses == 0) {
            entry_of(last_tid)->task = task;
            task->tid = last_tid;
            highest = MAX(highest, last_tid);
            tasks_alive++;
            return 0;
        }
    }
    return -EAGAIN;
}

void table_leave(struct task *task)
{
    entry_of(task->tid)->task = NULL;
    tasks_alive--;
}

/* The children of one thread are now another's of the group. */
static void children_take(struct thread_group *group, int from_tid, int to_tid)
{
    for (struct thread_group *child = group->children; child != NULL; child = child->next_sibling) {
        if (child->parent_tid == from_tid) {
            child->parent_tid = to_tid;
        }
    }
}

void table_take_tid(struct task *task, int tid)
{
    entry_of(tid)->task = task;
    children_take(task->group, task->tid, tid);
    task->tid = tid;
    tasks_alive++;
}

void table_enter_group(struct thread_group *group)
{
    entry_of(group->pid)->group = group;
}

void table_leave_group(struct thread_group *group)
{
    entry_of(group->pid)->group = NULL;
    table_place_group(group, 0, 0);
}

void table_place_group(struct thread_group *group, int process_group, int session)
{
    entry_of(process_group)->uses++;
    entry_of(session)->uses++;
    entry_of(group->process_group)->uses--;
    entry_of(group->session)->uses--;
    group->process_group = process_group;
    group->session = session;
}

uint32_t table_count_user(uint32_t uid)
{
    uint32_t count = 0;
    for (int tid = 1; tid <= table_highest(); tid++) {
        const struct task *task = entry_of(tid)->task;
        count += task != NULL && task->credentials != NULL && task->credentials->uid == uid;
    }
    return count;
}

/* --- credentials ----------------------------------------------------------------------------- */

struct credentials *credentials_copy(const struct credentials *credentials)
{
    struct credentials *copy = heap_alloc(sizeof(*copy));
    if (copy != NULL) {
        *copy = *credentials;
        copy->references = 1;
    }
    return copy;
}

void credentials_put(struct credentials *credentials)
{
    if (credentials != NULL &&
        __atomic_sub_fetch(&credentials->references, 1, __ATOMIC_ACQ_REL) == 0) {
        heap_free(credentials);
    }
}

void credentials_set(struct task *task, struct credentials *changed)
{
    struct credentials *old = task->credentials;
    bool others = changed->euid != old->euid || changed->egid != old->egid ||
                  changed->fsuid != old->fsuid || changed->fsgid != old->fsgid ||
                  (changed->permitted & ~old->permitted) != 0;
    mutex_lock(&tasks_lock); /* who looks at the task meanwhile finds the one or the other */
    task->credentials = changed;
    if (others && task->mm != NULL) {
        task->mm->undumpable =
            true; /* what the old user left there is not for the new one's eyes */
    }
    if (others) {
        task->group->parent_death_signal = 0;
    }
    mutex_unlock(&tasks_lock);
    credentials_put(old);
}

/* --- the first task -------------------------------------------------------------------------- */

static void limits_default(struct resource_limit *limits)
{
    for (int i = 0; i < RLIMITS; i++) {
        limits[i] = (struct resource_limit){UINT64_MAX, UINT64_MAX};
    }
    limits[RLIMIT_STACK].soft = 8ull << 20;
    limits[RLIMIT_CORE].soft = 0;
    limits[RLIMIT_NPROC] = (struct resource_limit){PID_MAX, PID_MAX};
    limits[RLIMIT_NOFILE] = (struct resource_limit){1024, 65536};
    limits[RLIMIT_NICE] = (struct resource_limit){0, 0};
    limits[RLIMIT_RTPRIO] = (struct resource_limit){0, 0};
    limits[RLIMIT_MEMLOCK] = (struct resource_limit){8ull << 20, 8ull << 20};
}

struct thread_group *group_new(void)
{
    struct thread_group *group = heap_alloc(sizeof(*group));
    if (group != NULL) {
        wait_queue_init(&group->child_wait);
        wait_queue_init(&group->stop_wait);
        group->start_ns = clock_now_ns();
    }
    return group;
}

void task_resources_put(struct task *task)
{
    /* Whoever looks at the task under tasks_lock finds a part with its reference, or none. */
    mutex_lock(&tasks_lock);
    struct file_table *files = task->files;
    struct fs_context *fs = task->fs;
    struct mm *mm = task->mm;
    task->files = NULL;
    task->fs = NULL;
    task->mm = NULL;
    mutex_unlock(&tasks_lock);
    if (files != NULL) {
        file_table_put(files);
    }
    if (fs != NULL) {
        fs_context_put(fs);
    }
    if (mm != NULL) {
        mm_put(mm);
    }
}

void task_parts_put(struct task *task)
{
    task_resources_put(task);
    signal_handlers_put(task->handlers);
    credentials_put(task->credentials);
    task->handlers = NULL;
    task->credentials = NULL;
}

/* Undo a first task that is in no table. */
static void first_discard(struct task *task)
{
    task_parts_put(task);
    if (task->thread != 0) {
        (void)kernel_object_destroy(task->thread);
        thread_block_release(task->frame);
    }
    console_put(task->group->console);
    heap_free(task->group);
    heap_free(task);
}

/* Into the table, complete: whoever finds it there may send it signals. */
static long first_enter(struct task *task, struct thread_group *group)
{
    mutex_lock(&tasks_lock);
    long result = table_enter(task);
    if (result == 0) {
        group->pid = task->tid;
        table_enter_group(group);
        table_place_group(group, task->tid, task->tid);
    }
    mutex_unlock(&tasks_lock);
    return result;
}

/* The calling thread is the task's from now on. */
static void thread_adopt(struct task *task)
{
    struct own_thread *own = thread_self();
    own->task = task;
    task->thread = own->slot;
    task->frame = thread_frame_self();
}

struct task *task_create_first(struct console *console, bool here, long *error)
{
    struct task *task = heap_alloc(sizeof(*task));
    struct thread_group *group = group_new();
    *error = -ENOMEM;
    if (task == NULL || group == NULL) {
        heap_free(task);
        heap_free(group);
        console_put(console);
        return NULL;
    }
    task->group = group;
    task->call_limit = LINUX_CALLS;
    group->tasks = task;
    group->task_count = 1;
    group->live = 1;
    group->leader = task;
    group->console = console;
    group->is_console_main = true;
    limits_default(group->limits);
    task->files = file_table_new();
    task->fs = fs_context_new();
    task->handlers = signal_handlers_new();
    task->credentials = heap_alloc(sizeof(*task->credentials));
    if (task->credentials != NULL) {
        task->credentials->references = 1;
        capabilities_init(task->credentials);
    }
    bool good = task->files != NULL && task->fs != NULL && task->handlers != NULL &&
                task->credentials != NULL;
    long result = !good ? -ENOMEM : here ? 0 : thread_new(task, 0, &task->thread, &task->frame);
    if (result == 0) {
        result = first_enter(task, group);
    }
    if (result == 0 && here) {
        thread_adopt(task);
    }
    if (result != 0) {
        first_discard(task);
        *error = result;
        return NULL;
    }
    return task;
}

/* --- work ------------------------------------------------------------------------------------ */

void task_name_set(struct task *task, const char name[NAME_BYTES])
{
    memcpy(task->name, name, NAME_BYTES);
    task->name[NAME_BYTES - 1] = '\0';
    if (task->tid == task->group->pid) {
        memcpy(task->group->name, task->name, NAME_BYTES);
    }
}

void task_poke(struct task *task, uint32_t work)
{
    __atomic_fetch_or(&task->work, work, __ATOMIC_ACQ_REL);
    (void)kernel_thread_interrupt(task->thread, INTERRUPT_NOW, 0); /* out of the application */
    (void)kernel_thread_unpark(task->thread);                      /* out of a wait */
}

void task_begin(struct task *task)
{
    if (task->launch) {
        container_launch(task);
        return;
    }
    if (task->set_fs_base) {
        __asm__ volatile("wrfsbase %0" : : "r"(task->new_fs_base));
        task->set_fs_base = false;
    }
    if (task->set_tid != 0) {
        (void)put_user_u32(task->set_tid, (uint32_t)task->tid);
        task->set_tid = 0;
    }
}

void task_work(struct task *task, struct thread_frame *frame)
{
    __atomic_fetch_and(&task->work, ~(uint32_t)WORK_RESTART, __ATOMIC_ACQ_REL);
    if (task->group->exiting) {
        task_exit(task, task->group->exit_status);
    }
    if (task->trace != NULL) {
        trace_work_begin(task, frame);
    }
    signal_deliver(task, frame);
    if (task->group->exiting) {
        task_exit(task, task->group->exit_status);
    }
    if (task->trace != NULL) {
        trace_work_end(task, frame);
    }
}
