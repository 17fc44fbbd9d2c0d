#include "kernel/object/platform.h"

#include "kernel/core/clock.h"
#include "kernel/core/cpu.h"
#include "kernel/core/frame.h"
#include "kernel/core/kmem.h"
#include "kernel/core/log.h"
#include "kernel/core/trace.h"
#include "kernel/object/thread.h"
#include "kernel/x86_64/memory_map.h"
#include "lib/base/string.h"

status_t platform_read(const struct call *call, void *out)
{
    (void)call;
    uint64_t table_bytes = object_chunk_count * OBJECT_CHUNK_ENTRIES * sizeof(struct object_entry);
    struct platform_state *state = out;
    *state = (struct platform_state){
        .memory_bytes = machine.ram_bytes,
        .memory_free_bytes = frames_free_bytes(),
        .memory_spare_bytes = kmem_spare_bytes() + table_bytes,
        .objects = object_count,
        .cpus = cpu_count,
        .now_ns = clock_now_ns(),
    };
    for (uint32_t i = 0; i < LOCK_CLASSES; i++) {
        state->lock_contended[i] = __atomic_load_n(&lock_contended[i], __ATOMIC_RELAXED);
    }
    return STATUS_OK;
}

status_t call_platform_set(struct call *call)
{
    bool wall = call->argument[1] == PLATFORM_WALL_NS;
    uint64_t value = call->argument[2];
    /* The trace tells what every container does, and costs all of them time. */
    if (!(call->rights & (wall ? RIGHT_CONTROL : RIGHT_READ))) {
        return STATUS_NO_RIGHT;
    }
    if (!wall && (call->argument[1] != PLATFORM_TRACE || value > 1)) {
        return STATUS_INVALID_ARGUMENT;
    }
    if (wall) {
        clock_set_wall(value);
    } else {
        trace_set(value == 1);
    }
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
