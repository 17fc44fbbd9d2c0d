/* What programs say and ask of ranges: madvise(2), msync(2), mincore(2). */
#include "lib/base/string.h"
#include "lib/oak/kernel.h"
#include "linux/core/errno.h"
#include "linux/core/syscalls.h"
#include "linux/core/user.h"
#include "linux/mm/advise.h"
#include "linux/mm/area.h"
#include "linux/proc/signal.h"
#include "linux/proc/task.h"

#define MADV_WILLNEED   3
#define MADV_DONTNEED   4
#define MADV_FREE       8
#define MADV_REMOVE     9
#define MADV_DONTFORK   10
#define MADV_DOFORK     11
#define MADV_HUGEPAGE   14
#define MADV_NOHUGEPAGE 15
#define MADV_WIPEONFORK 18
#define MADV_KEEPONFORK 19
#define MADV_PAGEOUT    21
#define MADV_READ       22 /* MADV_POPULATE_READ */
#define MADV_WRITE      23

/* What promises something that we do not keep is refused; hints may be taken without doing. */
static bool advice_known(uint64_t advice)
{
    return advice <= MADV_DONTNEED || advice == MADV_FREE || advice == MADV_REMOVE ||
           (advice >= MADV_DONTFORK && advice <= MADV_WRITE);
}

static bool is_fork_advice(uint64_t advice)
{
    return advice == MADV_DONTFORK || advice == MADV_DOFORK || advice == MADV_WIPEONFORK ||
           advice == MADV_KEEPONFORK;
}

/* Only that can be wiped in another process, or have large pages. */
static bool is_private_anonymous(const struct vm_area *area)
{
    return area->file == NULL && area->special == 0 && !(area->flags & MAP_SHARED);
}

static long fork_advice_mark(struct mm *mm, uint64_t start, uint64_t end, uint64_t advice)
{
    uint32_t flag =
        advice == MADV_DONTFORK || advice == MADV_DOFORK ? AREA_FORK_OMITS : AREA_FORK_WIPES;
    bool set = advice == MADV_DONTFORK || advice == MADV_WIPEONFORK;
    long result = range_cut(mm, start, end);
    mm->has_fork_advice |= set;
    for (struct vm_area *area = mm_area_from(mm, start);
         result == 0 && area != NULL && area->start < end; area = mm_area_next(area)) {
        if (advice == MADV_WIPEONFORK && !is_private_anonymous(area)) {
            return -EINVAL;
        }
        area->flags = set ? area->flags | flag : area->flags & ~flag;
    }
    return result;
}

/* Large pages are for what is the process's alone; elsewhere the advice is taken and not followed.
 */
static long large_advice_mark(struct mm *mm, uint64_t start, uint64_t end, bool large)
{
    long result = range_cut(mm, start, end);
    for (struct vm_area *area = mm_area_from(mm, start);
         result == 0 && area != NULL && area->start < end; area = mm_area_next(area)) {
        if (!is_private_anonymous(area) || large == ((area->flags & AREA_LARGE) != 0)) {
            continue;
        }
        area->flags ^= AREA_LARGE;
        if (kernel_region_protect(mm->space, area->start, area->end - area->start,
                                  region_rights(area, area->protection)) != STATUS_OK) {
            area->flags ^= AREA_LARGE;
            result = -EAGAIN;
        }
    }
    return result;
}

/* Does all it can, and then tells of holes. */
static bool has_hole(const struct mm *mm, uint64_t start, uint64_t end)
{
    return range_covered_end(mm, start, end) < end;
}

long linux_madvise(uint64_t address, uint64_t length, uint64_t advice, uint64_t d, uint64_t e,
                   uint64_t f)
{
    (void)d, (void)e, (void)f;
    struct mm *mm = task_current()->mm;
    length = ALIGN_UP(length, PAGE_SIZE);
    if (!advice_known(advice) || address % PAGE_SIZE != 0) {
        return -EINVAL;
    }
    if (!user_range(address, length)) {
        return -ENOMEM;
    }
    if (advice == MADV_READ || advice == MADV_WRITE) {
        return advise_populate(mm, address, address + length, advice == MADV_WRITE);
    }
    if (advice == MADV_REMOVE) {
        return advise_remove(mm, address, address + length);
    }
    if (advice == MADV_DONTNEED || advice == MADV_FREE) {
        advise_discard(mm, address, address + length);
    }
    long result = 0;
    mutex_lock(&mm->lock);
    if (is_fork_advice(advice)) {
        result = fork_advice_mark(mm, address, address + length, advice);
    } else if (advice == MADV_HUGEPAGE || advice == MADV_NOHUGEPAGE) {
        bool large = advice == MADV_HUGEPAGE && !task_current()->group->huge_pages_off;
        result = large_advice_mark(mm, address, address + length, large);
    }
    areas_join(mm, address, address + length);
    bool hole = has_hole(mm, address, address + length);
    mutex_unlock(&mm->lock);
    return result != 0 ? result : hole ? -ENOMEM : 0;
}

#define MS_ASYNC      1u
#define MS_INVALIDATE 2u
#define MS_SYNC       4u

/* A shared mapping's pages are the file's own: there is nothing to write back. */
long linux_msync(uint64_t address, uint64_t length, uint64_t flags, uint64_t d, uint64_t e,
                 uint64_t f)
{
    (void)d, (void)e, (void)f;
    struct mm *mm = task_current()->mm;
    length = ALIGN_UP(length, PAGE_SIZE);
    if (address % PAGE_SIZE != 0 || flags & ~(uint64_t)(MS_ASYNC | MS_INVALIDATE | MS_SYNC) ||
        (flags & (MS_ASYNC | MS_SYNC)) == (MS_ASYNC | MS_SYNC)) {
        return -EINVAL;
    }
    if (!user_range(address, length)) {
        return -ENOMEM;
    }
    mutex_lock(&mm->lock);
    areas_join(mm, address, address + length);
    bool hole = has_hole(mm, address, address + length);
    mutex_unlock(&mm->lock);
    return hole ? -ENOMEM : 0;
}

/* --- mincore --------------------------------------------------------------------------------- */

#define PAGES_AT_ONCE 256u

static bool page_present(uint64_t slot, uint64_t offset)
{
    return slot != 0 && memory_page_present(slot, offset);
}

/* A page of the file is resident for whoever maps it; behind its end there is none. */
static bool page_resident(const struct area_pages *pages, uint64_t offset)
{
    return offset < pages->length_bytes &&
           (page_present(pages->private_slot, pages->private_offset + offset) ||
            page_present(pages->source_slot, pages->source_offset + offset));
}

static bool residents_look(const struct mm *mm, uint64_t address, uint8_t *present, uint64_t count)
{
    struct vm_area *area = mm_area_from(mm, address);
    struct area_pages pages;
    bool found = false;
    for (uint64_t i = 0; i < count; i++, address += PAGE_SIZE) {
        if (area != NULL && area->end <= address) {
            area = mm_area_next(area);
            found = false;
        }
        if (area == NULL || area->start > address) {
            return false;
        }
        if (!found && area_pages_find(mm, area, &pages) != 0) {
            pages.length_bytes = 0;
        }
        found = true;
        present[i] = page_resident(&pages, address - area->start);
    }
    return true;
}

long linux_mincore(uint64_t address, uint64_t length, uint64_t user_pages, uint64_t d, uint64_t e,
                   uint64_t f)
{
    (void)d, (void)e, (void)f;
    struct mm *mm = task_current()->mm;
    uint8_t pages[PAGES_AT_ONCE];
    if (address % PAGE_SIZE != 0) {
        return -EINVAL;
    }
    if (!user_range(address, length)) {
        return -ENOMEM;
    }
    uint64_t count = ALIGN_UP(length, PAGE_SIZE) >> PAGE_SHIFT;
    for (uint64_t done = 0; done < count;) {
        uint64_t part = MIN(count - done, PAGES_AT_ONCE);
        mutex_lock(&mm->lock);
        bool good = residents_look(mm, address + (done << PAGE_SHIFT), pages, part);
        mutex_unlock(&mm->lock);
        if (!good) {
            return -ENOMEM;
        }
        if (copy_to_user(user_pages + done, pages, part) != 0) {
            return -EFAULT;
        }
        done += part;
        if (done < count && signal_ends(task_current())) {
            return -ERESTARTSYS;
        }
    }
    return 0;
}
