#include "kernel/core/scheduler.h"

#include "kernel/core/assert.h"
#include "kernel/core/barrier.h"
#include "kernel/core/clock.h"
#include "kernel/core/frame.h"
#include "kernel/core/traps.h"
#include "kernel/core/wait.h"
#include "kernel/object/account.h"
#include "kernel/object/domain.h"
#include "kernel/object/space.h"
#include "kernel/x86_64/apic.h"
#include "kernel/x86_64/asm.h"
#include "kernel/x86_64/cpu.h"
#include "kernel/x86_64/memory_map.h"

#define SLICE_NS 4000000ull

/* An account that pays for several threads in turn pays at least this often. */
#define BILL_CYCLES (1ull << 20)

struct scheduler {
    struct spinlock lock; /* ready lists */
    struct list_node ready[BANDS];
    uint32_t ready_count;
    uint32_t current_band; /* of the running thread, for others to read; BANDS when idle: 0 */
    bool idle;             /* others read it to choose whom to wake */
    bool reschedule;       /* own CPU: give the turn to another */

    struct thread *handoff; /* run this next; state RUNNING */
    struct space *loaded_space;
    struct domain *loaded_domain;
    uint64_t tsc_since;  /* the current thread's time counts from here on */
    uint64_t tsc_billed; /* up to here its account has paid; not later than tsc_since */
    uint64_t slice_end_tsc;

    struct spinlock timer_lock;
    struct tree timers; /* by deadline */
    uint64_t armed_tsc; /* what the hardware timer is set to; 0: stopped */
};

static struct scheduler schedulers[CPUS_MAX];
static uint64_t idle_cpus; /* bit per CPU; atomic */

static struct scheduler *scheduler_of(const struct cpu *cpu)
{
    return cpu->scheduler;
}

static int timer_compare(const struct tree_node *a, const struct tree_node *b)
{
    const struct thread *left = CONTAINER_OF(a, struct thread, timer_node);
    const struct thread *right = CONTAINER_OF(b, struct thread, timer_node);
    if (left->deadline_ns != right->deadline_ns) {
        return left->deadline_ns < right->deadline_ns ? -1 : 1;
    }
    return left < right ? -1 : left > right;
}

void scheduler_init(struct cpu *cpu)
{
    struct scheduler *scheduler = &schedulers[cpu->number];
    cpu->scheduler = scheduler;
    cpu->bit = 1ull << cpu->number;
    spin_init(&scheduler->lock, LOCK_RUN_QUEUE);
    spin_init(&scheduler->timer_lock, LOCK_TIMER);
    tree_init(&scheduler->timers, timer_compare);
    for (uint32_t band = 0; band < BANDS; band++) {
        list_init(&scheduler->ready[band]);
    }
}

/* --- time ------------------------------------------------------------------------------------ */

static void hardware_timer_update(struct scheduler *scheduler)
{
    spin_lock(&scheduler->timer_lock);
    struct tree_node *first = tree_first(&scheduler->timers);
    uint64_t deadline_tsc = 0;
    if (first != NULL) {
        deadline_tsc = clock_tsc_at(CONTAINER_OF(first, struct thread, timer_node)->deadline_ns);
    }
    spin_unlock(&scheduler->timer_lock);
    if (scheduler->slice_end_tsc != 0 &&
        (deadline_tsc == 0 || scheduler->slice_end_tsc < deadline_tsc)) {
        deadline_tsc = scheduler->slice_end_tsc;
    }
    if (deadline_tsc != scheduler->armed_tsc) {
        scheduler->armed_tsc = deadline_tsc;
        apic_timer_set(tsc_read(), deadline_tsc);
    }
}

void timer_arm(struct thread *thread, uint64_t deadline_ns)
{
    if (deadline_ns == DEADLINE_NEVER) {
        return;
    }
    struct cpu *cpu = cpu_current();
    struct scheduler *scheduler = scheduler_of(cpu);
    spin_lock(&scheduler->timer_lock);
    assert(!thread->timer_armed);
    thread->deadline_ns = deadline_ns;
    thread->timer_cpu = cpu->number;
    thread->timer_armed = true;
    tree_insert(&scheduler->timers, &thread->timer_node);
    spin_unlock(&scheduler->timer_lock);
    hardware_timer_update(scheduler);
}

void timer_disarm(struct thread *thread)
{
    if (!__atomic_load_n(&thread->timer_armed, __ATOMIC_ACQUIRE)) {
        return;
    }
    struct scheduler *scheduler = &schedulers[thread->timer_cpu];
    spin_lock(&scheduler->timer_lock);
    if (thread->timer_armed) {
        tree_remove(&scheduler->timers, &thread->timer_node);
        thread->timer_armed = false;
    }
    spin_unlock(&scheduler->timer_lock);
}

static void timers_expire(struct scheduler *scheduler)
{
    uint64_t now_ns = clock_now_ns();
    for (;;) {
        spin_lock(&scheduler->timer_lock);
        struct tree_node *first = tree_first(&scheduler->timers);
        struct thread *thread =
            first == NULL ? NULL : CONTAINER_OF(first, struct thread, timer_node);
        if (thread == NULL || thread->deadline_ns > now_ns) {
            spin_unlock(&scheduler->timer_lock);
            return;
        }
        tree_remove(&scheduler->timers, first);
        /* Read first: whoever sees it disarmed may let the thread go on to its next wait. */
        uint64_t sequence = thread->wait_sequence;
        __atomic_store_n(&thread->timer_armed, false, __ATOMIC_RELEASE);
        spin_unlock(&scheduler->timer_lock);
        (void)wait_cancel(thread, STATUS_TIMED_OUT, sequence, WAIT_ANY);
    }
}

void scheduler_timer(void)
{
    struct scheduler *scheduler = scheduler_of(cpu_current());
    scheduler->armed_tsc = 0;
    timers_expire(scheduler);
    if (scheduler->slice_end_tsc != 0 && tsc_read() >= scheduler->slice_end_tsc) {
        scheduler->slice_end_tsc = 0;
        scheduler->reschedule = true;
    }
    hardware_timer_update(scheduler);
}

/* --- saving and switching -------------------------------------------------------------------- */

static void time_count(struct scheduler *scheduler, struct thread *thread, uint8_t mode)
{
    uint64_t now = tsc_read();
    thread->mode_cycles[mode] += now - scheduler->tsc_since;
    scheduler->tsc_since = now;
}

/* Let the thread's account pay for all that was counted. */
__attribute__((noinline)) static void time_bill(struct scheduler *scheduler,
                                                const struct thread *thread)
{
    uint64_t ns = clock_cycles_to_ns(scheduler->tsc_since - scheduler->tsc_billed);
    scheduler->tsc_billed = scheduler->tsc_since;
    struct object *account = handle_object(thread->billing, OBJECT_ACCOUNT);
    if (account != NULL) {
        account_bill_cpu(account, ns);
    }
}

void scheduler_bill(struct thread *thread)
{
    struct scheduler *scheduler = scheduler_of(cpu_current());
    time_count(scheduler, thread, thread->mode);
    time_bill(scheduler, thread);
}

uint64_t scheduler_turn_cycles(const struct thread *thread)
{
    for (uint32_t i = 0; i < cpu_count; i++) {
        /* Another CPU may go on to the next thread meanwhile: then this is a little too much. */
        if (__atomic_load_n(&cpus[i]->current, __ATOMIC_RELAXED) == thread) {
            uint64_t since = __atomic_load_n(&scheduler_of(cpus[i])->tsc_since, __ATOMIC_RELAXED);
            uint64_t now = tsc_read();
            return now > since ? now - since : 0;
        }
    }
    return 0;
}

void scheduler_save(struct thread *thread)
{
    fpu_save(thread->fpu);
    bases_save(&thread->fs_base, &thread->gs_base);
    scheduler_bill(thread);
}

void scheduler_detach(void)
{
    cpu_current()->current = NULL;
}

static void root_load(struct cpu *cpu, uint64_t root)
{
    if (cpu->root_loaded != root) {
        cpu->root_loaded = root;
        cr3_write(root);
    }
}

/* Announce the new halves, load the root, then leave the old ones: never unannounced. */
static void halves_load(struct cpu *cpu, struct space *space, struct domain *domain, uint64_t root)
{
    struct scheduler *scheduler = scheduler_of(cpu);
    struct space *old_space = scheduler->loaded_space;
    struct domain *old_domain = scheduler->loaded_domain;
    if (space != old_space) {
        scheduler->loaded_space = space;
        if (space != NULL) {
            region_map_loaded(&space->map, cpu->bit);
        }
    }
    if (domain != old_domain) {
        scheduler->loaded_domain = domain;
        if (domain != NULL) {
            region_map_loaded(&domain->window, cpu->bit);
        }
    }
    root_load(cpu, root);
    if (space != old_space && old_space != NULL) {
        region_map_unloaded(&old_space->map, cpu->bit);
    }
    if (domain != old_domain && old_domain != NULL) {
        region_map_unloaded(&old_domain->window, cpu->bit);
    }
}

static uint64_t root_of(const struct thread *thread)
{
    return thread->mode == MODE_APPLICATION ? thread->root_application : thread->root_personality;
}

void thread_enter_space(struct thread *thread, struct space *space)
{
    struct space *old = thread->space;
    thread->space = space;
    if (space != NULL) {
        thread->root_application = space->root_application;
        thread->root_personality = space->root_personality;
    } else {
        thread->root_application = 0;
        thread->root_personality = thread->domain->root;
    }
    struct cpu *cpu = cpu_current();
    if (cpu->current == thread) {
        halves_load(cpu, space, thread->domain, root_of(thread));
    }
    if (old != NULL) {
        space_thread_left(old);
    }
}

/* Load the thread, which is RUNNING on this CPU; what ran before is saved. */
static void context_load(struct cpu *cpu, struct thread *next, uint64_t root)
{
    cpu->current = next;
    halves_load(cpu, next->space, next->domain, root);
    fpu_restore(next->fpu);
    bases_restore(next->fs_base, next->gs_base);
    cpu_set_trap_stack(cpu, (uint64_t)(&next->registers + 1));
    scheduler_of(cpu)->current_band = next->band;
    /* RUNNING before we look at attention: pairs with thread_attend. */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static void switch_to(struct cpu *cpu, struct thread *next)
{
    struct scheduler *scheduler = scheduler_of(cpu);
    context_load(cpu, next, root_of(next));
    scheduler->tsc_since = tsc_read();
    scheduler->tsc_billed = scheduler->tsc_since;
    scheduler->slice_end_tsc = 0;
}

/* --- run queues ------------------------------------------------------------------------------ */

static void enqueue(struct scheduler *scheduler, struct thread *thread)
{
    spin_lock(&scheduler->lock);
    list_append(&scheduler->ready[thread->band], &thread->wait_node);
    scheduler->ready_count++;
    spin_unlock(&scheduler->lock);
}

static struct thread *dequeue(struct scheduler *scheduler, uint32_t cpu_number, uint32_t least_band)
{
    struct thread *found = NULL;
    spin_lock(&scheduler->lock);
    for (uint32_t band = BANDS; band-- > least_band && found == NULL;) {
        if (!list_empty(&scheduler->ready[band])) {
            found = CONTAINER_OF(scheduler->ready[band].next, struct thread, wait_node);
            list_remove(&found->wait_node);
            scheduler->ready_count--;
            found->state = THREAD_RUNNING;
            found->cpu = cpu_number;
        }
    }
    spin_unlock(&scheduler->lock);
    return found;
}

bool scheduler_withdraw(struct thread *thread)
{
    struct scheduler *scheduler = &schedulers[thread->cpu];
    spin_lock(&scheduler->lock);
    bool queued = thread->state == THREAD_READY && !list_empty(&thread->wait_node) &&
                  scheduler == &schedulers[thread->cpu];
    if (queued) {
        list_remove(&thread->wait_node);
        scheduler->ready_count--;
    }
    spin_unlock(&scheduler->lock);
    return queued;
}

/* The CPU where it ran last if that one is free, else any free one, else the former. */
static uint32_t choose_cpu(const struct thread *thread)
{
    uint64_t idle = __atomic_load_n(&idle_cpus, __ATOMIC_RELAXED);
    if (idle == 0 || idle >> thread->cpu & 1) {
        return thread->cpu;
    }
    return (uint32_t)__builtin_ctzll(idle);
}

void scheduler_ready(struct thread *thread)
{
    uint32_t target = choose_cpu(thread);
    struct scheduler *scheduler = &schedulers[target];
    struct cpu *self = cpu_current();
    uint32_t band = thread->band;
    thread->cpu = target;
    enqueue(scheduler, thread);
    if (target == self->number) {
        struct thread *current = self->current;
        if (current != NULL && band > current->band) {
            scheduler->reschedule = true;
        }
        return;
    }
    /* An idle CPU must wake; a busy one must preempt, or start to share the band by slices. */
    if (scheduler->idle || band >= scheduler->current_band) {
        cpu_kick(target);
    }
}

void scheduler_handoff(struct thread *thread)
{
    struct cpu *cpu = cpu_current();
    struct scheduler *scheduler = scheduler_of(cpu);
    if (cpu->current != NULL || scheduler->handoff != NULL) {
        scheduler_ready(thread);
        return;
    }
    thread->cpu = cpu->number;
    __atomic_store_n(&thread->state, THREAD_RUNNING, __ATOMIC_RELEASE);
    scheduler->handoff = thread;
}

void scheduler_yield(void)
{
    scheduler_of(cpu_current())->reschedule = true;
}

/* --- leaving the kernel ---------------------------------------------------------------------- */

static bool higher_band_waits(const struct scheduler *scheduler, uint32_t band)
{
    for (uint32_t higher = band + 1; higher < BANDS; higher++) {
        if (!list_empty(&scheduler->ready[higher])) {
            return true;
        }
    }
    return false;
}

/* The current thread's turn is over, or somebody more urgent came: put it back if so. */
static void current_requeue(struct cpu *cpu)
{
    struct scheduler *scheduler = scheduler_of(cpu);
    struct thread *current = cpu->current;
    scheduler->reschedule = false;
    bool same_band_waits = !list_empty(&scheduler->ready[current->band]);
    if (!same_band_waits && !higher_band_waits(scheduler, current->band)) {
        return;
    }
    scheduler_save(current);
    spin_lock(&current->lock);
    current->state = THREAD_READY;
    spin_unlock(&current->lock);
    scheduler_detach();
    enqueue(scheduler, current);
}

static struct thread *steal(struct cpu *cpu)
{
    for (uint32_t i = 1; i < cpu_count; i++) {
        struct scheduler *victim = &schedulers[(cpu->number + i) % cpu_count];
        if (__atomic_load_n(&victim->ready_count, __ATOMIC_RELAXED) > 0) {
            struct thread *thread = dequeue(victim, cpu->number, 0);
            if (thread != NULL) {
                return thread;
            }
        }
    }
    return NULL;
}

static struct thread *choose(struct cpu *cpu)
{
    struct scheduler *scheduler = scheduler_of(cpu);
    struct thread *handoff = scheduler->handoff;
    if (handoff != NULL) {
        scheduler->handoff = NULL;
        if (!higher_band_waits(scheduler, handoff->band)) {
            return handoff;
        }
        spin_lock(&handoff->lock);
        handoff->state = THREAD_READY;
        spin_unlock(&handoff->lock);
        enqueue(scheduler, handoff);
    }
    struct thread *next = dequeue(scheduler, cpu->number, 0);
    return next != NULL ? next : steal(cpu);
}

void scheduler_kicked(void)
{
    struct cpu *cpu = cpu_current();
    struct scheduler *scheduler = scheduler_of(cpu);
    if (cpu->current != NULL && higher_band_waits(scheduler, cpu->current->band)) {
        scheduler->reschedule = true;
    }
}

/* Nothing to run: leave every address space, prepare zeroed frames, sleep until an interrupt. */
static struct thread *idle(struct cpu *cpu)
{
    struct scheduler *scheduler = scheduler_of(cpu);
    halves_load(cpu, NULL, NULL, kernel_root_physical);
    scheduler->slice_end_tsc = 0;
    scheduler->current_band = 0;
    scheduler->idle = true;
    __atomic_fetch_or(&idle_cpus, cpu->bit, __ATOMIC_SEQ_CST);
    struct thread *next;
    while ((next = choose(cpu)) == NULL) {
        bool nothing_left = barrier_poll();
        bool zeroed = frames_zero_one();
        /* What the barrier waits for may wait for us; and some machines (QEMU) let no interrupt in
         * between the sti and the cli below. */
        cpu_serve_requests();
        cpu->kernel_entries++;
        if (nothing_left && !zeroed) {
            __asm__ volatile("sti; hlt; cli" : : : "memory");
        } else {
            __asm__ volatile("sti; pause; cli" : : : "memory");
        }
        __atomic_fetch_add(&cpu->kernel_entries, 1, __ATOMIC_SEQ_CST);
    }
    __atomic_fetch_and(&idle_cpus, ~cpu->bit, __ATOMIC_SEQ_CST);
    scheduler->idle = false;
    return next;
}

/* Somebody waits for this CPU: bound the current turn. */
static void slice_start(struct scheduler *scheduler)
{
    if (scheduler->ready_count > 0 && scheduler->slice_end_tsc == 0) {
        scheduler->slice_end_tsc = clock_tsc_at(clock_now_ns() + SLICE_NS);
        hardware_timer_update(scheduler);
    }
}

void scheduler_leave(void)
{
    struct cpu *cpu = cpu_current();
    struct scheduler *scheduler = scheduler_of(cpu);
    for (;;) {
        if (cpu->deferred != 0) {
            (void)barrier_poll();
        }
        if (cpu->current != NULL && scheduler->reschedule) {
            current_requeue(cpu);
        }
        if (cpu->current == NULL) {
            struct thread *next = choose(cpu);
            switch_to(cpu, next != NULL ? next : idle(cpu));
        }
        if (cpu->current->attention != 0) {
            trap_attend(cpu->current);
        }
        if (cpu->current != NULL) {
            break;
        }
    }
    slice_start(scheduler);
    struct thread *thread = cpu->current;
    root_load(cpu, root_of(thread));
    cpu->kernel_entries++;
    kernel_leave(thread);
}

void scheduler_return(struct thread *thread)
{
    struct cpu *cpu = cpu_current();
    const struct scheduler *scheduler = scheduler_of(cpu);
    bool goes_on = cpu->current == thread && thread->attention == 0 && cpu->deferred == 0 &&
                   !scheduler->reschedule &&
                   (scheduler->ready_count == 0 || scheduler->slice_end_tsc != 0);
    if (!goes_on) {
        scheduler_leave();
    }
    root_load(cpu, root_of(thread));
    cpu->kernel_entries++;
    kernel_leave(thread);
}

/* --- the direct switch ----------------------------------------------------------------------- */

bool scheduler_may_switch(const struct cpu *cpu, uint32_t band)
{
    const struct scheduler *scheduler = scheduler_of(cpu);
    if (cpu->deferred != 0 || scheduler->reschedule) {
        return false;
    }
    return scheduler->ready_count == 0 ||
           (scheduler->slice_end_tsc != 0 && !higher_band_waits(scheduler, band));
}

void scheduler_save_for_switch(const struct cpu *cpu, struct thread *thread)
{
    fpu_save(thread->fpu);
    bases_save(&thread->fs_base, &thread->gs_base);
    time_count(scheduler_of(cpu), thread, MODE_PERSONALITY);
}

void scheduler_bill_for_switch(const struct cpu *cpu, const struct thread *thread,
                               handle_t next_billing)
{
    struct scheduler *scheduler = scheduler_of(cpu);
    bool due = scheduler->tsc_since - scheduler->tsc_billed > BILL_CYCLES;
    if (due || thread->billing != next_billing) {
        time_bill(scheduler, thread);
    }
}

void scheduler_switch(struct cpu *cpu, struct thread *next)
{
    context_load(cpu, next, next->root_personality);
    if (__builtin_expect(next->attention != 0, 0)) {
        scheduler_leave();
    }
    cpu->kernel_entries++;
    kernel_leave_call(next);
}
