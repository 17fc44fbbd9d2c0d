/*
 * The areas of an address space as a set: counted, and as few as their differences allow, so that
 * only who wants many of them meets AREAS_MAX. The kernel's regions stay as they are: what is done
 * to an area's range reaches all of them.
 */
#include "linux/mm/area.h"

bool area_continues(const struct vm_area *first, const struct vm_area *next)
{
    bool anonymous = first->file == NULL && first->shared == NULL && first->special == 0;
    return first->end == next->start && first->file == next->file &&
           first->special == next->special && first->shared == next->shared &&
           first->protection == next->protection && first->flags == next->flags &&
           first->name == next->name &&
           (anonymous || next->offset == first->offset + (next->start - first->start));
}

/* The kernel's regions and the count of who may store must say the same of both. */
static bool may_join(const struct vm_area *area, const struct vm_area *next)
{
    return next != NULL && area_continues(area, next) && area->covered == area->end &&
           area->stores == next->stores;
}

void areas_join(struct mm *mm, uint64_t start, uint64_t end)
{
    struct vm_area *area = mm_area_from(mm, start - MIN(start, 1));
    while (area != NULL && area->end <= end) {
        struct vm_area *next = mm_area_next(area);
        if (!may_join(area, next)) {
            area = next;
            continue;
        }
        area->end = next->end;
        area->covered = next->covered;
        area_leave(mm, next);
        area_free(next);
    }
}
