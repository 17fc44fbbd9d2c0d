#include "linux/event/wait.h"

#include "lib/oak/clock.h"
#include "linux/core/container.h"
#include "linux/core/errno.h"
#include "linux/core/thread.h"
#include "linux/proc/task.h"

/* --- the queue, under its lock ---------------------------------------------------------------- */

static void queue_add_first(struct wait_queue *queue, struct waiter *waiter)
{
    waiter->previous = NULL;
    waiter->next = queue->first;
    if (queue->first != NULL) {
        queue->first->previous = waiter;
    } else {
        queue->last = waiter;
    }
    queue->first = waiter;
}

static void queue_add_last(struct wait_queue *queue, struct waiter *waiter)
{
    waiter->next = NULL;
    waiter->previous = queue->last;
    if (queue->last != NULL) {
        queue->last->next = waiter;
    } else {
        queue->first = waiter;
    }
    queue->last = waiter;
}

static void queue_remove(struct wait_queue *queue, struct waiter *waiter)
{
    if (waiter->previous != NULL) {
        waiter->previous->next = waiter->next;
    } else {
        queue->first = waiter->next;
    }
    if (waiter->next != NULL) {
        waiter->next->previous = waiter->previous;
    } else {
        queue->last = waiter->previous;
    }
}

static bool waiter_tell(struct waiter *waiter, uint32_t events)
{
    if (waiter->told != NULL) {
        return waiter->told(waiter, events);
    }
    (void)kernel_thread_unpark(waiter->thread);
    return true;
}

/* --- waiting and waking ----------------------------------------------------------------------- */

status_t wait_park(uint64_t deadline_ns)
{
    struct task *task = thread_self()->task;
    if (task != NULL) {
        task->waits++;
    }
    if (container_attended) {
        return kernel_thread_park(deadline_ns, PARK_UNINTERRUPTIBLE);
    }
    /* Who waits may have to be woken by the engine. An unpark may get lost in here. */
    if (container_attend()) {
        return STATUS_OK;
    }
    uint64_t soon = MIN(deadline_ns, clock_now_ns() + ATTEND_AGAIN_NS);
    status_t status = kernel_thread_park(soon, PARK_UNINTERRUPTIBLE);
    return soon == deadline_ns ? status : STATUS_OK;
}

void waiter_add(struct waiter *waiter, struct wait_queue *queue, uint32_t events)
{
    waiter->thread = thread_self()->slot;
    waiter->events = events;
    mutex_lock(&queue->lock);
    waiter->queue = queue;
    if (waiter->exclusive) {
        queue_add_last(queue, waiter);
    } else {
        queue_add_first(queue, waiter);
    }
    mutex_unlock(&queue->lock);
}

void waiter_remove(struct waiter *waiter)
{
    struct wait_queue *queue = waiter->queue;
    if (queue == NULL) {
        return;
    }
    mutex_lock(&queue->lock);
    queue_remove(queue, waiter);
    mutex_unlock(&queue->lock);
    waiter->queue = NULL;
}

void wait_queue_wake(struct wait_queue *queue, uint32_t events)
{
    /* What the caller made true comes before this look: a waiter enters the queue and looks then.
     */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (__atomic_load_n(&queue->first, __ATOMIC_ACQUIRE) == NULL) {
        return;
    }
    mutex_lock(&queue->lock);
    for (struct waiter *waiter = queue->first; waiter != NULL; waiter = waiter->next) {
        if (!(waiter->events & events) || !waiter_tell(waiter, events)) {
            continue;
        }
        if (waiter->exclusive && events != WAIT_CHANGE) {
            /* The next event is for another. */
            queue_remove(queue, waiter);
            queue_add_last(queue, waiter);
            break;
        }
    }
    mutex_unlock(&queue->lock);
}

static bool signal_is_pending(void)
{
    const struct task *task = thread_self()->task;
    return task != NULL && task_signal_pending(task);
}

static long wait_as(struct waiter *waiter, struct wait_queue *queue, bool (*ready)(void *),
                    void *context, uint64_t deadline_ns)
{
    if (ready(context)) {
        return 0;
    }
    waiter_add(waiter, queue, WAIT_CHANGE);
    long result = 0;
    while (!ready(context)) {
        if (signal_is_pending()) {
            result = -ERESTARTSYS;
            break;
        }
        if (result == -ETIMEDOUT) {
            break;
        }
        if (wait_park(deadline_ns) == STATUS_TIMED_OUT) {
            result = -ETIMEDOUT;
        }
    }
    if (result == -ETIMEDOUT && ready(context)) {
        result = 0;
    }
    waiter_remove(waiter);
    return result;
}

long wait_event_first(struct wait_queue *queue, bool (*ready)(void *), void *context,
                      uint64_t deadline_ns)
{
    struct waiter waiter = {.queue = NULL};
    return wait_as(&waiter, queue, ready, context, deadline_ns);
}

long wait_event_until(struct wait_queue *queue, bool (*ready)(void *), void *context,
                      uint64_t deadline_ns)
{
    return signal_is_pending() ? -ERESTARTSYS
                               : wait_event_first(queue, ready, context, deadline_ns);
}

long wait_event_exclusive(struct wait_queue *queue, bool (*ready)(void *), void *context,
                          uint64_t deadline_ns)
{
    struct waiter waiter = {.exclusive = true};
    return signal_is_pending() ? -ERESTARTSYS
                               : wait_as(&waiter, queue, ready, context, deadline_ns);
}

long wait_event(struct wait_queue *queue, bool (*ready)(void *), void *context)
{
    return wait_event_until(queue, ready, context, DEADLINE_NEVER);
}
