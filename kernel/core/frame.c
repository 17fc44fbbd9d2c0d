#include "kernel/core/frame.h"

#include "kernel/core/assert.h"
#include "kernel/core/lock.h"
#include "kernel/core/sealed.h"
#include "lib/base/string.h"

#define NO_FRAME      0 /* frame 0 is never free RAM of ours */
#define ZEROED_WANTED 1024

static SEALED struct frame *frames;
static SEALED uint64_t frame_count;
static struct frame_list zeroed;
static struct frame_list dirty;
static struct spinlock frames_lock = SPINLOCK_INIT(LOCK_FRAMES);

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

void frames_init(uint64_t first_physical)
{
    frame_count = machine.ram_end >> PAGE_SHIFT;
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
                struct frame *frame = frame_of_physical(physical);
                frame->flags = FRAME_FREE;
                frame_list_add(&dirty, frame);
            }
        }
    }
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
    struct frame *frame = frame_list_first(list);
    if (frame == NULL) {
        return NULL;
    }
    frame_list_remove(list, frame);
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
    frame->flags = FRAME_FREE;
    frame_list_add(&dirty, frame);
    spin_unlock(&frames_lock);
}

/* The first of `count` adjacent free frames. Under the lock. */
static struct frame *adjacent_find(uint64_t count)
{
    uint64_t run = 0;
    for (uint64_t number = 1; number < frame_count; number++) {
        run = frames[number].flags & FRAME_FREE ? run + 1 : 0;
        if (run == count) {
            return &frames[number + 1 - count];
        }
    }
    return NULL;
}

struct frame *frames_take_adjacent(uint64_t count)
{
    spin_lock(&frames_lock);
    struct frame *first = adjacent_find(count);
    for (uint64_t i = 0; first != NULL && i < count; i++) {
        frame_list_remove(first[i].flags & FRAME_ZEROED ? &zeroed : &dirty, &first[i]);
        frame_begin(&first[i]);
    }
    spin_unlock(&frames_lock);
    for (uint64_t i = 0; first != NULL && i < count; i++) {
        memset(frame_pointer(&first[i]), 0, PAGE_SIZE);
    }
    return first;
}

void *frames_boot_pages(uint64_t count)
{
    struct frame *first = frames_take_adjacent(count);
    if (first == NULL) {
        panic(__FILE__, __LINE__, "out of memory while booting");
    }
    return frame_pointer(first);
}

bool frames_zero_one(void)
{
    spin_lock(&frames_lock);
    struct frame *frame = zeroed.count < ZEROED_WANTED ? frame_list_first(&dirty) : NULL;
    if (frame != NULL) {
        frame_list_remove(&dirty, frame);
        frame->flags = 0;
        spin_unlock(&frames_lock);
        memset(frame_pointer(frame), 0, PAGE_SIZE);
        spin_lock(&frames_lock);
        frame->flags = FRAME_FREE | FRAME_ZEROED;
        frame_list_add(&zeroed, frame);
    }
    spin_unlock(&frames_lock);
    return frame != NULL;
}

uint64_t frames_free_bytes(void)
{
    spin_lock(&frames_lock);
    uint64_t count = zeroed.count + dirty.count;
    spin_unlock(&frames_lock);
    return count << PAGE_SHIFT;
}
