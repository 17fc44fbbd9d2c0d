/*
 * Advice of madvise(2) that has something done to the pages of a range: POPULATE_READ and
 * POPULATE_WRITE have them there, DONTNEED gives them up, REMOVE takes them out of the file that
 * they show. Only some areas are looked at together: user memory and files are touched without
 * mm->lock, and a process that is to end does so in between.
 */
#include "linux/mm/advise.h"

#include "lib/oak/kernel.h"
#include "linux/core/errno.h"
#include "linux/core/user.h"
#include "linux/file/file.h"
#include "linux/mm/area.h"
#include "linux/proc/signal.h"
#include "linux/proc/table.h"
#include "linux/proc/task.h"

#define DISCARD_AREAS 256

/* A copy of the area at the address, with a reference to its file; -ENOMEM: there is none. */
static long area_look(struct mm *mm, uint64_t address, struct vm_area *out)
{
    mutex_lock(&mm->lock);
    const struct vm_area *area = mm_area_from(mm, address);
    bool found = area != NULL && area->start <= address;
    if (found) {
        *out = *area;
        if (out->file != NULL) {
            file_get(out->file);
        }
    }
    mutex_unlock(&mm->lock);
    return found ? 0 : -ENOMEM;
}

static void area_done(const struct vm_area *area)
{
    if (area->file != NULL) {
        file_put(area->file);
    }
}

/* --- populate --------------------------------------------------------------------------------- */

/* As the program would touch it; a store puts there what is there. */
static long page_touch(uint64_t address, bool write)
{
    uint32_t word;
    if (copy_from_user(&word, address, sizeof(word)) != 0) {
        return -EFAULT;
    }
    long done = write ? 0 : 1;
    while (done == 0) {
        done = exchange_user_u32(address, &word, word);
    }
    return done < 0 ? -EFAULT : 0;
}

static long area_populate(const struct vm_area *area, uint64_t start, uint64_t end, bool write)
{
    uint32_t needed = write ? PROT_WRITE : PROT_READ;
    long result = area->protection & needed && area->special == 0 ? 0 : -EINVAL;
    for (uint64_t page = start; page < end && result == 0; page += PAGE_SIZE) {
        result = signal_ends(task_current()) ? -EINTR : page_touch(page, write);
    }
    return result;
}

long advise_populate(struct mm *mm, uint64_t start, uint64_t end, bool write)
{
    long result = 0;
    while (start < end && result == 0) {
        struct vm_area area;
        result = area_look(mm, start, &area);
        if (result == 0) {
            uint64_t area_end = MIN(area.end, end);
            result = area_populate(&area, start, area_end, write);
            area_done(&area);
            start = area_end;
        }
    }
    return result;
}

/* --- discard ---------------------------------------------------------------------------------- */

/* How far a discard goes at once: its steps in the kernel look at all areas of the process, so that
 * it is no call for each. What is not private has no page in the process's own memory. */
static uint64_t discard_end(const struct mm *mm, uint64_t start, uint64_t end)
{
    const struct vm_area *area = mm_area_from(mm, start);
    for (uint32_t i = 1; i < DISCARD_AREAS && area != NULL; i++) {
        area = mm_area_next(area);
    }
    return area != NULL ? MIN(area->end, end) : end;
}

void advise_discard(struct mm *mm, uint64_t start, uint64_t end)
{
    bool ends = false;
    while (start < end && !ends) {
        mutex_lock(&mm->lock);
        uint64_t next = discard_end(mm, start, end);
        (void)kernel_memory_discard(mm->memory, start, next - start);
        mutex_unlock(&mm->lock);
        start = next;
        ends = start < end && signal_ends(task_current());
    }
}

/* --- remove ----------------------------------------------------------------------------------- */

static long area_remove(struct mm *mm, const struct vm_area *area, uint64_t start, uint64_t end)
{
    uint64_t offset = area->offset + (start - area->start);
    bool shared = area->flags & MAP_SHARED;
    if (area->flags & MAP_LOCKED || area->special != 0 || (!shared && area->file == NULL)) {
        return -EINVAL;
    }
    if (!shared || (area->file != NULL && !file_writable(area->file))) {
        return -EACCES;
    }
    if (area->file != NULL) {
        struct inode *inode = area->file->path.inode;
        return inode->operations->punch == NULL
                   ? -EOPNOTSUPP
                   : inode->operations->punch(inode, offset, end - start);
    }
    /* Nothing keeps the memory once the area is gone: it is looked for again. */
    mutex_lock(&mm->lock);
    const struct vm_area *now = mm_area_from(mm, start);
    bool same = now != NULL && now->start <= start && now->end >= end && now->shared != NULL &&
                now->shared == area->shared && now->offset + (start - now->start) == offset;
    status_t status =
        same ? kernel_memory_discard(now->shared->memory, offset, end - start) : STATUS_NOT_FOUND;
    mutex_unlock(&mm->lock);
    return status == STATUS_OK ? 0 : -ENOMEM;
}

/* Goes on behind holes, and then tells of them. */
long advise_remove(struct mm *mm, uint64_t start, uint64_t end)
{
    long result = 0;
    bool hole = false;
    while (start < end && result == 0) {
        struct vm_area area;
        if (area_look(mm, start, &area) != 0) {
            hole = true;
            mutex_lock(&mm->lock);
            const struct vm_area *next = mm_area_from(mm, start);
            start = next != NULL ? MIN(next->start, end) : end;
            mutex_unlock(&mm->lock);
            continue;
        }
        uint64_t area_end = MIN(area.end, end);
        result = area_remove(mm, &area, start, area_end);
        area_done(&area);
        start = area_end;
    }
    return result != 0 ? result : hole ? -ENOMEM : 0;
}
