/* Page faults that the kernel forwards: pages to be had from storage, or signals. */
#include "lib/oak/kernel.h"
#include "linux/core/errno.h"
#include "linux/core/trap.h"
#include "linux/file/file.h"
#include "linux/mm/area.h"
#include "linux/proc/signal.h"
#include "linux/proc/task.h"

#define FAULT_WRITE 2
#define FAULT_FETCH 16
/* Bits 32-47 of the error: why the kernel could not resolve it. */
#define FAULT_STATUS(error) ((status_t)((error) >> 32 & 0xffff))

enum fault_kind {
    FAULT_RETRY,  /* it is there now */
    FAULT_MAPERR, /* nothing is mapped */
    FAULT_ACCERR, /* not with this access */
    FAULT_BUS,    /* beyond the end of the file, or not readable */
    FAULT_NO_MEMORY,
};

static uint32_t needed_protection(uint64_t error)
{
    return error & FAULT_FETCH ? PROT_EXEC : error & FAULT_WRITE ? PROT_WRITE : PROT_READ;
}

/* What the area says, and where in the file the page is. */
static enum fault_kind area_look(struct mm *mm, uint64_t address, uint64_t error,
                                 struct file **file, uint64_t *offset, bool *special)
{
    enum fault_kind kind = FAULT_RETRY;
    *file = NULL;
    *special = false;
    mutex_lock(&mm->lock);
    struct vm_area *area = mm_area_from(mm, address);
    if (area == NULL || (area->start > address && !area_grow_down(mm, area, address))) {
        kind = FAULT_MAPERR;
    } else if (!(area->protection & needed_protection(error)) &&
               !(needed_protection(error) == PROT_READ && area->protection != 0)) {
        kind = FAULT_ACCERR;
    } else if (area->file != NULL) {
        *file = area->file;
        file_get(*file);
        *offset = area->offset + (ALIGN_DOWN(address, PAGE_SIZE) - area->start);
    } else {
        *special = area->special != 0;
    }
    mutex_unlock(&mm->lock);
    return kind;
}

/* The file ended before this page when the area was mapped, and does no more; or the area is one
 * that the kernel gets to know when it is touched. */
static enum fault_kind area_map_again(struct mm *mm, uint64_t address)
{
    enum fault_kind kind = FAULT_RETRY;
    mutex_lock(&mm->lock);
    struct vm_area *area = mm_area_from(mm, address);
    if (area != NULL && area->start <= address && (area->file != NULL || area->special != 0)) {
        /* Usually only what follows; all of it where somebody else was at it meanwhile. */
        struct vm_area rest = *area;
        if (address >= area->covered) {
            rest.start = area->covered;
            rest.offset += rest.start - area->start;
        }
        long result = -ENOMEM;
        if (kernel_region_unmap(mm->space, rest.start, rest.end - rest.start) == STATUS_OK) {
            result = region_make(mm, &rest);
        }
        area->covered = result == 0 ? rest.covered : rest.start;
        kind = result == 0 ? FAULT_RETRY : result == -ENOMEM ? FAULT_NO_MEMORY : FAULT_BUS;
    }
    mutex_unlock(&mm->lock);
    return kind;
}

static enum fault_kind fault_handle(struct mm *mm, uint64_t address, uint64_t error)
{
    struct file *file;
    uint64_t offset;
    bool special;
    enum fault_kind kind = area_look(mm, address, error, &file, &offset, &special);
    if (kind != FAULT_RETRY) {
        return kind;
    }
    if (FAULT_STATUS(error) == STATUS_NO_MEMORY) {
        kind = FAULT_NO_MEMORY;
    } else if (file != NULL && FAULT_STATUS(error) == STATUS_NOT_FOUND) {
        kind = file_beyond(file, offset) ? FAULT_BUS : area_map_again(mm, address);
    } else if (special && FAULT_STATUS(error) == STATUS_NOT_FOUND) {
        kind = area_map_again(mm, address);
    } else if (file != NULL && file_page_in(file, offset) != 0) {
        kind = FAULT_BUS;
    }
    if (file != NULL) {
        file_put(file);
    }
    return kind;
}

bool mm_page_in(struct mm *mm, uint64_t address, uint64_t error)
{
    enum fault_kind kind = fault_handle(mm, address, error);
    return kind == FAULT_RETRY || (kind == FAULT_NO_MEMORY && task_wait_for_memory(task_current()));
}

void mm_fault(struct task *task, const struct thread_frame *frame)
{
    uint64_t address = frame->application.address;
    enum fault_kind kind = address < APPLICATION_END
                               ? fault_handle(task->mm, address, frame->application.error)
                               : FAULT_MAPERR;
    switch (kind) {
    case FAULT_RETRY:
        return;
    case FAULT_MAPERR:
        signal_force(task, SIGSEGV, SEGV_MAPERR, address);
        return;
    case FAULT_ACCERR:
        signal_force(task, SIGSEGV, SEGV_ACCERR, address);
        return;
    case FAULT_BUS:
        signal_force(task, SIGBUS, BUS_ADRERR, address);
        return;
    case FAULT_NO_MEMORY:
        task_out_of_memory(task);
        return;
    }
}
