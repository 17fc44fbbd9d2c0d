#include "bench/kernel/crowd.h"

#include "lib/oak/slots.h"
#include "tests/kernel/harness.h"

#define LIMIT_BYTES (256ull << 10)

static void wait_for_ever(struct worker *worker)
{
    (void)worker;
    for (;;) {
        (void)kernel_thread_park(DEADLINE_NEVER, PARK_UNINTERRUPTIBLE);
    }
}

/* One whose window is a copy of ours as it is now, the prepared worker's stack in it. */
static void domain_make(struct worker *worker)
{
    uint32_t account = account_new(LIMIT_BYTES, 1);
    uint32_t domain = slot_new();
    uint32_t memory = slot_new();
    worker->slot = slot_new();
    must(kernel_domain_create(account, domain, 0, SLOT_NONE, 0), "domain");
    must(kernel_memory_clone(account, memory, SLOT_MEMORY), "clone");
    must(kernel_regions_copy(domain, SLOT_DOMAIN, memory, SLOT_MEMORY), "regions");
    worker_begin(worker, domain, SLOT_NONE, account, BAND_CONTAINER);
}

void crowd_make(void)
{
    static struct worker worker;
    worker_prepare(&worker, wait_for_ever);
    for (uint32_t i = 0; i < CROWD; i++) {
        domain_make(&worker);
    }
    pause_ns(50 * MILLISECOND_NS); /* all have come to wait */
}
