/*
 * The words that a resume loads, each of them hostile, by the fast path and the slow one, at rest
 * and while another CPU changes them; and the words of fault_resume. Whatever they say, user code
 * runs in user mode with interrupts on, or a trap comes.
 */
#include "tests/attack/attack.h"

#include "lib/oak/slots.h"

#define FLAG_TF   0x100ull
#define FLAG_IF   0x200ull
#define DONE_SLOT 20

static const uint64_t pointers[] = {
    0,
    8,
    APPLICATION_CODE,
    APPLICATION_CODE + PAGE_SIZE - 1,
    APPLICATION_STACK,
    APPLICATION_END - 1,
    APPLICATION_END,
    0x00007fffffffffffull,
    0x0000800000000000ull,
    0x8000000000000000ull,
    0xdeadbeefdeadbeefull,
    0xffff7fffffffffffull,
    WINDOW_BASE,
    WINDOW_IMAGE,
    WINDOW_BASE + WINDOW_SIZE,
    0xffffc00000000000ull,
    0xffffffff80000000ull,
    0xffffffff80100000ull,
    0xffffffffffffffffull,
};

/* Alone and together: TF, IF off, DF, IOPL, NT, RF, VM, AC, VIF, VIP, ID, and what does not exist.
 */
static const uint64_t flags[] = {0,          0x2,        0x100,      0x200,    0x400,    0x1000,
                                 0x2000,     0x3000,     0x4000,     0x8000,   0x10000,  0x20000,
                                 0x40000,    0x80000,    0x100000,   0x200000, 0x3f7fd5, UINT32_MAX,
                                 UINT64_MAX, 1ull << 32, 1ull << 63, 0x27000,  0x3202};

static struct application_space space;

static bool flags_harmless(uint64_t rflags)
{
    return (rflags & FLAG_IF) && !(rflags & ~FLAGS_ALLOWED);
}

static void attack_pointers(void)
{
    bool good = true;
    code_put(&space, "\x0f\x05", 2);
    for (size_t i = 0; i < ARRAY_LENGTH(pointers); i++) {
        for (size_t j = 0; j < ARRAY_LENGTH(pointers); j++) {
            for (uint64_t cause = 0; cause <= TRAP_INTERRUPT + 1; cause++) {
                const struct trap_words *trap = application_run_at(pointers[i], pointers[j], cause);
                bool ran = trap->cause == TRAP_SYSCALL && trap->rip == APPLICATION_CODE + 2;
                good = good && ran == (pointers[i] == APPLICATION_CODE);
                good = good && (!ran || trap->rsp == pointers[j]);
                good = good && flags_harmless(trap->rflags);
            }
        }
    }
    ok(good, "no RIP and RSP run anything but the application's code");
}

static void attack_flags(void)
{
    bool good = true;
    code_put(&space, "\x90\x0f\x05", 3);
    for (size_t i = 0; i < ARRAY_LENGTH(flags); i++) {
        for (uint64_t cause = 0; cause <= TRAP_INTERRUPT + 1; cause++) {
            thread_frame_self()->application = (struct trap_words){.rip = APPLICATION_CODE,
                                                                   .rsp = APPLICATION_STACK,
                                                                   .rflags = flags[i],
                                                                   .rcx = 0xffffffff80000000ull,
                                                                   .r11 = UINT64_MAX,
                                                                   .rax = UINT64_MAX,
                                                                   .cause = cause,
                                                                   .address = 0xffffffff80000000ull,
                                                                   .error = UINT64_MAX,
                                                                   .vector = UINT64_MAX};
            const struct trap_words *trap = application_run();
            bool stepped = trap->cause == TRAP_EXCEPTION && trap->vector == 1;
            good = good && (stepped ? (flags[i] & FLAG_TF) != 0 : trap->cause == TRAP_SYSCALL);
            good = good && flags_harmless(trap->rflags);
        }
    }
    ok(good, "RFLAGS never carry IOPL, NT or VM, and always IF");
}

static void attack_cause(void)
{
    bool good = true;
    code_put(&space, "\x0f\x05", 2);
    for (size_t i = 0; i < ARRAY_LENGTH(pointers); i++) {
        const struct trap_words *trap =
            application_run_at(APPLICATION_CODE, APPLICATION_STACK, pointers[i]);
        good = good && trap->cause == TRAP_SYSCALL;
    }
    ok(good, "a cause that does not exist is taken for none");
}

/* --- another CPU changes the words ----------------------------------------------------------- */

#define RACE_RESUMES 30000

struct changer {
    struct thread_frame *frame;
    uint32_t stop;
};

static void change(struct worker *worker)
{
    struct changer *changer = worker->context;
    volatile struct trap_words *words = &changer->frame->application;
    uint64_t random = 88172645463325252ull;
    while (!__atomic_load_n(&changer->stop, __ATOMIC_ACQUIRE)) {
        uint64_t next = random_next(&random);
        words->rip = next & 1 ? APPLICATION_CODE : pointers[next / 2 % ARRAY_LENGTH(pointers)];
        words->rflags = flags[next / 64 % ARRAY_LENGTH(flags)] & ~FLAG_TF;
        words->cause = next & 0x1000 ? TRAP_SYSCALL : next / 0x2000 % 6;
        words->rsp = pointers[next / 0x10000 % ARRAY_LENGTH(pointers)];
    }
}

static void attack_changing(void)
{
    struct changer changer = {.frame = thread_frame_self()};
    struct worker worker = {.context = &changer};
    code_put(&space, "\x0f\x05", 2);
    worker_start(&worker, change, SLOT_NONE);
    for (uint32_t i = 0; i < RACE_RESUMES; i++) {
        (void)application_run();
    }
    __atomic_store_n(&changer.stop, 1, __ATOMIC_RELEASE);
    worker_join(&worker);
    const struct trap_words *trap =
        application_run_at(APPLICATION_CODE, APPLICATION_STACK, TRAP_SYSCALL);
    ok(trap->cause == TRAP_SYSCALL, "words that change while they are loaded do no more");
}

/* --- fault_resume ---------------------------------------------------------------------------- */

static uint64_t fault_round;
static __attribute__((used)) uint8_t fault_stack[4096] __attribute__((aligned(16)));

/* On a stack of its own, as the one that faulted may be anywhere: the next hostile pair. */
static __attribute__((used, noreturn)) void fault_next(void)
{
    uint64_t count = ARRAY_LENGTH(pointers);
    for (;;) {
        uint64_t round = fault_round++;
        if (round == count * count) {
            (void)kernel_signal_raise(DONE_SLOT, 2);
            for (;;) {
                (void)kernel_thread_park(DEADLINE_NEVER, 0);
            }
        }
        struct thread_frame *frame =
            (struct thread_frame *)(WINDOW_THREAD_BLOCK(0) + THREAD_FRAME_OFFSET);
        frame->personality = (struct trap_words){
            .rip = pointers[round % count] == WINDOW_IMAGE ? 0 : pointers[round % count],
            .rsp = pointers[round / count],
            .rflags = flags[round % ARRAY_LENGTH(flags)],
            .cause = round,
        };
        (void)kernel_fault_resume(); /* comes back when it is refused */
    }
}

static __attribute__((naked)) void fault_entry(void)
{
    __asm__("lea fault_stack+4096(%rip), %rsp\n"
            "call fault_next\n"
            "ud2");
}

static void role_fault_resume(uint64_t argument)
{
    (void)argument;
    (void)kernel_domain_set_entries(SLOT_DOMAIN, (uint64_t)fault_entry, (uint64_t)fault_entry);
    __asm__ volatile("ud2");
}

static void attack_fault_resume(void)
{
    struct child child;
    child_load(&child, 4 << 20, (uint64_t)role_fault_resume, 0);
    must(kernel_capability_copy(child.program.domain, DONE_SLOT, child.signal, RIGHT_WRITE),
         "copy");
    must(program_start(&child.program), "start");
    struct kernel_results bits = {{0}};
    (void)kernel_signal_wait(child.signal, 3, clock_now_ns() + 10 * SECOND_NS, &bits);
    if (bits.value[0] != 2) {
        struct domain_report report = child_report(&child);
        log_line("# ended: cause %lx vector %lx address %lx rip %lx rsp %lx", report.fault.cause,
                 report.fault.vector, report.fault.address, report.fault.rip, report.fault.rsp);
    }
    ok(bits.value[0] == 2, "hostile words of fault_resume fault again in user mode or are refused");
    child_destroy(&child);
}

void attack_resume(void)
{
    log_line("# resume");
    application_space_make(&space, SLOT_ACCOUNT, SLOT_DOMAIN);
    must(kernel_thread_set_space(space.space), "set_space");
    attack_pointers();
    attack_flags();
    attack_cause();
    attack_changing();
    must(kernel_thread_set_space(SLOT_NONE), "set_space");
    application_space_end(&space);
    attack_fault_resume();
}
