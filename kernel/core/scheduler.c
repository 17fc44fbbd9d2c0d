#include "kernel/core/switch.h"

#include "kernel/core/barrier.h"
#include "kernel/core/frame.h"
#include "kernel/x86_64/kernel_map.h"

#define SLICE_NS  4000000ull  /* a turn, while others wait */
#define TICK_NS   16000000ull /* a CPU that runs somebody bills and looks around this often */
#define MARGIN_NS 2000000     /* virtual time for which no thread is moved to another CPU */

static struct domain no_domain; /* whose window an idle CPU has loaded */
uint64_t scheduler_idle;        /* atomic */

void scheduler_init(struct cpu *cpu)
{
    cpu->loaded_domain = &no_domain;
    cpu->bit = 1ull << cpu->number;
    run_queue_init(&cpu->queue, cpu->number);
    timers_init(cpu);
}

/* --- saving and switching -------------------------------------------------------------------- */

void scheduler_detach(void)
{
    struct cpu *cpu = cpu_current();
    billing_change(cpu->current->billing, -1);
    cpu->billing_own = cpu->current->billing_own;
    cpu->current = NULL;
}

void thread_enter_space(struct thread *thread, struct space *space)
{
    struct space *old = thread->space;
    thread->space = space;
    thread->root_application = space == NULL ? 0 : space->root_application;
    thread->root_personality = space == NULL ? thread->domain->root : space->root_personality;
    struct cpu *cpu = cpu_current();
    if (cpu->current == thread) {
        halves_load(cpu, space, thread->domain, root_of(thread));
    }
    if (old != NULL) {
        space_thread_left(old);
    }
}

/* --- waking ---------------------------------------------------------------------------------- */

/* Make one sleeping CPU look for work, the next one from that CPU on. False: none sleeps. */
__attribute__((noinline)) static bool idle_claim(uint32_t near, uint32_t *out)
{
    uint64_t idle;
    while ((idle = __atomic_load_n(&scheduler_idle, __ATOMIC_RELAXED)) != 0) {
        uint64_t from_near = idle >> near | (near == 0 ? 0 : idle << (64 - near));
        uint32_t number = (near + (uint32_t)__builtin_ctzll(from_near)) % 64;
        uint64_t bit = 1ull << number;
        if (__atomic_fetch_and(&scheduler_idle, ~bit, __ATOMIC_SEQ_CST) & bit) {
            *out = number;
            return true;
        }
    }
    return false;
}

void scheduler_wake_idle(uint32_t near)
{
    uint32_t number;
    if (idle_claim(near, &number)) {
        cpu_kick(number);
    }
}

/* Somebody waits in that queue, whose CPU has other work: a CPU that was woken for one thread may
 * have taken another. */
static void queue_offer(const struct cpu *cpu)
{
    if (run_queue_ready(&cpu->queue)) {
        idle_wake(cpu->number);
    }
}

/* Of the thread that runs there; 0 of none. */
static uint32_t current_band(uint32_t number)
{
    const struct thread *current = __atomic_load_n(&cpus[number]->current, __ATOMIC_RELAXED);
    return current == NULL ? 0 : current->band;
}

uint32_t scheduler_busy_cpu(const struct thread *thread)
{
    uint32_t number = thread->cpu;
    for (uint32_t i = 0; i < cpu_count; i++) {
        if (current_band(number) < thread->band) {
            return number;
        }
        number = number + 1 == cpu_count ? 0 : number + 1;
    }
    return thread->cpu;
}

void scheduler_place(struct thread *thread)
{
    uint32_t target;
    bool sleeps = somebody_idle() && idle_claim(thread->cpu, &target);
    if (!sleeps) {
        target = scheduler_busy_cpu(thread);
    }
    uint32_t band = thread->band;
    struct cpu *there = cpus[target];
    struct cpu *self = cpu_current();
    trace(TRACE_WAKE, 0, object_number(&thread->object), target);
    run_queue_add(&there->queue, thread);
    if (target == self->number) {
        self->reschedule |= self->current != NULL && band > self->current->band;
    } else if (sleeps || band > current_band(target) ||
               (band == current_band(target) && there->slice_end_tsc == 0)) {
        /* It must wake; or preempt; or begin to share the band by slices, or to run at all. */
        cpu_kick(target);
    }
    if (!sleeps) {
        idle_wake(target);
    }
}

void scheduler_ready(struct thread *thread)
{
    struct cpu *cpu = cpu_current();
    scheduler_ready_here(cpu, cpu->current, thread);
}

void scheduler_handoff(struct thread *thread)
{
    struct cpu *cpu = cpu_current();
    billing_change(thread->billing, 1);
    thread->counted = true;
    if (cpu->current != NULL || cpu->handoff != NULL) {
        scheduler_place(thread);
        return;
    }
    thread_move(thread, cpu->number);
    __atomic_store_n(&thread->state, THREAD_RUNNING, __ATOMIC_RELEASE);
    cpu->handoff = thread;
}

bool scheduler_withdraw(struct thread *thread)
{
    bool withdrawn = run_queue_remove(&cpus[thread->cpu]->queue, thread);
    if (withdrawn) {
        billing_change(thread->billing, -1);
    }
    return withdrawn;
}

void scheduler_yield(void)
{
    cpu_current()->reschedule = 1;
}

/* --- choosing -------------------------------------------------------------------------------- */

/*
 * The queue whose first of the band is furthest behind `key` (0: any is); the own one unless that
 * is clear.
 */
static struct run_queue *furthest_behind(struct run_queue *own, uint32_t band, uint64_t key)
{
    struct run_queue *best = own;
    for (uint32_t i = 0; i < cpu_count; i++) {
        uint64_t other = run_queue_key(&cpus[i]->queue, band);
        int64_t margin = best == own ? MARGIN_NS : 0;
        if (other != 0 && (key == 0 || (int64_t)(key - other) > margin)) {
            best = &cpus[i]->queue;
            key = other;
        }
    }
    return best;
}

static struct thread *take(struct run_queue *queue, uint32_t band, const struct cpu *cpu)
{
    return run_queue_empty(queue, band) ? NULL : run_queue_take(queue, band, cpu->number, 0);
}

/* From whichever queue has the one who is furthest behind. */
static struct thread *take_furthest_behind(struct cpu *cpu, uint32_t band)
{
    struct run_queue *own = &cpu->queue;
    uint64_t key = run_queue_first_key(own, band);
    struct run_queue *queue = furthest_behind(own, band, key);
    struct thread *next = queue == own ? NULL : run_queue_take(queue, band, cpu->number, key);
    if (next == NULL && key != 0) {
        account_clock_advance(band, key);
        next = take(own, band, cpu);
    }
    return next;
}

static struct thread *take_first(struct cpu *cpu)
{
    bool look = look_is_due(cpu);
    if (look) {
        cpu->look_tsc = cpu->tsc_since + clock_ns_to_cycles(SLICE_NS);
    }
    struct thread *next = NULL;
    for (uint32_t band = BANDS; band-- > 0 && next == NULL;) {
        next = look ? take_furthest_behind(cpu, band) : take(&cpu->queue, band, cpu);
    }
    return next;
}

static struct thread *steal(struct cpu *cpu)
{
    for (uint32_t band = BANDS; band-- > 0;) {
        for (uint32_t i = 1; i < cpu_count; i++) {
            struct cpu *victim = cpus[(cpu->number + i) % cpu_count];
            struct thread *thread = take(&victim->queue, band, cpu);
            if (thread != NULL) {
                queue_offer(victim);
                return thread;
            }
        }
    }
    return NULL;
}

/* The turn ends when the thread must stop, if not before. */
static void turn_shorten(struct cpu *cpu, const struct thread *thread)
{
    uint64_t ns = run_queue_ready(&cpu->queue) ? SLICE_NS : UINT64_MAX;
    if (scheduler_turn_bounds != 0) {
        ns = MIN(ns, account_turn_ns(thread->object.payer));
        uint64_t trap = __atomic_load_n(&thread->time_trap_cycles, __ATOMIC_RELAXED);
        if (trap != UINT64_MAX) {
            uint64_t used = cycles_used(thread);
            ns = MIN(ns, trap > used ? clock_cycles_to_ns(trap - used) : 0);
        }
    }
    if (ns != UINT64_MAX) {
        uint64_t end_tsc = tsc_read() + clock_ns_to_cycles(ns);
        if (cpu->slice_end_tsc == 0 || end_tsc < cpu->slice_end_tsc) {
            cpu->slice_end_tsc = end_tsc;
            timer_want(cpu, end_tsc);
        }
    }
}

/* Must it stop because of a quota? In personality mode, not before it returns to the application.
 */
static bool throttled(struct thread *thread)
{
    struct quota_state state;
    enum throttle throttle = account_throttle(thread->object.payer, &state);
    if (throttle == THROTTLE_APPLICATION && thread->mode == MODE_PERSONALITY) {
        thread_attend_self(thread, ATTENTION_THROTTLE);
        return false;
    }
    return throttle != THROTTLE_NONE;
}

/* Who is handed the CPU goes on in the same turn; only a choice from the queues begins another. */
static struct thread *choose(struct cpu *cpu)
{
    struct thread *handoff = cpu->handoff;
    if (handoff != NULL) {
        cpu->handoff = NULL;
        if (cpu->reschedule == 0 && !run_queue_waits(&cpu->queue, handoff->band + 1) &&
            !throttled(handoff)) {
            if (scheduler_turn_bounds != 0 && cpu->slice_end_tsc != 0) {
                turn_shorten(cpu, handoff);
            }
            return handoff;
        }
        run_queue_add(&cpu->queue, handoff);
    }
    if (scheduler_turn_bounds != 0) {
        cpu->slice_end_tsc = 0; /* this one may have to stop sooner */
    }
    struct thread *next = take_only(cpu);
    if (next != NULL) {
        billing_count(next);
        return next;
    }
    next = take_first(cpu);
    return next != NULL ? next : steal(cpu);
}

/* --- the end of a turn ----------------------------------------------------------------------- */

/* Somebody waits on another CPU who should rather run than the current thread. */
static bool elsewhere_waits(struct cpu *cpu)
{
    struct run_queue *own = &cpu->queue;
    const struct thread *current = cpu->current;
    uint64_t key = account_virtual_time(current->object.payer, current->band) | 1;
    bool waits = false;
    for (uint32_t band = current->band; band < BANDS && !waits; band++) {
        waits = furthest_behind(own, band, band == current->band ? key : 0) != own;
    }
    return waits;
}

/* The current thread's turn is over, or somebody more urgent came: put it back if so. */
static void current_requeue(struct cpu *cpu)
{
    struct thread *current = cpu->current;
    bool stop = cpu->look_tsc == 0;
    cpu->reschedule = 0;
    if (scheduler_turn_bounds != 0) {
        scheduler_bill(current);
        time_trap_check(current);
        cpu->slice_end_tsc = 0;
        stop |= throttled(current);
    }
    if (!stop && !run_queue_waits(&cpu->queue, current->band)) {
        return;
    }
    scheduler_save(cpu, current, current->mode);
    time_bill(cpu);
    if (current->trap_on_preemption) {
        thread_attend_self(current, ATTENTION_PREEMPTED);
    }
    cpu->billing_own = current->billing_own;
    cpu->current = NULL;
    run_queue_add(&cpu->queue, current);
}

static void tick(struct cpu *cpu)
{
    cpu->tick_tsc = tsc_read() + clock_ns_to_cycles(TICK_NS);
    if (!run_queue_ready(&cpu->queue)) {
        bill_alone(cpu->current);
    } else {
        scheduler_bill(cpu->current);
    }
    /* After that: a queue that is looked at more often knows of all that was billed before. */
    cpu->look_tsc = elsewhere_waits(cpu) ? 0 : cpu->look_tsc;
    if (cpu->look_tsc == 0 || scheduler_turn_bounds != 0) {
        cpu->reschedule = 1; /* a quota may be new */
    }
}

void scheduler_timer(void)
{
    struct cpu *cpu = cpu_current();
    cpu->armed_tsc = UINT64_MAX;
    timers_expire(cpu);
    uint64_t now = tsc_read();
    if (cpu->slice_end_tsc != 0 && now >= cpu->slice_end_tsc) {
        cpu->slice_end_tsc = 0;
        cpu->reschedule = 1;
    }
    if (cpu->tick_tsc != 0 && now >= cpu->tick_tsc) {
        tick(cpu);
    }
    if (now >= cpu->queue.release_tsc && run_queue_release(&cpu->queue)) {
        idle_wake(cpu->number);
    }
    timer_want(cpu, cpu->queue.release_tsc);
    timer_want(cpu, cpu->slice_end_tsc);
    timer_want(cpu, cpu->tick_tsc);
}

void scheduler_kicked(void)
{
    struct cpu *cpu = cpu_current();
    timer_want(cpu, cpu->queue.release_tsc); /* another may have throttled somebody here */
    if (cpu->current == NULL) {
        return;
    }
    queue_offer(cpu);
    if (throttled(cpu->current) || run_queue_waits(&cpu->queue, cpu->current->band + 1)) {
        cpu->reschedule = 1;
    }
}

/* --- leaving the kernel ---------------------------------------------------------------------- */

bool scheduler_alert(handle_t account)
{
    struct cpu *cpu = cpu_current();
    if (cpu->alert_count == CPU_ALERTS) {
        return false;
    }
    cpu->alert[cpu->alert_count++] = account;
    cpu->reschedule = 1;
    return true;
}

static void alerts_raise(struct cpu *cpu)
{
    while (cpu->alert_count > 0) {
        struct object *account = handle_object(cpu->alert[--cpu->alert_count], OBJECT_ACCOUNT);
        if (account != NULL) {
            account_alert(object_account(account));
        }
    }
}

/* Nothing to run: leave every address space, prepare zeroed frames, sleep until an interrupt. */
static struct thread *idle(struct cpu *cpu)
{
    trace(TRACE_SWITCH, 0, 0, 0);
    halves_load(cpu, NULL, &no_domain, kernel_root_physical);
    billing_switch(cpu, 0);
    cpu->slice_end_tsc = 0;
    cpu->tick_tsc = 0;
    cpu->reschedule = 0;
    struct thread *next;
    for (;;) {
        /* Before the look: whoever adds work looks at this bit afterwards. */
        __atomic_fetch_or(&scheduler_idle, cpu->bit, __ATOMIC_SEQ_CST);
        next = choose(cpu);
        if (next != NULL) {
            break;
        }
        bool nothing_left = barrier_poll();
        bool zeroed = frames_zero_one();
        timer_want(cpu, cpu->queue.release_tsc);
        /* Who was not reached behind those that are throttled is looked for again. */
        bool sleep = nothing_left && !zeroed && !run_queue_waits(&cpu->queue, 0);
        /* What the barrier waits for may wait for us; and some machines (QEMU) let no interrupt in
         * between the sti and the cli below. */
        cpu_serve_requests();
        cpu->kernel_entries++;
        if (sleep) {
            cpu_sleep();
        } else {
            cpu_listen();
        }
        __atomic_fetch_add(&cpu->kernel_entries, 1, __ATOMIC_SEQ_CST);
    }
    __atomic_fetch_and(&scheduler_idle, ~cpu->bit, __ATOMIC_SEQ_CST);
    cpu->tsc_since = tsc_read();
    cpu->tsc_billed = cpu->tsc_since; /* nobody's */
    return next;
}

/* Bound the turn and set the timer, as far as that was not done. */
static void turn_begin(struct cpu *cpu)
{
    timer_want(cpu, cpu->queue.release_tsc);
    queue_offer(cpu);
    if (cpu->slice_end_tsc == 0) {
        if (run_queue_ready(&cpu->queue) && cpu->tsc_since - cpu->tsc_billed > BILL_CYCLES) {
            bill_alone(cpu->current);
        }
        turn_shorten(cpu, cpu->current);
    }
    if (cpu->tick_tsc == 0) {
        cpu->tick_tsc = tsc_read() + clock_ns_to_cycles(TICK_NS);
        timer_want(cpu, cpu->tick_tsc);
    }
}

/* To the thread, which is loaded but perhaps for its root. */
__attribute__((noreturn)) static void leave(struct cpu *cpu, struct thread *thread)
{
    uint64_t root = root_of(thread);
    if (cpu->root_loaded != root) {
        cpu->root_loaded = root;
        cr3_write(root);
    }
    if (cpu->debugged || thread->attention & ATTENTION_DEBUG) {
        thread_debug_load(cpu, thread);
    }
    cpu->kernel_entries++;
    kernel_leave(thread);
}

void scheduler_leave(void)
{
    struct cpu *cpu = cpu_current();
    for (;;) {
        if (cpu->deferred != 0) {
            (void)barrier_poll();
        }
        alerts_raise(cpu);
        if (cpu->current != NULL && cpu->reschedule != 0) {
            current_requeue(cpu);
        }
        if (cpu->current == NULL) {
            /* In what is left of the turn: accounts are held to their shares by the order in which
             * they come, not by the length of turns. */
            struct thread *next = choose(cpu);
            next = next != NULL ? next : idle(cpu);
            cpu->tsc_since = tsc_read();
            billing_switch(cpu, next->billing); /* first: it is the last one's time */
            cpu->current = next;
            context_load(cpu, next, root_of(next));
            trace(TRACE_SWITCH, 0, object_number(&next->domain->object), 0);
            cpu->reschedule = 0;
        }
        if (cpu->current->attention != 0) {
            trap_attend(cpu->current);
        }
        if (cpu->current != NULL && cpu->reschedule == 0) {
            break;
        }
    }
    turn_begin(cpu);
    leave(cpu, cpu->current);
}

void scheduler_return(struct thread *thread)
{
    struct cpu *cpu = cpu_current();
    if (cpu->current != thread || !call_goes_on(cpu, thread)) {
        scheduler_leave();
    }
    leave(cpu, thread);
}
