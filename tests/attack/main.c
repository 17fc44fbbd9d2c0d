/* An init that attacks the kernel; hostile domains are this program again. */
#include "tests/attack/attack.h"

void program_main(uint64_t argument)
{
    if (argument != 0) {
        ((role_t)argument)(argument);
        return;
    }
    log_name_set("attack");
    harness_entries_set(SLOT_DOMAIN);
    attack_rights();
    attack_addresses();
    attack_resume();
    attack_isolation();
    attack_state();
    attack_random();
    tap_end();
}
