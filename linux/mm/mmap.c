/* mmap and its family: placing, splitting and removing areas, and the kernel's regions with them.
 */
#include "linux/mm/area.h"

#include "abi/container.h"
#include "lib/oak/kernel.h"
#include "linux/core/errno.h"
#include "linux/core/heap.h"
#include "linux/core/syscalls.h"
#include "linux/core/user.h"
#include "linux/core/window.h"
#include "linux/file/descriptor.h"
#include "linux/file/file.h"
#include "linux/proc/limit.h"

#define MAP_BOTTOM 0x10000ull

/* --- placing --------------------------------------------------------------------------------- */

bool range_free(const struct mm *mm, uint64_t start, uint64_t length)
{
    struct vm_area *area = mm_area_from(mm, start);
    return area == NULL || area->start >= start + length;
}

/* The last area that begins below the address. */
static const struct vm_area *area_below(const struct mm *mm, uint64_t address)
{
    const struct vm_area *best = NULL;
    const struct tree_node *node = mm->areas.root;
    while (node != NULL) {
        const struct vm_area *area = CONTAINER_OF(node, struct vm_area, node);
        best = area->start < address ? area : best;
        node = area->start < address ? node->right : node->left;
    }
    return best;
}

/* The highest gap below map_top; 0 when there is none. What was searched is not searched again
 * before there is more room in it. */
static uint64_t place_find(struct mm *mm, uint64_t length)
{
    if (length <= mm->searched_gap) {
        mm->searched_to = mm->map_top;
        mm->searched_gap = 0;
    }
    uint64_t end = mm->searched_to;
    const struct vm_area *area = area_below(mm, end);
    while (end >= length + MAP_BOTTOM) {
        uint64_t gap = area == NULL ? end - MAP_BOTTOM : end - MIN(end, area->end);
        if (gap >= length) {
            mm->searched_to = end;
            return end - length;
        }
        mm->searched_gap = MAX(mm->searched_gap, gap);
        end = MIN(end, area_low(area));
        area = mm_area_previous(area);
    }
    return 0;
}

/* There is room at the address. */
static void place_freed(struct mm *mm, uint64_t address)
{
    const struct vm_area *above = mm_area_from(mm, address);
    uint64_t end = above == NULL ? mm->map_top : MIN(mm->map_top, area_low(above));
    mm->searched_to = MAX(mm->searched_to, end);
}

/* --- splitting and removing ------------------------------------------------------------------ */

static long area_split(struct mm *mm, struct vm_area *area, uint64_t address)
{
    struct vm_area *upper = area_copy(area);
    if (upper == NULL) {
        return -ENOMEM;
    }
    upper->start = address;
    upper->offset += address - area->start;
    upper->covered = MAX(area->covered, address);
    area->end = address;
    area->covered = MIN(area->covered, address);
    area_enter(mm, upper);
    return 0;
}

/* Leaving that many areas at most. */
static long range_cut_within(struct mm *mm, uint64_t start, uint64_t end, uint32_t areas_max)
{
    uint64_t cuts[2] = {start, end};
    for (int i = 0; i < 2; i++) {
        struct vm_area *area = mm_area_from(mm, cuts[i]);
        if (area != NULL && area->start < cuts[i]) {
            long result = mm->area_count < areas_max ? area_split(mm, area, cuts[i]) : -ENOMEM;
            if (result != 0) {
                return result;
            }
        }
    }
    return 0;
}

long range_cut(struct mm *mm, uint64_t start, uint64_t end)
{
    return range_cut_within(mm, start, end, AREAS_MAX);
}

/* For a range that goes: only a hole within one area leaves more of them than there were. */
static long hole_cut(struct mm *mm, uint64_t start, uint64_t end)
{
    const struct vm_area *area = mm_area_from(mm, start);
    bool within = area->start < start && area->end > end;
    return range_cut_within(mm, start, end, within ? AREAS_MAX : UINT32_MAX);
}

long unmap_locked(struct mm *mm, uint64_t start, uint64_t length)
{
    if (range_free(mm, start, length)) {
        return 0;
    }
    long result = batch_flush(mm);
    if (result == 0) {
        result = hole_cut(mm, start, start + length);
    }
    if (result != 0) {
        return result;
    }
    if (kernel_region_unmap(mm->space, start, length) != STATUS_OK) {
        return -ENOMEM;
    }
    bool had_private = false;
    struct vm_area *area;
    while ((area = mm_area_from(mm, start)) != NULL && area->start < start + length) {
        had_private = had_private || !(area->flags & MAP_SHARED);
        mm->pages_mapped -= (area->end - area->start) >> PAGE_SHIFT;
        area_leave(mm, area);
        area_free(area);
    }
    place_freed(mm, start);
    if (had_private) {
        (void)kernel_memory_discard(mm->memory, start, length);
    }
    return 0;
}

long mm_unmap(struct mm *mm, uint64_t address, uint64_t length)
{
    length = ALIGN_UP(length, PAGE_SIZE);
    if (address % PAGE_SIZE != 0 || length == 0 || !user_range(address, length)) {
        return -EINVAL;
    }
    mutex_lock(&mm->lock);
    long result = unmap_locked(mm, address, length);
    mutex_unlock(&mm->lock);
    return result;
}

/* --- limits ---------------------------------------------------------------------------------- */

static bool is_data(const struct vm_area *area, uint32_t protection)
{
    return (protection & PROT_WRITE) && !(area->flags & MAP_SHARED);
}

/* The bytes of areas in the range; only of those that count as data. Under the lock. */
static uint64_t bytes_in(const struct mm *mm, uint64_t start, uint64_t end, bool data_only)
{
    uint64_t bytes = 0;
    for (const struct vm_area *area = mm_area_from(mm, start); area != NULL && area->start < end;
         area = mm_area_next(area)) {
        if (!data_only || is_data(area, area->protection)) {
            bytes += MIN(area->end, end) - MAX(area->start, start);
        }
    }
    return bytes;
}

static bool data_allowed(const struct mm *mm, uint64_t more_bytes)
{
    uint64_t limit = limit_now(RLIMIT_DATA);
    return limit == LIMIT_NONE ||
           (more_bytes <= limit && bytes_in(mm, 0, APPLICATION_END, true) <= limit - more_bytes);
}

bool mm_may_grow(const struct mm *mm, const struct vm_area *area, uint64_t length)
{
    uint64_t limit = limit_now(RLIMIT_AS);
    uint64_t mapped = mm->pages_mapped << PAGE_SHIFT;
    bool fits = limit == LIMIT_NONE || (length <= limit && mapped <= limit - length);
    return fits && (!is_data(area, area->protection) || data_allowed(mm, length));
}

/* --- mapping --------------------------------------------------------------------------------- */

uint64_t region_rights(const struct vm_area *area, uint32_t protection)
{
    uint64_t rights = area->flags & AREA_LARGE ? MAP_LARGE : 0;
    if (protection & PROT_READ) {
        rights |= RIGHT_READ;
    }
    if (protection & PROT_WRITE) {
        rights |= RIGHT_READ | RIGHT_WRITE;
    }
    if (protection & PROT_EXEC) {
        rights |= RIGHT_READ | RIGHT_EXECUTE;
    }
    return rights;
}

static long shared_make(struct vm_area *area, uint64_t length)
{
    struct shared_pages *shared = heap_alloc(sizeof(*shared));
    if (shared == NULL) {
        return -ENOMEM;
    }
    shared->references = 1;
    shared->memory = slot_alloc();
    if (shared->memory == 0 ||
        kernel_memory_create(CONTAINER_SLOT_APPLICATION, shared->memory, length) != STATUS_OK) {
        slot_free(shared->memory);
        heap_free(shared);
        return -ENOMEM;
    }
    area->shared = shared;
    area->offset = 0;
    return 0;
}

/* Stores reach a file only through a mapping of one that is open for writing; what is not to be
 * executed is not mapped to be. */
static long protection_check(const struct vm_area *area, uint32_t protection)
{
    if ((protection & PROT_EXEC) && area->file != NULL &&
        path_has(&area->file->path, MOUNT_NOEXEC)) {
        return -EPERM;
    }
    if (!(protection & PROT_WRITE) || !(area->flags & MAP_SHARED) || area->file == NULL) {
        return 0;
    }
    uint32_t seals = __atomic_load_n(&area->file->path.inode->seals, __ATOMIC_ACQUIRE);
    return !file_writable(area->file)                 ? -EACCES
           : seals & (SEAL_WRITE | SEAL_FUTURE_WRITE) ? -EPERM
                                                      : 0;
}

long area_pages_find(const struct mm *mm, const struct vm_area *area, struct area_pages *out)
{
    uint64_t length = area->end - area->start;
    bool shared = area->flags & MAP_SHARED;
    *out = (struct area_pages){
        .private_slot = mm->memory, .private_offset = area->start, .length_bytes = length};
    if (area->special != 0) {
        out->private_slot = 0;
        out->source_slot = area->special;
        out->source_offset = area->offset;
        return 0;
    }
    if (area->file != NULL) {
        struct file_mapping mapping;
        long result = file_mapping(area->file, area->offset, length, shared, &mapping);
        if (result != 0) {
            return result;
        }
        out->length_bytes = MIN(length, ALIGN_UP(mapping.length_bytes, PAGE_SIZE));
        if (shared && mapping.writable) {
            out->private_slot = mapping.slot;
            out->private_offset = mapping.offset;
        } else {
            out->private_slot = shared ? 0 : out->private_slot;
            out->source_slot = mapping.slot;
            out->source_offset = mapping.offset;
        }
    } else if (shared) {
        out->private_slot = area->shared->memory;
        out->private_offset = area->offset;
    }
    return 0;
}

long region_make(struct mm *mm, struct vm_area *area)
{
    struct area_pages pages;
    area->covered = area->end;
    long result = area_pages_find(mm, area, &pages);
    if (result != 0) {
        return result;
    }
    area->covered = area->start + pages.length_bytes;
    if (pages.length_bytes == 0) {
        return 0; /* all beyond the end of the file: every touch faults */
    }
    const uint64_t words[REGION_WORDS] = {
        area->start | region_rights(area, area->protection), pages.length_bytes,
        pages.private_slot | pages.source_slot << 32, pages.private_offset, pages.source_offset};
    return batch_add(mm, words);
}

static long map_locked(struct mm *mm, struct vm_area *area, uint64_t address, uint32_t flags)
{
    uint64_t length = area->end;
    uint64_t replaced = flags & MAP_FIXED && limit_now(RLIMIT_AS) != LIMIT_NONE
                            ? bytes_in(mm, address, address + length, false)
                            : 0;
    if (mm->area_count > AREAS_MAX || !mm_may_grow(mm, area, length - replaced)) {
        return -ENOMEM;
    }
    if (flags & MAP_FIXED) {
        long result = unmap_locked(mm, address, length);
        if (result != 0) {
            return result;
        }
    } else if (flags & MAP_FIXED_NOREPLACE) {
        if (!range_free(mm, address, length)) {
            return -EEXIST;
        }
    } else if (address < MAP_BOTTOM || !range_free(mm, address, length)) {
        address = place_find(mm, length);
        if (address == 0) {
            return -ENOMEM;
        }
    }
    area->start = address;
    area->end = address + length;
    long result = 0;
    if ((area->flags & MAP_SHARED) && area->file == NULL && area->special == 0 &&
        area->shared == NULL) {
        result = shared_make(area, length);
    }
    if (result == 0) {
        area_stores_begin(area); /* first: a seal that is not seen below sees the area */
        result = protection_check(area, area->protection);
    }
    if (result == 0 && area->special != 0) {
        /* Many programs never touch these: a fault maps them. Each is one page: what follows is not
         * for programs. */
        area->covered = area->start;
        result = length > PAGE_SIZE ? -EFAULT : 0;
    } else if (result == 0) {
        result = region_make(mm, area);
    }
    if (result != 0) {
        return result;
    }
    area_enter(mm, area);
    if (mm->batch == NULL && area->special == 0) { /* what a program begins with all differs */
        areas_join(mm, address, address + length);
    }
    mm->pages_mapped += length >> PAGE_SHIFT;
    return (long)address;
}

long area_place(struct mm *mm, struct vm_area *area, uint64_t address, uint32_t flags)
{
    mutex_lock(&mm->lock);
    long result = map_locked(mm, area, address, flags);
    mutex_unlock(&mm->lock);
    if (result < 0) {
        area_free(area);
    }
    return result;
}

long mm_map_special(struct mm *mm, uint64_t address, uint64_t length, uint32_t slot,
                    uint64_t offset, uint32_t protection, const char *name)
{
    struct vm_area *area = heap_alloc(sizeof(*area));
    if (area == NULL) {
        return -ENOMEM;
    }
    area->end = length;
    area->offset = offset;
    area->protection = protection;
    area->flags = MAP_SHARED;
    area->special = slot;
    area->name = name;
    return area_place(mm, area, address, address == 0 ? 0 : MAP_FIXED_NOREPLACE);
}

long mm_map(struct mm *mm, uint64_t address, uint64_t length, uint32_t protection, uint32_t flags,
            struct file *file, uint64_t offset, const char *name)
{
    struct vm_area *area = heap_alloc(sizeof(*area));
    if (area == NULL) {
        return -ENOMEM;
    }
    area->end = ALIGN_UP(length, PAGE_SIZE);
    area->protection = protection;
    area->flags = (flags & MAP_TYPE) == MAP_PRIVATE ? MAP_PRIVATE : MAP_SHARED;
    area->flags |= flags & MAP_GROWSDOWN;
    area->file = file;
    area->offset = offset;
    area->name = name;
    if (file != NULL) {
        file_get(file);
    }
    return area_place(mm, area, address, flags);
}

/* --- system calls ---------------------------------------------------------------------------- */

/* /dev/zero: as good as no file. */
static bool file_is_zeros(const struct file *file)
{
    const struct inode *inode = file->path.inode;
    return inode_is(inode, S_IFCHR) && inode->device_number == DEVICE(1, 5) && file_readable(file);
}

long linux_mmap(uint64_t address, uint64_t length, uint64_t protection, uint64_t flags, uint64_t fd,
                uint64_t offset)
{
    struct mm *mm = task_current()->mm;
    uint32_t type = flags & MAP_TYPE;
    if (length == 0 || offset % PAGE_SIZE != 0 ||
        (type != MAP_PRIVATE && type != MAP_SHARED && type != MAP_SHARED_VALIDATE) ||
        (flags & MAP_GROWSDOWN && (type != MAP_PRIVATE || !(flags & MAP_ANONYMOUS)))) {
        return -EINVAL;
    }
    bool fixed = flags & (MAP_FIXED | MAP_FIXED_NOREPLACE);
    if (length > APPLICATION_END || (fixed && (address % PAGE_SIZE != 0 || address < PAGE_SIZE)) ||
        (fixed && !user_range(address, ALIGN_UP(length, PAGE_SIZE)))) {
        return fixed && address % PAGE_SIZE != 0 ? -EINVAL : -ENOMEM;
    }
    if (!user_range(address, ALIGN_UP(length, PAGE_SIZE))) {
        address = 0;
    }
    struct file *file = NULL;
    if (!(flags & MAP_ANONYMOUS)) {
        file = descriptor_get((int)fd);
        if (file == NULL) {
            return -EBADF;
        }
    }
    bool zeros = file != NULL && file_is_zeros(file);
    long result = mm_map(mm, ALIGN_DOWN(address, PAGE_SIZE), length, (uint32_t)protection & 7,
                         (uint32_t)flags, zeros ? NULL : file, zeros ? 0 : offset, NULL);
    if (file != NULL) {
        file_put(file);
    }
    return result;
}

long linux_munmap(uint64_t address, uint64_t length, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
    (void)c, (void)d, (void)e, (void)f;
    return mm_unmap(task_current()->mm, address, length);
}

uint64_t range_covered_end(const struct mm *mm, uint64_t start, uint64_t end)
{
    struct vm_area *area = mm_area_from(mm, start);
    while (area != NULL && area->start <= start && start < end) {
        start = area->end;
        area = mm_area_next(area);
    }
    return MIN(start, end);
}

/* What of the range would become data. */
static uint64_t data_gained(const struct mm *mm, uint64_t start, uint64_t end)
{
    uint64_t bytes = 0;
    for (const struct vm_area *area = mm_area_from(mm, start); area != NULL && area->start < end;
         area = mm_area_next(area)) {
        if (is_data(area, PROT_WRITE) && !is_data(area, area->protection)) {
            bytes += MIN(area->end, end) - MAX(area->start, start);
        }
    }
    return bytes;
}

/* Up to the first hole. */
static long protect_locked(struct mm *mm, uint64_t start, uint64_t wanted, uint32_t protection)
{
    uint64_t end = range_covered_end(mm, start, wanted);
    if (end == start) {
        return -ENOMEM;
    }
    long result = protection & PROT_WRITE && limit_now(RLIMIT_DATA) != LIMIT_NONE &&
                          !data_allowed(mm, data_gained(mm, start, end))
                      ? -ENOMEM
                      : range_cut(mm, start, end);
    for (struct vm_area *area = mm_area_from(mm, start);
         result == 0 && area != NULL && area->start < end; area = mm_area_next(area)) {
        status_t status = STATUS_NO_RIGHT;
        if (protection_check(area, protection) == 0) {
            status = kernel_region_protect(mm->space, area->start, area->end - area->start,
                                           region_rights(area, protection));
        }
        if (status != STATUS_OK) {
            result = status == STATUS_NO_MEMORY ? -ENOMEM : -EACCES;
        } else {
            area->protection = protection;
        }
    }
    areas_join(mm, start, end);
    return result == 0 && end < wanted ? -ENOMEM : result;
}

/* mprotect of a stack as a whole begins where the stack does. */
static long stack_start(const struct mm *mm, uint64_t grows, uint64_t end, uint64_t *start)
{
    const struct vm_area *area = mm_area_from(mm, *start);
    if (area == NULL || area->start >= end) {
        return -ENOMEM;
    }
    bool is_stack =
        area->flags & MAP_GROWSDOWN || (area->name != NULL && strcmp(area->name, "[stack]") == 0);
    if (grows != PROT_GROWSDOWN || !is_stack) {
        return -EINVAL;
    }
    *start = area->start;
    return 0;
}

long linux_mprotect(uint64_t address, uint64_t length, uint64_t protection, uint64_t d, uint64_t e,
                    uint64_t f)
{
    (void)d, (void)e, (void)f;
    struct mm *mm = task_current()->mm;
    length = ALIGN_UP(length, PAGE_SIZE);
    uint64_t grows = protection & (PROT_GROWSDOWN | PROT_GROWSUP);
    if (address % PAGE_SIZE != 0 || grows == (PROT_GROWSDOWN | PROT_GROWSUP)) {
        return -EINVAL;
    }
    if (length == 0) {
        return 0;
    }
    if (!user_range(address, length)) {
        return -ENOMEM;
    }
    mutex_lock(&mm->lock);
    uint64_t start = address;
    long result = grows != 0 ? stack_start(mm, grows, address + length, &start) : 0;
    if (result == 0) {
        result = protect_locked(mm, start, address + length, (uint32_t)protection & 7);
    }
    mutex_unlock(&mm->lock);
    return result;
}

long linux_brk(uint64_t address, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
    (void)b, (void)c, (void)d, (void)e, (void)f;
    struct mm *mm = task_current()->mm;
    uint64_t old_end = ALIGN_UP(mm->brk_end, PAGE_SIZE);
    uint64_t new_end = ALIGN_UP(address, PAGE_SIZE);
    if (address < mm->brk_start || !user_range(address, PAGE_SIZE)) {
        return (long)mm->brk_end;
    }
    long result = 0;
    if (new_end > old_end) {
        result = mm_map(mm, old_end, new_end - old_end, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, NULL, 0, "[heap]");
    } else if (new_end < old_end) {
        result = mm_unmap(mm, new_end, old_end - new_end);
    }
    if (result >= 0) {
        mm->brk_end = address;
    }
    return (long)mm->brk_end;
}
