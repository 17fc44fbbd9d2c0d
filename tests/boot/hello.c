/* The smallest init: says that it runs, and which capabilities it found. */
#include "lib/oak/kernel.h"
#include "lib/oak/log.h"
#include "lib/oak/program.h"

void program_main(uint64_t argument)
{
    (void)argument;
    log_line("hello from user mode");
    for (uint64_t slot = 1; slot < SLOT_DYNAMIC; slot++) {
        struct kernel_results results;
        if (kernel_capability_read(SLOT_DOMAIN, slot, &results) == STATUS_OK && results.value[0]) {
            log_line("slot %lu: type %lu rights %lx", slot, results.value[0] & 0xff,
                     results.value[0] >> 8);
        }
    }
    for (;;) {
        (void)kernel_thread_park(DEADLINE_NEVER, 0);
    }
}
