/*
 * timerfd_create(2): timers that are read as files. Everything of a timer but its queue is guarded
 * by timers_lock.
 *
 * A timer with an interval stands still between its expiry and the next look at it, which counts
 * what it missed: a timer that nobody reads costs nothing.
 */
#include "linux/core/container.h"
#include "linux/core/errno.h"
#include "linux/core/heap.h"
#include "linux/core/syscalls.h"
#include "linux/core/user.h"
#include "linux/event/clock.h"
#include "linux/event/time.h"
#include "linux/event/timer.h"
#include "linux/file/anonymous.h"
#include "linux/file/descriptor.h"

#define TFD_TIMER_ABSTIME       1u
#define TFD_TIMER_CANCEL_ON_SET 2u /* the time of day is never set */

struct timerfd {
    struct timer timer;
    uint32_t clock;
    uint64_t expiry_ns; /* monotonic, of the next expiry that is not in `ticks`; 0: disarmed */
    uint64_t interval_ns;
    uint64_t ticks; /* not yet read */
    struct wait_queue wait;
};

/* --- under timers_lock -------------------------------------------------------------------------
 */

static void timerfd_expired(struct timer *timer, uint64_t now_ns)
{
    (void)now_ns;
    struct timerfd *timerfd = CONTAINER_OF(timer, struct timerfd, timer);
    __atomic_store_n(&timerfd->ticks, timerfd->ticks + 1, __ATOMIC_RELEASE);
    wait_queue_wake(&timerfd->wait, WAIT_POLLIN);
}

/* Bring ticks and expiry up to date after an expiry, and let an interval go on. */
static void timerfd_catch_up(struct timerfd *timerfd)
{
    uint64_t now = clock_now_ns();
    if (timerfd->expiry_ns == 0 || timerfd->timer.is_set) {
        return;
    }
    if (timerfd->interval_ns == 0) {
        timerfd->expiry_ns = 0;
        return;
    }
    uint64_t times = timer_forward(&timerfd->expiry_ns, timerfd->interval_ns, now);
    __atomic_store_n(&timerfd->ticks, timerfd->ticks + times - 1, __ATOMIC_RELEASE);
    timer_set(&timerfd->timer, timerfd->expiry_ns);
}

static struct user_itimerspec timerfd_setting(const struct timerfd *timerfd)
{
    uint64_t now = clock_now_ns();
    uint64_t left = timerfd->expiry_ns == 0    ? 0
                    : timerfd->expiry_ns > now ? timerfd->expiry_ns - now
                                               : 1; /* about to expire */
    return (struct user_itimerspec){timespec_of(timerfd->interval_ns), timespec_of(left)};
}

/* --- as a file ---------------------------------------------------------------------------------
 */

static bool can_read(void *context)
{
    const struct timerfd *timerfd = context;
    return __atomic_load_n(&timerfd->ticks, __ATOMIC_ACQUIRE) != 0;
}

static long timerfd_read(struct file *file, struct io *io, uint64_t *position)
{
    (void)position;
    struct timerfd *timerfd = file->data;
    uint64_t ticks = 0;
    if (io->left_bytes < sizeof(ticks)) {
        return -EINVAL;
    }
    while (ticks == 0) {
        if (!can_read(timerfd)) {
            if (__atomic_load_n(&file->flags, __ATOMIC_RELAXED) & O_NONBLOCK) {
                return -EAGAIN;
            }
            long result = wait_event(&timerfd->wait, can_read, timerfd);
            if (result != 0) {
                return result;
            }
        }
        mutex_lock(&timers_lock);
        if (timerfd->ticks != 0) {
            timerfd_catch_up(timerfd);
        }
        ticks = timerfd->ticks;
        timerfd->ticks = 0;
        mutex_unlock(&timers_lock);
    }
    return io_put(io, &ticks, sizeof(ticks)) == 0 ? (long)sizeof(ticks) : -EFAULT;
}

static uint32_t timerfd_poll(struct file *file, struct poll_table *table)
{
    struct timerfd *timerfd = file->data;
    poll_add(table, &timerfd->wait);
    return can_read(timerfd) ? WAIT_POLLIN : 0;
}

static void timerfd_release(struct file *file)
{
    struct timerfd *timerfd = file->data;
    mutex_lock(&timers_lock);
    timer_stop(&timerfd->timer);
    mutex_unlock(&timers_lock);
    heap_free(timerfd);
}

static const struct file_operations timerfd_operations = {
    .read = timerfd_read,
    .poll = timerfd_poll,
    .release = timerfd_release,
};

/* --- system calls ------------------------------------------------------------------------------
 */

long linux_timerfd_create(uint64_t clock, uint64_t flags, uint64_t c, uint64_t d, uint64_t e,
                          uint64_t f)
{
    (void)c, (void)d, (void)e, (void)f;
    long result =
        (uint32_t)clock > CLOCK_BOOTTIME_ALARM ? -EINVAL : clock_can_wait((uint32_t)clock);
    if (result == -EOPNOTSUPP || (uint32_t)flags & ~(O_CLOEXEC | O_NONBLOCK)) {
        result = -EINVAL;
    }
    if (result != 0) {
        return result;
    }
    struct timerfd *timerfd = heap_alloc(sizeof(*timerfd));
    if (timerfd == NULL) {
        return -ENOMEM;
    }
    timerfd->clock = (uint32_t)clock;
    timerfd->timer.expired = timerfd_expired;
    return anonymous_descriptor_new("[timerfd]", O_RDWR | (uint32_t)flags, &timerfd_operations,
                                    timerfd);
}

/* With a reference. -EBADF, -EINVAL: something else. */
static long timerfd_get(uint64_t fd, struct file **out)
{
    struct file *file = descriptor_get_open((int)fd);
    if (file == NULL) {
        return -EBADF;
    }
    if (file->operations != &timerfd_operations) {
        file_put(file);
        return -EINVAL;
    }
    *out = file;
    return 0;
}

static long timerfd_set(struct timerfd *timerfd, bool absolute, uint64_t value_ns,
                        uint64_t interval_ns, struct user_itimerspec *old)
{
    mutex_lock(&timers_lock);
    long result = timers_prepare();
    if (result == 0) {
        timerfd_catch_up(timerfd);
        *old = timerfd_setting(timerfd);
        timer_stop(&timerfd->timer);
        __atomic_store_n(&timerfd->ticks, 0, __ATOMIC_RELEASE);
        timerfd->interval_ns = interval_ns;
        timerfd->expiry_ns = 0;
        if (value_ns != 0) {
            timerfd->expiry_ns = clock_deadline(timerfd->clock, value_ns, absolute);
            timer_set(&timerfd->timer, timerfd->expiry_ns);
        }
    }
    mutex_unlock(&timers_lock);
    return result;
}

long linux_timerfd_settime(uint64_t fd, uint64_t flags, uint64_t user_new, uint64_t user_old,
                           uint64_t e, uint64_t f)
{
    (void)e, (void)f;
    struct user_itimerspec old;
    struct file *file;
    uint64_t value_ns;
    uint64_t interval_ns;
    long result = itimerspec_read(user_new, &value_ns, &interval_ns);
    if (result == 0 && (uint32_t)flags & ~(TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET)) {
        result = -EINVAL;
    }
    if (result == 0) {
        result = timerfd_get(fd, &file);
    }
    if (result != 0) {
        return result;
    }
    result = timerfd_set(file->data, flags & TFD_TIMER_ABSTIME, value_ns, interval_ns, &old);
    file_put(file);
    return result != 0 || user_old == 0 ? result : copy_to_user(user_old, &old, sizeof(old));
}

long linux_timerfd_gettime(uint64_t fd, uint64_t user_setting, uint64_t c, uint64_t d, uint64_t e,
                           uint64_t f)
{
    (void)c, (void)d, (void)e, (void)f;
    struct file *file;
    long result = timerfd_get(fd, &file);
    if (result != 0) {
        return result;
    }
    struct timerfd *timerfd = file->data;
    mutex_lock(&timers_lock);
    timerfd_catch_up(timerfd);
    struct user_itimerspec setting = timerfd_setting(timerfd);
    mutex_unlock(&timers_lock);
    file_put(file);
    return copy_to_user(user_setting, &setting, sizeof(setting));
}
