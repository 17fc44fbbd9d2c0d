/*
 * Application mode: every trap that the kernel does not resolve goes to the thread's own window,
 * with the six words that it cost, every other register untouched, and the application goes on
 * where the frame says.
 */
#include "tests/kernel/harness.h"

static struct application_space space;

#define RUN(code) run_code(code, sizeof(code) - 1)

static const struct trap_words *run_code(const char *code, size_t length)
{
    code_put(&space, code, length);
    return application_run_at(APPLICATION_CODE, APPLICATION_STACK, TRAP_SYSCALL);
}

static void test_syscall(void)
{
    struct application *app = application_self();
    uint64_t *registers = &app->rbx;
    for (uint64_t i = 0; i < 12; i++) {
        registers[i] = 0x1111111111111111ull * (i + 1);
    }
    /* mov $0x1234, %eax; syscall; mov %rax, %rdx; syscall */
    const struct trap_words *trap = RUN("\xb8\x34\x12\0\0\x0f\x05\x48\x89\xc2\x0f\x05");
    ok(trap->cause == TRAP_SYSCALL && trap->rax == 0x1234 && trap->rip == APPLICATION_CODE + 7 &&
           trap->rsp == APPLICATION_STACK,
       "a system call is forwarded with its number, place and stack");
    bool kept = true;
    for (uint64_t i = 0; i < 12; i++) {
        kept = kept && registers[i] == 0x1111111111111111ull * (i + 1);
    }
    ok(kept, "and every other register passes through");
    thread_frame_self()->application.rax = 0x5678;
    trap = application_run();
    ok(trap->cause == TRAP_SYSCALL && app->rdx == 0x5678 && trap->rip == APPLICATION_CODE + 12,
       "it goes on behind the call with the result");
    bool forwarded = true;
    for (uint32_t number = 0; number < KERNEL_CALLS + 4; number++) {
        char code[] = "\xb8\0\0\0\0\x0f\x05";
        code[1] = (char)number;
        trap = run_code(code, 7);
        forwarded = forwarded && trap->cause == TRAP_SYSCALL && trap->rax == number;
    }
    ok(forwarded, "no number of it is a kernel call");
    /* RCX and R11 come back when the cause is not a system call: mov %rcx,%rbx; mov %r11,%rdx */
    code_put(&space, "\x48\x89\xcb\x4c\x89\xda\x0f\x05", 8);
    thread_frame_self()->application = (struct trap_words){.rip = APPLICATION_CODE,
                                                           .rsp = APPLICATION_STACK,
                                                           .rcx = 77,
                                                           .r11 = 88,
                                                           .cause = TRAP_PAGE_FAULT};
    (void)application_run();
    ok(app->rbx == 77 && app->rdx == 88, "after another trap RCX and R11 are restored as well");
}

static void test_page_fault(void)
{
    /* mov 0x600123, %al; syscall */
    const struct trap_words *trap = RUN("\x8a\x04\x25\x23\x01\x60\x00\x0f\x05");
    ok(trap->cause == TRAP_PAGE_FAULT && trap->address == 0x600123 &&
           trap->rip == APPLICATION_CODE && (trap->error & 0x16) == 4 &&
           trap->error >> 32 == STATUS_NOT_FOUND,
       "a read where nothing is mapped is forwarded with address and reason");
    must(
        kernel_region_map(space.space, 0x600000 | RIGHT_READ, PAGE_SIZE, space.memory, 0x600000, 0),
        "map");
    trap = application_run();
    ok(trap->cause == TRAP_SYSCALL && (trap->rax & 0xff) == 0, "mapped, it is simply repeated");
    /* incb 0x600000 */
    trap = RUN("\xfe\x04\x25\0\0\x60\0");
    ok(trap->cause == TRAP_PAGE_FAULT && (trap->error & 2) && trap->error >> 32 == STATUS_NO_RIGHT,
       "a write where only reading is allowed says that it was one");
    /* mov $0x600000, %eax; jmp *%rax */
    trap = RUN("\xb8\0\0\x60\0\xff\xe0");
    ok(trap->cause == TRAP_PAGE_FAULT && trap->rip == 0x600000 && (trap->error & 16),
       "so does a jump to a page that is not executable");
    must(kernel_region_unmap(space.space, 0x600000, PAGE_SIZE), "unmap");
    trap = RUN("\x8a\x04\x25\x23\x01\x60\x00\x0f\x05");
    ok(trap->cause == TRAP_PAGE_FAULT, "what was unmapped is gone");
}

static void test_exceptions(void)
{
    static const struct {
        const char *code;
        uint32_t length;
        uint32_t vector;
    } cases[] = {
        {"\x0f\x0b", 2, 6},                           /* ud2 */
        {"\x31\xc9\xf7\xf1", 4, 0},                   /* division by zero */
        {"\xf4", 1, 13},                              /* hlt */
        {"\xfa", 1, 13},                              /* cli */
        {"\xec", 1, 13},                              /* in */
        {"\xee", 1, 13},                              /* out */
        {"\x0f\x32", 2, 13},                          /* rdmsr */
        {"\x0f\x30", 2, 13},                          /* wrmsr */
        {"\x0f\x22\xd8", 3, 13},                      /* mov to cr3 */
        {"\x0f\x20\xd8", 3, 13},                      /* mov from cr3 */
        {"\x0f\x23\xf8", 3, 13},                      /* mov to dr7 */
        {"\x0f\x01\x10", 3, 13},                      /* lgdt */
        {"\x0f\x01\x38", 3, 13},                      /* invlpg */
        {"\x0f\x00\xd0", 3, 13},                      /* lldt */
        {"\x0f\x01\xf8", 3, 6},                       /* swapgs: 6 or 13 */
        {"\x0f\x07", 2, 13},                          /* sysret */
        {"\x0f\x08", 2, 13},                          /* invd */
        {"\x0f\x09", 2, 13},                          /* wbinvd */
        {"\xcd\x80", 2, 13},                          /* int 0x80 */
        {"\xcd\x20", 2, 13},                          /* int 0x20 */
        {"\xcd\x0e", 2, 13},                          /* int 14 */
        {"\xcd\xfe", 2, 13},                          /* int 0xfe */
        {"\x0f\x34", 2, 13},                          /* sysenter: 6 or 13 */
        {"\x0f\x01\x00", 3, 13},                      /* sgdt, by UMIP */
        {"\x48\xb8\0\0\0\0\0\0\0\x80\x8a\0", 12, 13}, /* not canonical */
        {"\x0f\xc7\x08", 3, 6},                       /* cmpxchg8b is fine, but (%rax) faults */
    };
    bool good = true;
    for (size_t i = 0; i < ARRAY_LENGTH(cases) - 1; i++) {
        const struct trap_words *trap = run_code(cases[i].code, cases[i].length);
        bool this = trap->cause == TRAP_EXCEPTION &&
                    (trap->vector == cases[i].vector || trap->vector == 13 || trap->vector == 6);
        if (!this) {
            log_line("# case %lu: cause %lu vector %lu", i, trap->cause, trap->vector);
        }
        good = good && this;
    }
    ok(good, "privileged instructions are exceptions to the application's own personality");
    const struct trap_words *trap = RUN("\xcc");
    ok(trap->cause == TRAP_EXCEPTION && (trap->vector == 3 || trap->vector == 13),
       "so is a breakpoint");
    /* Single steps: nop; syscall; nop. The flag must not reach the kernel. */
    code_put(&space, "\x90\x0f\x05\x90\x90", 5);
    thread_frame_self()->application = (struct trap_words){.rip = APPLICATION_CODE,
                                                           .rsp = APPLICATION_STACK,
                                                           .rflags = 0x302,
                                                           .cause = TRAP_PAGE_FAULT};
    trap = application_run();
    ok(trap->cause == TRAP_EXCEPTION && trap->vector == 1 && trap->rip == APPLICATION_CODE + 1,
       "a single step is one");
    trap = application_run();
    ok(trap->cause == TRAP_SYSCALL && trap->rip == APPLICATION_CODE + 3,
       "and over a system call it stays the application's");
    trap = application_run();
    ok(trap->cause == TRAP_EXCEPTION && trap->vector == 1, "that goes on stepping");
}

static void interrupt_soon(struct worker *worker)
{
    (void)worker;
    pause_ns(5 * MILLISECOND_NS);
    (void)kernel_thread_interrupt(SLOT_THREAD, INTERRUPT_NOW, 0);
}

static void test_interruption(void)
{
    struct worker worker;
    worker_start(&worker, interrupt_soon, SLOT_NONE);
    const struct trap_words *trap = RUN("\xeb\xfe"); /* jmp . */
    ok(trap->cause == TRAP_INTERRUPT && trap->rip == APPLICATION_CODE,
       "an application that never traps is interrupted");
    worker_join(&worker);
}

static void test_no_space(void)
{
    must(kernel_thread_set_space(SLOT_NONE), "set_space");
    const struct trap_words *trap = application_run_at(APPLICATION_CODE, 0, TRAP_SYSCALL);
    ok(trap->cause == TRAP_EXCEPTION && trap->vector == 13,
       "without a space there is no application to run");
    must(kernel_thread_set_space(space.space), "set_space");
}

static void fault_in_fault(void)
{
    __asm__ volatile("movq $0, (%0)" : : "r"(0x42ull) : "memory");
}

static void role_fault_twice(uint64_t argument)
{
    (void)argument;
    (void)kernel_domain_set_entries(SLOT_DOMAIN, (uint64_t)fault_in_fault,
                                    (uint64_t)fault_in_fault);
    __asm__ volatile("movq $0, (%0)" : : "r"(0x77ull) : "memory");
}

static void test_fault_in_fault(void)
{
    struct child child;
    child_load(&child, 4 << 20, (uint64_t)role_fault_twice, 0);
    must(program_start(&child.program), "start");
    struct kernel_results bits;
    ok_status(kernel_signal_wait(child.signal, 1, clock_now_ns() + SECOND_NS, &bits), STATUS_OK,
              "a fault inside the fault entry ends the domain");
    ok(child_report(&child).fault.address == 0x77, "and the report tells of the first one");
    child_destroy(&child);
}

void test_application(void)
{
    log_line("# application mode");
    application_space_make(&space, SLOT_ACCOUNT, SLOT_DOMAIN);
    must(kernel_thread_set_space(space.space), "set_space");
    test_syscall();
    test_page_fault();
    test_exceptions();
    test_interruption();
    test_no_space();
    must(kernel_thread_set_space(SLOT_NONE), "set_space");
    application_space_end(&space);
    test_fault_in_fault();
}
