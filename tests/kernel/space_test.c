/*
 * Spaces: in a sealed domain the application cannot read, write or execute the window, and the
 * personality does not execute the application; in an open one it can; spaces of one domain share
 * nothing but the window.
 */
#include "tests/kernel/harness.h"

#include "lib/oak/slots.h"

#define DONE_SLOT 20

/* mov (%rbx), %al; syscall.  lock orb $0, (%rbx); syscall.  jmp *%rbx. */
static const struct {
    const char *code;
    uint32_t length;
} accesses[] = {
    [PROBE_READ] = {"\x8a\x03\x0f\x05", 4},
    [PROBE_WRITE] = {"\xf0\x80\x0b\x00\x0f\x05", 6},
    [PROBE_EXECUTE] = {"\xff\xe3", 2},
};

/* As the application: true when it did not fault at that address. */
static bool reaches(struct application_space *space, uint64_t address, enum probe kind)
{
    code_put(space, accesses[kind].code, accesses[kind].length);
    application_self()->rbx = address;
    const struct trap_words *trap =
        application_run_at(APPLICATION_CODE, APPLICATION_STACK, TRAP_SYSCALL);
    return trap->cause == TRAP_SYSCALL;
}

static void test_sealed(void)
{
    struct application_space space;
    application_space_make(&space, SLOT_ACCOUNT, SLOT_DOMAIN);
    must(kernel_thread_set_space(space.space), "set_space");
    const uint64_t window[] = {
        WINDOW_IMAGE,          (uint64_t)thread_frame_self(), (uint64_t)thread_frame_self() - 64,
        (uint64_t)space.code,  (uint64_t)test_space,          WINDOW_HEAP,
        0xffffffff80100000ull, 0xffffc00000000000ull,         APPLICATION_END};
    bool sealed = true;
    for (size_t i = 0; i < ARRAY_LENGTH(window); i++) {
        for (enum probe kind = PROBE_READ; kind <= PROBE_EXECUTE; kind++) {
            /* The personality has just used it: nothing of that may stay behind in the TLB. */
            if (i < 2) {
                (void)*(volatile uint8_t *)window[i];
            }
            sealed = sealed && !reaches(&space, window[i], kind);
        }
    }
    ok(sealed, "a sealed application reads, writes and executes neither window nor kernel");
    ok(reaches(&space, APPLICATION_DATA, PROBE_READ) &&
           reaches(&space, APPLICATION_DATA, PROBE_WRITE) &&
           !reaches(&space, APPLICATION_DATA, PROBE_EXECUTE),
       "but what it has mapped, as far as that allows");
    code_put(&space, "\xc3", 1); /* ret */
    ok(probe(APPLICATION_CODE, PROBE_READ) && probe(APPLICATION_DATA, PROBE_WRITE),
       "the personality reads and writes the application");
    ok(!probe(APPLICATION_CODE, PROBE_EXECUTE), "and does not execute it");
    must(kernel_thread_set_space(SLOT_NONE), "set_space");
    ok(!probe(APPLICATION_DATA, PROBE_READ), "out of the space, it does not see it");
    application_space_end(&space);
}

static void role_open(uint64_t argument)
{
    (void)argument;
    log_name_set("test");
    harness_entries_set(SLOT_DOMAIN);
    struct application_space space;
    application_space_make(&space, SLOT_ACCOUNT, SLOT_DOMAIN);
    must(kernel_thread_set_space(space.space), "set_space");
    ok(reaches(&space, (uint64_t)thread_frame_self(), PROBE_READ) &&
           reaches(&space, (uint64_t)thread_frame_self(), PROBE_WRITE),
       "an application of an open domain reads and writes the window");
    application_self()->rbx = (uint64_t)role_open;
    ok(!reaches(&space, 0xffffffff80100000ull, PROBE_READ) &&
           !reaches(&space, 0xffffffff80100000ull, PROBE_EXECUTE),
       "but not the kernel");
    code_put(&space, "\xc3", 1);
    ok(probe(APPLICATION_CODE, PROBE_EXECUTE), "and its personality executes the application");
    must(kernel_signal_raise(DONE_SLOT, 2), "raise");
}

static void test_open(void)
{
    struct child child;
    child_load(&child, 8 << 20, (uint64_t)role_open, DOMAIN_OPEN);
    must(kernel_capability_copy(child.program.domain, DONE_SLOT, child.signal, RIGHT_WRITE),
         "copy");
    must(program_start(&child.program), "start");
    struct kernel_results bits = {{0}};
    (void)kernel_signal_wait(child.signal, 3, clock_now_ns() + 5 * SECOND_NS, &bits);
    ok(bits.value[0] == 2, "the open domain came to its end");
    child_destroy(&child);
}

static void test_two_spaces(void)
{
    struct application_space one;
    struct application_space two;
    application_space_make(&one, SLOT_ACCOUNT, SLOT_DOMAIN);
    application_space_make(&two, SLOT_ACCOUNT, SLOT_DOMAIN);
    volatile uint8_t *there = (volatile uint8_t *)APPLICATION_DATA;
    bool good = true;
    for (uint32_t i = 0; i < 100; i++) {
        must(kernel_thread_set_space(one.space), "set_space");
        *there = 1;
        must(kernel_thread_set_space(two.space), "set_space");
        good = good && *there == (i == 0 ? 0 : 2);
        *there = 2;
        must(kernel_thread_set_space(one.space), "set_space");
        good = good && *there == 1;
    }
    ok(good, "the same address in two spaces is two pages");
    ok_status(kernel_object_destroy(one.space), STATUS_BUSY,
              "a space with a thread in it is not destroyed");
    must(kernel_thread_set_space(SLOT_NONE), "set_space");
    application_space_end(&one);
    application_space_end(&two);
}

static void test_space_refusals(void)
{
    uint32_t domain = slot_new();
    uint32_t space = slot_new();
    must(kernel_domain_create(SLOT_ACCOUNT, domain, 0, SLOT_NONE, 0), "domain");
    must(kernel_space_create(SLOT_ACCOUNT, space, domain), "space");
    ok_status(kernel_thread_set_space(space), STATUS_INVALID_ARGUMENT,
              "a thread does not enter another domain's space");
    uint32_t weak = slot_new();
    must(kernel_capability_copy(SLOT_DOMAIN, weak, domain, RIGHT_READ), "copy");
    ok_status(kernel_space_create(SLOT_ACCOUNT, slot_new(), weak), STATUS_NO_RIGHT,
              "nobody makes a space in a domain that it does not control");
    ok_status(kernel_region_map(space, 0 | RIGHT_READ, PAGE_SIZE, SLOT_MEMORY, 0, 0),
              STATUS_OUT_OF_RANGE, "the first page of a space is never mapped");
    ok_status(kernel_region_map(space, APPLICATION_END | RIGHT_READ, PAGE_SIZE, SLOT_MEMORY, 0, 0),
              STATUS_OUT_OF_RANGE, "nor the last one");
    ok_status(kernel_region_map(space, (APPLICATION_END - PAGE_SIZE) | RIGHT_READ, PAGE_SIZE,
                                SLOT_MEMORY, 0, 0),
              STATUS_OK, "but the one before");
    destroy(domain);
    ok_status(kernel_region_unmap(space, 0x1000, PAGE_SIZE), STATUS_BAD_CAPABILITY,
              "a space ends with its domain");
    slot_release(space);
    slot_release(weak);
}

void test_space(void)
{
    log_line("# space");
    test_sealed();
    test_open();
    test_two_spaces();
    test_space_refusals();
}
