#include "kernel/x86_64/shootdown.h"

#include "kernel/core/trace.h"
#include "kernel/x86_64/asm.h"

static void flush(const struct shootdown_batch *batch)
{
    if (batch->count > SHOOTDOWN_ADDRESSES) {
        cr3_write(cr3_read());
        return;
    }
    for (uint32_t i = 0; i < batch->count; i++) {
        translation_forget(batch->address[i]);
    }
}

void cpu_serve_requests(void)
{
    struct cpu *cpu = cpu_current();
    if (__atomic_load_n(&cpu->shootdown_pending, __ATOMIC_RELAXED) == 0) {
        return;
    }
    uint64_t pending = __atomic_exchange_n(&cpu->shootdown_pending, 0, __ATOMIC_ACQ_REL);
    while (pending != 0) {
        uint32_t initiator = (uint32_t)__builtin_ctzll(pending);
        pending &= pending - 1;
        struct shootdown *request = &cpus[initiator]->shootdown_own;
        flush(request->batch);
        __atomic_fetch_and(&request->cpus_left, ~(1ull << cpu->number), __ATOMIC_ACQ_REL);
    }
}

/* Ask these CPUs, and wait until all have answered. */
__attribute__((noinline)) static void others_flush(uint64_t mask,
                                                   const struct shootdown_batch *batch)
{
    struct cpu *cpu = cpu_current();
    struct shootdown *own = &cpu->shootdown_own;
    trace(TRACE_SHOOTDOWN, 0, mask, batch->count);
    own->batch = batch; /* on this stack, which every CPU can read */
    __atomic_store_n(&own->cpus_left, mask, __ATOMIC_RELEASE);
    for (uint64_t left = mask; left != 0; left &= left - 1) {
        uint32_t number = (uint32_t)__builtin_ctzll(left);
        __atomic_fetch_or(&cpus[number]->shootdown_pending, 1ull << cpu->number, __ATOMIC_ACQ_REL);
        cpu_kick(number);
    }
    while (__atomic_load_n(&own->cpus_left, __ATOMIC_ACQUIRE) != 0) {
        cpu_serve_requests();
        cpu_pause();
    }
}

void shootdown_run(const uint64_t *loaded, const struct shootdown_batch *batch)
{
    if (batch->count == 0) {
        return;
    }
    struct cpu *cpu = cpu_current();
    /* The changed entries before the mask: pairs with region_map_loaded, mask before CR3. */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    uint64_t mask = __atomic_load_n(loaded, __ATOMIC_ACQUIRE);
    if (mask & cpu->bit) {
        flush(batch);
        mask &= ~cpu->bit;
    }
    if (mask != 0) {
        others_flush(mask, batch);
    }
}
