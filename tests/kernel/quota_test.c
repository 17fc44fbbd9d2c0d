/*
 * Quotas: no more CPU time in each period than was set, on all levels, changed at once; held back
 * are threads in application mode, in personality mode only who is far in debt; a server is billed
 * to its caller and never held back for it.
 */
#include "tests/kernel/hogs.h"

#include "lib/oak/slots.h"

#define WHILE_NS (300 * MILLISECOND_NS)
#define WHILES   12
#define LONG_NS  (10 * SECOND_NS)
#define QUOTA_NS (100 * MILLISECOND_NS) /* and as much debt */
#define WORK_NS  (130 * MILLISECOND_NS)

static uint32_t account_quota(uint32_t parent, uint64_t quota_ns, uint64_t period_ns)
{
    uint32_t account = slot_new();
    must(kernel_account_create(parent, account, 0, 64 << 20, 64), "account_create");
    must(kernel_account_set(account, ACCOUNT_CPU_PERIOD, period_ns, 0, 0), "period");
    must(kernel_account_set(account, ACCOUNT_CPU_QUOTA, quota_ns, 0, 0), "quota");
    return account;
}

/* Between so many hundredths of a CPU, in some while: see sharing_test.c. */
static bool uses(const char *what, uint32_t account, uint64_t low, uint64_t high)
{
    bool good = false;
    for (uint32_t i = 0; i < WHILES && !good; i++) {
        uint64_t start_ns = clock_now_ns();
        uint64_t before_ns = account_books(account).cpu_ns;
        pause_ns(WHILE_NS);
        uint64_t used_ns = account_books(account).cpu_ns - before_ns;
        good = near(what, used_ns, clock_now_ns() - start_ns, low, high);
    }
    return good;
}

static void test_limit(void)
{
    struct hogs hogs;
    uint32_t account = account_quota(SLOT_ACCOUNT, 20 * MILLISECOND_NS, 100 * MILLISECOND_NS);
    hogs_start(&hogs, account, 2 * cpus());
    ok(uses("quota", account, 10, 30), "a fifth of a CPU is what a quota of 20 ms in 100 gives");
    for (uint32_t i = 0; i < WHILES && account_books(account).throttled_ns == 0; i++) {
        pause_ns(WHILE_NS);
    }
    ok(account_books(account).throttled_ns != 0, "the rest was waited");
    must(kernel_account_set(account, ACCOUNT_CPU_QUOTA, 60 * MILLISECOND_NS, 0, 0), "quota");
    ok(uses("raised", account, 40, 80), "a quota raised holds at once");
    must(kernel_account_set(account, ACCOUNT_CPU_QUOTA, 0, 0, 0), "quota");
    ok(uses("none", account, 55 * cpus(), 110 * cpus()), "without one they get everything");
    must(kernel_account_set(account, ACCOUNT_CPU_QUOTA, 10 * MILLISECOND_NS, 0, 0), "quota");
    pause_ns(200 * MILLISECOND_NS);
    ok(uses("lowered", account, 4, 20), "and one set meanwhile holds");
    ok_status(kernel_account_set(account, ACCOUNT_CPU_PERIOD, MILLISECOND_NS - 1, 0, 0),
              STATUS_INVALID_ARGUMENT, "a period below a millisecond is refused");
    ok_status(kernel_account_set(account, ACCOUNT_CPU_PERIOD, 11 * SECOND_NS, 0, 0),
              STATUS_INVALID_ARGUMENT, "so is one above ten seconds");
    hogs_end(&hogs);
    destroy(account);
}

static void test_parent(void)
{
    struct hogs left;
    struct hogs right;
    uint32_t parent = account_quota(SLOT_ACCOUNT, 30 * MILLISECOND_NS, 100 * MILLISECOND_NS);
    hogs_start(&left, account_quota(parent, 90 * MILLISECOND_NS, 100 * MILLISECOND_NS), cpus());
    hogs_start(&right, account_quota(parent, 0, 100 * MILLISECOND_NS), cpus());
    ok(account_books(left.account).cpu_quota_ns == 90 * MILLISECOND_NS &&
           account_books(right.account).cpu_quota_ns == 30 * MILLISECOND_NS,
       "an account tells its own quota, or else the nearest above");
    ok(uses("parent", parent, 18, 45), "a parent's quota binds all below");
    /* Held back for good: they must still be destroyed at once. */
    must(kernel_account_set(parent, ACCOUNT_CPU_PERIOD, LONG_NS, 0, 0), "period");
    must(kernel_account_set(parent, ACCOUNT_CPU_QUOTA, 1, 0, 0), "quota");
    pause_ns(50 * MILLISECOND_NS);
    uint64_t work = hogs_work(&left) + hogs_work(&right);
    pause_ns(50 * MILLISECOND_NS);
    ok(hogs_work(&left) + hogs_work(&right) == work, "next to no quota holds them still");
    must(kernel_object_destroy(parent), "destroy");
    ok_status(kernel_object_read(left.account, STATE_ACCOUNT, sizeof(struct account_usage), 0),
              STATUS_BAD_CAPABILITY, "and they are destroyed where they stand");
    for (uint32_t i = 0; i < cpus(); i++) {
        (void)worker_kill(&left.worker[i]);
        (void)worker_kill(&right.worker[i]);
    }
    application_space_end(&left.space);
    application_space_end(&right.space);
}

/* --- debt ------------------------------------------------------------------------------------ */

struct debtor {
    uint32_t account;
    uint32_t gate;
    uint64_t compute_ns;
    uint32_t finished;
};

static void compute(uint64_t ns)
{
    uint64_t until_ns = clock_now_ns() + ns;
    while (clock_now_ns() < until_ns) {
    }
}

static void debtor_compute(struct worker *worker)
{
    struct debtor *debtor = worker->context;
    compute(debtor->compute_ns);
    __atomic_store_n(&debtor->finished, 1, __ATOMIC_RELEASE);
}

/* Of its own computing, nothing is held back before the debt is large. */
static void test_personality(void)
{
    struct worker worker;
    struct debtor debtor = {.compute_ns = WORK_NS};
    debtor.account = account_quota(SLOT_ACCOUNT, QUOTA_NS, LONG_NS);
    worker.context = &debtor;
    worker_start_in(&worker, debtor_compute, SLOT_NONE, debtor.account, BAND_CONTAINER);
    wait_for(&debtor.finished, 1);
    ok(account_books(debtor.account).throttled_ns == 0,
       "in personality mode a thread goes on beyond its quota");
    must(worker_kill(&worker), "kill");
    destroy(debtor.account);

    debtor = (struct debtor){.compute_ns = 3600 * SECOND_NS};
    debtor.account = account_quota(SLOT_ACCOUNT, QUOTA_NS, LONG_NS);
    worker_start_in(&worker, debtor_compute, SLOT_NONE, debtor.account, BAND_CONTAINER);
    bool stands = false;
    for (uint32_t i = 0; i < WHILES && !stands; i++) {
        uint64_t before_ns = account_books(debtor.account).cpu_ns;
        pause_ns(WHILE_NS);
        stands = account_books(debtor.account).cpu_ns == before_ns;
    }
    ok(stands, "but not for ever: a large debt stops it as well");
    must(worker_kill(&worker), "kill");
    destroy(debtor.account);
}

static void server(struct worker *worker)
{
    struct kernel_results call = {{0}};
    while (kernel_endpoint_reply_receive(worker->argument, call.value[2], 0, 0, &call) ==
           STATUS_OK) {
        compute(WORK_NS);
    }
}

static void caller(struct worker *worker)
{
    struct debtor *debtor = worker->context;
    struct kernel_results reply;
    if (kernel_gate_call(debtor->gate, 0, DEADLINE_NEVER, &reply) == STATUS_OK) {
        __atomic_store_n(&debtor->finished, 1, __ATOMIC_RELEASE);
    }
}

static void test_debt(void)
{
    struct worker serving = {.argument = slot_new()};
    struct worker calling;
    struct hogs hogs;
    uint32_t account = account_quota(SLOT_ACCOUNT, QUOTA_NS, LONG_NS);
    uint32_t of_server = account_new(1 << 20, 4);
    struct debtor debtor = {.account = account, .gate = slot_new()};
    must(kernel_endpoint_create(SLOT_ACCOUNT, (uint32_t)serving.argument), "endpoint");
    must(kernel_gate_create(SLOT_ACCOUNT, debtor.gate, (uint32_t)serving.argument, 1), "gate");
    worker_start_in(&serving, server, SLOT_NONE, of_server, BAND_SERVICE);
    calling.context = &debtor;
    worker_start_in(&calling, caller, SLOT_NONE, account, BAND_CONTAINER);
    wait_for(&debtor.finished, 1);
    ok(account_books(account).cpu_ns >= WORK_NS / 2, "a call is billed to the caller");
    ok(account_books(of_server).cpu_ns < WORK_NS / 4, "not to the server");
    ok(account_books(of_server).throttled_ns == 0, "which is not held back by the caller's debt");
    hogs_start(&hogs, account, 1);
    bool stands = false;
    for (uint32_t i = 0; i < WHILES && !stands; i++) { /* it may have got what the server left */
        uint64_t work = hogs_work(&hogs);
        pause_ns(50 * MILLISECOND_NS);
        stands = hogs_work(&hogs) == work;
    }
    ok(stands, "but the caller's account is");
    must(kernel_account_set(account, ACCOUNT_CPU_QUOTA, 0, 0, 0), "quota");
    uint64_t work = hogs_work(&hogs);
    for (uint32_t i = 0; i < WHILES && hogs_work(&hogs) == work; i++) {
        pause_ns(50 * MILLISECOND_NS);
    }
    ok(hogs_work(&hogs) != work, "until the quota goes");
    hogs_end(&hogs);
    must(worker_kill(&calling), "kill");
    must(worker_kill(&serving), "kill");
    destroy(debtor.gate);
    destroy((uint32_t)serving.argument);
    destroy(of_server);
    destroy(account);
}

/* --- hand-offs ------------------------------------------------------------------------------- */

#define PAIRS_MAX 4

static void echo(struct worker *worker)
{
    struct kernel_results call = {{0}};
    while (kernel_endpoint_reply_receive(worker->argument, call.value[2], 0, 0, &call) ==
           STATUS_OK) {
    }
}

/* Calls with a deadline go the general way, in which each half is handed the CPU. */
static void caller_forever(struct worker *worker)
{
    struct kernel_results reply;
    while (kernel_gate_call(worker->argument, 0, clock_now_ns() + 3600 * SECOND_NS, &reply) ==
           STATUS_OK) {
    }
}

static void test_handoffs(void)
{
    struct worker serving[PAIRS_MAX];
    struct worker calling[PAIRS_MAX];
    struct hogs hogs;
    uint32_t pairs = cpus() < PAIRS_MAX ? cpus() : PAIRS_MAX;
    uint32_t account = account_quota(SLOT_ACCOUNT, LONG_NS, 100 * MILLISECOND_NS);
    uint32_t of_hogs = account_new(64 << 20, 8);
    for (uint32_t i = 0; i < pairs; i++) {
        serving[i] = (struct worker){.argument = slot_new()};
        calling[i] = (struct worker){.argument = slot_new()};
        must(kernel_endpoint_create(SLOT_ACCOUNT, (uint32_t)serving[i].argument), "endpoint");
        must(kernel_gate_create(SLOT_ACCOUNT, (uint32_t)calling[i].argument,
                                (uint32_t)serving[i].argument, 1),
             "gate");
        worker_start_in(&serving[i], echo, SLOT_NONE, account, BAND_CONTAINER);
        worker_start_in(&calling[i], caller_forever, SLOT_NONE, account, BAND_CONTAINER);
    }
    hogs_start(&hogs, of_hogs, cpus());
    uint64_t start_ns = clock_now_ns();
    pause_ns(2 * WHILE_NS); /* in one piece: who wakes up lets others come first */
    ok(near("beside hand-offs", account_books(of_hogs).cpu_ns, clock_now_ns() - start_ns,
            15 * cpus(), 85 * cpus()),
       "while a quota exists, who hands the CPU to and fro keeps it from nobody");
    hogs_end(&hogs);
    for (uint32_t i = 0; i < pairs; i++) {
        must(worker_kill(&calling[i]), "kill");
        must(worker_kill(&serving[i]), "kill");
        destroy((uint32_t)calling[i].argument);
        destroy((uint32_t)serving[i].argument);
    }
    destroy(of_hogs);
    destroy(account);
}

static void server_forever(struct worker *worker)
{
    struct kernel_results call = {{0}};
    must(kernel_endpoint_reply_receive(worker->argument, 0, 0, 0, &call), "receive");
    compute(3600 * SECOND_NS);
}

static void test_dead_caller(void)
{
    struct worker serving = {.argument = slot_new()};
    struct worker calling = {.argument = slot_new()};
    uint32_t account = account_new(1 << 20, 4);
    uint32_t of_server = account_new(1 << 20, 4);
    must(kernel_endpoint_create(SLOT_ACCOUNT, (uint32_t)serving.argument), "endpoint");
    must(
        kernel_gate_create(SLOT_ACCOUNT, (uint32_t)calling.argument, (uint32_t)serving.argument, 1),
        "gate");
    worker_start_in(&serving, server_forever, SLOT_NONE, of_server, BAND_CONTAINER);
    worker_start_in(&calling, caller_forever, SLOT_NONE, account, BAND_CONTAINER);
    while (account_books(account).cpu_ns < 20 * MILLISECOND_NS) {
        pause_ns(MILLISECOND_NS);
    }
    must(kernel_object_destroy(account), "destroy");
    (void)worker_kill(&calling);
    ok(uses("served the dead", of_server, 25, 110),
       "who works for an account that has died pays for it itself");
    must(worker_kill(&serving), "kill");
    destroy((uint32_t)calling.argument);
    destroy((uint32_t)serving.argument);
    destroy(of_server);
}

void test_quota(void)
{
    log_line("# quotas");
    test_limit();
    test_parent();
    test_personality();
    test_debt();
    test_handoffs();
    test_dead_caller();
}
