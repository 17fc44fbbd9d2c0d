/* Times as system calls give and take them, and the deadlines that they become. */
#pragma once

#include "lib/base/types.h"

#define NS_PER_SECOND 1000000000ull

struct user_timespec {
    int64_t seconds;
    int64_t nanoseconds;
};

struct user_itimerspec {
    struct user_timespec interval;
    struct user_timespec value;
};

/* Longer times count as about 272 years, so that sums with the time of day do not overflow.
 * -EFAULT, -EINVAL: negative, or too many nanoseconds. */
long timespec_read(uint64_t user_time, uint64_t *ns);
long timespec_ns(const struct user_timespec *time, uint64_t *ns);
struct user_timespec timespec_of(uint64_t ns);
/* A timer's setting; -EFAULT, -EINVAL. */
long itimerspec_read(uint64_t user_setting, uint64_t *value_ns, uint64_t *interval_ns);
