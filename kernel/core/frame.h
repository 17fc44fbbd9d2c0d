/*
 * Page frames. Each has one struct frame: who refers to it, who paid for it. Free frames are in two
 * lists, zeroed and not; a frame is always zeroed or overwritten before anyone sees it.
 */
#pragma once

#include "kernel/x86_64/memory_map.h"

struct payer;

/* So many make a large page, if they lie behind one another and the first at a multiple of it. */
#define LARGE_FRAMES 512

enum frame_flags {
    FRAME_FREE = 1,
    FRAME_ZEROED = 2,
    FRAME_PINNED = 4,  /* the kernel uses it by address: one reference is the pin's */
    FRAME_FOREIGN = 8, /* part of the kernel image: never freed */
};

struct frame {
    union {
        struct payer *payer;
        void *slab_free;      /* in a slab of kmem: the first free object */
        uint64_t table_lines; /* of a page table: bit per cache line that may have entries */
    };
    uint32_t references; /* atomic; in a slab: objects in use */
    uint32_t flags;
    uint32_t next; /* list links, by number */
    uint32_t previous;
};

/* Frames in a list, by their numbers; number 0 is no frame. Under the lock of whose list it is. */
struct frame_list {
    uint32_t first;
    uint64_t count;
};

void frame_list_add(struct frame_list *list, struct frame *frame);
void frame_list_remove(struct frame_list *list, struct frame *frame);
struct frame *frame_list_first(const struct frame_list *list); /* NULL: it is empty */

/* RAM from there on is the kernel's to give out; what lies before its image is the firmware's. */
void frames_init(uint64_t first_physical);

/* A frame with one reference that nobody pays for; NULL when there is none. */
struct frame *frame_take(bool zeroed);
void frame_give(struct frame *frame);

/* `count` zeroed frames with one reference each; false: none are taken. */
bool frames_take_zeroed(struct frame **out, uint32_t count);

/* The first of LARGE_FRAMES free frames that may make a large page; NULL: none is found soon. */
struct frame *frames_large_free(void);

/* `count` adjacent zeroed frames, from that one on or, if it is NULL, from anywhere; NULL: they are
 * not free. */
struct frame *frames_take_adjacent(struct frame *these, uint64_t count);

/* The same for the kernel itself while booting: their address, or a panic. */
void *frames_boot_pages(uint64_t count);

/* Zero one free frame ahead of need; false when there is no need. Called by idle CPUs. */
bool frames_zero_one(void);

uint64_t frames_free_bytes(void);
uint64_t frame_physical(const struct frame *frame);
void *frame_pointer(const struct frame *frame);
struct frame *frame_of_physical(uint64_t physical);
