/*
 * CPUs are shared by accounts: by weight among siblings, whatever the number of threads, level by
 * level, and nobody's share is lost while somebody else could use it. A thread asks to be trapped
 * for its time, or when it lost its CPU. An account's end is everything's end below it.
 *
 * Shares are told by the kernel's own clock: the machine that runs this may be shared itself, so
 * that no work can be expected of a turn. That turns are worth something is checked apart.
 */
#include "tests/kernel/hogs.h"

#include "lib/base/string.h"

#define WHILE_NS (300 * MILLISECOND_NS)
#define WHILES   12

static uint32_t account_below(uint32_t parent, uint64_t weight)
{
    uint32_t account = slot_new();
    must(kernel_account_create(parent, account, 0, 64 << 20, 64), "account_create");
    must(kernel_account_set(account, ACCOUNT_CPU_WEIGHT, weight, 0, 0), "weight");
    return account;
}

static uint64_t time_of(const struct hogs *hogs)
{
    return hogs == NULL ? 0 : account_books(hogs->account).cpu_ns;
}

/*
 * In some while, what `one` had was so many hundredths of what the others had together; one of them
 * may be NULL. Both did something with it. Without others: of all the time there was.
 */
static bool shares(const char *what, const struct hogs *one, const struct hogs *other,
                   const struct hogs *another, uint64_t low, uint64_t high)
{
    bool good = false;
    for (uint32_t i = 0; i < WHILES && !good; i++) {
        uint64_t start_ns = clock_now_ns();
        uint64_t one_ns = time_of(one);
        uint64_t others_ns = time_of(other) + time_of(another);
        uint64_t work = hogs_work(one);
        pause_ns(WHILE_NS);
        one_ns = time_of(one) - one_ns;
        others_ns = other == NULL ? clock_now_ns() - start_ns
                                  : time_of(other) + time_of(another) - others_ns;
        good = near(what, one_ns, others_ns, low, high) && hogs_work(one) != work;
    }
    return good;
}

static void test_weights(void)
{
    struct hogs light;
    struct hogs heavy;
    hogs_start(&light, account_below(SLOT_ACCOUNT, 1024), cpus());
    hogs_start(&heavy, account_below(SLOT_ACCOUNT, 3 * 1024), cpus());
    ok(shares("heavy", &heavy, &light, NULL, 200, 430),
       "three times the weight is three times the CPU time");
    must(kernel_account_set(light.account, ACCOUNT_CPU_WEIGHT, 4096, 0, 0), "weight");
    must(kernel_account_set(heavy.account, ACCOUNT_CPU_WEIGHT, 1024, 0, 0), "weight");
    ok(shares("now heavy", &light, &heavy, NULL, 250, 600),
       "weights changed meanwhile hold at once");
    ok_status(kernel_account_set(light.account, ACCOUNT_CPU_WEIGHT, 0, 0, 0),
              STATUS_INVALID_ARGUMENT, "no weight is refused");
    ok_status(kernel_account_set(light.account, ACCOUNT_CPU_WEIGHT, 262145, 0, 0),
              STATUS_INVALID_ARGUMENT, "so is too much");
    hogs_end(&light);
    ok(shares("alone", &heavy, NULL, NULL, 70 * cpus(), 110 * cpus()),
       "what others do not use, the light one may");
    hogs_end(&heavy);
    destroy(light.account);
    destroy(heavy.account);
}

static void test_threads_do_not_matter(void)
{
    struct hogs few;
    struct hogs many;
    hogs_start(&few, account_below(SLOT_ACCOUNT, 1024), cpus());
    hogs_start(&many, account_below(SLOT_ACCOUNT, 1024), 2 * cpus());
    ok(shares("many", &many, &few, NULL, 55, 180), "twice the threads do not get more");
    hogs_end(&few);
    hogs_end(&many);
    destroy(few.account);
    destroy(many.account);
}

/* Where one thread is all that an account has, it is not held up by another's many. */
static void test_one_against_many(void)
{
    struct hogs one;
    struct hogs many;
    hogs_start(&one, account_below(SLOT_ACCOUNT, 4096), 1);
    hogs_start(&many, account_below(SLOT_ACCOUNT, 1024), 2 * cpus());
    ok(shares("one", &one, NULL, NULL, 55, 110), "a heavy account's only thread keeps a CPU");
    uint32_t started = 0;
    for (uint32_t i = 0; i < WHILES && started < many.count; i++) {
        pause_ns(WHILE_NS / 4);
        started = hogs_working(&many);
    }
    ok(started == many.count, "and none of the others starves");
    hogs_end(&one);
    hogs_end(&many);
    destroy(one.account);
    destroy(many.account);
}

static void test_levels(void)
{
    struct hogs left;
    struct hogs right;
    struct hogs other;
    uint32_t parent = account_below(SLOT_ACCOUNT, 1024);
    hogs_start(&left, account_below(parent, 1024), cpus());
    hogs_start(&right, account_below(parent, 1024), cpus());
    hogs_start(&other, account_below(SLOT_ACCOUNT, 1024), cpus());
    ok(shares("other", &other, &left, &right, 55, 180), "two below one account share its part");
    ok(shares("left", &left, &right, NULL, 55, 180), "equally");
    hogs_end(&other);
    hogs_end(&left);
    /* The subtree goes while its threads run. */
    struct platform_state before = machine_books();
    must(kernel_object_destroy(parent), "destroy");
    ok_status(kernel_object_read(right.account, STATE_ACCOUNT, sizeof(struct account_usage), 0),
              STATUS_BAD_CAPABILITY, "a destroyed account takes what is below it along");
    ok(machine_books().objects + right.count <= before.objects, "running threads included");
    uint64_t work = hogs_work(&right);
    pause_ns(5 * MILLISECOND_NS);
    ok(hogs_work(&right) == work, "which run no more");
    for (uint32_t i = 0; i < right.count; i++) {
        (void)worker_kill(&right.worker[i]);
    }
    application_space_end(&right.space);
    destroy(other.account);
}

static void test_time_in_modes(void)
{
    struct hogs hogs;
    uint32_t account = account_below(SLOT_ACCOUNT, 1024);
    hogs_start(&hogs, account, 1);
    struct account_usage usage = {0};
    for (uint32_t i = 0; i < WHILES && usage.application_ns <= 4 * usage.personality_ns; i++) {
        pause_ns(30 * MILLISECOND_NS);
        usage = account_books(account);
    }
    ok(usage.application_ns >= 10 * MILLISECOND_NS, "time is told while a turn goes on");
    ok(usage.application_ns > 4 * usage.personality_ns, "application mode's apart");
    ok(usage.cpu_ns == usage.application_ns + usage.personality_ns, "and both together");
    hogs_end(&hogs);
    destroy(account);
}

static void test_time_trap(void)
{
    struct hogs hogs;
    uint32_t account = account_below(SLOT_ACCOUNT, 1024);
    hogs_start(&hogs, account, 2);
    uint32_t thread = hogs.worker[0].slot;
    must(kernel_thread_interrupt(thread, INTERRUPT_AFTER_TIME, 40 * MILLISECOND_NS), "time");
    uint64_t used_ns;
    uint64_t reasons;
    do {
        pause_ns(MILLISECOND_NS);
        reasons = __atomic_load_n(&hogs.reasons[0], __ATOMIC_RELAXED);
        struct thread_usage usage;
        must(object_state(thread, STATE_THREAD, &usage, sizeof(usage)), "read the thread");
        used_ns = usage.application_ns + usage.personality_ns;
    } while ((reasons & INTERRUPTED_TIME) == 0 && used_ns < 2 * SECOND_NS);
    ok((reasons & INTERRUPTED_TIME) != 0, "a thread is trapped for the time it used");
    ok(used_ns >= 39 * MILLISECOND_NS, "not before");
    ok(hogs.reasons[1] == 0, "and no other one");
    ok_status(kernel_thread_interrupt(thread, 3, 0), STATUS_INVALID_ARGUMENT,
              "another reason is refused");
    hogs_end(&hogs);
    destroy(account);
}

/* Threads of one account, one more than CPUs: none of them may have a CPU for itself. */
#define ROUNDS 10

static void test_preemption_trap(void)
{
    bool trapped = true;
    bool others = false;
    for (uint32_t round = 0; round < ROUNDS; round++) {
        struct hogs hogs;
        uint32_t account = account_below(SLOT_ACCOUNT, 1024);
        hogs_start(&hogs, account, cpus() + 1);
        must(kernel_thread_interrupt(hogs.worker[0].slot, INTERRUPT_ON_PREEMPTION, 1),
             "preemption");
        uint64_t until_ns = clock_now_ns() + 5 * SECOND_NS;
        while (__atomic_load_n(&hogs.reasons[0], __ATOMIC_RELAXED) == 0 &&
               clock_now_ns() < until_ns) {
            pause_ns(MILLISECOND_NS);
        }
        trapped = trapped && hogs.reasons[0] == INTERRUPTED_PREEMPTION;
        others = others || hogs.reasons[1] != 0;
        hogs_end(&hogs);
        destroy(account);
    }
    ok(trapped, "a thread is trapped when it lost its CPU");
    ok(!others, "if it asked for that");
}

/* Behind a heavy account's only thread, on the other CPUs, or beside one that runs there alone. */
static void test_all_start(void)
{
    bool all = true;
    for (uint32_t round = 0; round < 3 * ROUNDS; round++) {
        struct hogs one;
        struct hogs many;
        hogs_start(&one, account_below(SLOT_ACCOUNT, 4096), 1);
        hogs_start(&many, account_below(SLOT_ACCOUNT, 1024), 2 * cpus());
        uint64_t until_ns = clock_now_ns() + 5 * SECOND_NS;
        while (hogs_working(&many) < many.count && clock_now_ns() < until_ns) {
            pause_ns(MILLISECOND_NS);
        }
        all = all && hogs_working(&many) == many.count;
        hogs_end(&one);
        hogs_end(&many);
        destroy(one.account);
        destroy(many.account);
    }
    ok(all, "a thread starts, however heavy who is before it");
}

void test_sharing(void)
{
    log_line("# sharing the CPUs");
    test_weights();
    test_threads_do_not_matter();
    test_one_against_many();
    test_all_start();
    test_levels();
    test_time_in_modes();
    test_time_trap();
    test_preemption_trap();
}
