#include "services/engine/trace_rings.h"

#include "abi/engine.h"
#include "abi/trace.h"
#include "lib/base/string.h"
#include "lib/oak/kernel.h"
#include "lib/oak/program.h"
#include "lib/oak/slots.h"
#include "lib/oak/window.h"

static const uint8_t *rings;

static status_t rings_map(uint64_t size_bytes)
{
    uint32_t slot;
    status_t status = slot_allocate(&slot);
    if (status != STATUS_OK) {
        return status;
    }
    status = kernel_platform_read(ENGINE_SLOT_PLATFORM, TRACE_MODE_SAME, slot);
    if (status != STATUS_OK) {
        slot_release(slot);
        return status;
    }
    const void *mapped = NULL;
    status = window_map_source(slot, 0, size_bytes, &mapped);
    if (status != STATUS_OK) {
        status_t dropped = kernel_capability_drop(SLOT_DOMAIN, slot);
        (void)dropped; /* it is there: it was put there above */
        slot_release(slot);
        return status;
    }
    rings = mapped;
    return STATUS_OK;
}

status_t trace_rings_start(struct trace_rings *out)
{
    const struct time_page *time = NULL;
    uint64_t size_bytes = objects_machine().cpus * TRACE_RING_BYTES;
    status_t status = rings == NULL ? rings_map(size_bytes) : STATUS_OK;
    if (status == STATUS_OK) {
        const void *mapped = NULL;
        status = window_map_source(SLOT_TIME, 0, PAGE_SIZE, &mapped);
        time = mapped;
    }
    if (status != STATUS_OK) {
        return status;
    }
    *out = (struct trace_rings){rings, size_bytes, time->tsc_hz};
    window_unmap(time, PAGE_SIZE);
    return kernel_platform_read(ENGINE_SLOT_PLATFORM, TRACE_MODE_ON, SLOT_NONE);
}

void trace_rings_stop(void)
{
    status_t status = kernel_platform_read(ENGINE_SLOT_PLATFORM, TRACE_MODE_OFF, SLOT_NONE);
    (void)status; /* it worked when the trace was switched on */
}

uint64_t trace_domain(const struct container_objects *objects)
{
    struct kernel_results results;
    uint32_t slot = objects == NULL ? SLOT_DOMAIN : objects->domain;
    if (slot == SLOT_NONE || kernel_capability_read(SLOT_DOMAIN, slot, &results) != STATUS_OK) {
        return 0;
    }
    return results.value[1];
}
