#include "linux/event/timer.h"

#include "linux/core/container.h"
#include "linux/core/errno.h"
#include "linux/core/thread.h"
#include "linux/core/trap.h"

/* Of timers that are due, before others have a turn with the lock. */
#define AT_ONCE 64

struct mutex timers_lock;

static int timer_compare(const struct tree_node *a, const struct tree_node *b);

/* Under timers_lock. */
static struct {
    struct tree set; /* by expiry */
    uint32_t thread; /* slot; 0: none yet */
} timers = {.set = {.compare = timer_compare, .random = 1}};

static int timer_compare(const struct tree_node *a, const struct tree_node *b)
{
    uint64_t one = CONTAINER_OF(a, const struct timer, node)->expiry_ns;
    uint64_t other = CONTAINER_OF(b, const struct timer, node)->expiry_ns;
    if (one != other) {
        return one < other ? -1 : 1;
    }
    return a == b ? 0 : a < b ? -1 : 1;
}

static struct timer *timer_first(void)
{
    struct tree_node *node = tree_first(&timers.set);
    return node == NULL ? NULL : CONTAINER_OF(node, struct timer, node);
}

/* When the thread has to look again; 0: at once. */
static uint64_t timers_expire(void)
{
    uint64_t now = clock_now_ns();
    for (int i = 0; i < AT_ONCE; i++) {
        struct timer *timer = timer_first();
        if (timer == NULL || timer->expiry_ns > now) {
            return timer == NULL ? DEADLINE_NEVER : timer->expiry_ns;
        }
        timer_stop(timer);
        timer->expired(timer, now);
    }
    return 0;
}

static _Noreturn void timers_run(void)
{
    for (;;) {
        mutex_lock(&timers_lock);
        uint64_t next = timers_expire();
        mutex_unlock(&timers_lock);
        if (next != 0) {
            (void)kernel_thread_park(next, PARK_UNINTERRUPTIBLE);
        }
    }
}

long timers_prepare(void)
{
    uint32_t thread;
    struct thread_frame *frame;
    if (timers.thread != 0) {
        return 0;
    }
    long result = thread_new(NULL, 0, &thread, &frame);
    if (result == 0) {
        if (kernel_thread_start(thread, SLOT_NONE, (uint64_t)(uintptr_t)timers_run, 0, 0) !=
            STATUS_OK) {
            personality_panic("timer: the thread does not start");
        }
        timers.thread = thread;
    }
    return result;
}

void timer_set(struct timer *timer, uint64_t expiry_ns)
{
    timer_stop(timer);
    timer->expiry_ns = expiry_ns;
    timer->is_set = true;
    tree_insert(&timers.set, &timer->node);
    if (timer_first() == timer) {
        (void)kernel_thread_unpark(timers.thread);
    }
}

void timer_stop(struct timer *timer)
{
    if (timer->is_set) {
        timer->is_set = false;
        tree_remove(&timers.set, &timer->node);
    }
}

uint64_t timer_forward(uint64_t *expiry_ns, uint64_t interval_ns, uint64_t now_ns)
{
    if (interval_ns == 0) {
        return 1;
    }
    uint64_t times = (now_ns - *expiry_ns) / interval_ns + 1;
    *expiry_ns += times * interval_ns;
    return times;
}
