#include "kernel/core/kmem.h"

#include "kernel/core/assert.h"
#include "kernel/core/frame.h"
#include "kernel/core/lock.h"
#include "kernel/x86_64/layout.h"
#include "lib/base/string.h"

#define UNIT_BYTES 64

static const uint16_t class_bytes[] = {64,  128, 192,  256,  320,  448,
                                       576, 768, 1024, 1344, 2048, 4096};

#define CLASSES ARRAY_LENGTH(class_bytes)

struct class
{
    struct spinlock lock;
    struct frame_list partial; /* slabs with at least one free object */
    uint64_t spare_bytes;      /* of the slabs, in no object; others read it */
};

static struct class classes[CLASSES];

/* The class of every size, by the number of 64-byte units that it takes. */
static const uint8_t class_of_units[PAGE_SIZE / UNIT_BYTES + 1] = {
    0,  0,  1,  2,  3,  4,  5,  5,  6,  6,  7,  7,  7,  8,  8,  8,  8,  9,  9,  9,  9,  9,
    10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 11, 11, 11, 11, 11, 11, 11, 11, 11, 11, 11,
    11, 11, 11, 11, 11, 11, 11, 11, 11, 11, 11, 11, 11, 11, 11, 11, 11, 11, 11, 11, 11,
};

static uint32_t class_of(size_t size_bytes)
{
    assert(size_bytes <= PAGE_SIZE);
    uint32_t number = class_of_units[(size_bytes + UNIT_BYTES - 1) / UNIT_BYTES];
    assert_debug(class_bytes[number] >= size_bytes &&
                 (number == 0 || class_bytes[number - 1] < size_bytes));
    return number;
}

uint64_t kmem_size(size_t size_bytes)
{
    return class_bytes[class_of(size_bytes)];
}

/* A fresh slab: every object in its free list, in address order. Under the class's lock. */
static struct frame *slab_add(struct class *class, uint32_t size_bytes)
{
    struct frame *slab = frame_take(false);
    if (slab == NULL) {
        return NULL;
    }
    uint8_t *page = frame_pointer(slab);
    void *first = NULL;
    for (uint32_t i = (uint32_t)PAGE_SIZE / size_bytes; i-- > 0;) {
        void **object = (void **)(void *)(page + (size_t)i * size_bytes);
        *object = first;
        first = object;
    }
    slab->slab_free = first;
    slab->references = 0;
    frame_list_add(&class->partial, slab);
    class->spare_bytes += PAGE_SIZE;
    return slab;
}

void *kmem_alloc(size_t size_bytes)
{
    uint32_t number = class_of(size_bytes);
    struct class *class = &classes[number];
    class->lock.lock_class = LOCK_KMEM;
    spin_lock(&class->lock);
    struct frame *slab = frame_list_first(&class->partial);
    slab = slab != NULL ? slab : slab_add(class, class_bytes[number]);
    void **object = NULL;
    if (slab != NULL) {
        object = (void **)slab->slab_free;
        slab->slab_free = *object;
        slab->references++;
        class->spare_bytes -= class_bytes[number];
        if (slab->slab_free == NULL) {
            frame_list_remove(&class->partial, slab);
        }
    }
    spin_unlock(&class->lock);
    return object;
}

void kmem_free(void *object, size_t size_bytes)
{
    uint32_t number = class_of(size_bytes);
    struct class *class = &classes[number];
    struct frame *slab = frame_of_physical((uint64_t)(uintptr_t)object - DIRECT_MAP);
#ifdef OAK_DEBUG
    memset(object, 0x6b, class_bytes[number]); /* no address: who looks at it still, faults */
#endif
    spin_lock(&class->lock);
    bool was_full = slab->slab_free == NULL;
    *(void **)object = slab->slab_free;
    slab->slab_free = object;
    slab->references--;
    bool empty = slab->references == 0;
    class->spare_bytes += class_bytes[number] - (empty ? PAGE_SIZE : 0);
    if (was_full && !empty) {
        frame_list_add(&class->partial, slab);
    } else if (!was_full && empty) {
        frame_list_remove(&class->partial, slab);
    }
    spin_unlock(&class->lock);
    if (empty) {
        frame_give(slab);
    }
}

uint64_t kmem_spare_bytes(void)
{
    uint64_t spare = 0;
    for (uint32_t i = 0; i < CLASSES; i++) {
        spare += __atomic_load_n(&classes[i].spare_bytes, __ATOMIC_RELAXED);
    }
    return spare;
}
