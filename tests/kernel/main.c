/* An init that tests the kernel's objects one after the other; its children begin here too. */
#include "tests/kernel/harness.h"

static void test_objects(void)
{
    test_account();
    test_domain();
    test_memory();
    test_region();
    test_large();
    test_thread();
    test_application();
    test_endpoint();
    test_signal();
    test_space();
    test_shortage();
    test_trace();
    test_domain_clone();
}

void program_main(uint64_t argument)
{
    if (argument != 0) {
        ((role_t)argument)(argument);
        return;
    }
    log_name_set("test");
    harness_entries_set(SLOT_DOMAIN);
    if (machine_books().cpus > 1) { /* they wait for lower bands by yielding */
        test_objects();
    }
    test_sharing();
    test_quota();
    tap_end();
}
