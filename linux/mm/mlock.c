/*
 * mlock(2) and its family, as accounting: pages never leave memory here once they are there, so
 * that an area that is locked is only marked, and counted against RLIMIT_MEMLOCK.
 */
#include "linux/core/errno.h"
#include "linux/core/syscalls.h"
#include "linux/core/user.h"
#include "linux/mm/area.h"
#include "linux/proc/capability.h"
#include "linux/proc/limit.h"

#define MLOCK_ONFAULT 1u
#define MCL_CURRENT   1u
#define MCL_FUTURE    2u
#define MCL_ONFAULT   4u

static bool privileged(void)
{
    return task_capable(CAP_IPC_LOCK);
}

uint64_t mm_locked_bytes(const struct mm *mm)
{
    uint64_t bytes = 0;
    for (const struct vm_area *area = mm_area_from(mm, 0); area != NULL;
         area = mm_area_next(area)) {
        bytes += area->flags & MAP_LOCKED ? area->end - area->start : 0;
    }
    return bytes;
}

/* How much of the range is not locked yet. */
static uint64_t unlocked_bytes(const struct mm *mm, uint64_t start, uint64_t end)
{
    uint64_t bytes = 0;
    for (const struct vm_area *area = mm_area_from(mm, start); area != NULL && area->start < end;
         area = mm_area_next(area)) {
        bytes += area->flags & MAP_LOCKED ? 0 : MIN(area->end, end) - MAX(area->start, start);
    }
    return bytes;
}

static long limit_check(const struct mm *mm, uint64_t start, uint64_t end)
{
    uint64_t limit = limit_now(RLIMIT_MEMLOCK);
    if (privileged() || limit == UINT64_MAX) {
        return 0;
    }
    if (limit == 0) {
        return -EPERM;
    }
    bool fits =
        mm_locked_bytes(mm) + unlocked_bytes(mm, start, end) <= ALIGN_DOWN(limit, PAGE_SIZE);
    return fits ? 0 : -ENOMEM;
}

/* Does all it can, and then tells of holes. */
static long mark(struct mm *mm, uint64_t start, uint64_t end, uint32_t flag)
{
    long result = range_cut(mm, start, end);
    if (result != 0) {
        return result;
    }
    for (struct vm_area *area = mm_area_from(mm, start); area != NULL && area->start < end;
         area = mm_area_next(area)) {
        area->flags = (area->flags & ~(uint32_t)MAP_LOCKED) | flag;
    }
    areas_join(mm, start, end);
    return range_covered_end(mm, start, end) < end ? -ENOMEM : 0;
}

static long lock_change(uint64_t address, uint64_t length, bool locked)
{
    struct mm *mm = task_current()->mm;
    uint64_t start = ALIGN_DOWN(address, PAGE_SIZE);
    length = ALIGN_UP(length + (address - start), PAGE_SIZE);
    if (start + length < start) {
        return -EINVAL;
    }
    if (length == 0) {
        return 0;
    }
    if (!user_range(start, length)) {
        return -ENOMEM;
    }
    mutex_lock(&mm->lock);
    long result = locked ? limit_check(mm, start, start + length) : 0;
    if (result == 0) {
        result = mark(mm, start, start + length, locked ? MAP_LOCKED : 0);
    }
    mutex_unlock(&mm->lock);
    return result;
}

long linux_mlock(uint64_t address, uint64_t length, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
    (void)c, (void)d, (void)e, (void)f;
    return lock_change(address, length, true);
}

long linux_mlock2(uint64_t address, uint64_t length, uint64_t flags, uint64_t d, uint64_t e,
                  uint64_t f)
{
    (void)d, (void)e, (void)f;
    return flags & ~(uint64_t)MLOCK_ONFAULT ? -EINVAL : lock_change(address, length, true);
}

long linux_munlock(uint64_t address, uint64_t length, uint64_t c, uint64_t d, uint64_t e,
                   uint64_t f)
{
    (void)c, (void)d, (void)e, (void)f;
    return lock_change(address, length, false);
}

/* MCL_FUTURE is taken and marks nothing. */
long linux_mlockall(uint64_t flags, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
    (void)b, (void)c, (void)d, (void)e, (void)f;
    struct mm *mm = task_current()->mm;
    if (flags == 0 || flags == MCL_ONFAULT ||
        flags & ~(uint64_t)(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT)) {
        return -EINVAL;
    }
    mutex_lock(&mm->lock);
    long result = limit_check(mm, 0, flags & MCL_CURRENT ? APPLICATION_END : 0);
    if (result == 0 && flags & MCL_CURRENT) {
        (void)mark(mm, 0, APPLICATION_END, MAP_LOCKED);
    }
    mutex_unlock(&mm->lock);
    return result;
}

long linux_munlockall(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
    (void)a, (void)b, (void)c, (void)d, (void)e, (void)f;
    struct mm *mm = task_current()->mm;
    mutex_lock(&mm->lock);
    (void)mark(mm, 0, APPLICATION_END, 0);
    mutex_unlock(&mm->lock);
    return 0;
}
