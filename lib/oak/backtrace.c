/*
 * Reads stacks that may be gone, shared or forged: of each page a copy is looked at, which nobody
 * takes away or changes.
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
static status_t copy_read(uint32_t copy, uint64_t place, struct call_frame *out)
{
    struct kernel_results found;
    const void *mapped;
    status_t status = kernel_memory_query(copy, 0, &found);
    if (status != STATUS_OK || found.value[0] == 0) {
        return status != STATUS_OK ? status : STATUS_NOT_FOUND;
    }
    status = window_map_source(copy, 0, PAGE_SIZE, &mapped);
    if (status == STATUS_OK) {
        memcpy(out, (const uint8_t *)mapped + place, sizeof(*out));
        window_unmap(mapped, PAGE_SIZE);
    }
    return status;
}

static bool frame_read(uint32_t memory, uint64_t address, struct call_frame *out)
{
    uint64_t offset = address - WINDOW_BASE;
    uint64_t place = offset % PAGE_SIZE;
    uint32_t copy;
    if (offset >= WINDOW_SIZE || address % sizeof(uint64_t) != 0 ||
        place > PAGE_SIZE - sizeof(*out) || slot_allocate(&copy) != STATUS_OK) {
        return false;
    }
    status_t status = kernel_memory_clone(SLOT_ACCOUNT, copy, memory, offset - place, PAGE_SIZE);
    if (status == STATUS_OK) {
        status = copy_read(copy, place, out);
    }
    slot_destroy(copy);
    return status == STATUS_OK;
}

uint32_t backtrace_read(uint32_t memory, uint64_t frame, uint64_t *out)
{
    struct call_frame found;
    uint32_t count = 0;
    while (count < BACKTRACE_CALLS && frame_read(memory, frame, &found) &&
           found.return_address - WINDOW_BASE < WINDOW_SIZE) {
        out[count++] = found.return_address;
        if (found.caller <= frame) { /* stacks grow down: callers lie above */
            break;
        }
        frame = found.caller;
    }
    return count;
}
