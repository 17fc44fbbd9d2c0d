/*
 * The object is linked into the personality's read-only data, which belongs to the bundle's memory.
 * A region needs a memory that the container has a capability to; so the template copies it into a
 * page of its own, which clones share, and the first program of a container makes a view of it.
 */
#include "linux/vdso/vdso.h"

#include "lib/base/string.h"
#include "lib/oak/kernel.h"
#include "linux/core/lock.h"
#include "linux/core/trap.h"
#include "linux/core/window.h"
#include "linux/mm/mm.h"

#define OBJECT_BYTES PAGE_SIZE

extern const uint8_t vdso_object[];
extern const uint8_t vdso_object_end[];

static uint8_t page[OBJECT_BYTES] __attribute__((aligned(4096)));
static struct mutex view_lock;
static uint32_t view; /* slot; 0: not made yet */

void vdso_prepare(void)
{
    size_t length = (size_t)(vdso_object_end - vdso_object);
    if (length > sizeof(page)) {
        personality_panic("vdso: larger than its page");
    }
    memcpy(page, vdso_object, length);
}

static uint32_t view_get(void)
{
    mutex_lock(&view_lock);
    if (view == 0) {
        uint32_t slot = slot_alloc();
        if (slot != 0 && kernel_memory_view(SLOT_ACCOUNT, slot, SLOT_MEMORY,
                                            (uint64_t)(uintptr_t)page - WINDOW_BASE, OBJECT_BYTES,
                                            RIGHT_READ | RIGHT_EXECUTE) == STATUS_OK) {
            view = slot;
        } else {
            slot_free(slot);
        }
    }
    uint32_t slot = view;
    mutex_unlock(&view_lock);
    return slot;
}

/* Above the stack's top, so that they share its page table. */
#define VDSO_ADDRESS (APPLICATION_END - PAGE_SIZE)

uint64_t vdso_map(struct mm *mm)
{
    uint32_t slot = view_get();
    bool mapped =
        slot != 0 &&
        mm_map_special(mm, VDSO_ADDRESS, PAGE_SIZE, slot, PROT_READ | PROT_EXEC, "[vdso]") >= 0 &&
        mm_map_special(mm, VDSO_ADDRESS - PAGE_SIZE, PAGE_SIZE, SLOT_TIME, PROT_READ, "[vvar]") >=
            0;
    return mapped ? VDSO_ADDRESS : 0;
}
