/*
 * Timers of timer_create(2): on the clocks, or on CPU time. All state is guarded by timers_lock.
 *
 * While a timer's signal waits in a queue the timer stands still; when the signal is taken
 * (posix_timer_taken) what was missed is counted as its overrun, and an interval goes on. A signal
 * that is dropped from the queue is never taken: therefore a timer that stands still looks now and
 * then whether its signal is still there.
 */
#include "linux/core/container.h"
#include "linux/core/errno.h"
#include "linux/core/heap.h"
#include "linux/core/syscalls.h"
#include "linux/core/user.h"
#include "linux/event/clock.h"
#include "linux/event/process_timers.h"
#include "linux/event/time.h"
#include "linux/proc/task.h"

#define SIGEV_SIGNAL    0
#define SIGEV_NONE      1
#define SIGEV_THREAD    2
#define SIGEV_THREAD_ID 4

#define TIMERS_MAX 1024u /* of a process */
#define LOOK_NS    100000000ull

struct user_sigevent { /* struct sigevent */
    uint64_t value;
    int32_t number;
    int32_t notify;
    int32_t tid;
    int32_t padding[11];
};
_Static_assert(sizeof(struct user_sigevent) == 64, "struct sigevent");

struct posix_timer {
    struct posix_timer *next;
    struct thread_group *group;
    int id;
    uint32_t clock;
    struct user_sigevent event;
    bool counts_cpu;
    struct timer timer;   /* on the monotonic clock */
    struct cpu_alarm cpu; /* on one of CPU time */
    uint64_t expiry_ns;   /* of its clock, as a deadline: the next, or the last while it stands
                           * still; 0: disarmed */
    uint64_t interval_ns;
    bool is_queued; /* it stands still until its signal is taken */
    int overrun;    /* of the signal that was taken last */
};

/* --- under timers_lock -------------------------------------------------------------------------
 */

static uint64_t timer_now(const struct posix_timer *timer)
{
    return timer->counts_cpu ? cpu_clock_ns(&timer->cpu.clock) : clock_now_ns();
}

static void timer_go(struct posix_timer *timer)
{
    if (timer->event.notify == SIGEV_NONE) {
        return; /* only gettime wants to know */
    }
    if (timer->counts_cpu) {
        cpu_alarm_set(&timer->cpu, timer->expiry_ns);
    } else {
        timer_set(&timer->timer, timer->expiry_ns);
    }
}

static void timer_halt(struct posix_timer *timer)
{
    timer_stop(&timer->timer);
    cpu_alarm_stop(&timer->cpu);
}

static struct signal_info timer_signal(const struct posix_timer *timer)
{
    return (struct signal_info){.number = timer->event.number,
                                .code = SI_TIMER,
                                .pid = timer->id, /* si_tid, and no overrun yet */
                                .value = timer->event.value};
}

/* The thread that is meant, or NULL: the process, or a thread that is gone. Under tasks_lock. */
static struct task *timer_thread(const struct posix_timer *timer)
{
    struct task *task = timer->event.notify == SIGEV_THREAD_ID ? task_find(timer->event.tid) : NULL;
    return task != NULL && task->group == timer->group ? task : NULL;
}

static bool signal_queue_it(const struct posix_timer *timer)
{
    const struct signal_info info = timer_signal(timer);
    bool queued = false;
    mutex_lock(&tasks_lock);
    if (timer->event.notify != SIGEV_THREAD_ID) {
        queued = signal_send_group(timer->group, &info);
    } else if (timer_thread(timer) != NULL) {
        queued = signal_send_task(timer_thread(timer), &info);
    }
    mutex_unlock(&tasks_lock);
    return queued;
}

static bool signal_is_there(const struct posix_timer *timer)
{
    mutex_lock(&tasks_lock);
    const struct task *task = timer_thread(timer);
    uint64_t set = task == NULL ? timer->group->pending.set : task->pending.set;
    mutex_unlock(&tasks_lock);
    return set & signal_bit(timer->event.number);
}

static void timer_fire(struct posix_timer *timer, uint64_t now)
{
    timer->is_queued = signal_queue_it(timer);
    if (timer->interval_ns == 0) {
        timer->expiry_ns = 0;
    } else if (timer->is_queued) {
        timer_set(&timer->timer, clock_now_ns() + LOOK_NS);
    } else {
        /* Nobody will take it: the signal is ignored, or pending from elsewhere. It stands still
         * for a while, so that many timers with one signal do not keep their thread busy. */
        uint64_t soonest = now + LOOK_NS;
        (void)timer_forward(&timer->expiry_ns, timer->interval_ns, MAX(now, soonest));
        timer_go(timer);
    }
}

static void timer_expired(struct timer *expired, uint64_t now_ns)
{
    struct posix_timer *timer = CONTAINER_OF(expired, struct posix_timer, timer);
    if (!timer->is_queued) {
        timer_fire(timer, now_ns);
    } else if (signal_is_there(timer)) {
        timer_set(&timer->timer, now_ns + LOOK_NS);
    } else {
        timer_fire(timer, timer_now(timer));
    }
}

static void timer_reached(struct cpu_alarm *alarm, uint64_t used_ns)
{
    timer_fire(CONTAINER_OF(alarm, struct posix_timer, cpu), used_ns);
}

static struct user_itimerspec timer_setting(const struct posix_timer *timer)
{
    uint64_t now = timer_now(timer);
    uint64_t next = timer->expiry_ns;
    bool stands = timer->event.notify == SIGEV_NONE || timer->is_queued;
    if (next != 0 && next <= now) {
        if (stands && timer->interval_ns != 0) {
            (void)timer_forward(&next, timer->interval_ns, now);
        } else {
            next = stands ? 0 : now + 1; /* about to expire */
        }
    }
    return (struct user_itimerspec){timespec_of(timer->interval_ns),
                                    timespec_of(next == 0 ? 0 : next - now)};
}

static struct posix_timer *timer_find(int id)
{
    const struct process_timers *timers = task_current()->group->timers;
    struct posix_timer *timer = timers == NULL ? NULL : timers->posix;
    while (timer != NULL && timer->id != id) {
        timer = timer->next;
    }
    return timer;
}

static void timer_unlink(struct posix_timer *timer)
{
    struct process_timers *timers = timer->group->timers;
    struct posix_timer **link = &timers->posix;
    while (*link != timer) {
        link = &(*link)->next;
    }
    *link = timer->next;
    timers->posix_count--;
    timer_halt(timer);
}

void posix_timer_taken(struct signal_info *info)
{
    if (info->code != SI_TIMER) {
        return;
    }
    mutex_lock(&timers_lock);
    struct posix_timer *timer = timer_find(info->pid);
    if (timer != NULL && timer->is_queued && timer->event.number == info->number) {
        timer->is_queued = false;
        timer->overrun = 0;
        timer_halt(timer);
        if (timer->expiry_ns != 0) {
            uint64_t now = timer_now(timer);
            uint64_t times = timer_forward(&timer->expiry_ns, timer->interval_ns, now);
            timer->overrun = (int)MIN(times - 1, (uint64_t)INT32_MAX);
            timer_go(timer);
        }
        info->uid = (uint32_t)timer->overrun; /* si_overrun */
    }
    mutex_unlock(&timers_lock);
}

void posix_timers_delete(struct thread_group *group)
{
    struct posix_timer *timer;
    if (group->timers == NULL) {
        return;
    }
    do {
        mutex_lock(&timers_lock);
        timer = group->timers->posix;
        if (timer != NULL) {
            timer_unlink(timer);
        }
        mutex_unlock(&timers_lock);
        heap_free(timer);
    } while (timer != NULL);
}

/* --- timer_create and timer_delete --------------------------------------------------------------
 */

static bool event_good(const struct user_sigevent *event)
{
    switch (event->notify) {
    case SIGEV_NONE:
        return true;
    case SIGEV_THREAD_ID: {
        mutex_lock(&tasks_lock);
        const struct task *task = task_find(event->tid);
        bool ours = task != NULL && task->group == task_current()->group;
        mutex_unlock(&tasks_lock);
        if (!ours) {
            return false;
        }
    }
        __attribute__((fallthrough));
    case SIGEV_SIGNAL:
    case SIGEV_THREAD:
        return event->number > 0 && event->number <= SIGNALS;
    default:
        return false;
    }
}

/* Into the process's list, with a number of its own. Under timers_lock. */
static long timer_enter(struct posix_timer *timer)
{
    struct process_timers *timers;
    long result = process_timers_need(timer->group, &timers);
    if (result == 0 && timers->posix_count >= TIMERS_MAX) {
        result = -EAGAIN;
    }
    if (result != 0) {
        return result;
    }
    do {
        timers->posix_last = timers->posix_last == INT32_MAX ? 0 : timers->posix_last + 1;
    } while (timer_find(timers->posix_last) != NULL);
    timer->id = timers->posix_last;
    timer->next = timers->posix;
    timers->posix = timer;
    timers->posix_count++;
    return 0;
}

static long clock_check(uint32_t clock, struct posix_timer *timer)
{
    timer->counts_cpu = cpu_clock_find(clock, &timer->cpu.clock);
    return timer->counts_cpu ? 0 : clock_can_wait(clock);
}

/* *id: as soon as it has one, another thread may delete the timer. */
static long timer_new(uint32_t clock, const struct user_sigevent *event, int *id)
{
    struct posix_timer *timer = heap_alloc(sizeof(*timer));
    if (timer == NULL) {
        return -ENOMEM;
    }
    timer->group = task_current()->group;
    timer->clock = clock;
    timer->timer.expired = timer_expired;
    timer->cpu.reached = timer_reached;
    long result = clock_check(clock, timer);
    if (result == 0) {
        mutex_lock(&timers_lock);
        result = timer_enter(timer);
        if (event != NULL) {
            timer->event = *event;
        } else {
            timer->event.number = SIGALRM;
            timer->event.value = (uint32_t)timer->id;
        }
        *id = timer->id;
        mutex_unlock(&timers_lock);
    }
    if (result != 0) {
        heap_free(timer);
        return result;
    }
    return 0;
}

long linux_timer_create(uint64_t clock, uint64_t user_event, uint64_t user_id, uint64_t d,
                        uint64_t e, uint64_t f)
{
    (void)d, (void)e, (void)f;
    struct user_sigevent event;
    int id;
    if (user_event != 0) {
        if (copy_from_user(&event, user_event, sizeof(event)) != 0) {
            return -EFAULT;
        }
        if (!event_good(&event)) {
            return -EINVAL;
        }
    }
    long result = timer_new((uint32_t)clock, user_event == 0 ? NULL : &event, &id);
    if (result != 0) {
        return result;
    }
    if (put_user_u32(user_id, (uint32_t)id) != 0) {
        (void)linux_timer_delete((uint64_t)id, 0, 0, 0, 0, 0);
        return -EFAULT;
    }
    return 0;
}

long linux_timer_delete(uint64_t id, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
    (void)b, (void)c, (void)d, (void)e, (void)f;
    mutex_lock(&timers_lock);
    struct posix_timer *timer = timer_find((int)id);
    if (timer != NULL) {
        timer_unlink(timer);
    }
    mutex_unlock(&timers_lock);
    heap_free(timer);
    return timer == NULL ? -EINVAL : 0;
}

/* --- settings -----------------------------------------------------------------------------------
 */

static void timer_start(struct posix_timer *timer, bool absolute, uint64_t value_ns)
{
    timer_halt(timer);
    timer->is_queued = false; /* what is queued was the old setting's */
    timer->overrun = 0;
    timer->expiry_ns = 0;
    if (value_ns == 0) {
        return;
    }
    if (timer->counts_cpu) {
        timer->expiry_ns = absolute ? value_ns : timer_now(timer) + value_ns;
    } else {
        timer->expiry_ns = clock_deadline(timer->clock, value_ns, absolute);
    }
    timer_go(timer);
}

long linux_timer_settime(uint64_t id, uint64_t flags, uint64_t user_new, uint64_t user_old,
                         uint64_t e, uint64_t f)
{
    (void)e, (void)f;
    struct user_itimerspec old = {{0, 0}, {0, 0}};
    uint64_t value_ns;
    uint64_t interval_ns;
    if (user_new == 0) {
        return -EINVAL;
    }
    long result = itimerspec_read(user_new, &value_ns, &interval_ns);
    if (result != 0) {
        return result;
    }
    mutex_lock(&timers_lock);
    struct posix_timer *timer = timer_find((int)id);
    if (timer != NULL) {
        old = timer_setting(timer);
        timer->interval_ns = interval_ns;
        timer_start(timer, flags & TIMER_ABSTIME, value_ns);
    }
    mutex_unlock(&timers_lock);
    if (timer == NULL) {
        return -EINVAL;
    }
    return user_old == 0 ? 0 : copy_to_user(user_old, &old, sizeof(old));
}

long linux_timer_gettime(uint64_t id, uint64_t user_setting, uint64_t c, uint64_t d, uint64_t e,
                         uint64_t f)
{
    (void)c, (void)d, (void)e, (void)f;
    struct user_itimerspec setting = {{0, 0}, {0, 0}};
    mutex_lock(&timers_lock);
    const struct posix_timer *timer = timer_find((int)id);
    if (timer != NULL) {
        setting = timer_setting(timer);
    }
    mutex_unlock(&timers_lock);
    return timer == NULL ? -EINVAL : copy_to_user(user_setting, &setting, sizeof(setting));
}

long linux_timer_getoverrun(uint64_t id, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
    (void)b, (void)c, (void)d, (void)e, (void)f;
    mutex_lock(&timers_lock);
    const struct posix_timer *timer = timer_find((int)id);
    long overrun = timer == NULL ? -EINVAL : timer->overrun;
    mutex_unlock(&timers_lock);
    return overrun;
}
