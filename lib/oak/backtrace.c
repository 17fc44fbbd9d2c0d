/*
 * Reads stacks that may be gone, shared or forged: a copy of the memory is looked at, of which
 * nobody takes a page away or changes it.
 */
#include "lib/oak/backtrace.h"

#include "lib/oak/kernel.h"
#include "lib/oak/slots.h"
#include "lib/oak/window.h"

/* What a function's prologue leaves at its frame pointer. */
struct call_frame {
    uint64_t caller;
    uint64_t return_address;
};

/* A page that is absent stays so: reading it would need memory. */
static bool frame_read(uint32_t copy, uint64_t address, struct call_frame *out)
{
    uint64_t offset = address - WINDOW_BASE;
    uint64_t place = offset % PAGE_SIZE;
    const void *mapped;
    if (offset >= WINDOW_SIZE || address % sizeof(uint64_t) != 0 ||
        place > PAGE_SIZE - sizeof(*out) || !memory_page_present(copy, offset - place) ||
        window_map_source(copy, offset - place, PAGE_SIZE, &mapped) != STATUS_OK) {
        return false;
    }
    memcpy(out, (const uint8_t *)mapped + place, sizeof(*out));
    window_unmap(mapped, PAGE_SIZE);
    return true;
}

static uint32_t calls_read(uint32_t copy, uint64_t frame, uint64_t *out)
{
    struct call_frame found;
    uint32_t count = 0;
    while (count < BACKTRACE_CALLS && frame_read(copy, frame, &found) &&
           found.return_address - WINDOW_BASE < WINDOW_SIZE) {
        out[count++] = found.return_address;
        if (found.caller <= frame) { /* stacks grow down: callers lie above */
            break;
        }
        frame = found.caller;
    }
    return count;
}

uint32_t backtrace_read(uint32_t account, uint32_t memory, uint64_t frame, uint64_t *out)
{
    uint32_t count = 0;
    uint32_t copy;
    if (slot_allocate(&copy) != STATUS_OK) {
        return 0;
    }
    if (kernel_memory_clone(account, copy, memory) == STATUS_OK) {
        count = calls_read(copy, frame, out);
    }
    slot_destroy(copy);
    return count;
}
