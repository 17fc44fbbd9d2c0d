/*
 * Accounts: a guarantee is reserved, a limit is an error to the one who asked, a lowered limit
 * holds at once, threads are counted through all ancestors, and when an account is destroyed the
 * parent's books and the machine's are exactly what they were.
 */
#include "tests/kernel/harness.h"

#include "lib/oak/slots.h"

#define PAGES 700 /* more than one step of freeing */

static void test_limit(void)
{
    uint32_t account = account_new(1 << 20, 1);
    uint32_t memory = memory_new(account, 4 << 20);
    ok_status(kernel_memory_populate(memory, 0, 4 << 20), STATUS_NO_MEMORY,
              "populating beyond the limit is refused");
    struct account_usage books = account_books(account);
    ok(books.bytes_total <= 1 << 20 && books.bytes_total > (1 << 20) - 2 * PAGE_SIZE,
       "and all but the last page of the limit was used");
    ok(books.bytes[ACCOUNT_FRAMES] + books.bytes[ACCOUNT_TABLES] + books.bytes[ACCOUNT_OBJECTS] ==
           books.bytes_total,
       "the kinds add up to the total");
    ok(books.bytes_peak >= books.bytes_total, "the peak is no less");
    must(kernel_memory_discard(memory, 0, 4 << 20), "discard");
    must(kernel_memory_populate(memory, 0, 64 * PAGE_SIZE), "populate");
    must(kernel_account_set(account, ACCOUNT_LIMIT_BYTES, 16 * PAGE_SIZE, 0, 0), "account_set");
    ok_status(kernel_memory_populate(memory, 0, 65 * PAGE_SIZE), STATUS_NO_MEMORY,
              "a limit lowered below what is used refuses the next page");
    ok_status(kernel_account_set(account, UINT64_MAX, 0, 0, 0), STATUS_INVALID_ARGUMENT,
              "an unknown setting is refused");
    destroy(memory);
    destroy(account);
}

/* Whoever pays for an object pays for its place in the object table, of which there are so many. */
static void test_places(void)
{
    const uint64_t count = 16;
    uint32_t account = account_new(1 << 20, 1);
    uint64_t before = account_books(account).bytes[ACCOUNT_OBJECTS];
    for (uint64_t i = 0; i < count; i++) {
        must(kernel_signal_create(account, slot_new()), "signal_create");
    }
    uint64_t cost = (account_books(account).bytes[ACCOUNT_OBJECTS] - before) / count;
    struct platform_state machine = machine_books();
    ok(cost > 1024 && machine.memory_bytes / cost < 1 << 24,
       "a machine's memory pays for no more objects than have places");
    struct account_usage root = account_books(SLOT_ACCOUNT);
    must(kernel_account_set(SLOT_ACCOUNT, ACCOUNT_LIMIT_BYTES, root.limit_bytes / 2, 0, 0), "set");
    uint32_t signal = slot_new();
    must(kernel_signal_create(account, signal), "signal_create");
    uint64_t with = account_books(account).bytes[ACCOUNT_OBJECTS];
    must(kernel_account_set(SLOT_ACCOUNT, ACCOUNT_LIMIT_BYTES, root.limit_bytes, 0, 0), "set");
    ok(with == before + (count + 1) * cost, "whatever limit the root has later");
    destroy(account);
}

static void test_guarantee(void)
{
    struct account_usage own = account_books(SLOT_ACCOUNT);
    uint32_t account = slot_new();
    must(kernel_account_create(SLOT_ACCOUNT, account, 8 << 20, 16 << 20, 1), "account_create");
    struct account_usage with = account_books(SLOT_ACCOUNT);
    ok(with.bytes_total - own.bytes_total >= 8 << 20, "a guarantee is reserved from the parent");
    uint32_t parent = account_new(4 << 20, 1);
    uint32_t child = slot_new();
    ok_status(kernel_account_create(parent, child, 8 << 20, 8 << 20, 1), STATUS_NO_MEMORY,
              "a guarantee that the parent cannot give is refused");
    ok_status(kernel_account_create(parent, child, 2 << 20, 1 << 20, 1), STATUS_INVALID_ARGUMENT,
              "so is one above the limit");
    ok_status(kernel_account_create(parent, child, 1ull << 63, UINT64_MAX, 1), STATUS_NO_MEMORY,
              "and one of half the number range");
    must(kernel_account_create(parent, child, 3 << 20, 8 << 20, 1), "account_create");
    ok_status(kernel_account_set(child, ACCOUNT_LIMIT_BYTES, 1 << 20, 0, 0),
              STATUS_INVALID_ARGUMENT, "a limit below the guarantee is refused");
    uint32_t hungry = memory_new(parent, 4 << 20);
    ok_status(kernel_memory_populate(hungry, 0, 4 << 20), STATUS_NO_MEMORY,
              "the parent is used up");
    uint32_t memory = memory_new(child, 4 << 20);
    ok_status(kernel_memory_populate(memory, 0, (3 << 20) - 64 * PAGE_SIZE), STATUS_OK,
              "and the child's guarantee holds all the same");
    destroy(parent);
    ok_status(kernel_object_read(child, STATE_ACCOUNT, sizeof(struct account_usage), 0),
              STATUS_BAD_CAPABILITY, "a child account ends with its parent");
    destroy(account);
    pause_ns(MILLISECOND_NS);
    ok(account_books(SLOT_ACCOUNT).bytes_total < own.bytes_total + 16 * PAGE_SIZE,
       "destroying it gives the guarantee back");
}

/* What slabs hold beside objects is promised to nobody: one object of each page stays. */
static void test_guarantee_beside_slabs(void)
{
    enum {
        SIGNALS = 8192,
        KEPT_OF = 32, /* signals in a page */
    };
    static uint32_t signals[SIGNALS];
    uint32_t account = account_new(64 << 20, 1);
    for (uint32_t i = 0; i < SIGNALS; i++) {
        must(kernel_signal_create(account, signals[i] = slot_new()), "signal_create");
    }
    for (uint32_t i = 0; i < SIGNALS; i++) {
        if (i % KEPT_OF != 0) {
            destroy(signals[i]);
        }
    }
    pause_ns(20 * MILLISECOND_NS); /* their memory goes a barrier later */
    struct account_usage own = account_books(SLOT_ACCOUNT);
    uint64_t free_bytes = ALIGN_DOWN(own.limit_bytes - own.bytes_total, PAGE_SIZE);
    uint64_t spare_bytes = machine_books().memory_spare_bytes;
    uint32_t child = slot_new();
    ok(spare_bytes > 512 << 10 &&
           kernel_account_create(SLOT_ACCOUNT, child, free_bytes - spare_bytes / 2, UINT64_MAX,
                                 0) == STATUS_NO_MEMORY,
       "no memory is guaranteed that lies in slabs beside few objects");
    destroy(account);
    pause_ns(20 * MILLISECOND_NS);
    ok_status(
        kernel_account_create(SLOT_ACCOUNT, child, free_bytes - spare_bytes / 2, UINT64_MAX, 0),
        STATUS_OK, "and all of it when they are gone");
    destroy(child);
    for (uint32_t i = 0; i < SIGNALS; i++) {
        if (i % KEPT_OF == 0) {
            slot_free(signals[i]);
        }
    }
}

/* The parent's free part changes with the guarantee, at once and by as much. */
static void test_guarantee_changed(void)
{
    uint32_t parent = account_new(4 << 20, 1);
    uint32_t child = slot_new();
    must(kernel_account_create(parent, child, 0, 2 << 20, 1), "account_create");
    uint64_t before = account_books(parent).bytes_total;
    must(kernel_account_set(child, ACCOUNT_GUARANTEE_BYTES, 2 << 20, 0, 0), "raise");
    ok(account_books(parent).bytes_total == before + (2 << 20) &&
           account_books(child).guarantee_bytes == 2 << 20,
       "a raised guarantee is reserved from the parent");
    ok_status(kernel_account_set(child, ACCOUNT_GUARANTEE_BYTES, (2 << 20) + 1, 0, 0),
              STATUS_INVALID_ARGUMENT, "one above the limit is refused");
    must(kernel_account_set(child, ACCOUNT_GUARANTEE_BYTES, 1 << 20, 0, 0), "lower");
    ok(account_books(parent).bytes_total == before + (1 << 20),
       "a lowered one gives the difference back");
    uint32_t hungry = memory_new(parent, 4 << 20);
    ok_status(kernel_memory_populate(hungry, 0, 4 << 20), STATUS_NO_MEMORY, "use the parent up");
    ok_status(kernel_account_set(child, ACCOUNT_GUARANTEE_BYTES, 2 << 20, 0, 0), STATUS_NO_MEMORY,
              "a guarantee that the parent cannot give is refused");
    ok(account_books(child).guarantee_bytes == 1 << 20, "and leaves the old one");
    destroy(parent);
}

static void test_depth(void)
{
    uint32_t first = account_new(1 << 20, 1);
    uint32_t parent = first;
    status_t status = STATUS_OK;
    uint32_t depth = 0;
    while (status == STATUS_OK && depth < 100) {
        uint32_t child = slot_new();
        status = kernel_account_create(parent, child, 0, 1 << 20, 1);
        parent = child;
        depth++;
    }
    ok_status(status, STATUS_LIMIT_REACHED, "accounts below accounts end at a depth");
    destroy(first);
}

/* One of everything in an account, with more memory than one step frees, mapped and shared. */
static void fill(uint32_t account)
{
    uint32_t slots[8];
    for (size_t i = 0; i < ARRAY_LENGTH(slots); i++) {
        slots[i] = slot_new();
    }
    must(kernel_memory_create(account, slots[0], PAGES * PAGE_SIZE), "memory");
    must(kernel_memory_populate(slots[0], 0, PAGES * PAGE_SIZE), "populate");
    must(kernel_memory_clone(account, slots[1], slots[0]), "clone");
    must(kernel_memory_clone(account, slots[2], slots[1]), "clone");
    must(kernel_domain_create(account, slots[3], 0, SLOT_NONE, 0), "domain");
    must(kernel_space_create(account, slots[4], slots[3]), "space");
    must(kernel_region_map(slots[4], 0x10000 | RIGHT_READ, PAGES * PAGE_SIZE, slots[0], 0, 0),
         "map");
    must(kernel_endpoint_create(account, slots[5]), "endpoint");
    must(kernel_gate_create(account, slots[6], slots[5], 1), "gate");
    must(kernel_signal_create(account, slots[7]), "signal");
    must(kernel_capability_copy(slots[3], 100000, slots[0], RIGHTS_ALL), "copy");
    volatile uint8_t *here = window_map_all(slots[1], PAGES * PAGE_SIZE);
    for (uint32_t i = 0; i < PAGES; i++) {
        here[i * PAGE_SIZE] = 1; /* copies every page of the clone */
    }
}

static void test_books(void)
{
    struct platform_state before = {0};
    struct account_usage own = {0};
    for (int round = 0; round < 4; round++) {
        uint32_t account = account_new(32 << 20, 8);
        fill(account);
        destroy(account);
        if (round == 0) { /* our own page tables and slots are there from now on */
            pause_ns(20 * MILLISECOND_NS);
            before = machine_books();
            own = account_books(SLOT_ACCOUNT);
        }
    }
    struct account_usage now = account_books(SLOT_ACCOUNT);
    ok(now.bytes[ACCOUNT_FRAMES] == own.bytes[ACCOUNT_FRAMES] && now.threads == own.threads,
       "a destroyed account leaves its parent's frames and threads as they were");
    ok(now.bytes_total - own.bytes_total < 64 * PAGE_SIZE,
       "and its bytes, but for the tables of this window");
    ok(before.memory_free_bytes - machine_books().memory_free_bytes < 64 * PAGE_SIZE ||
           machine_is_as(&before),
       "the machine's frames are free again");
    ok(machine_books().objects == before.objects, "and its objects are gone");
}

/* Frames that outlive their payer are the parent's until the last reference goes. */
static void test_shared_frames(void)
{
    uint32_t account = account_new(8 << 20, 1);
    uint64_t before = account_books(SLOT_ACCOUNT).bytes[ACCOUNT_FRAMES];
    uint32_t memory = memory_new(account, 100 * PAGE_SIZE);
    must(kernel_memory_populate(memory, 0, 100 * PAGE_SIZE), "populate");
    uint32_t clone = slot_new();
    must(kernel_memory_clone(SLOT_ACCOUNT, clone, memory), "clone");
    ok(account_books(SLOT_ACCOUNT).bytes[ACCOUNT_FRAMES] == before, "a clone pays for no frame");
    destroy(account);
    ok(account_books(SLOT_ACCOUNT).bytes[ACCOUNT_FRAMES] == before + 100 * PAGE_SIZE,
       "frames still shared when their account dies are charged to its parent");
    destroy(clone);
    ok(account_books(SLOT_ACCOUNT).bytes[ACCOUNT_FRAMES] == before,
       "until the last reference goes");
}

static void test_inert(void)
{
    uint32_t account = account_new(1 << 20, 1);
    uint32_t memory = memory_new(account, PAGE_SIZE);
    must(kernel_object_destroy(account), "destroy");
    uint32_t slot = slot_new();
    ok_status(kernel_memory_create(account, slot, PAGE_SIZE), STATUS_BAD_CAPABILITY,
              "a destroyed account pays for nothing");
    ok_status(kernel_memory_populate(memory, 0, PAGE_SIZE), STATUS_BAD_CAPABILITY,
              "and what it paid for is gone");
    ok_status(kernel_object_destroy(SLOT_ACCOUNT), STATUS_NO_RIGHT,
              "init may not destroy the root account");
}

/* The signal comes each time that the use comes above the mark, and only then. */
static void test_alert(void)
{
    uint32_t account = account_new(8 << 20, 1);
    uint32_t memory = memory_new(account, 4 << 20);
    uint32_t signal = slot_new();
    struct kernel_results bits;
    must(kernel_signal_create(SLOT_ACCOUNT, signal), "signal");
    must(kernel_account_set(account, ACCOUNT_ALERT_BYTES, 1 << 20, signal, 4), "alert");
    must(kernel_memory_populate(memory, 0, 1 << 19), "populate");
    ok_status(kernel_signal_wait(signal, 4, 0, &bits), STATUS_TIMED_OUT,
              "below the mark is no alert");
    must(kernel_memory_populate(memory, 0, 1 << 20), "populate");
    ok(kernel_signal_wait(signal, UINT64_MAX, 0, &bits) == STATUS_OK && bits.value[0] == 4,
       "coming above it raises the signal's bits");
    must(kernel_memory_populate(memory, 0, 2 << 20), "populate");
    ok_status(kernel_signal_wait(signal, 4, 0, &bits), STATUS_TIMED_OUT, "once");
    must(kernel_memory_discard(memory, 0, 4 << 20), "discard");
    must(kernel_memory_populate(memory, 0, 2 << 20), "populate");
    ok_status(kernel_signal_wait(signal, 4, 0, &bits), STATUS_OK, "and again after going below");
    must(kernel_account_set(account, ACCOUNT_ALERT_BYTES, 1 << 16, signal, 4), "alert");
    ok_status(kernel_signal_wait(signal, 4, 0, &bits), STATUS_OK,
              "a mark set below the use raises at once");
    must(kernel_capability_copy(SLOT_DOMAIN, SLOT_FIRST + 40, signal, RIGHT_READ), "copy");
    ok_status(kernel_account_set(account, ACCOUNT_ALERT_BYTES, 1, SLOT_FIRST + 40, 1),
              STATUS_NO_RIGHT, "a signal that may not be raised is refused");
    must(kernel_capability_drop(SLOT_DOMAIN, SLOT_FIRST + 40), "drop");
    destroy(signal);
    must(kernel_account_set(account, ACCOUNT_ALERT_BYTES, 3 << 20, 0, 0), "alert");
    must(kernel_memory_populate(memory, 0, 4 << 20), "a signal that is gone harms nobody");
    destroy(memory);
    destroy(account);
}

static void test_cpu_time(void)
{
    uint64_t before_ns = account_books(SLOT_ACCOUNT).cpu_ns;
    uint64_t until_ns = clock_now_ns() + 20 * MILLISECOND_NS;
    while (clock_now_ns() < until_ns) {
    }
    kernel_thread_yield();
    pause_ns(MILLISECOND_NS);
    ok(account_books(SLOT_ACCOUNT).cpu_ns - before_ns >= 19 * MILLISECOND_NS,
       "time that a thread computed is on its account");
}

void test_account(void)
{
    log_line("# account");
    test_limit();
    test_places();
    test_guarantee();
    test_guarantee_beside_slabs();
    test_guarantee_changed();
    test_depth();
    test_books();
    test_shared_frames();
    test_inert();
    test_alert();
    test_cpu_time();
}
