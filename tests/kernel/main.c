/* An init that tests the kernel's objects one after the other; its children begin here too. */
#include "tests/kernel/harness.h"

void program_main(uint64_t argument)
{
    if (argument != 0) {
        ((role_t)argument)(argument);
        return;
    }
    log_name_set("test");
    harness_entries_set(SLOT_DOMAIN);
    test_account();
    test_domain();
    test_memory();
    test_region();
    test_thread();
    test_application();
    test_endpoint();
    test_signal();
    test_space();
    test_shortage();
    tap_end();
}
