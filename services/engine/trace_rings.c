#include "services/engine/trace_rings.h"

#include "abi/engine.h"
#include "abi/trace.h"
#include "lib/base/string.h"
#include "lib/oak/kernel.h"
#include "lib/oak/program.h"
#include "lib/oak/window.h"

static const uint8_t *rings;

status_t trace_rings_start(struct trace_rings *out)
{
    const struct time_page *time = NULL;
    uint64_t size_bytes = objects_machine().cpus * TRACE_RING_BYTES;
    status_t status = STATUS_OK;
    if (rings == NULL) {
        const void *mapped = NULL;
        status = window_map_source(ENGINE_SLOT_TRACE, 0, size_bytes, &mapped);
        rings = mapped;
    }
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
    return kernel_platform_set(ENGINE_SLOT_PLATFORM, PLATFORM_TRACE, 1);
}

void trace_rings_stop(void)
{
    status_t status = kernel_platform_set(ENGINE_SLOT_PLATFORM, PLATFORM_TRACE, 0);
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
