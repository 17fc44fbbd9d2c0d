/* mremap(2): shrinking, growing in place, moving. */
#include "lib/oak/kernel.h"
#include "linux/core/errno.h"
#include "linux/core/syscalls.h"
#include "linux/core/user.h"
#include "linux/mm/area.h"
#include "linux/proc/task.h"

#define MREMAP_MAYMOVE   1u
#define MREMAP_FIXED     2u
#define MREMAP_DONTUNMAP 4u
#define MREMAP_ALL       7u

struct remap {
    struct mm *mm;
    uint64_t from;
    uint64_t old_length;
    uint64_t to;
    uint64_t new_length;
    uint32_t flags;
};

/* The area that the old range begins in, and *last, in which it ends; NULL: not one mapping. */
static struct vm_area *area_wanted(const struct remap *remap, struct vm_area **last)
{
    struct vm_area *first = mm_area_from(remap->mm, remap->from);
    if (first == NULL || first->start > remap->from) {
        return NULL;
    }
    struct vm_area *area = first;
    while (area->end < remap->from + remap->old_length) {
        struct vm_area *next = mm_area_next(area);
        if (next == NULL || next->start != area->end || !area_continues(first, next)) {
            return NULL;
        }
        area = next;
    }
    *last = area;
    return first;
}

/* -ENOMEM: there is no room behind it. Under the lock. */
static long grow_in_place(const struct remap *remap, struct vm_area *last)
{
    struct mm *mm = remap->mm;
    uint64_t more = remap->new_length - remap->old_length;
    if (last->end != remap->from + remap->old_length || !range_free(mm, last->end, more) ||
        last->special != 0 || last->shared != NULL || !mm_may_grow(mm, last, more)) {
        return -ENOMEM;
    }
    struct vm_area tail = *last;
    tail.start = last->end;
    tail.end = last->end + more;
    tail.offset += last->end - last->start;
    long result = region_make(mm, &tail);
    if (result == 0) {
        last->covered = last->covered == last->end ? tail.covered : last->covered;
        last->end = tail.end;
        mm->pages_mapped += more >> PAGE_SHIFT;
    }
    return result;
}

/* The old place stays, empty: a private one's pages have moved but those that were copied. */
static void empty_old(const struct remap *remap, bool private)
{
    struct mm *mm = remap->mm;
    uint64_t end = remap->from + remap->old_length;
    if (private) {
        (void)kernel_memory_discard(mm->memory, remap->from, remap->old_length);
    }
    mutex_lock(&mm->lock);
    if (range_cut(mm, remap->from, end) == 0) {
        struct vm_area *area = mm_area_from(mm, remap->from);
        for (; area != NULL && area->start < end; area = mm_area_next(area)) {
            area->flags &= ~(uint32_t)MAP_LOCKED;
        }
    }
    mutex_unlock(&mm->lock);
}

/* Takes over `fresh`, the area at the new place. mm->moving is held. */
static long move(struct remap *remap, struct vm_area *fresh)
{
    struct mm *mm = remap->mm;
    uint32_t protection = fresh->protection;
    bool private = !(fresh->flags & MAP_SHARED);
    fresh->end = remap->new_length;
    long result = area_place(mm, fresh, remap->to, remap->flags & MREMAP_FIXED ? MAP_FIXED : 0);
    if (result < 0) {
        return result;
    }
    remap->to = (uint64_t)result;
    const struct page_move pages = {remap->from, remap->old_length, remap->to, remap->new_length,
                                    protection};
    result = private ? pages_move(mm, &pages) : 0;
    if (result != 0) {
        (void)mm_unmap(mm, remap->to, remap->new_length);
        return result;
    }
    if (remap->flags & MREMAP_DONTUNMAP) {
        empty_old(remap, private);
    } else {
        (void)mm_unmap(mm, remap->from, remap->old_length);
    }
    return (long)remap->to;
}

/* 0: not done yet, `*fresh` is a copy of the area, to be moved. Under the lock. */
static long remap_locked(struct remap *remap, struct vm_area **fresh)
{
    struct vm_area *last;
    struct vm_area *area = area_wanted(remap, &last);
    if (area == NULL) {
        return -EFAULT;
    }
    if (!(remap->flags & (MREMAP_FIXED | MREMAP_DONTUNMAP))) {
        if (remap->new_length == remap->old_length || grow_in_place(remap, last) == 0) {
            return (long)remap->from;
        }
        if (!(remap->flags & MREMAP_MAYMOVE)) {
            return -ENOMEM;
        }
    }
    *fresh = area_copy(area);
    if (*fresh == NULL) {
        return -ENOMEM;
    }
    (*fresh)->offset += remap->from - area->start;
    return 0;
}

static long remap_check(const struct remap *remap, uint64_t user_new_length)
{
    bool new_place = remap->flags & (MREMAP_FIXED | MREMAP_DONTUNMAP);
    if (remap->flags & ~MREMAP_ALL || remap->from % PAGE_SIZE != 0 || user_new_length == 0 ||
        remap->old_length == 0 || !user_range(remap->from, remap->old_length) ||
        remap->new_length > APPLICATION_END || remap->new_length < user_new_length) {
        return -EINVAL;
    }
    if (new_place) {
        bool apart = remap->from + remap->old_length <= remap->to ||
                     remap->to + remap->new_length <= remap->from;
        if (!(remap->flags & MREMAP_MAYMOVE) || remap->to % PAGE_SIZE != 0 ||
            (remap->flags & MREMAP_FIXED && remap->to < PAGE_SIZE) ||
            !user_range(remap->to, remap->new_length) || !apart) {
            return -EINVAL;
        }
    }
    return 0;
}

long linux_mremap(uint64_t address, uint64_t old_length, uint64_t new_length, uint64_t flags,
                  uint64_t new_address, uint64_t f)
{
    (void)f;
    struct remap remap = {
        .mm = task_current()->mm,
        .from = address,
        .old_length = ALIGN_UP(old_length, PAGE_SIZE),
        .to = flags & (MREMAP_FIXED | MREMAP_DONTUNMAP) ? new_address : 0,
        .new_length = ALIGN_UP(new_length, PAGE_SIZE),
        .flags = (uint32_t)flags,
    };
    long result = remap_check(&remap, new_length);
    if (result == 0 && (flags & MREMAP_DONTUNMAP) && old_length != new_length) {
        result = -EINVAL;
    }
    if (result != 0) {
        return result;
    }
    if (remap.new_length < remap.old_length) {
        result =
            mm_unmap(remap.mm, address + remap.new_length, remap.old_length - remap.new_length);
        if (result != 0) {
            return result;
        }
        remap.old_length = remap.new_length;
    }
    struct vm_area *fresh = NULL;
    mutex_lock(&remap.mm->moving);
    mutex_lock(&remap.mm->lock);
    result = remap_locked(&remap, &fresh);
    mutex_unlock(&remap.mm->lock);
    if (result == 0) {
        result = move(&remap, fresh);
    }
    mutex_unlock(&remap.mm->moving);
    return result;
}
