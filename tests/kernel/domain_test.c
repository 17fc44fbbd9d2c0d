/*
 * Domains and capabilities: copies have no more rights than their source, a dropped slot is empty,
 * a destroyed object is stale everywhere at once, and a slot that was used is not overwritten.
 */
#include "tests/kernel/harness.h"

static uint64_t rights_of(uint32_t domain, uint32_t slot)
{
    struct kernel_results results;
    must(kernel_capability_read(domain, slot, &results), "capability_read");
    return results.value[0] >> 8;
}

static void test_rights_shrink(void)
{
    uint32_t signal = slot_new();
    must(kernel_signal_create(SLOT_ACCOUNT, signal), "signal");
    ok(rights_of(SLOT_DOMAIN, signal) == RIGHTS_ALL, "a new object's capability has every right");
    bool right = true;
    for (uint32_t had = 0; had <= RIGHTS_ALL; had++) {
        uint32_t copy = slot_new();
        uint32_t second = slot_new();
        uint32_t asked = (had * 37 + 11) & RIGHTS_ALL;
        must(kernel_capability_copy(SLOT_DOMAIN, copy, signal, had), "copy");
        must(kernel_capability_copy(SLOT_DOMAIN, second, copy, asked | ~0xffull), "copy");
        right = right && rights_of(SLOT_DOMAIN, copy) == had &&
                rights_of(SLOT_DOMAIN, second) == (had & asked);
        must(kernel_capability_drop(SLOT_DOMAIN, copy), "drop");
        must(kernel_capability_drop(SLOT_DOMAIN, second), "drop");
    }
    ok(right, "a copy has the rights asked for that its source had, for all sets of rights");
    destroy(signal);
}

static void test_slots(void)
{
    uint32_t signal = slot_new();
    uint32_t slot = slot_new();
    must(kernel_signal_create(SLOT_ACCOUNT, signal), "signal");
    ok_status(kernel_signal_create(SLOT_ACCOUNT, signal), STATUS_SLOT_USED,
              "a used slot is not overwritten by a new object");
    ok_status(kernel_capability_copy(SLOT_DOMAIN, signal, signal, RIGHTS_ALL), STATUS_SLOT_USED,
              "nor by a copy");
    ok_status(kernel_signal_create(SLOT_ACCOUNT, 0), STATUS_OUT_OF_RANGE, "slot 0 stays empty");
    ok_status(kernel_signal_create(SLOT_ACCOUNT, SLOTS), STATUS_OUT_OF_RANGE,
              "there is no slot behind the table");
    ok_status(kernel_capability_copy(SLOT_DOMAIN, slot, UINT64_MAX, RIGHTS_ALL),
              STATUS_BAD_CAPABILITY, "nor one of that number");
    ok_status(kernel_capability_copy(SLOT_DOMAIN, slot, slot, RIGHTS_ALL), STATUS_BAD_CAPABILITY,
              "an empty slot is not copied");
    must(kernel_capability_copy(SLOT_DOMAIN, slot, signal, RIGHT_WRITE), "copy");
    must(kernel_capability_drop(SLOT_DOMAIN, signal), "drop");
    ok_status(kernel_signal_raise(signal, 1), STATUS_BAD_CAPABILITY, "a dropped slot is empty");
    ok_status(kernel_capability_drop(SLOT_DOMAIN, signal), STATUS_BAD_CAPABILITY,
              "it cannot be dropped twice");
    ok_status(kernel_signal_raise(slot, 1), STATUS_OK, "the object lives on in its copy");
    ok_status(kernel_object_destroy(slot), STATUS_NO_RIGHT, "which may not destroy it");
    ok_status(kernel_endpoint_restart(slot), STATUS_WRONG_TYPE, "nor is it another object");
    must(kernel_capability_drop(SLOT_DOMAIN, slot), "drop");
}

/* Several words of one call are done in order, up to the first that fails. */
static void test_copy_several(void)
{
    uint32_t signal = slot_new();
    uint32_t one = slot_new();
    uint32_t two = slot_new();
    must(kernel_signal_create(SLOT_ACCOUNT, signal), "signal");
    ok_status(kernel_capabilities_copy(SLOT_DOMAIN, CAPABILITY_COPY(one, signal, RIGHT_WRITE), 0,
                                       CAPABILITY_COPY(two, one, RIGHTS_ALL),
                                       CAPABILITY_COPY(one, 0, 0), 0),
              STATUS_OK, "a copy, a copy of the copy, and the first one dropped");
    ok_status(kernel_signal_raise(one, 1), STATUS_BAD_CAPABILITY, "the first is gone");
    ok_status(kernel_signal_raise(two, 1), STATUS_OK, "the second is there");
    ok_status(kernel_capabilities_copy(SLOT_DOMAIN, CAPABILITY_COPY(one, signal, RIGHT_WRITE),
                                       CAPABILITY_COPY(two, signal, RIGHT_WRITE),
                                       CAPABILITY_COPY(signal, 0, 0), 0, 0),
              STATUS_SLOT_USED, "a full slot ends the call");
    ok_status(kernel_signal_raise(one, 1), STATUS_OK, "what came before it is done");
    ok_status(kernel_signal_raise(signal, 1), STATUS_OK, "and what came after it is not");
    destroy(signal);
}

/* The message's words: so many copies of one capability, into slots one after the other; or, of
 * slot 0, those slots emptied. A log line would write over them. */
static void message_fill(uint32_t first, uint32_t slot)
{
    for (uint32_t i = 0; i < MESSAGE_WORDS; i++) {
        thread_frame_self()->message[i] =
            CAPABILITY_COPY(first + i, slot, slot == 0 ? 0 : RIGHT_WRITE);
    }
}

static bool all_raise(uint32_t first, status_t status)
{
    bool good = true;
    for (uint32_t i = 0; i < MESSAGE_WORDS; i++) {
        good = good && kernel_signal_raise(first + i, 1) == status;
    }
    return good;
}

/* Words behind the fifth stand in the message: as many as the last one says, and it holds. */
static void test_copy_more(void)
{
    uint32_t signal = slot_new();
    uint32_t first = SLOTS - MESSAGE_WORDS - 1; /* slots that nobody has */
    uint64_t own = CAPABILITY_COPY(SLOTS - 1, signal, RIGHT_READ | RIGHT_WRITE);
    bool good = true;
    must(kernel_signal_create(SLOT_ACCOUNT, signal), "signal");
    message_fill(first, signal);
    for (uint64_t more = MESSAGE_WORDS + 1; more < 128; more++) {
        good = good &&
               kernel_capabilities_copy(SLOT_DOMAIN, 0, 0, 0, 0, own | CAPABILITY_MORE(more)) ==
                   STATUS_INVALID_ARGUMENT;
    }
    ok(good && all_raise(first, STATUS_BAD_CAPABILITY),
       "more words than a message holds are refused, and none is done");
    message_fill(first, signal);
    ok(kernel_capabilities_copy(SLOT_DOMAIN, 0, 0, 0, 0, own | CAPABILITY_MORE(MESSAGE_WORDS)) ==
               STATUS_OK &&
           all_raise(first, STATUS_OK) && kernel_signal_raise(SLOTS - 1, 1) == STATUS_OK,
       "as many as it holds are done after those of the call");
    message_fill(first, 0);
    thread_frame_self()->message[1] = CAPABILITY_COPY(first, 0, 0);
    ok(kernel_capabilities_copy(SLOT_DOMAIN, 0, 0, 0, 0, CAPABILITY_MORE(MESSAGE_WORDS)) ==
               STATUS_BAD_CAPABILITY &&
           kernel_signal_raise(first, 1) == STATUS_BAD_CAPABILITY &&
           all_raise(first + 1, STATUS_OK),
       "one that is refused ends the call, those before it are done");
    destroy(signal);
}

/* Stale in every table at once, and again when the number is used by a new object. */
static void test_stale(void)
{
    uint32_t domain = slot_new();
    uint32_t signal = slot_new();
    uint32_t copy = slot_new();
    must(kernel_domain_create(SLOT_ACCOUNT, domain, 0, SLOT_NONE, 0), "domain");
    must(kernel_signal_create(SLOT_ACCOUNT, signal), "signal");
    must(kernel_capability_copy(SLOT_DOMAIN, copy, signal, RIGHTS_ALL), "copy");
    must(kernel_capability_copy(domain, SLOTS - 1, signal, RIGHTS_ALL), "copy");
    must(kernel_object_destroy(signal), "destroy");
    struct kernel_results results;
    ok_status(kernel_signal_raise(copy, 1), STATUS_BAD_CAPABILITY, "a copy is stale");
    must(kernel_capability_read(domain, SLOTS - 1, &results), "read");
    ok(results.value[0] == 0, "so is one in another table");
    bool stale = true;
    uint32_t next = slot_new();
    for (int i = 0; i < 1000; i++) { /* numbers are used again, handles are not */
        must(kernel_signal_create(SLOT_ACCOUNT, next), "signal");
        stale = stale && kernel_signal_raise(copy, 1) == STATUS_BAD_CAPABILITY &&
                kernel_object_destroy(copy) == STATUS_BAD_CAPABILITY;
        must(kernel_object_destroy(next), "destroy");
    }
    ok(stale, "and stays so while a thousand objects take the same number");
    ok_status(kernel_signal_create(SLOT_ACCOUNT, copy), STATUS_OK,
              "a slot with a stale capability can be filled");
    destroy(copy);
    destroy(domain);
}

static void test_table_is_charged(void)
{
    uint32_t account = account_new(256 << 10, 0);
    uint32_t domain = slot_new();
    must(kernel_domain_create(account, domain, 0, SLOT_NONE, 0), "domain");
    status_t status = STATUS_OK;
    uint32_t slot = 1;
    while (status == STATUS_OK && slot < SLOTS) {
        status = kernel_capability_copy(domain, slot, SLOT_LOG, RIGHT_WRITE);
        slot += 16;
    }
    ok_status(status, STATUS_NO_MEMORY, "the table's parts are charged, up to the limit");
    ok_status(kernel_domain_create(SLOT_ACCOUNT, slot_new(), 2, SLOT_NONE, 0),
              STATUS_INVALID_ARGUMENT, "a flag that does not exist is refused");
    destroy(account);
}

static void test_entries_copy(void)
{
    uint32_t domain[2] = {slot_new(), slot_new()};
    struct domain_report report = {0};
    for (uint32_t i = 0; i < 2; i++) {
        must(kernel_domain_create(SLOT_ACCOUNT, domain[i], 0, SLOT_NONE, 0), "domain");
    }
    must(kernel_domain_set_entries(domain[0], WINDOW_IMAGE, WINDOW_IMAGE + 64), "entries");
    must(kernel_regions_copy(domain[1], domain[0], 0, 0), "copy");
    must(object_state(domain[1], STATE_DOMAIN, &report, sizeof(report)), "read");
    ok(report.trap_entry == WINDOW_IMAGE && report.fault_entry == WINDOW_IMAGE + 64,
       "a window's copy has its entries");
    destroy(domain[0]);
    destroy(domain[1]);
}

static void test_domain_refusals(void)
{
    ok_status(kernel_object_destroy(SLOT_DOMAIN), STATUS_BUSY, "nobody destroys its own domain");
    ok_status(kernel_domain_set_entries(SLOT_DOMAIN, 0x1000, 0x1000), STATUS_INVALID_ARGUMENT,
              "an entry outside the window is refused");
    ok_status(kernel_domain_set_entries(SLOT_DOMAIN, WINDOW_BASE + WINDOW_SIZE, WINDOW_BASE),
              STATUS_INVALID_ARGUMENT, "so is the first address behind it");
    ok_status(kernel_domain_create(SLOT_ACCOUNT, slot_new(), 0, SLOT_DOMAIN, 1), STATUS_WRONG_TYPE,
              "only a signal watches");
}

static void role_fault(uint64_t argument)
{
    (void)argument;
    __asm__ volatile("movq $1, (%0)" : : "r"(8ull) : "memory");
}

static void test_report(void)
{
    struct child child;
    child_load(&child, 4 << 20, (uint64_t)role_fault, 0);
    must(program_start(&child.program), "start");
    struct kernel_results bits;
    ok_status(kernel_signal_wait(child.signal, 1, clock_now_ns() + SECOND_NS, &bits), STATUS_OK,
              "a domain that faults raises its watcher");
    struct domain_report report = child_report(&child);
    ok(report.fault.cause == TRAP_PAGE_FAULT && report.fault.address == 8 &&
           report.fault.rip - WINDOW_IMAGE < 1 << 20,
       "and its report says where");
    ok_status(kernel_thread_start(child.program.thread, 0, child.program.entry, 0, 0),
              STATUS_BAD_STATE, "its thread never runs again");
    uint32_t thread = slot_new();
    ok_status(kernel_thread_create(SLOT_ACCOUNT, thread, child.program.domain,
                                   WINDOW_THREAD_BLOCK(0) + THREAD_FRAME_OFFSET - PAGE_SIZE, 0, 0),
              STATUS_BAD_CAPABILITY, "nor does it get another");
    child_destroy(&child);
}

void test_domain(void)
{
    log_line("# domain and capability");
    test_rights_shrink();
    test_slots();
    test_copy_several();
    test_copy_more();
    test_stale();
    test_table_is_charged();
    test_entries_copy();
    test_domain_refusals();
    test_report();
}
