/*
 * Physical memory: an arena where the direct map is. What the kernel gave back is poisoned, and
 * kept for a while before the kernel may use it again: whoever still uses it is found. The linker
 * leads the kernel's calls of its allocators through here (--wrap).
 *
 * frame.c and kmem.c themselves are compiled without the address sanitizer: they alone may touch
 * what is free.
 */
#include "kernel/test/machine/machine.h"

#include <sanitizer/asan_interface.h>
#include <sys/mman.h>

#include "kernel/core/frame.h"
#include "kernel/core/kmem.h"
#include "kernel/x86_64/memory_map.h"
#include "lib/base/string.h"

#define FRAMES_KEPT 16
#define PARTS_KEPT  32

struct machine machine;

/* Given back by the kernel, oldest first; not yet free for it. */
static struct {
    struct frame *frame[FRAMES_KEPT];
    uint32_t frame_next;
    struct {
        void *part;
        size_t size_bytes;
    } part[PARTS_KEPT];
    uint32_t part_next;
} kept;

static bool is_kept[MACHINE_RAM_END / PAGE_SIZE];
static uint32_t slab_parts[MACHINE_RAM_END / PAGE_SIZE];
static uint64_t frames_kept;
static uint64_t frames_at_boot;
static struct machine_memory used;
static uint32_t fail_after; /* so many allocations; 0: none fails */

struct frame *__real_frame_take(bool zeroed);
struct frame *__wrap_frame_take(bool zeroed);
void __real_frame_give(struct frame *frame);
void __wrap_frame_give(struct frame *frame);
bool __real_frames_take_zeroed(struct frame **out, uint32_t count);
bool __wrap_frames_take_zeroed(struct frame **out, uint32_t count);
struct frame *__real_frames_take_adjacent(struct frame *these, uint64_t count);
struct frame *__wrap_frames_take_adjacent(struct frame *these, uint64_t count);
uint64_t __real_frames_free_bytes(void);
uint64_t __wrap_frames_free_bytes(void);
void *__real_kmem_alloc(size_t size_bytes);
void *__wrap_kmem_alloc(size_t size_bytes);
void __real_kmem_free(void *part, size_t size_bytes);
void __wrap_kmem_free(void *part, size_t size_bytes);
void *memory_set(void *to, int value, size_t length_bytes);

/* frame.c's memset: frames that it zeroes are still poisoned. */
void *memory_set(void *to, int value, size_t length_bytes)
{
    void *at = to;
    __asm__ volatile("rep stosb" : "+D"(at), "+c"(length_bytes) : "a"(value) : "memory");
    return to;
}

void *memory_at(uint64_t physical)
{
    return physical < MACHINE_RAM_END ? physical_pointer(physical) : NULL;
}

/* True: this allocation is to fail. */
static bool fails(void)
{
    return fail_after != 0 && --fail_after == 0;
}

void machine_fail_allocation(uint32_t number)
{
    fail_after = number;
}

/* --- frames ----------------------------------------------------------------------------------- */

static void frame_usable(const struct frame *frame)
{
    __asan_unpoison_memory_region(frame_pointer(frame), PAGE_SIZE);
    used.frames_used++;
}

struct frame *__wrap_frame_take(bool zeroed)
{
    if (fails()) {
        return NULL;
    }
    struct frame *frame = __real_frame_take(zeroed);
    if (frame == NULL && frames_kept != 0) {
        memory_release_kept();
        frame = __real_frame_take(zeroed);
    }
    if (frame != NULL) {
        frame_usable(frame);
    }
    return frame;
}

bool __wrap_frames_take_zeroed(struct frame **out, uint32_t count)
{
    if (fails()) {
        return false;
    }
    bool taken = __real_frames_take_zeroed(out, count);
    if (!taken && frames_kept != 0) {
        memory_release_kept();
        taken = __real_frames_take_zeroed(out, count);
    }
    for (uint32_t i = 0; taken && i < count; i++) {
        frame_usable(out[i]);
    }
    return taken;
}

struct frame *__wrap_frames_take_adjacent(struct frame *these, uint64_t count)
{
    if (fails()) {
        return NULL;
    }
    memory_release_kept();
    struct frame *first = __real_frames_take_adjacent(these, count);
    for (uint64_t i = 0; first != NULL && i < count; i++) {
        frame_usable(&first[i]);
    }
    return first;
}

static void frame_release_kept(struct frame *frame)
{
    if (frame != NULL) {
        is_kept[frame_physical(frame) >> PAGE_SHIFT] = false;
        frames_kept--;
        __real_frame_give(frame);
    }
}

void __wrap_frame_give(struct frame *frame)
{
    uint64_t physical = frame_physical(frame);
    if (physical < MACHINE_RAM_START || frame->flags & (FRAME_FREE | FRAME_FOREIGN) ||
        is_kept[physical >> PAGE_SHIFT]) {
        machine_fail("a frame is freed that is free, or was never allocated");
    }
    machine_check_unreachable(physical);
    uint64_t *words = frame_pointer(frame);
    __asan_unpoison_memory_region(words, PAGE_SIZE); /* a slab's parts are poisoned */
    for (uint32_t i = 0; i < PAGE_SIZE / sizeof(*words); i++) {
        words[i] = MACHINE_STALE;
    }
    __asan_poison_memory_region(words, PAGE_SIZE);
    used.frames_used--;
    is_kept[physical >> PAGE_SHIFT] = true;
    frames_kept++;
    struct frame **next = &kept.frame[kept.frame_next++ % FRAMES_KEPT];
    struct frame *oldest = *next;
    *next = frame;
    frame_release_kept(oldest);
}

uint64_t __wrap_frames_free_bytes(void)
{
    return __real_frames_free_bytes() + frames_kept * PAGE_SIZE;
}

/* --- the heap --------------------------------------------------------------------------------- */

/* In the slab that the part lies in, `change` more of them are in use. */
static void slab_count(const void *part, int change)
{
    uint32_t *parts = &slab_parts[((uintptr_t)part - DIRECT_MAP) >> PAGE_SHIFT];
    used.slabs += change > 0 && *parts == 0;
    *parts += (uint32_t)change;
    used.slabs -= change < 0 && *parts == 0;
}

void *__wrap_kmem_alloc(size_t size_bytes)
{
    if (fails()) {
        return NULL;
    }
    void *part = __real_kmem_alloc(size_bytes);
    if (part == NULL) {
        memory_release_kept();
        part = __real_kmem_alloc(size_bytes);
    }
    if (part == NULL) {
        return NULL;
    }
    uint64_t physical = (uint64_t)(uintptr_t)part - DIRECT_MAP;
    if (frame_of_physical(physical)->references == 1) {
        __asan_poison_memory_region(physical_pointer(ALIGN_DOWN(physical, PAGE_SIZE)), PAGE_SIZE);
    }
    __asan_unpoison_memory_region(part, size_bytes);
    memset(part, (uint8_t)MACHINE_FRESH, size_bytes);
    slab_count(part, 1);
    used.heap_bytes += kmem_size(size_bytes);
    return part;
}

static void part_release_kept(void *part, size_t size_bytes)
{
    if (part != NULL) {
        slab_count(part, -1);
        __real_kmem_free(part, size_bytes);
    }
}

void __wrap_kmem_free(void *part, size_t size_bytes)
{
    if (__asan_region_is_poisoned(part, size_bytes) != NULL) {
        machine_fail("a part of the heap is freed twice, or with a wrong size");
    }
    memset(part, (uint8_t)MACHINE_FRESH, size_bytes);
    __asan_poison_memory_region(part, size_bytes);
    used.heap_bytes -= kmem_size(size_bytes);
    uint32_t next = kept.part_next++ % PARTS_KEPT;
    void *oldest = kept.part[next].part;
    size_t oldest_bytes = kept.part[next].size_bytes;
    kept.part[next].part = part;
    kept.part[next].size_bytes = size_bytes;
    part_release_kept(oldest, oldest_bytes);
}

void memory_release_kept(void)
{
    for (uint32_t i = 0; i < PARTS_KEPT; i++) {
        void *part = kept.part[i].part;
        kept.part[i].part = NULL;
        part_release_kept(part, kept.part[i].size_bytes);
    }
    for (uint32_t i = 0; i < FRAMES_KEPT; i++) {
        struct frame *frame = kept.frame[i];
        kept.frame[i] = NULL;
        frame_release_kept(frame);
    }
}

struct machine_memory machine_memory(void)
{
    struct machine_memory now = used;
    now.frames_used += frames_at_boot;
    return now;
}

/* --- the start -------------------------------------------------------------------------------- */

void memory_boot(void)
{
    void *arena = mmap((void *)DIRECT_MAP, MACHINE_RAM_END, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    if (arena != (void *)DIRECT_MAP) {
        machine_fail("the direct map's place is taken");
    }
    machine.ram[0] = (struct ram_range){MACHINE_RAM_START, MACHINE_RAM_END};
    machine.ram_count = 1;
    machine.ram_bytes = MACHINE_RAM_END - MACHINE_RAM_START;
    machine.ram_end = MACHINE_RAM_END;
    frames_init(MACHINE_RAM_START);
}

void memory_poison_free(void)
{
    for (uint64_t physical = MACHINE_RAM_START; physical < MACHINE_RAM_END; physical += PAGE_SIZE) {
        if (frame_of_physical(physical)->flags & FRAME_FREE) {
            __asan_poison_memory_region(physical_pointer(physical), PAGE_SIZE);
        }
    }
    frames_at_boot = MACHINE_FRAMES - __real_frames_free_bytes() / PAGE_SIZE - used.frames_used;
}
