/*
 * Moving a process's own pages to another place of its address space, for mremap(2). Frames move,
 * by way of a small memory, since none is moved within one. A frame that a fork shares cannot: it
 * is copied.
 *
 * Meanwhile the old place can be neither read nor written by the program: who tries waits in its
 * faults until the move is over. mm->moving keeps forks away, which would miss what is under way.
 */
#include "lib/oak/kernel.h"
#include "linux/core/container.h"
#include "linux/core/errno.h"
#include "linux/core/user.h"
#include "linux/core/window.h"
#include "linux/mm/area.h"
#include "linux/proc/task.h"

#include "abi/container.h"

#define STEP_PAGES 64u /* what one kernel call moves */
#define STEP_BYTES (STEP_PAGES * PAGE_SIZE)

struct move {
    struct mm *mm;
    uint64_t from;
    uint64_t to;
    uint32_t between; /* slot of a memory of a step's size; 0: there is none */
    bool begun;       /* pages have moved: there is no way back */
};

/* After a call had no memory: try again? Once pages have moved, as after a fault, for as long as
 * the process does not end. */
static bool is_retry(const struct move *move, status_t status)
{
    struct task *task = task_current();
    if (status != STATUS_NO_MEMORY || !move->begun) {
        return false;
    }
    return task_wait_for_memory(task) || !task->group->exiting;
}

static void rights_set(const struct mm *mm, uint64_t start, uint64_t length, uint32_t protection)
{
    const struct vm_area *area = mm_area_from(mm, start);
    if (area != NULL) { /* else somebody has unmapped it */
        (void)kernel_region_protect(mm->space, start, length, region_rights(area, protection));
    }
}

/* A bit for each page of the step that is the process's own at the old place. */
static uint64_t pages_left(const struct move *move, uint64_t at, uint64_t length)
{
    uint64_t left = 0;
    for (uint32_t i = 0; i < length >> PAGE_SHIFT; i++) {
        bool present = memory_page_present(move->mm->memory, move->from + at + i * PAGE_SIZE);
        left |= (uint64_t)present << i;
    }
    return left;
}

/* What can be moved of a step. *left is what cannot. */
static long step_move(struct move *move, uint64_t at, uint64_t length, uint64_t *left)
{
    uint32_t memory = move->mm->memory;
    status_t status = STATUS_NO_MEMORY;
    if (move->between != 0) {
        status = kernel_memory_move(move->between, 0, memory, move->from + at, length);
    }
    *left = status == STATUS_OK ? 0 : pages_left(move, at, length);
    if (move->between == 0) {
        return 0;
    }
    /* They move in order, up to one that cannot. */
    move->begun = move->begun || !(*left & 1);
    do {
        status = kernel_memory_move(memory, move->to + at, move->between, 0, length);
    } while (is_retry(move, status));
    return status == STATUS_OK ? 0 : -ENOMEM;
}

static long page_copy(struct move *move, uint64_t at)
{
    status_t status;
    do {
        /* Without memory this fails; a fault would end somebody. */
        status = kernel_memory_populate(move->mm->memory, move->to + at, PAGE_SIZE);
    } while (is_retry(move, status));
    if (status != STATUS_OK) {
        return -ENOMEM;
    }
    bool good = user_copy((void *)(uintptr_t)(move->to + at),
                          (const void *)(uintptr_t)(move->from + at), PAGE_SIZE) == 0;
    return good ? 0 : -EFAULT;
}

/* Only these pages: another one at the old place has come there since. */
static long step_copy(struct move *move, uint64_t at, uint64_t length, uint64_t left)
{
    long result = 0;
    if (left == 0) {
        return 0;
    }
    mutex_lock(&move->mm->lock);
    rights_set(move->mm, move->from + at, length, PROT_READ);
    mutex_unlock(&move->mm->lock);
    for (uint32_t i = 0; i < STEP_PAGES && result == 0; i++) {
        if (left >> i & 1) {
            result = page_copy(move, at + i * PAGE_SIZE);
        }
    }
    return result;
}

static uint32_t between_make(void)
{
    uint32_t slot = slot_alloc();
    if (slot != 0 &&
        kernel_memory_create(CONTAINER_SLOT_APPLICATION, slot, STEP_BYTES) != STATUS_OK) {
        slot_free(slot);
        slot = 0;
    }
    return slot;
}

static void between_end(uint32_t slot)
{
    if (slot != 0) {
        (void)kernel_object_destroy(slot);
        slot_free(slot);
    }
}

static long steps_do(struct move *move, uint64_t length)
{
    long result = 0;
    move->between = between_make();
    for (uint64_t at = 0; at < length && result == 0; at += STEP_BYTES) {
        uint64_t step = MIN(STEP_BYTES, length - at);
        uint64_t left;
        result = step_move(move, at, step, &left);
        if (result == 0) {
            result = step_copy(move, at, step, left);
        }
    }
    between_end(move->between);
    return result;
}

long pages_move(struct mm *mm, const struct page_move *wanted)
{
    struct move move = {.mm = mm, .from = wanted->from, .to = wanted->to};
    mutex_lock(&mm->lock);
    rights_set(mm, wanted->from, wanted->from_length, 0);
    rights_set(mm, wanted->to, wanted->to_length, PROT_READ | PROT_WRITE);
    mutex_unlock(&mm->lock);
    long result = steps_do(&move, MIN(wanted->from_length, wanted->to_length));
    mutex_lock(&mm->lock);
    rights_set(mm, wanted->to, wanted->to_length, wanted->protection);
    rights_set(mm, wanted->from, wanted->from_length, wanted->protection);
    mutex_unlock(&mm->lock);
    return result;
}
