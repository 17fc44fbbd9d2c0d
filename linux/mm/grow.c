/* Areas that grow down when what lies below them is touched: MAP_GROWSDOWN (mmap(2)). */
#include "linux/core/errno.h"
#include "linux/mm/area.h"
#include "linux/proc/limit.h"

uint64_t area_low(const struct vm_area *area)
{
    return area->flags & MAP_GROWSDOWN ? area->start - MIN(area->start, STACK_GAP_BYTES)
                                       : area->start;
}

/* Something that can be touched would be nearer than the gap to the new start. */
static bool is_near(const struct mm *mm, const struct vm_area *area, uint64_t start)
{
    const struct vm_area *below = mm_area_from(mm, start - STACK_GAP_BYTES);
    while (below != area && (below->protection == 0 || below->flags & MAP_GROWSDOWN)) {
        below = mm_area_next(below);
    }
    return below != area;
}

bool area_grow_down(struct mm *mm, struct vm_area *area, uint64_t address)
{
    uint64_t start = ALIGN_DOWN(address, PAGE_SIZE);
    if (!(area->flags & MAP_GROWSDOWN) || start <= STACK_GAP_BYTES ||
        area->end - start > limit_now(RLIMIT_STACK) || is_near(mm, area, start) ||
        !mm_may_grow(mm, area, area->start - start)) {
        return false;
    }
    struct vm_area head = *area;
    head.start = start;
    head.end = area->start;
    if (region_make(mm, &head) != 0) {
        return false;
    }
    mm->pages_mapped += (area->start - start) >> PAGE_SHIFT;
    area->start = start; /* nothing lies between: the order of the areas stays */
    return true;
}
