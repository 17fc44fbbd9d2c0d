#include "kernel/object/platform.h"

#include "kernel/core/clock.h"
#include "kernel/core/cpu.h"
#include "kernel/core/frame.h"
#include "kernel/core/log.h"
#include "kernel/core/trace.h"
#include "kernel/object/thread.h"
#include "kernel/x86_64/memory_map.h"
#include "lib/base/string.h"

_Static_assert(sizeof(struct platform_state) <= MESSAGE_BYTES, "fits into the frame's message");

status_t call_platform_read(struct call *call)
{
    uint64_t mode = call->argument[1];
    uint64_t slot = call->argument[2];
    if (mode > TRACE_MODE_ON) {
        return STATUS_INVALID_ARGUMENT;
    }
    if (mode != TRACE_MODE_SAME || slot != SLOT_NONE) {
        /* The trace tells what every container does, and costs all of them time. */
        struct object *platform;
        status_t status = capability_find(call->thread, call->argument[0], OBJECT_PLATFORM,
                                          RIGHT_READ | RIGHT_WRITE, &platform);
        if (status != STATUS_OK) {
            return status;
        }
    }
    if (slot != SLOT_NONE) {
        status_t status = capability_check_empty(call->thread, slot);
        if (status != STATUS_OK) {
            return status;
        }
        capability_put(call->thread, slot, trace_handle());
    }
    if (mode != TRACE_MODE_SAME) {
        trace_set(mode == TRACE_MODE_ON);
    }
    struct platform_state state = {
        .memory_bytes = machine.ram_bytes,
        .memory_free_bytes = frames_free_bytes(),
        .objects = object_count(),
        .cpus = cpu_count,
        .now_ns = clock_now_ns(),
    };
    for (uint32_t i = 0; i < LOCK_CLASSES; i++) {
        state.lock_contended[i] = __atomic_load_n(&lock_contended[i], __ATOMIC_RELAXED);
    }
    memcpy(call->thread->frame->message, &state, sizeof(state));
    return STATUS_OK;
}

status_t call_clock_set(struct call *call)
{
    clock_set_wall(call->argument[1]);
    return STATUS_OK;
}

/* A line of text as it came, but for control characters: the log is read on terminals. */
status_t call_log_write(struct call *call)
{
    uint64_t length_bytes = call->argument[1];
    if (length_bytes > MESSAGE_BYTES) {
        return STATUS_TOO_LARGE;
    }
    char line[MESSAGE_BYTES + 1];
    memcpy(line, call->thread->frame->message, length_bytes);
    for (uint64_t i = 0; i < length_bytes; i++) {
        if ((line[i] < ' ' && line[i] != '\t') || line[i] == 0x7f) {
            line[i] = '?';
        }
    }
    line[length_bytes] = '\n';
    log_bytes(line, length_bytes + 1);
    return STATUS_OK;
}
