/*
 * What /proc tells of a process's memory: its areas, its command line and environment.
 *
 * mm->lock is held while areas are written down; the heap and the locks that file_path_text needs
 * stand below it.
 */
#include "lib/base/format.h"
#include "lib/base/string.h"
#include "linux/core/container.h"
#include "linux/core/errno.h"
#include "linux/core/heap.h"
#include "linux/core/user.h"
#include "linux/file/file.h"
#include "linux/file/io.h"
#include "linux/file/proc_entry.h"
#include "linux/mm/mm.h"
#include "linux/proc/signal.h"
#include "linux/proc/task.h"

#define STRINGS_MAX 131072u /* of a command line or an environment */
#define PIECE       1024u
#define NAME_COLUMN 73
#define PATH_SHOWN  256 /* longer paths are not shown */

/* --- areas ----------------------------------------------------------------------------------- */

void proc_memory_read(const struct proc_target *target, struct proc_memory *out)
{
    struct mm *mm = proc_mm(target);
    memset(out, 0, sizeof(*out));
    if (mm == NULL) {
        return;
    }
    mutex_lock(&mm->lock);
    for (struct vm_area *area = mm_area_from(mm, 0); area != NULL; area = mm_area_next(area)) {
        uint64_t length = area->end - area->start;
        out->total_bytes += length;
        out->locked_bytes += area->flags & MAP_LOCKED ? length : 0;
        out->resident_bytes += mm_area_resident(mm, area) << PAGE_SHIFT;
        if (area->name != NULL && strcmp(area->name, "[stack]") == 0) {
            out->stack_bytes += length;
            out->stack_start = area->end;
        } else if (area->protection & PROT_EXEC) {
            out->code_bytes += length;
        } else if (area->protection & PROT_WRITE) {
            out->data_bytes += length;
        }
    }
    mutex_unlock(&mm->lock);
    mm_put(mm);
}

static void put_area(struct proc_text *text, const struct vm_area *area)
{
    char path[PATH_SHOWN];
    const char *name = area->name == NULL ? "" : area->name;
    uint64_t device = 0;
    uint64_t number = 0;
    if (area->file != NULL) {
        long length = file_path_text(area->file, path, sizeof(path) - 1);
        path[MAX(length, 0)] = '\0';
        name = path;
        device = area->file->path.mount == NULL ? 0 : area->file->path.mount->device;
        number = area->file->path.inode->number;
    }
    char line[128];
    size_t used = format_text(line, sizeof(line), "%08lx-%08lx %c%c%c%c %08lx %02lx:%02lx %lu ",
                              area->start, area->end, area->protection & PROT_READ ? 'r' : '-',
                              area->protection & PROT_WRITE ? 'w' : '-',
                              area->protection & PROT_EXEC ? 'x' : '-',
                              (area->flags & MAP_TYPE) == MAP_PRIVATE ? 'p' : 's', area->offset,
                              device >> 8, device & 0xff, number);
    while (name[0] != '\0' && used < NAME_COLUMN) {
        line[used++] = ' ';
    }
    line[used] = '\0';
    proc_put(text, "%s%s\n", line, name);
}

/* --- what is resident ------------------------------------------------------------------------- */

struct resident {
    uint64_t size_kib;
    uint64_t private_kib;
    uint64_t anonymous_kib;
};

static void resident_add(struct resident *sum, const struct mm *mm, const struct vm_area *area)
{
    uint64_t kib = mm_area_resident(mm, area) * (PAGE_SIZE / 1024);
    sum->size_kib += (area->end - area->start) / 1024;
    sum->private_kib += kib;
    sum->anonymous_kib += area->file == NULL ? kib : 0;
}

static void put_resident(struct proc_text *text, const struct resident *sum)
{
    proc_put(text, "Rss:            %8lu kB\nPss:            %8lu kB\n", sum->private_kib,
             sum->private_kib);
    proc_put(text,
             "Shared_Clean:          0 kB\nShared_Dirty:          0 kB\n"
             "Private_Clean:         0 kB\nPrivate_Dirty:  %8lu kB\n",
             sum->private_kib);
    proc_put(text,
             "Referenced:     %8lu kB\nAnonymous:      %8lu kB\nLazyFree:              0 kB\n",
             sum->private_kib, sum->anonymous_kib);
    proc_put(text, "AnonHugePages:         0 kB\nShmemPmdMapped:        0 kB\n"
                   "FilePmdMapped:         0 kB\nShared_Hugetlb:        0 kB\n"
                   "Private_Hugetlb:       0 kB\nSwap:                  0 kB\n"
                   "SwapPss:               0 kB\nLocked:                0 kB\n");
}

static long smaps(const struct proc_target *target, struct proc_text *text, bool rollup)
{
    struct resident sum = {0};
    uint64_t start = 0;
    uint64_t end = 0;
    struct mm *mm;
    long result = proc_mm_look(target, &mm);
    if (mm == NULL) {
        return result;
    }
    mutex_lock(&mm->lock);
    for (struct vm_area *area = mm_area_from(mm, 0); area != NULL && !text->failed;
         area = mm_area_next(area)) {
        start = end == 0 ? area->start : start;
        end = area->end;
        if (!rollup) {
            sum = (struct resident){0};
            put_area(text, area);
        }
        resident_add(&sum, mm, area);
        if (!rollup) {
            proc_put(text,
                     "Size:           %8lu kB\nKernelPageSize:        4 kB\n"
                     "MMUPageSize:           4 kB\n",
                     sum.size_kib);
            put_resident(text, &sum);
            proc_put(text, "THPeligible:    %d\nVmFlags: %s%s%smr mw me%s\n",
                     area->flags & AREA_LARGE ? 1 : 0, area->protection & PROT_READ ? "rd " : "",
                     area->protection & PROT_WRITE ? "wr " : "",
                     area->protection & PROT_EXEC ? "ex " : "",
                     area->flags & AREA_LARGE ? " hg" : "");
        }
    }
    mutex_unlock(&mm->lock);
    mm_put(mm);
    if (rollup) {
        proc_put(text, "%08lx-%08lx ---p 00000000 00:00 0                          [rollup]\n",
                 start, end);
        put_resident(text, &sum);
    }
    return 0;
}

long proc_make_smaps(const struct proc_target *target, struct proc_text *text)
{
    return smaps(target, text, false);
}

long proc_make_smaps_rollup(const struct proc_target *target, struct proc_text *text)
{
    return smaps(target, text, true);
}

long proc_make_maps(const struct proc_target *target, struct proc_text *text)
{
    struct mm *mm;
    long result = proc_mm_look(target, &mm);
    if (mm == NULL) {
        return result;
    }
    mutex_lock(&mm->lock);
    for (struct vm_area *area = mm_area_from(mm, 0); area != NULL && !text->failed;
         area = mm_area_next(area)) {
        put_area(text, area);
    }
    mutex_unlock(&mm->lock);
    mm_put(mm);
    return 0;
}

/* --- strings --------------------------------------------------------------------------------- */

/* What lies there now; less when the process has taken pages of it away. */
static void put_strings(struct proc_text *text, struct mm *mm, uint64_t start, uint64_t end)
{
    char piece[PIECE];
    uint64_t length = end > start ? MIN(end - start, (uint64_t)STRINGS_MAX) : 0;
    for (uint64_t done = 0; done < length && !text->failed;) {
        uint64_t in_page = PAGE_SIZE - (start + done) % PAGE_SIZE;
        uint32_t count = (uint32_t)MIN(MIN(length - done, sizeof(piece)), in_page);
        if (mm_read(mm, start + done, piece, count) != 0) {
            return;
        }
        proc_put_bytes(text, piece, count);
        done += count;
    }
}

long proc_make_command_line(const struct proc_target *target, struct proc_text *text)
{
    struct mm *mm = proc_mm(target);
    if (mm != NULL) {
        put_strings(text, mm, mm->argument_start, mm->argument_end);
        mm_put(mm);
    }
    return mm != NULL || proc_alive(target) ? 0 : -ESRCH;
}

static long make_strings(const struct proc_target *target, struct proc_text *text, bool auxv)
{
    struct mm *mm;
    long result = proc_mm_look(target, &mm);
    if (mm != NULL) {
        put_strings(text, mm, auxv ? mm->auxv_start : mm->environment_start,
                    auxv ? mm->auxv_end : mm->environment_end);
        mm_put(mm);
    }
    return result;
}

/* The auxiliary vector, as it lies on the process's stack. */
long proc_make_auxv(const struct proc_target *target, struct proc_text *text)
{
    return make_strings(target, text, true);
}

/* The file's mode was looked at when it was opened: the process may have changed users since. */
long proc_make_environment(const struct proc_target *target, struct proc_text *text)
{
    return make_strings(target, text, false);
}

/* --- memory itself --------------------------------------------------------------------------- */

static long piece_move(struct mm *mm, struct io *io, uint64_t address, void *buffer,
                       uint64_t length_bytes, bool write)
{
    long result = write ? io_take(io, buffer, length_bytes)
                        : mm_reach(mm, address, buffer, length_bytes, false);
    if (result != 0) {
        return write ? result : -EIO;
    }
    return !write ? io_put(io, buffer, length_bytes)
           : mm_reach(mm, address, buffer, length_bytes, true) != 0 ? -EIO
                                                                    : 0;
}

/* As a debugger reaches it; positions are addresses. Who may is asked each time: the process may
 * have become another user's, and another program's memory is not what was opened. */
long proc_memory_move(const struct proc_target *target, struct io *io, uint64_t *position,
                      bool write)
{
    struct mm *mm;
    long result = proc_mm_look(target, &mm);
    if (mm == NULL) {
        return result == -ESRCH ? 0 : result;
    }
    uint8_t *buffer = heap_alloc(PAGE_SIZE);
    uint64_t moved = 0;
    result = buffer == NULL ? -ENOMEM : 0;
    while (result == 0 && io->left_bytes != 0 && !(moved != 0 && signal_ends(task_current()))) {
        uint64_t length = MIN(io->left_bytes, PAGE_SIZE - *position % PAGE_SIZE);
        result = piece_move(mm, io, *position, buffer, length, write);
        if (result == 0) {
            *position += length;
            moved += length;
        }
    }
    heap_free(buffer);
    mm_put(mm);
    return moved != 0 ? (long)moved : result;
}
