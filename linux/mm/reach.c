/*
 * A debugger's reach into an address space (FOLL_FORCE of Linux): it reads what the program may
 * not, and writes into its code. A page that cannot be had the program's own way is shown in the
 * window for the copy. Before a page of a private mapping is written it is made the process's own,
 * by the kernel, in the process's own mapping, so that no mapping goes on to show the file's.
 *
 * mm->lock is held over such a copy, so that the page stays what it is: it is the window that is
 * touched, for whose faults nobody needs the lock.
 */
#include "lib/base/string.h"
#include "lib/oak/kernel.h"
#include "linux/core/errno.h"
#include "linux/core/user.h"
#include "linux/core/window.h"
#include "linux/file/file.h"
#include "linux/mm/area.h"

#define TRIES 8 /* pages of files that go away again before we come to them */

/* The process's own copy of the page, under its own mapping: 0, or what populate says. */
static status_t page_own(struct mm *mm, const struct vm_area *area, uint64_t page)
{
    uint64_t rights = region_rights(area, area->protection);
    status_t status =
        kernel_region_protect(mm->space, page, PAGE_SIZE, rights | RIGHT_READ | RIGHT_WRITE);
    if (status == STATUS_OK) {
        status = kernel_region_populate(mm->space, page, PAGE_SIZE);
    }
    /* Cut out already: this needs no memory. */
    (void)kernel_region_protect(mm->space, page, PAGE_SIZE, rights);
    return status;
}

static long page_copy(const struct window_page *page, uint64_t offset, void *here,
                      uint64_t length_bytes, bool write)
{
    void *window;
    if (window_map_page(page, write, &window) != 0) {
        return -EFAULT;
    }
    uint8_t *there = (uint8_t *)window + offset;
    long result =
        write ? user_copy(there, here, length_bytes) : user_copy(here, there, length_bytes);
    window_unmap_memory(window, PAGE_SIZE);
    return result;
}

/* Within a page, under mm->lock. -EAGAIN: the file's page is not there. */
static long page_reach(struct mm *mm, const struct vm_area *area, uint64_t address, void *here,
                       uint64_t length_bytes, bool write)
{
    uint64_t page = ALIGN_DOWN(address, PAGE_SIZE);
    struct area_pages pages;
    if (area_pages_find(mm, area, &pages) != 0 || page - area->start >= pages.length_bytes ||
        (write && (area->flags & MAP_SHARED))) {
        return -EFAULT;
    }
    struct window_page shown = {pages.private_slot, pages.private_offset + (page - area->start),
                                pages.source_slot, pages.source_offset + (page - area->start)};
    if (write) {
        status_t status = page_own(mm, area, page);
        if (status != STATUS_OK) {
            return status == STATUS_WOULD_BLOCK ? -EAGAIN : -EFAULT;
        }
        shown.source_slot = 0;
        shown.source_offset = 0;
    }
    long result = page_copy(&shown, address - page, here, length_bytes, write);
    return result != 0 && area->file != NULL ? -EAGAIN : result;
}

static long page_force(struct mm *mm, uint64_t address, void *here, uint64_t length_bytes,
                       bool write)
{
    long result = -EAGAIN;
    for (int i = 0; i < TRIES && result == -EAGAIN; i++) {
        struct file *file = NULL;
        uint64_t offset = 0;
        mutex_lock(&mm->lock);
        const struct vm_area *area = mm_area_from(mm, address);
        if (area == NULL || area->start > address) {
            result = -EFAULT;
        } else {
            result = page_reach(mm, area, address, here, length_bytes, write);
        }
        if (result == -EAGAIN && area->file != NULL) {
            file = area->file;
            file_get(file);
            offset = area->offset + (ALIGN_DOWN(address, PAGE_SIZE) - area->start);
        }
        mutex_unlock(&mm->lock);
        if (file != NULL) {
            result = file_page_in(file, offset) != 0 ? -EFAULT : result;
            file_put(file);
        }
    }
    return result == 0 ? 0 : -EFAULT;
}

long mm_reach(struct mm *mm, uint64_t address, void *here, uint64_t length_bytes, bool write)
{
    if (!user_range(address, length_bytes)) {
        return -EFAULT;
    }
    for (uint64_t done = 0; done < length_bytes;) {
        uint64_t there = address + done;
        uint8_t *piece = (uint8_t *)here + done;
        uint64_t length = MIN(length_bytes - done, PAGE_SIZE - there % PAGE_SIZE);
        if (mm_transfer(mm, there, piece, length, write) != 0 &&
            page_force(mm, there, piece, length, write) != 0) {
            return -EFAULT;
        }
        done += length;
    }
    return 0;
}
