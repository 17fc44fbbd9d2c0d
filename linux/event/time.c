#include "linux/event/time.h"

#include "linux/core/errno.h"
#include "linux/core/user.h"

#define SECONDS_MAX (1ull << 33)

long timespec_ns(const struct user_timespec *time, uint64_t *ns)
{
    if (time->seconds < 0 || (uint64_t)time->nanoseconds >= NS_PER_SECOND) {
        return -EINVAL;
    }
    *ns = MIN((uint64_t)time->seconds, SECONDS_MAX) * NS_PER_SECOND + (uint64_t)time->nanoseconds;
    return 0;
}

long timespec_read(uint64_t user_time, uint64_t *ns)
{
    struct user_timespec time;
    if (copy_from_user(&time, user_time, sizeof(time)) != 0) {
        return -EFAULT;
    }
    return timespec_ns(&time, ns);
}

struct user_timespec timespec_of(uint64_t ns)
{
    return (struct user_timespec){(int64_t)(ns / NS_PER_SECOND), (int64_t)(ns % NS_PER_SECOND)};
}

long itimerspec_read(uint64_t user_setting, uint64_t *value_ns, uint64_t *interval_ns)
{
    struct user_itimerspec setting;
    if (copy_from_user(&setting, user_setting, sizeof(setting)) != 0) {
        return -EFAULT;
    }
    long result = timespec_ns(&setting.value, value_ns);
    return result != 0 ? result : timespec_ns(&setting.interval, interval_ns);
}
