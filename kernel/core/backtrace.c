/*
 * Reads stacks that may be gone, shared or forged: each frame is looked up anew under the locks,
 * and copied before it is looked at. Locks: the window's, then the memory's.
 */
#include "kernel/core/backtrace.h"

#include "kernel/object/region_find.h"
#include "lib/base/string.h"

/* What a function's prologue leaves at its frame pointer. */
struct call_frame {
    uint64_t caller;
    uint64_t return_address;
};

static bool frame_read(struct region_map *window, uint64_t address, struct call_frame *out)
{
    if (address % sizeof(uint64_t) != 0 || address % PAGE_SIZE > PAGE_SIZE - sizeof(*out)) {
        return false;
    }
    const struct frame *frame = NULL;
    spin_lock(&window->lock);
    const struct region *region = region_at(window, address);
    struct memory *memory = region == NULL ? NULL : region->link[LINK_PRIVATE].memory;
    if (memory != NULL && memory->kind == MEMORY_NORMAL && (region->rights & RIGHT_READ) &&
        !window->dying) {
        spin_lock(&memory->lock);
        frame = tree_find(&memory->tree, region_private_page(region, address), NULL);
        if (frame != NULL) {
            memcpy(out, (const uint8_t *)frame_pointer(frame) + address % PAGE_SIZE, sizeof(*out));
        }
        spin_unlock(&memory->lock);
    }
    spin_unlock(&window->lock);
    return frame != NULL;
}

uint64_t backtrace_window(struct region_map *window, uint64_t first_frame, uint64_t *out,
                          uint64_t limit)
{
    uint64_t count = 0;
    uint64_t place = first_frame;
    struct call_frame frame;
    while (count < limit && place - WINDOW_BASE < WINDOW_SIZE &&
           frame_read(window, place, &frame) && frame.return_address - WINDOW_BASE < WINDOW_SIZE) {
        out[count++] = frame.return_address;
        if (frame.caller <= place) { /* stacks grow down: callers lie above */
            break;
        }
        place = frame.caller;
    }
    return count;
}
