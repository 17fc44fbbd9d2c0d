/*
 * Freezing and cloning: a child with six threads that wait in every way there is, and one that
 * computes in an application, stands still as a whole, is cloned in the middle of all that, and
 * both go on: with the same numbers, sharing among themselves what they shared before, and nothing
 * with each other.
 */
#include "lib/oak/domain_clone.h"
#include "lib/oak/slots.h"
#include "tests/kernel/harness.h"

#define PAGE_SLOT      7 /* in the child */
#define GATE_SLOT      8
#define SERVICE_WORDS  1
#define STATUS_UNKNOWN 0xffff
#define VECTOR         0x123456789abcdef0ull

/* What the child and its clone each tell in a page of their own, and are told there. */
struct page {
    uint64_t rounds;      /* of the first thread */
    uint64_t application; /* counted by the application, as the window shows it */
    uint64_t signals;
    uint64_t calls;        /* answered by the child's own server */
    uint64_t wrong;        /* anything that was not as it should be */
    uint64_t outside;      /* what the call to the outside returned */
    uint64_t secret;       /* the child's own variable */
    uint64_t poke;         /* to be written into that */
    uint64_t signal_slot;  /* numbers of the child's */
    uint64_t space_thread; /* the application's thread */
};

/* The child's own memory: its clone has a copy. */
static volatile struct page *page;
static uint64_t secret = 1;
static uint32_t signal;
static uint32_t endpoint;
static uint32_t gate;
static struct application_space space;

/* --- the child ------------------------------------------------------------------------------- */

static void count_signals(struct worker *worker)
{
    (void)worker;
    struct kernel_results bits;
    while (kernel_signal_wait(signal, 6, DEADLINE_NEVER, &bits) == STATUS_OK) {
        page->wrong += (bits.value[0] & ~6ull) != 0;
        page->signals++;
    }
}

static void serve(struct worker *worker)
{
    (void)worker;
    struct kernel_results call = {{0}};
    while (kernel_endpoint_reply_receive(endpoint, call.value[2], MESSAGE_HEADER(0, 1, 0), 0,
                                         &call) == STATUS_OK) {
        thread_frame_self()->message[0] += call.value[1];
        page->calls++;
    }
}

/* Every call is answered right, whether it was made once or, for a freeze, twice. */
static void ask(struct worker *worker)
{
    (void)worker;
    for (uint64_t i = 0;; i++) {
        struct kernel_results reply;
        thread_frame_self()->message[0] = i;
        status_t status = kernel_gate_call(gate, MESSAGE_HEADER(1, 1, 0), DEADLINE_NEVER, &reply);
        bool lost = status == STATUS_RESTARTED; /* by a clone in the middle of it */
        page->wrong += !lost && (status != STATUS_OK || thread_frame_self()->message[0] != i + 9);
        (void)kernel_thread_park(clock_now_ns() + MILLISECOND_NS / 4, PARK_UNINTERRUPTIBLE);
    }
}

static void ask_outside(struct worker *worker)
{
    (void)worker;
    struct kernel_results reply;
    page->outside = STATUS_UNKNOWN;
    page->outside = kernel_gate_call(GATE_SLOT, MESSAGE_HEADER(2, 0, 0), DEADLINE_NEVER, &reply);
    (void)kernel_thread_park(DEADLINE_NEVER, PARK_UNINTERRUPTIBLE);
}

/* inc %rbx; mov %rbx, 0x500000; jmp: a register of the application, and memory that is shared. */
static void compute(struct worker *worker)
{
    (void)worker;
    application_self()->rbx = 0;
    for (;;) {
        const struct trap_words *trap =
            application_run_at(APPLICATION_CODE, APPLICATION_STACK, TRAP_PAGE_FAULT);
        page->wrong += trap->cause != TRAP_INTERRUPT;
    }
}

static uint64_t vector_read(void)
{
    uint64_t value;
    __asm__ volatile("movq %%xmm7, %0" : "=r"(value));
    return value;
}

static __attribute__((noreturn)) void role_child(uint64_t argument)
{
    (void)argument;
    static struct worker workers[5];
    harness_entries_set(SLOT_DOMAIN);
    page = (volatile struct page *)window_map_all(PAGE_SLOT, PAGE_SIZE);
    signal = slot_new();
    endpoint = slot_new();
    gate = slot_new();
    must(kernel_signal_create(SLOT_ACCOUNT, signal), "signal");
    must(kernel_endpoint_create(SLOT_ACCOUNT, endpoint), "endpoint");
    must(kernel_gate_create(SLOT_ACCOUNT, gate, endpoint, 9), "gate");
    application_space_make(&space, SLOT_ACCOUNT, SLOT_DOMAIN);
    code_put(&space, "\x48\xff\xc3\x48\x89\x1c\x25\x00\x00\x50\x00\xeb\xf3", 13);
    page->signal_slot = signal;
    page->space_thread = 0;
    static void (*const runs[])(struct worker *) = {count_signals, serve, ask, ask_outside};
    for (uint32_t i = 0; i < ARRAY_LENGTH(runs); i++) {
        worker_start(&workers[i], runs[i], SLOT_NONE);
    }
    worker_start_in(&workers[4], compute, space.space, SLOT_ACCOUNT, BAND_CONTAINER);
    page->space_thread = workers[4].slot;
    __asm__ volatile("movq %0, %%xmm7" : : "r"(VECTOR));
    for (;;) {
        (void)kernel_thread_park(clock_now_ns() + MILLISECOND_NS / 4, PARK_UNINTERRUPTIBLE);
        page->wrong += vector_read() != VECTOR;
        secret = page->poke != 0 ? page->poke : secret;
        page->secret = secret;
        page->application = *(volatile uint64_t *)space.data;
        page->rounds++;
    }
}

/* --- the parent ------------------------------------------------------------------------------ */

struct scene {
    struct child child;
    uint32_t page_memory[2]; /* the child's, its clone's */
    volatile struct page *page[2];
    uint32_t endpoint; /* outside of the child */
    uint32_t gate;
    uint64_t token;
    uint32_t account; /* the clone's */
};

static uint64_t number_of(uint32_t slot)
{
    struct kernel_results results;
    must(kernel_capability_read(SLOT_DOMAIN, slot, &results), "capability_read");
    return results.value[1];
}

/* Until each of what it counts has gone on by a few. */
static bool goes_on(volatile struct page *at)
{
    struct page before = *at;
    uint64_t deadline_ns = clock_now_ns() + 10 * SECOND_NS;
    while (at->rounds < before.rounds + 3 || at->application == before.application ||
           at->calls < before.calls + 3) {
        if (clock_now_ns() > deadline_ns) {
            return false;
        }
        pause_ns(MILLISECOND_NS);
    }
    return true;
}

/* Until the word has that value: the thread that writes it may come later than others. */
static bool becomes(volatile uint64_t *word, uint64_t value)
{
    uint64_t deadline_ns = clock_now_ns() + 10 * SECOND_NS;
    while (*word != value && clock_now_ns() < deadline_ns) {
        pause_ns(MILLISECOND_NS);
    }
    return *word == value;
}

static bool stands_still(volatile struct page *at)
{
    struct page before = *at;
    pause_ns(20 * MILLISECOND_NS);
    struct page after = *at;
    return memcmp(&before, &after, sizeof(before)) == 0;
}

static status_t freeze(uint32_t account, uint64_t frozen)
{
    status_t status = kernel_account_set(account, ACCOUNT_FROZEN, frozen, 0, 0);
    while (status == STATUS_OK && frozen && account_books(account).running != 0) {
        pause_ns(MILLISECOND_NS / 10);
    }
    return status;
}

static uint32_t outside(void *context, enum object_type type, uint64_t number, uint32_t slot)
{
    const struct scene *scene = context;
    if (number == number_of(scene->page_memory[0])) {
        return scene->page_memory[1];
    }
    return type == OBJECT_GATE ? SLOT_NONE : slot;
}

static uint32_t known_memory(void *context, uint64_t number)
{
    (void)context;
    return number == number_of(INIT_SLOT_BUNDLE) ? INIT_SLOT_BUNDLE : SLOT_NONE;
}

static void scene_begin(struct scene *scene)
{
    child_load(&scene->child, 16 << 20, (uint64_t)role_child, 0);
    scene->endpoint = slot_new();
    scene->gate = slot_new();
    must(kernel_endpoint_create(SLOT_ACCOUNT, scene->endpoint), "endpoint");
    must(kernel_gate_create(SLOT_ACCOUNT, scene->gate, scene->endpoint, 1), "gate");
    uint32_t domain = scene->child.program.domain;
    for (int i = 0; i < 2; i++) {
        scene->page_memory[i] = memory_new(SLOT_ACCOUNT, PAGE_SIZE);
        scene->page[i] = (volatile struct page *)window_map_all(scene->page_memory[i], PAGE_SIZE);
        scene->page[i]->rounds = 0;
    }
    must(kernel_capability_copy(domain, PAGE_SLOT, scene->page_memory[0], RIGHT_READ | RIGHT_WRITE),
         "copy");
    must(kernel_capability_copy(domain, GATE_SLOT, scene->gate, RIGHT_CALL), "copy");
    must(program_start(&scene->child.program), "start");
    struct kernel_results call;
    must(kernel_endpoint_receive(scene->endpoint, 0, clock_now_ns() + 10 * SECOND_NS, &call),
         "the child's call");
    scene->token = call.value[2];
    ok(goes_on(scene->page[0]), "a child with waits of every kind runs");
}

static void scene_end(struct scene *scene)
{
    child_destroy(&scene->child);
    destroy(scene->gate);
    destroy(scene->endpoint);
    destroy(scene->page_memory[0]);
    destroy(scene->page_memory[1]);
}

static void test_freeze(struct scene *scene)
{
    uint32_t account = scene->child.program.account;
    ok_status(freeze(account, 1), STATUS_OK, "an account is frozen");
    ok(stands_still(scene->page[0]), "and nothing of it runs any more");
    ok_status(freeze(account, 2), STATUS_INVALID_ARGUMENT, "there is no other value");
    must(kernel_capabilities_copy(
             scene->child.program.domain,
             CAPABILITY_TAKE(scene->page[0]->signal_slot, SLOTS - 1, RIGHTS_ALL), 0, 0, 0, 0),
         "take");
    must(kernel_signal_raise(SLOTS - 1, 2), "raise");
    ok(stands_still(scene->page[0]), "what is woken meanwhile does not run either");
    uint64_t signals = scene->page[0]->signals;
    must(freeze(account, 0), "go on");
    ok(goes_on(scene->page[0]) && becomes(&scene->page[0]->signals, signals + 1),
       "afterwards it goes on, with what came meanwhile");
    must(kernel_capability_drop(SLOT_DOMAIN, SLOTS - 1), "drop");
}

static void test_apart(struct scene *scene, const struct domain_clone *clone)
{
    volatile struct page *first = scene->page[0];
    volatile struct page *second = scene->page[1];
    uint64_t signals = second->signals;
    struct kernel_results results;
    must(kernel_capability_read(scene->child.program.domain, first->signal_slot, &results), "read");
    uint32_t copy = domain_clone_find(clone, results.value[1]);
    must(kernel_signal_raise(copy, 4), "raise");
    second->poke = 2;
    ok(goes_on(second) && becomes(&second->signals, signals + 1) && becomes(&second->secret, 2),
       "the clone's signal wakes its own thread, and it writes to its own memory");
    ok(first->signals == signals && first->secret == 1, "of which the original sees nothing");
}

static void test_clone_runs(struct scene *scene, const struct domain_clone *clone)
{
    volatile struct page *first = scene->page[0];
    volatile struct page *second = scene->page[1];
    struct page before = *first;
    ok(stands_still(second), "a clone waits for its start");
    ok_status(domain_clone_start(clone), STATUS_OK, "and is started");
    ok(goes_on(second) && second->rounds > before.rounds &&
           second->application > before.application && second->calls > before.calls,
       "its threads go on from where the original's stood");
    ok(second->wrong == 0, "with vector registers, calls and traps as they should be");
    ok(becomes(&second->outside, STATUS_RESTARTED),
       "a call that an outside server has is lost to it");
    ok(stands_still(first), "the original is still frozen");
    must(freeze(scene->child.program.account, 0), "go on");
    ok(goes_on(first) && first->wrong == 0, "and goes on in its own time");
    must(kernel_endpoint_reply(scene->endpoint, scene->token, MESSAGE_HEADER(0, 0, 0)), "reply");
    ok(goes_on(first) && becomes(&first->outside, STATUS_OK),
       "its call to the outside is answered");
    test_apart(scene, clone);
}

static void test_refused(const struct scene *scene, struct domain_clone_request *request)
{
    struct domain_clone *clone;
    struct thread_registers registers = {.rip = 0};
    ok_status(object_state(SLOT_THREAD, STATE_REGISTERS, &registers, sizeof(registers)),
              STATUS_BAD_STATE, "who runs tells no registers");
    ok_status(object_change(scene->child.program.thread, STATE_REGISTERS, 0, &registers,
                            sizeof(registers)),
              STATUS_INVALID_ARGUMENT, "nobody is given a place outside the window");
    must(freeze(scene->child.program.account, 1), "freeze");
    uint32_t account = account_new(1 << 20, 8);
    const struct domain_clone_account poor = {scene->child.program.account, account};
    request->accounts = &poor;
    must(kernel_account_set(account, ACCOUNT_LIMIT_BYTES, 20000, 0, 0), "limit");
    ok_status(domain_clone(request, &clone), STATUS_NO_MEMORY,
              "who cannot pay for a clone gets none");
    must(kernel_object_destroy(account), "destroy");
    slot_release(account);
}

void test_domain_clone(void)
{
    log_line("# freezing and cloning");
    struct platform_state before = {0};
    for (int round = 0; round < 2; round++) { /* the first makes tables of our own window */
        before = round == 1 ? machine_books() : before;
        struct scene scene;
        scene_begin(&scene);
        test_freeze(&scene);
        struct domain_clone_request request = {.domain = scene.child.program.domain,
                                               .account_count = 1,
                                               .outside = outside,
                                               .memory = known_memory,
                                               .context = &scene};
        test_refused(&scene, &request);
        scene.account = account_new(32 << 20, 8);
        const struct domain_clone_account pair = {scene.child.program.account, scene.account};
        request.accounts = &pair;
        *(struct page *)(uintptr_t)scene.page[1] = *scene.page[0];
        struct domain_clone *clone;
        must(domain_clone(&request, &clone), "clone");
        uint64_t frames = account_books(scene.account).bytes[ACCOUNT_FRAMES];
        ok(frames <= 16 * PAGE_SIZE, "a clone copies the frames of threads and no others");
        test_clone_runs(&scene, clone);
        domain_clone_end(clone);
        must(kernel_object_destroy(scene.account), "destroy the clone");
        slot_release(scene.account);
        ok(goes_on(scene.page[0]), "the clone's end does not touch the original");
        scene_end(&scene);
    }
    ok(machine_is_as(&before), "and both give everything back");
}
