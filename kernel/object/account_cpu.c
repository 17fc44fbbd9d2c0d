#include "kernel/object/account_cpu.h"

#include "kernel/core/clock.h"
#include "kernel/core/scheduler.h"
#include "kernel/object/account.h"

/* All words are atomic; none says anything of the others. */
#define LOAD(word)          __atomic_load_n(word, __ATOMIC_RELAXED)
#define STORE(word, number) __atomic_store_n(word, number, __ATOMIC_RELAXED)
#define ADD(word, number)   __atomic_fetch_add(word, number, __ATOMIC_RELAXED)

#define ENDED       (1ull << 31)
#define COUNT       (ENDED - 1)
#define IDLE        (1ull << 30) /* the count of none: going below it, in a race, borrows nothing */
#define WEIGHT_MAX  262144u
#define ALL_MAX     (1ull << 29) /* weights of siblings together, as far as they are told apart */
#define FACTOR_BITS 16
#define FACTOR_MAX  (1ull << (FACTOR_BITS + 18)) /* a share of less than 2^-18 counts as that */

#define PERIOD_NS       100000000ull
#define PERIOD_LEAST_NS 1000000ull
#define PERIOD_MOST_NS  10000000000ull
#define DEBT_LEAST_NS   20000000ull
#define TURN_LEAST_NS   200000ull
#define TURN_MOST_NS    4000000ull

/* A CPU bills every 16 ms at least. What is more than this, the machine stood still: nobody's use.
 */
#define BILL_MOST_NS 32000000ull
#define UNBILLED_NS  16000000ull

/* Virtual time that one may be behind the clock when it comes back, and ahead of it. */
#define BEHIND_MOST 5000000
#define AHEAD_MOST  (1ll << 45)

static uint64_t virtual_clock[BANDS];

void account_cpu_init(struct account_cpu *cpu)
{
    cpu->activity = (uint64_t)ACCOUNT_WEIGHT_DEFAULT << 32 | IDLE;
    cpu->period_ns = PERIOD_NS;
}

/* --- who has something to run ---------------------------------------------------------------- */

/*
 * A child of the account has something to run (change 1), or has not any more (-1): the account
 * itself becomes active with its first, and so on upwards.
 */
static inline void children_change(struct account *account, int change)
{
    uint64_t turns_at = change > 0 ? IDLE : IDLE + 1;
    for (; account->parent != NULL; account = account->parent) {
        uint64_t before = ADD(&account->cpu.activity, change);
        if ((before & (COUNT | ENDED)) != turns_at) {
            return;
        }
        uint64_t weight = before >> 32;
        ADD(&account->parent->cpu.active_weight, change > 0 ? weight : -weight);
    }
}

void account_runnable_change(struct account *account, int change)
{
    uint64_t before = ADD(&account->cpu.runnable, change);
    if (before == (change > 0 ? 0 : 1)) {
        ADD(&account->cpu.active_weight, change * (int)ACCOUNT_WEIGHT_DEFAULT);
        children_change(account, change);
    }
}

void account_cpu_end(struct account *account)
{
    account_set_quota(account, 0);
    (void)account_set_frozen(account, 0);
    uint64_t before = __atomic_fetch_or(&account->cpu.activity, ENDED, __ATOMIC_RELAXED);
    if ((before & COUNT) > IDLE) {
        ADD(&account->parent->cpu.active_weight, -(before >> 32));
        children_change(account->parent, -1);
    }
}

/* Under the account's lock: nobody else changes the weight meanwhile. */
status_t account_set_weight(struct account *account, uint64_t weight)
{
    if (weight == 0 || weight > WEIGHT_MAX) {
        return STATUS_INVALID_ARGUMENT;
    }
    uint64_t more = weight - (LOAD(&account->cpu.activity) >> 32);
    uint64_t before = ADD(&account->cpu.activity, more << 32);
    if (account->parent != NULL && (before & COUNT) > IDLE && (before & ENDED) == 0) {
        ADD(&account->parent->cpu.active_weight, more);
    }
    return STATUS_OK;
}

/* --- virtual time ---------------------------------------------------------------------------- */

/* Times `all` over `own`, in fixed point. A share is never more than everything. */
static uint64_t factor_scale(uint64_t factor, uint64_t all, uint64_t own)
{
    if (all <= own) {
        return factor;
    }
    return MIN(factor * MIN(all, ALL_MAX) / own, FACTOR_MAX);
}

/* The account's virtual time goes on by that, over its share of the machine. */
static void virtual_add(struct account *account, uint64_t ns)
{
    uint64_t own = ACCOUNT_WEIGHT_DEFAULT;
    uint64_t factor = 1ull << FACTOR_BITS;
    for (struct account *next = account; next != NULL; next = next->parent) {
        factor = factor_scale(factor, LOAD(&next->cpu.active_weight), own);
        own = LOAD(&next->cpu.activity) >> 32;
    }
    uint64_t virtual_ns = (uint64_t)((uint128_t)ns * factor >> FACTOR_BITS);
    ADD(&account->cpu.virtual_ns, virtual_ns);
}

void account_bill_cpu(struct account *account, struct account *queued, uint64_t application_ns,
                      uint64_t personality_ns)
{
    uint64_t ns = MIN(application_ns + personality_ns, BILL_MOST_NS);
    for (struct account *next = account; next != NULL; next = next->parent) {
        struct account_cpu *cpu = &next->cpu;
        if (application_ns != 0) {
            ADD(&cpu->application_ns, application_ns);
        }
        ADD(&cpu->personality_ns, personality_ns);
        if (LOAD(&cpu->quota_ns) != 0) {
            ADD(&cpu->left_ns, -(int64_t)ns);
        }
    }
    virtual_add(account, ns);
    if (queued != account) {
        virtual_add(queued, ns);
    }
}

uint64_t account_virtual_time(struct account *account, uint32_t band)
{
    uint64_t virtual_ns = LOAD(&account->cpu.virtual_ns);
    uint64_t clock = LOAD(&virtual_clock[band]);
    int64_t ahead = (int64_t)(virtual_ns - clock);
    if (ahead >= -BEHIND_MOST && ahead <= AHEAD_MOST) {
        return virtual_ns;
    }
    uint64_t near = ahead < 0 ? clock - BEHIND_MOST : clock + AHEAD_MOST;
    /* Lost against a bill: then the next look corrects it. */
    (void)__atomic_compare_exchange_n(&account->cpu.virtual_ns, &virtual_ns, near, false,
                                      __ATOMIC_RELAXED, __ATOMIC_RELAXED);
    return near;
}

void account_clock_advance(uint32_t band, uint64_t virtual_ns)
{
    if ((int64_t)(virtual_ns - LOAD(&virtual_clock[band])) > 0) {
        STORE(&virtual_clock[band], virtual_ns);
    }
}

/* --- quota ----------------------------------------------------------------------------------- */

/* For the periods that have begun since: whoever moves the period's end fills up. */
static void quota_refill(struct account_cpu *cpu, uint64_t quota_ns, uint64_t now_ns)
{
    uint64_t end_ns = LOAD(&cpu->period_end_ns);
    uint64_t period_ns = LOAD(&cpu->period_ns);
    if (now_ns < end_ns) {
        return;
    }
    uint64_t periods = (now_ns - end_ns) / period_ns + 1;
    if (!__atomic_compare_exchange_n(&cpu->period_end_ns, &end_ns, end_ns + periods * period_ns,
                                     false, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
        return;
    }
    int64_t left_ns = LOAD(&cpu->left_ns);
    int64_t filled_ns;
    do {
        bool full = left_ns >= 0 || periods > (uint64_t)-left_ns / quota_ns + 1;
        filled_ns = full ? (int64_t)quota_ns
                         : MIN(left_ns + (int64_t)(periods * quota_ns), (int64_t)quota_ns);
    } while (!__atomic_compare_exchange_n(&cpu->left_ns, &left_ns, filled_ns, false,
                                          __ATOMIC_RELAXED, __ATOMIC_RELAXED));
}

enum throttle account_throttle(struct account *account, struct quota_state *state)
{
    enum throttle worst = THROTTLE_NONE;
    if (LOAD(&scheduler_turn_bounds) == 0) {
        return worst;
    }
    uint64_t now_ns = clock_now_ns();
    for (struct account *next = account; next != NULL; next = next->parent) {
        struct account_cpu *cpu = &next->cpu;
        uint64_t quota_ns = LOAD(&cpu->quota_ns);
        if (LOAD(&cpu->frozen)) {
            *state = (struct quota_state){next, DEADLINE_NEVER, now_ns};
            return THROTTLE_ALL;
        }
        if (quota_ns == 0) {
            continue;
        }
        quota_refill(cpu, quota_ns, now_ns);
        int64_t left_ns = LOAD(&cpu->left_ns);
        bool deep = left_ns < -(int64_t)MAX(quota_ns, DEBT_LEAST_NS);
        enum throttle throttle = deep           ? THROTTLE_ALL
                                 : left_ns <= 0 ? THROTTLE_APPLICATION
                                                : THROTTLE_NONE;
        if (throttle > worst) {
            worst = throttle;
            *state = (struct quota_state){next, LOAD(&cpu->period_end_ns), now_ns};
        }
    }
    return worst;
}

uint64_t account_turn_ns(struct account *account)
{
    uint64_t turn_ns = UINT64_MAX;
    for (struct account *next = account; next != NULL; next = next->parent) {
        if (LOAD(&next->cpu.quota_ns) != 0) {
            int64_t left_ns = LOAD(&next->cpu.left_ns);
            uint64_t own_ns = left_ns <= 0 ? TURN_MOST_NS : (uint64_t)left_ns;
            turn_ns = MIN(turn_ns, MAX(MIN(own_ns, TURN_MOST_NS), TURN_LEAST_NS));
        }
    }
    return turn_ns;
}

/* Under the account's lock. */
void account_set_quota(struct account *account, uint64_t quota_ns)
{
    struct account_cpu *cpu = &account->cpu;
    uint64_t before_ns = cpu->quota_ns;
    quota_ns = MIN(quota_ns, PERIOD_MOST_NS * CPUS_MAX);
    if (before_ns == 0) {
        /* What ran before and was not billed yet is no debt. */
        STORE(&cpu->left_ns, (int64_t)(cpu_count * UNBILLED_NS));
        STORE(&cpu->period_end_ns, clock_now_ns() + cpu->period_ns);
    }
    /* What was used in this period counts against the new quota. */
    ADD(&cpu->left_ns, (int64_t)(quota_ns - before_ns));
    STORE(&cpu->quota_ns, quota_ns);
    ADD(&scheduler_turn_bounds, (quota_ns != 0) - (before_ns != 0));
}

/* Under the account's lock. Whoever chooses a thread afterwards sees it. */
status_t account_set_frozen(struct account *account, uint64_t frozen)
{
    if (frozen > 1) {
        return STATUS_INVALID_ARGUMENT;
    }
    int change = (int)frozen - account->cpu.frozen;
    ADD(&scheduler_turn_bounds, change);
    ADD(&scheduler_freezes, change);
    __atomic_store_n(&account->cpu.frozen, frozen == 1, __ATOMIC_SEQ_CST);
    if (change > 0) {
        scheduler_freeze();
        (void)scheduler_running(account, true);
    }
    return STATUS_OK;
}

bool account_is_frozen(const struct account *account)
{
    while (account != NULL && !LOAD(&account->cpu.frozen)) {
        account = account->parent;
    }
    return account != NULL;
}

status_t account_set_period(struct account *account, uint64_t period_ns)
{
    if (period_ns < PERIOD_LEAST_NS || period_ns > PERIOD_MOST_NS) {
        return STATUS_INVALID_ARGUMENT;
    }
    STORE(&account->cpu.period_ns, period_ns);
    /* No longer than the new period from now. */
    uint64_t end_ns = clock_now_ns() + period_ns;
    if (end_ns < LOAD(&account->cpu.period_end_ns)) {
        STORE(&account->cpu.period_end_ns, end_ns);
    }
    return STATUS_OK;
}
