#include "kernel/core/frame.h"

#include "kernel/core/assert.h"
#include "kernel/core/lock.h"
#include "kernel/core/sealed.h"
#include "lib/base/processor.h"
#include "lib/base/string.h"

#define NO_FRAME      0 /* frame 0 is never free RAM of ours */
#define ZEROED_WANTED 1024
#define LOOKS_MAX     2048 /* at frames, each time that a large page is wanted */

static SEALED struct frame *frames;
static SEALED uint64_t frame_count;
static struct frame_list zeroed;
static struct frame_list dirty;
static struct spinlock frames_lock = {.lock_class = LOCK_FRAMES};

uint64_t frame_physical(const struct frame *frame)
{
    return (uint64_t)(frame - frames) << PAGE_SHIFT;
}

void *frame_pointer(const struct frame *frame)
{
    return physical_pointer(frame_physical(frame));
}

struct frame *frame_of_physical(uint64_t physical)
{
    return &frames[physical >> PAGE_SHIFT];
}

void frame_list_add(struct frame_list *list, struct frame *frame)
{
    uint32_t number = (uint32_t)(frame - frames);
    frame->next = list->first;
    frame->previous = NO_FRAME;
    if (list->first != NO_FRAME) {
        frames[list->first].previous = number;
    }
    list->first = number;
    list->count++;
}

void frame_list_remove(struct frame_list *list, struct frame *frame)
{
    if (frame->previous != NO_FRAME) {
        frames[frame->previous].next = frame->next;
    } else {
        list->first = frame->next;
    }
    if (frame->next != NO_FRAME) {
        frames[frame->next].previous = frame->previous;
    }
    list->count--;
}

struct frame *frame_list_first(const struct frame_list *list)
{
    return list->first == NO_FRAME ? NULL : &frames[list->first];
}

/* Under the lock. */
static void free_add(struct frame *frame)
{
    frame->flags = FRAME_FREE;
    frame_list_add(&dirty, frame);
}

void frames_init(uint64_t first_physical)
{
    /* Of whole large pages: what lies behind the end of RAM is never free. */
    frame_count = ALIGN_UP(machine.ram_end >> PAGE_SHIFT, LARGE_FRAMES);
    uint64_t array_bytes = ALIGN_UP(frame_count * sizeof(struct frame), PAGE_SIZE);
    uint64_t array_physical = 0;
    for (uint32_t i = 0; i < machine.ram_count && array_physical == 0; i++) {
        uint64_t start = MAX(machine.ram[i].start, first_physical);
        if (range_inside(start, array_bytes, machine.ram[i].end)) {
            array_physical = start;
        }
    }
    if (array_physical == 0) {
        panic(__FILE__, __LINE__, "no range of RAM is large enough for the table of frames");
    }
    frames = physical_pointer(array_physical);
    memset(frames, 0, array_bytes);
    for (uint32_t i = 0; i < machine.ram_count; i++) {
        uint64_t start = MAX(machine.ram[i].start, first_physical);
        for (uint64_t physical = start; physical < machine.ram[i].end; physical += PAGE_SIZE) {
            if (physical - array_physical >= array_bytes) {
                free_add(frame_of_physical(physical));
            }
        }
    }
}

/* The first of a list that is not empty. */
static struct frame *frame_list_pop(struct frame_list *list)
{
    struct frame *frame = &frames[list->first];
    list->first = frame->next;
    frames[frame->next].previous = NO_FRAME; /* frame 0 is in no list */
    list->count--;
    return frame;
}

/* It is somebody's from now on. */
static void frame_begin(struct frame *frame)
{
    frame->flags = 0;
    frame->references = 1;
    frame->payer = NULL;
}

/* A frame of either list, with one reference; NULL: there is none. Under the lock. */
static struct frame *any_take(bool want_zeroed, bool *is_zeroed)
{
    struct frame_list *list = want_zeroed ? &zeroed : &dirty;
    if (list->count == 0) {
        list = want_zeroed ? &dirty : &zeroed;
    }
    if (list->count == 0) {
        return NULL;
    }
    struct frame *frame = frame_list_pop(list);
    *is_zeroed = frame->flags & FRAME_ZEROED;
    frame_begin(frame);
    return frame;
}

struct frame *frame_take(bool want_zeroed)
{
    bool is_zeroed = false;
    spin_lock(&frames_lock);
    struct frame *frame = any_take(want_zeroed, &is_zeroed);
    spin_unlock(&frames_lock);
    if (frame != NULL && want_zeroed && !is_zeroed) {
        memset(frame_pointer(frame), 0, PAGE_SIZE);
    }
    return frame;
}

bool frames_take_zeroed(struct frame **out, uint32_t count)
{
    uint64_t to_zero = 0; /* a bit for each; callers take few */
    bool is_zeroed = false;
    assert(count <= 64);
    spin_lock(&frames_lock);
    bool enough = zeroed.count + dirty.count >= count;
    for (uint32_t i = 0; enough && i < count; i++) {
        out[i] = any_take(true, &is_zeroed);
        to_zero |= is_zeroed ? 0 : 1ull << i;
    }
    spin_unlock(&frames_lock);
    for (; to_zero != 0; to_zero &= to_zero - 1) {
        memset(frame_pointer(out[__builtin_ctzll(to_zero)]), 0, PAGE_SIZE);
    }
    return enough;
}

void frame_give(struct frame *frame)
{
    assert_debug(!(frame->flags & (FRAME_FREE | FRAME_FOREIGN)));
    spin_lock(&frames_lock);
    free_add(frame);
    spin_unlock(&frames_lock);
}

/*
 * The first of `count` adjacent free frames, the last of which lies before `end`. One that is being
 * zeroed is waited for. Under the lock.
 */
static struct frame *adjacent_find(struct frame *first, uint64_t count, const struct frame *end)
{
    struct frame *next = first;
    while (next < first + count && first + count <= end) {
        if (next->flags & FRAME_FREE) {
            next++;
        } else if (next->flags & FRAME_ZEROED) {
            next = first; /* once more: what was free may be so no longer */
            spin_unlock(&frames_lock);
            cpu_pause();
            spin_lock(&frames_lock);
        } else {
            first = ++next;
        }
    }
    return next == first + count ? first : NULL;
}

struct frame *frames_take_adjacent(struct frame *these, uint64_t count)
{
    spin_lock(&frames_lock);
    struct frame *first = these == NULL ? adjacent_find(&frames[1], count, &frames[frame_count])
                                        : adjacent_find(these, count, these + count);
    for (uint64_t i = 0; first != NULL && i < count; i++) {
        frame_list_remove(first[i].flags & FRAME_ZEROED ? &zeroed : &dirty, &first[i]);
        frame_begin(&first[i]);
    }
    spin_unlock(&frames_lock);
    if (first != NULL) {
        memset(frame_pointer(first), 0, count * PAGE_SIZE);
    }
    return first;
}

struct frame *frames_large_free(void)
{
    static uint64_t first; /* the search goes on where it ended */
    uint32_t run = 0;
    spin_lock(&frames_lock);
    for (uint32_t looks = 0; run < LARGE_FRAMES && looks < LOOKS_MAX; looks++) {
        if (frames[first + run].flags & (FRAME_FREE | FRAME_ZEROED)) {
            run++;
        } else {
            first = (first + LARGE_FRAMES) % frame_count;
            run = 0;
        }
    }
    struct frame *found = run == LARGE_FRAMES ? &frames[first] : NULL;
    spin_unlock(&frames_lock);
    return found;
}

void *frames_boot_pages(uint64_t count)
{
    struct frame *first = frames_take_adjacent(NULL, count);
    if (first == NULL) {
        panic(__FILE__, __LINE__, "out of memory while booting");
    }
    return frame_pointer(first);
}

bool frames_zero_one(void)
{
    spin_lock(&frames_lock);
    bool wanted = zeroed.count < ZEROED_WANTED && dirty.count > 0;
    if (wanted) {
        struct frame *frame = frame_list_pop(&dirty);
        frame->flags = FRAME_ZEROED; /* in no list: it will be free again */
        spin_unlock(&frames_lock);
        memset(frame_pointer(frame), 0, PAGE_SIZE);
        spin_lock(&frames_lock);
        frame->flags = FRAME_FREE | FRAME_ZEROED;
        frame_list_add(&zeroed, frame);
    }
    spin_unlock(&frames_lock);
    return wanted;
}

uint64_t frames_free_bytes(void)
{
    spin_lock(&frames_lock);
    uint64_t count = zeroed.count + dirty.count;
    spin_unlock(&frames_lock);
    return count << PAGE_SHIFT;
}
