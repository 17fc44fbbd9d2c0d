/*
 * Who pays for a CPU's time. It is counted by thread and mode whenever one of them changes, and
 * billed when the account that pays changes, or a turn ends. A thread may be trapped after so much
 * of it.
 */
#include "kernel/core/clock.h"
#include "kernel/core/scheduler_state.h"
#include "kernel/object/account.h"

uint64_t scheduler_turn_bounds;
uint64_t scheduler_freezes;

__attribute__((noinline)) void time_bill(struct cpu *cpu)
{
    uint64_t all = cpu->tsc_since - cpu->tsc_billed;
    uint64_t application = cpu->application_cycles - cpu->application_billed;
    cpu->tsc_billed = cpu->tsc_since;
    cpu->application_billed = cpu->application_cycles;
    const struct thread *thread = cpu->current;
    struct object *own =
        handle_object_dying(thread != NULL ? thread->billing_own : cpu->billing_own);
    struct object *billed = handle_object(cpu->billing, OBJECT_ACCOUNT);
    billed = billed == NULL ? own : billed;
    if (cpu->billing != 0 && billed != NULL) {
        account_bill_cpu(object_account(billed), object_account(own == NULL ? billed : own),
                         clock_cycles_to_ns(application), clock_cycles_to_ns(all - application));
    }
}

void billing_switch(struct cpu *cpu, handle_t billing)
{
    if (cpu->billing != billing || cpu->tsc_since - cpu->tsc_billed > BILL_CYCLES) {
        time_bill(cpu);
        cpu->billing = billing;
    }
}

void scheduler_count(struct thread *thread)
{
    time_count(cpu_current(), thread, thread->mode);
}

void scheduler_bill(struct thread *thread)
{
    struct cpu *cpu = cpu_current();
    time_count(cpu, thread, thread->mode);
    time_bill(cpu);
}

void bill_alone(struct thread *thread)
{
    uint64_t before_ns = account_virtual_time(thread->object.payer, thread->band);
    scheduler_bill(thread);
    account_clock_advance(thread->band, before_ns);
}

void billing_change(handle_t billing, int change)
{
    struct object *account = handle_object(billing, OBJECT_ACCOUNT);
    if (account != NULL) {
        account_runnable_change(object_account(account), change);
    }
}

void scheduler_set_billing(struct thread *thread, handle_t billing)
{
    struct cpu *cpu = cpu_current();
    if (thread->billing != billing && cpu->current == thread) {
        billing_switch(cpu, billing);
        billing_change(billing, 1);
        billing_change(thread->billing, -1);
    }
    thread->billing = billing;
}

uint64_t scheduler_turn_cycles(const struct thread *thread)
{
    for (uint32_t i = 0; i < cpu_count; i++) {
        /* Another CPU may go on to the next thread meanwhile: then this is a little too much. */
        if (__atomic_load_n(&cpus[i]->current, __ATOMIC_RELAXED) == thread) {
            uint64_t since = __atomic_load_n(&cpus[i]->tsc_since, __ATOMIC_RELAXED);
            uint64_t now = tsc_read();
            return now > since ? now - since : 0;
        }
    }
    return 0;
}

/* The same, of one CPU for whoever pays there. */
static void turn_add(struct cpu *cpu, const struct account *account, uint64_t *application_ns,
                     uint64_t *personality_ns)
{
    const struct thread *thread = __atomic_load_n(&cpu->current, __ATOMIC_RELAXED);
    struct object *billed = handle_object(cpu->billing, OBJECT_ACCOUNT);
    if (billed == NULL || !account_is_ancestor(account, object_account(billed))) {
        return;
    }
    uint64_t since = __atomic_load_n(&cpu->tsc_since, __ATOMIC_RELAXED);
    uint64_t turn = tsc_read() - since;
    uint64_t application = cpu->application_cycles - cpu->application_billed;
    uint64_t personality = since - cpu->tsc_billed - application;
    *(thread != NULL && thread->mode == MODE_APPLICATION ? &application : &personality) += turn;
    if ((int64_t)(application | personality) >= 0) {
        *application_ns += clock_cycles_to_ns(application);
        *personality_ns += clock_cycles_to_ns(personality);
    }
}

void scheduler_add_turns(const struct account *account, uint64_t *application_ns,
                         uint64_t *personality_ns)
{
    for (uint32_t i = 0; i < cpu_count; i++) {
        turn_add(cpus[i], account, application_ns, personality_ns);
    }
}

/* --- freezing -------------------------------------------------------------------------------- */

/* Of each CPU, the newest kernel entry that a freeze met: it may have chosen by what was before. */
static uint64_t entry_met[CPUS_MAX];

void scheduler_freeze(void)
{
    for (uint32_t i = 0; i < cpu_count; i++) {
        uint64_t entry = __atomic_load_n(&cpus[i]->kernel_entries, __ATOMIC_SEQ_CST);
        uint64_t met = __atomic_load_n(&entry_met[i], __ATOMIC_RELAXED);
        while (met < entry && !__atomic_compare_exchange_n(&entry_met[i], &met, entry, false,
                                                           __ATOMIC_SEQ_CST, __ATOMIC_RELAXED)) {
        }
    }
}

uint64_t scheduler_running(const struct account *account, bool frozen)
{
    uint64_t running = 0;
    for (uint32_t i = 0; i < cpu_count; i++) {
        /* In this order: who leaves meanwhile has set what it runs before. */
        uint64_t entry = __atomic_load_n(&cpus[i]->kernel_entries, __ATOMIC_SEQ_CST);
        bool chooses = frozen && cpus[i] != cpu_current() && entry & 1 &&
                       entry == __atomic_load_n(&entry_met[i], __ATOMIC_SEQ_CST);
        const struct thread *thread = __atomic_load_n(&cpus[i]->current, __ATOMIC_ACQUIRE);
        bool runs = thread != NULL && account_is_ancestor(account, thread->object.payer);
        if (runs && frozen && cpus[i] != cpu_current()) {
            cpu_kick(i);
        }
        running += runs || chooses;
    }
    return running;
}

/* --- traps for time -------------------------------------------------------------------------- */

static void time_trap_exchange(struct thread *thread, uint64_t cycles)
{
    uint64_t before = __atomic_exchange_n(&thread->time_trap_cycles, cycles, __ATOMIC_RELAXED);
    int change = (cycles != UINT64_MAX) - (before != UINT64_MAX);
    __atomic_fetch_add(&scheduler_turn_bounds, change, __ATOMIC_RELAXED);
}

void scheduler_set_time_trap(struct thread *thread, uint64_t total_ns)
{
    uint64_t cycles = total_ns != UINT64_MAX ? clock_ns_to_cycles(total_ns) + 1 : UINT64_MAX;
    spin_lock(&thread->lock);
    if (thread->object.dying) {
        cycles = UINT64_MAX; /* who destroys it takes the trap away once */
    }
    time_trap_exchange(thread, cycles);
    spin_unlock(&thread->lock);
    thread_attend(thread, 0);
    if (cpu_current()->current == thread) {
        scheduler_yield();
    }
}

void time_trap_check(struct thread *thread)
{
    if (cycles_used(thread) >= __atomic_load_n(&thread->time_trap_cycles, __ATOMIC_RELAXED)) {
        time_trap_exchange(thread, UINT64_MAX);
        thread_attend_self(thread, ATTENTION_TIME);
    }
}
