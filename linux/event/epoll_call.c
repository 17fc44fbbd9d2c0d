/* The system calls of epoll: epoll_create(2), epoll_ctl(2), epoll_wait(2). */
#include "linux/core/container.h"
#include "linux/core/errno.h"
#include "linux/core/heap.h"
#include "linux/core/syscalls.h"
#include "linux/core/user.h"
#include "linux/event/epoll.h"
#include "linux/event/mask.h"
#include "linux/event/time.h"
#include "linux/file/descriptor.h"

#define EPOLL_CTL_ADD 1
#define EPOLL_CTL_DEL 2
#define EPOLL_CTL_MOD 3

#define EXCLUSIVE_WITH                                                                             \
    (WAIT_POLLIN | WAIT_POLLOUT | WAIT_POLL_ALWAYS | EPOLLWAKEUP | EPOLLET | EPOLLEXCLUSIVE)

#define EVENTS_INLINE 32u
#define EVENTS_MAX    DESCRIPTORS_MAX /* that one call returns */

long linux_epoll_create(uint64_t size, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
    (void)b, (void)c, (void)d, (void)e, (void)f;
    return (int)size <= 0 ? -EINVAL : epoll_new(0);
}

long linux_epoll_create1(uint64_t flags, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
    (void)b, (void)c, (void)d, (void)e, (void)f;
    return (uint32_t)flags & ~O_CLOEXEC ? -EINVAL : epoll_new((uint32_t)flags);
}

/* --- epoll_ctl ---------------------------------------------------------------------------------
 */

/* Under the locks. */
static long set_change(struct epoll *epoll, uint32_t operation, struct file *file, int fd,
                       const struct epoll_event *event)
{
    struct epoll_item *item = epoll_find(epoll, file, fd);
    switch (operation) {
    case EPOLL_CTL_ADD: {
        struct epoll *target = epoll_of(file);
        long result = item != NULL ? -EEXIST : target != NULL ? epoll_nest_check(epoll, target) : 0;
        return result != 0 ? result : epoll_add(epoll, file, fd, event);
    }
    case EPOLL_CTL_DEL:
        if (item == NULL) {
            return -ENOENT;
        }
        epoll_remove(item);
        return 0;
    case EPOLL_CTL_MOD:
        if (item == NULL) {
            return -ENOENT;
        }
        if (item->event.events & EPOLLEXCLUSIVE) {
            return -EINVAL;
        }
        epoll_change(item, event);
        return 0;
    default:
        return -EINVAL;
    }
}

static long control_check(const struct file *set, const struct file *file, uint32_t operation,
                          const struct epoll_event *event)
{
    if (file->operations->poll == NULL) {
        return -EPERM;
    }
    if (set == file || epoll_of(set) == NULL) {
        return -EINVAL;
    }
    if (operation != EPOLL_CTL_DEL && event->events & EPOLLEXCLUSIVE) {
        bool good = operation == EPOLL_CTL_ADD && epoll_of(file) == NULL &&
                    !(event->events & ~EXCLUSIVE_WITH);
        return good ? 0 : -EINVAL;
    }
    return 0;
}

static long control(struct file *set, uint32_t operation, struct file *file, int fd,
                    struct epoll_event *event)
{
    long result = control_check(set, file, operation, event);
    if (result != 0) {
        return result;
    }
    struct epoll *epoll = epoll_of(set);
    bool nested = epoll_of(file) != NULL;
    event->events = (event->events & ~EPOLLWAKEUP) | WAIT_POLL_ALWAYS;
    if (nested) {
        mutex_lock(&epoll_nest_lock);
    }
    mutex_lock(&epoll->lock);
    result = set_change(epoll, operation, file, fd, event);
    mutex_unlock(&epoll->lock);
    if (nested) {
        mutex_unlock(&epoll_nest_lock);
    }
    return result;
}

long linux_epoll_ctl(uint64_t set_fd, uint64_t operation, uint64_t fd, uint64_t user_event,
                     uint64_t e, uint64_t f)
{
    (void)e, (void)f;
    struct epoll_event event = {0, 0};
    if ((uint32_t)operation != EPOLL_CTL_DEL &&
        copy_from_user(&event, user_event, sizeof(event)) != 0) {
        return -EFAULT;
    }
    struct file *set = descriptor_get_open((int)set_fd);
    struct file *file = set == NULL ? NULL : descriptor_get_open((int)fd);
    long result = file == NULL ? -EBADF : control(set, (uint32_t)operation, file, (int)fd, &event);
    if (file != NULL) {
        file_put(file);
    }
    if (set != NULL) {
        file_put(set);
    }
    return result;
}

/* --- epoll_wait --------------------------------------------------------------------------------
 */

static bool may_be_ready(void *context)
{
    return epoll_may_be_ready(context);
}

/* How many events; -EINTR. deadline_ns 0: only ask. */
static long events_wait(struct epoll *epoll, struct epoll_event *events, uint32_t room,
                        uint64_t deadline_ns)
{
    for (;;) {
        uint32_t count = epoll_may_be_ready(epoll) ? epoll_take(epoll, events, room) : 0;
        if (count != 0 || deadline_ns == 0) {
            return count;
        }
        long result = wait_event_exclusive(&epoll->wait, may_be_ready, epoll, deadline_ns);
        if (result == -ETIMEDOUT) {
            return epoll_take(epoll, events, room);
        }
        if (result != 0) {
            epoll_pass_on(epoll);
            return -EINTR;
        }
    }
}

static long wait_on(struct epoll *epoll, uint64_t user_events, uint32_t room, uint64_t deadline_ns)
{
    struct epoll_event few[EVENTS_INLINE];
    struct epoll_event *events = few;
    uint32_t watched = __atomic_load_n(&epoll->item_count, __ATOMIC_RELAXED);
    room = MIN(room, MIN(MAX(watched, EVENTS_INLINE), (uint32_t)EVENTS_MAX));
    if (room > EVENTS_INLINE) {
        events = heap_alloc(room * sizeof(*events));
        if (events == NULL) { /* fewer at a time when memory is short */
            events = few;
            room = EVENTS_INLINE;
        }
    }
    long count = events_wait(epoll, events, room, deadline_ns);
    if (count > 0 && copy_to_user(user_events, events, (uint64_t)count * sizeof(*events)) != 0) {
        count = -EFAULT;
    }
    if (events != few) {
        heap_free(events);
    }
    return count;
}

static long wait_with(int fd, uint64_t user_events, uint64_t room, uint64_t deadline_ns)
{
    if ((int)room <= 0 || (uint32_t)room > INT32_MAX / sizeof(struct epoll_event)) {
        return -EINVAL;
    }
    if (!user_range(user_events, (uint32_t)room * sizeof(struct epoll_event))) {
        return -EFAULT;
    }
    struct file *file = descriptor_get_open(fd);
    if (file == NULL) {
        return -EBADF;
    }
    struct epoll *epoll = epoll_of(file);
    long result =
        epoll == NULL ? -EINVAL : wait_on(epoll, user_events, (uint32_t)room, deadline_ns);
    file_put(file);
    return result;
}

static uint64_t deadline_of(int32_t timeout_ms)
{
    return timeout_ms < 0    ? DEADLINE_NEVER
           : timeout_ms == 0 ? 0
                             : clock_now_ns() + (uint64_t)timeout_ms * 1000000;
}

static long wait_masked(int fd, uint64_t user_events, uint64_t room, uint64_t deadline_ns,
                        uint64_t user_mask, uint64_t mask_bytes)
{
    bool changed;
    long result = mask_begin(user_mask, mask_bytes, &changed);
    if (result == 0) {
        result = wait_with(fd, user_events, room, deadline_ns);
        mask_end(changed, result == -EINTR);
    }
    return result;
}

long linux_epoll_wait(uint64_t fd, uint64_t user_events, uint64_t room, uint64_t timeout_ms,
                      uint64_t e, uint64_t f)
{
    (void)e, (void)f;
    return wait_with((int)fd, user_events, room, deadline_of((int32_t)timeout_ms));
}

long linux_epoll_pwait(uint64_t fd, uint64_t user_events, uint64_t room, uint64_t timeout_ms,
                       uint64_t user_mask, uint64_t mask_bytes)
{
    return wait_masked((int)fd, user_events, room, deadline_of((int32_t)timeout_ms), user_mask,
                       mask_bytes);
}

long linux_epoll_pwait2(uint64_t fd, uint64_t user_events, uint64_t room, uint64_t user_time,
                        uint64_t user_mask, uint64_t mask_bytes)
{
    uint64_t deadline_ns = DEADLINE_NEVER;
    if (user_time != 0) {
        long result = timespec_read(user_time, &deadline_ns);
        if (result != 0) {
            return result;
        }
        deadline_ns = deadline_ns == 0 ? 0 : clock_now_ns() + deadline_ns;
    }
    return wait_masked((int)fd, user_events, room, deadline_ns, user_mask, mask_bytes);
}
