/*
 * The object is linked into the personality's read-only data, which belongs to the bundle's memory.
 * A region needs a memory that the container has a capability to; so the template copies it into a
 * page of its own window, which clones share, and programs map that page of the window's memory.
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

static uint8_t page[OBJECT_BYTES] LARGE_TABLE __attribute__((aligned(4096)));

void vdso_prepare(void)
{
    size_t length = (size_t)(vdso_object_end - vdso_object);
    if (length > sizeof(page)) {
        personality_panic("vdso: larger than its page");
    }
    memcpy(page, vdso_object, length);
}

uint64_t vdso_map(struct mm *mm)
{
    uint64_t offset = (uint64_t)(uintptr_t)page - WINDOW_BASE;
    bool mapped =
        mm_map_special(mm, VDSO_ADDRESS, PAGE_SIZE, SLOT_MEMORY, offset, PROT_READ | PROT_EXEC,
                       "[vdso]") >= 0 &&
        mm_map_special(mm, VVAR_ADDRESS, PAGE_SIZE, SLOT_TIME, 0, PROT_READ, "[vvar]") >= 0;
    return mapped ? VDSO_ADDRESS : 0;
}
