#include "kernel/core/trace.h"

#include "kernel/core/log.h"
#include "kernel/core/sealed.h"
#include "kernel/object/thread.h"
#include "kernel/x86_64/cpu.h"

#define PRINTED_EVENTS 24

_Static_assert(sizeof(struct trace_ring) == TRACE_RING_BYTES, "whole pages");

bool trace_on;
SEALED struct trace_ring *trace_rings;

void trace_follow(void)
{
    bool on = __atomic_load_n(&trace_on, __ATOMIC_SEQ_CST);
    if (cpu_current()->traced != on) {
        cpu_set_syscall_entry(on);
    }
}

void trace_set(bool on)
{
    __atomic_store_n(&trace_on, on, __ATOMIC_SEQ_CST);
    trace_follow();
    for (uint32_t i = 0; i < cpu_count; i++) {
        if (cpus[i] != cpu_current()) {
            cpu_kick(i);
        }
    }
}

/* An NMI may come in between and write its own event: into the next place. */
void trace_write(enum trace_kind kind, uint32_t detail, uint64_t word0, uint64_t word1)
{
    const struct cpu *cpu = cpu_current();
    struct trace_ring *ring = &trace_rings[cpu->number];
    const struct thread *current = cpu->current;
    uint64_t place = __atomic_fetch_add(&ring->written, 1, __ATOMIC_RELAXED);
    ring->event[place % TRACE_RING_EVENTS] = (struct trace_event){
        .tsc = tsc_read(),
        .thread = current == NULL ? 0 : object_number(&current->object),
        .kind = (uint16_t)kind,
        .detail = (uint16_t)detail,
        .word = {word0, word1},
    };
}

void trace_print_last(uint32_t cpu_number)
{
    if (trace_rings == NULL || trace_rings[cpu_number].written == 0) {
        return;
    }
    const struct trace_ring *ring = &trace_rings[cpu_number];
    uint64_t count = MIN(ring->written, PRINTED_EVENTS);
    log_line("the last %lu trace events (tsc, thread, kind, detail, words):", count);
    for (uint64_t i = ring->written - count; i < ring->written; i++) {
        const struct trace_event *event = &ring->event[i % TRACE_RING_EVENTS];
        log_line("  %lu %u %u %u %lx %lx", event->tsc, event->thread, event->kind, event->detail,
                 event->word[0], event->word[1]);
    }
}
