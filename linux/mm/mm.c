/* Making, copying and ending address spaces, and the areas in them. */
#include "linux/mm/mm.h"

#include "abi/container.h"
#include "linux/core/errno.h"
#include "linux/core/heap.h"
#include "linux/core/window.h"
#include "linux/file/file.h"
#include "linux/mm/area.h"

#include "lib/oak/clock.h"
#include "lib/oak/kernel.h"

#define MEMORY_BYTES (1ull << 47)

#define RESIDENT_SAMPLES 16       /* of a large area so many pages are looked at */
#define RESIDENT_LOOK_NS 10000000 /* who asks for CPU times again and again pays no more */
/* Below the stack's own place, with room for it to be large. */
#define MAP_TOP 0x00007fff00000000ull

static int area_compare(const struct tree_node *a, const struct tree_node *b)
{
    const struct vm_area *left = CONTAINER_OF(a, struct vm_area, node);
    const struct vm_area *right = CONTAINER_OF(b, struct vm_area, node);
    return left->start < right->start ? -1 : left->start > right->start;
}

static struct mm *mm_shell(void)
{
    struct mm *mm = heap_alloc(sizeof(*mm));
    if (mm == NULL) {
        return NULL;
    }
    mm->references = 1;
    mm->map_top = MAP_TOP;
    mm->searched_to = MAP_TOP;
    tree_init(&mm->areas, area_compare);
    mm->space = slot_alloc();
    mm->memory = slot_alloc();
    if (mm->space != 0 && mm->memory != 0 &&
        kernel_space_create(CONTAINER_SLOT_APPLICATION, mm->space, SLOT_DOMAIN) == STATUS_OK) {
        return mm;
    }
    slot_free(mm->space);
    slot_free(mm->memory);
    heap_free(mm);
    return NULL;
}

static void mm_shell_free(struct mm *mm)
{
    (void)kernel_object_destroy(mm->space);
    (void)kernel_object_destroy(mm->memory);
    slot_free(mm->space);
    slot_free(mm->memory);
    heap_free(mm);
}

struct mm *mm_new(void)
{
    struct mm *mm = mm_shell();
    if (mm == NULL) {
        return NULL;
    }
    if (kernel_memory_create(CONTAINER_SLOT_APPLICATION, mm->memory, MEMORY_BYTES) != STATUS_OK) {
        mm_shell_free(mm);
        return NULL;
    }
    return mm;
}

struct vm_area *mm_area_from(const struct mm *mm, uint64_t address)
{
    struct tree_node *node = mm->areas.root;
    struct vm_area *best = NULL;
    while (node != NULL) {
        struct vm_area *area = CONTAINER_OF(node, struct vm_area, node);
        if (area->end > address) {
            best = area;
            node = node->left;
        } else {
            node = node->right;
        }
    }
    return best;
}

struct vm_area *mm_area_next(const struct vm_area *area)
{
    struct tree_node *node = tree_next(&area->node);
    return node == NULL ? NULL : CONTAINER_OF(node, struct vm_area, node);
}

struct vm_area *mm_area_previous(const struct vm_area *area)
{
    struct tree_node *node = tree_previous(&area->node);
    return node == NULL ? NULL : CONTAINER_OF(node, struct vm_area, node);
}

uint64_t mm_area_resident(const struct mm *mm, const struct vm_area *area)
{
    if (area->special != 0) {
        return 0;
    }
    uint64_t pages = (area->end - area->start) >> PAGE_SHIFT;
    uint64_t samples = MIN(pages, RESIDENT_SAMPLES);
    uint64_t present = 0;
    for (uint64_t i = 0; i < samples; i++) {
        uint64_t page = (area->start >> PAGE_SHIFT) + pages * i / samples;
        present += memory_page_present(mm->memory, page << PAGE_SHIFT);
    }
    if (present == 0 && pages > samples) { /* a stack is used from its end */
        return memory_page_present(mm->memory, area->end - PAGE_SIZE);
    }
    return samples == 0 ? 0 : present * pages / samples;
}

uint64_t mm_resident(const struct mm *mm)
{
    uint64_t pages = 0;
    for (const struct vm_area *area = mm_area_from(mm, 0); area != NULL;
         area = mm_area_next(area)) {
        pages += mm_area_resident(mm, area);
    }
    return pages;
}

uint64_t mm_resident_peak(struct mm *mm)
{
    mutex_lock(&mm->lock);
    uint64_t now_ns = clock_now_ns();
    if (mm->resident_peak == 0 || now_ns - mm->resident_looked_ns > RESIDENT_LOOK_NS) {
        mm->resident_peak = MAX(mm->resident_peak, mm_resident(mm));
        mm->resident_looked_ns = now_ns;
    }
    uint64_t pages = mm->resident_peak;
    mutex_unlock(&mm->lock);
    return pages;
}

static void shared_put(struct shared_pages *shared)
{
    if (shared != NULL && __atomic_sub_fetch(&shared->references, 1, __ATOMIC_ACQ_REL) == 0) {
        (void)kernel_object_destroy(shared->memory);
        slot_free(shared->memory);
        heap_free(shared);
    }
}

static void area_stores_count(const struct vm_area *area, int step)
{
    struct inode *inode = area->file->path.inode;
    mutex_lock(&inode->lock);
    inode->stored += (uint32_t)step;
    mutex_unlock(&inode->lock);
}

void area_stores_begin(struct vm_area *area)
{
    if (!(area->flags & MAP_SHARED) || area->file == NULL || !file_writable(area->file)) {
        return;
    }
    struct inode *inode = area->file->path.inode;
    mutex_lock(&inode->lock);
    area->stores = !(inode->seals & SEAL_WRITE);
    inode->stored += area->stores;
    mutex_unlock(&inode->lock);
}

void area_free(struct vm_area *area)
{
    if (area->stores) {
        area_stores_count(area, -1);
    }
    if (area->file != NULL) {
        file_put(area->file);
    }
    shared_put(area->shared);
    heap_free(area);
}

struct vm_area *area_copy(const struct vm_area *area)
{
    struct vm_area *copy = heap_alloc(sizeof(*copy));
    if (copy == NULL) {
        return NULL;
    }
    *copy = *area;
    if (copy->file != NULL) {
        file_get(copy->file);
    }
    if (copy->stores) {
        area_stores_count(copy, 1);
    }
    if (copy->shared != NULL) {
        __atomic_fetch_add(&copy->shared->references, 1, __ATOMIC_RELAXED);
    }
    return copy;
}

static void areas_free(struct mm *mm)
{
    struct tree_node *node;
    while ((node = tree_first(&mm->areas)) != NULL) {
        struct vm_area *area = CONTAINER_OF(node, struct vm_area, node);
        area_leave(mm, area);
        area_free(area);
    }
}

static bool areas_copy(struct mm *to, const struct mm *from)
{
    for (struct vm_area *area = mm_area_from(from, 0); area != NULL; area = mm_area_next(area)) {
        struct vm_area *copy = area_copy(area);
        if (copy == NULL) {
            return false;
        }
        copy->flags &= ~(uint32_t)MAP_LOCKED;
        area_enter(to, copy);
    }
    return true;
}

/* What the child of a fork gets as zeros. Its copy has no regions yet to be looked through. */
static bool fork_wipe(const struct mm *copy, const struct mm *mm)
{
    for (struct vm_area *area = mm_area_from(mm, 0); area != NULL; area = mm_area_next(area)) {
        if (area->flags & AREA_FORK_WIPES &&
            kernel_memory_discard(copy->memory, area->start, area->end - area->start) !=
                STATUS_OK) {
            return false; /* no memory for a node of the copy's own */
        }
    }
    return true;
}

/* What it does not get. */
static bool fork_omit(struct mm *copy)
{
    struct vm_area *next;
    for (struct vm_area *area = mm_area_from(copy, 0); area != NULL; area = next) {
        next = mm_area_next(area);
        if ((area->flags & AREA_FORK_OMITS) &&
            unmap_locked(copy, area->start, area->end - area->start) != 0) {
            return false;
        }
    }
    return true;
}

struct mm *mm_copy(struct mm *mm)
{
    struct mm *copy = mm_shell();
    if (copy == NULL) {
        return NULL;
    }
    mutex_lock(&mm->moving);
    mutex_lock(&mm->lock);
    bool good =
        kernel_memory_clone(CONTAINER_SLOT_APPLICATION, copy->memory, mm->memory) == STATUS_OK &&
        (!mm->has_fork_advice || fork_wipe(copy, mm)) &&
        kernel_regions_copy(copy->space, mm->space, copy->memory, mm->memory) == STATUS_OK &&
        areas_copy(copy, mm);
    copy->map_top = mm->map_top;
    copy->brk_start = mm->brk_start;
    copy->brk_end = mm->brk_end;
    copy->argument_start = mm->argument_start;
    copy->argument_end = mm->argument_end;
    copy->environment_start = mm->environment_start;
    copy->environment_end = mm->environment_end;
    copy->auxv_start = mm->auxv_start;
    copy->auxv_end = mm->auxv_end;
    copy->pages_mapped = mm->pages_mapped;
    copy->barriers = __atomic_load_n(&mm->barriers, __ATOMIC_RELAXED);
    copy->undumpable = mm->undumpable;
    copy->has_fork_advice = mm->has_fork_advice;
    mutex_unlock(&mm->lock);
    mutex_unlock(&mm->moving);
    if (good && copy->has_fork_advice) {
        good = fork_omit(copy);
    }
    if (!good) {
        areas_free(copy);
        mm_shell_free(copy);
        return NULL;
    }
    return copy;
}

void mm_put(struct mm *mm)
{
    if (__atomic_sub_fetch(&mm->references, 1, __ATOMIC_ACQ_REL) == 0) {
        areas_free(mm);
        mm_shell_free(mm);
    }
}
