/*
 * The applications need more memory than the container may use: what the personality keeps for
 * threads to come is given up first; then the process ends that has most, with everybody who shares
 * its address space. Who needed the memory tries again while it goes.
 *
 * Resident pages are estimated: of a large area a few are looked at.
 */
#include "linux/core/container.h"
#include "linux/core/window.h"
#include "linux/mm/mm.h"
#include "linux/proc/table.h"

#include "abi/container.h"

#define PATIENCE_NS 500000000ull /* a process that was to end may be held up by one that waits */
#define TRIES_MAX   400
#define PROBE_BYTES (2 * PAGE_SIZE)

static struct {
    bool ever;        /* a process ended for lack of memory; atomic */
    uint64_t last_ns; /* when the last one was told to; under tasks_lock */
} shortage;

bool container_was_short(void)
{
    return __atomic_load_n(&shortage.ever, __ATOMIC_RELAXED);
}

/* --- how much a process has ------------------------------------------------------------------- */

static uint64_t mm_resident_pages(struct mm *mm)
{
    if (!mutex_try_lock(&mm->lock)) {
        return 0;
    }
    uint64_t pages = mm_resident(mm);
    mutex_unlock(&mm->lock);
    return pages;
}

/* --- who is to end ---------------------------------------------------------------------------- */

struct choice {
    struct mm *mm;
    uint64_t pages;
};

static struct mm *group_mm(const struct thread_group *group)
{
    for (const struct task *task = group->tasks; task != NULL; task = task->next_in_group) {
        if (task->mm != NULL) {
            return task->mm;
        }
    }
    return NULL;
}

/* A process that has to end and has not ended. */
static void ending_visit(struct thread_group *group, void *context)
{
    bool *ending = context;
    *ending = *ending || (group->out_of_memory && group->tasks != NULL);
}

/* Of equals the one that came last. */
static void choice_visit(struct thread_group *group, void *context)
{
    struct choice *choice = context;
    struct mm *mm = group_mm(group);
    /* Who is about to end may still be held by a tracer. */
    if (mm == NULL || group->out_of_memory) {
        return;
    }
    uint64_t pages = mm_resident_pages(mm);
    if (choice->mm == NULL || pages >= choice->pages) {
        choice->mm = mm;
        choice->pages = pages;
    }
}

static void end_visit(struct thread_group *group, void *context)
{
    if (group_mm(group) != context || group->out_of_memory) {
        return;
    }
    group->out_of_memory = true;
    group->exit_status = group->exiting ? group->exit_status : SIGKILL;
    group->exiting = true;
    for (struct task *task = group->tasks; task != NULL; task = task->next_in_group) {
        task_poke(task, WORK_EXIT);
    }
}

/* Unless one is about to end. Under tasks_lock. */
static void biggest_end(void)
{
    uint64_t now_ns = clock_now_ns();
    bool ending = false;
    if (now_ns - shortage.last_ns < PATIENCE_NS) {
        task_for_each_group(ending_visit, &ending);
    }
    struct choice choice = {.mm = NULL};
    if (!ending) {
        task_for_each_group(choice_visit, &choice);
    }
    if (choice.mm != NULL) {
        shortage.last_ns = now_ns;
        __atomic_store_n(&shortage.ever, true, __ATOMIC_RELAXED);
        task_for_each_group(end_visit, choice.mm);
    }
}

/* --- who needs it ----------------------------------------------------------------------------- */

void task_out_of_memory(struct task *task)
{
    if (!thread_blocks_trim()) {
        mutex_lock(&tasks_lock);
        biggest_end();
        mutex_unlock(&tasks_lock);
        if (!task_signal_pending(task)) {
            thread_pause();
        }
    }
}

/* Would a page and its table be had now? */
static bool is_room(uint32_t slot)
{
    if (kernel_account_create(CONTAINER_SLOT_APPLICATION, slot, PROBE_BYTES, PROBE_BYTES, 0) !=
        STATUS_OK) {
        return false;
    }
    (void)kernel_object_destroy(slot);
    return true;
}

bool task_wait_for_memory(struct task *task)
{
    uint32_t slot = slot_alloc();
    bool room = slot != 0 && thread_blocks_trim();
    for (uint32_t i = 0; i < TRIES_MAX && !room && slot != 0 && !task->group->exiting; i++) {
        if (mutex_try_lock(&tasks_lock)) {
            biggest_end();
            mutex_unlock(&tasks_lock);
        }
        thread_pause();
        room = is_room(slot);
    }
    slot_free(slot);
    return room;
}
