/*
 * Who maps a file: there is no list of a file's mappings. A question that is rare looks through all
 * processes of the container.
 *
 * A mapped file became shorter: in every address space that maps it, what lies behind its end is
 * mapped no more, private copies included, and touching it is SIGBUS. When the file grows again the
 * fault maps it again (fault.c).
 */
#include "linux/mm/area.h"

#include "lib/oak/kernel.h"
#include "linux/file/file.h"
#include "linux/proc/table.h"

/* The mm of the first process from *pid on, with a reference; NULL: there is no further one. */
static struct mm *mm_next(int *pid)
{
    struct mm *found = NULL;
    mutex_lock(&tasks_lock);
    for (; *pid <= table_highest() && found == NULL; ++*pid) {
        const struct thread_group *group = group_find(*pid);
        if (group != NULL && group->tasks != NULL && group->tasks->mm != NULL) {
            found = group->tasks->mm;
            mm_get(found);
        }
    }
    mutex_unlock(&tasks_lock);
    return found;
}

static void area_cut(struct mm *mm, struct vm_area *area, uint64_t end_offset)
{
    uint64_t kept = end_offset > area->offset ? end_offset - area->offset : 0;
    if (kept >= area->end - area->start) {
        return;
    }
    uint64_t start = area->start + kept;
    /* Without memory to split a region it stays, and shows zeros. */
    if (kernel_region_unmap(mm->space, start, area->end - start) == STATUS_OK) {
        area->covered = MIN(area->covered, start);
    }
    if (!(area->flags & MAP_SHARED)) {
        (void)kernel_memory_discard(mm->memory, start, area->end - start);
    }
}

void mm_file_shrunk(const struct inode *inode, uint64_t size_bytes)
{
    int pid = 1;
    struct mm *mm;
    while ((mm = mm_next(&pid)) != NULL) {
        mutex_lock(&mm->lock);
        for (struct vm_area *area = mm_area_from(mm, 0); area != NULL; area = mm_area_next(area)) {
            if (area->file != NULL && area->file->path.inode == inode) {
                area_cut(mm, area, ALIGN_UP(size_bytes, PAGE_SIZE));
            }
        }
        mutex_unlock(&mm->lock);
        mm_put(mm);
    }
}

uint64_t mm_file_attached(const struct file *file)
{
    int pid = 1;
    uint64_t count = 0;
    struct mm *mm;
    while ((mm = mm_next(&pid)) != NULL) {
        mutex_lock(&mm->lock);
        for (const struct vm_area *area = mm_area_from(mm, 0); area != NULL;
             area = mm_area_next(area)) {
            count += area->file == file;
        }
        mutex_unlock(&mm->lock);
        mm_put(mm);
    }
    return count;
}
