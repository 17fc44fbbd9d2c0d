/*
 * How the clock is kept right: adjtimex(2), clock_adjtime(2). The machine does that, and says
 * nothing about it: what can be read is a clock that nobody has synchronised, and nobody may change
 * it.
 */
#include "linux/core/container.h"
#include "linux/core/errno.h"
#include "linux/core/syscalls.h"
#include "linux/core/user.h"
#include "linux/event/clock.h"
#include "linux/event/time.h"

#define ADJ_OFFSET_SINGLESHOT 0x0001u
#define ADJ_OFFSET_READONLY   0x2000u
#define ADJ_ADJTIME           0x8000u
#define STATUS_UNSYNCHRONISED 0x0040
#define TIME_ERROR            5 /* what the calls return for such a clock */

struct user_timex { /* struct timex */
    uint32_t modes;
    int64_t offset, frequency, error_max_us, error_us;
    int32_t status;
    int64_t constant, precision_us, tolerance;
    int64_t seconds, microseconds;
    int64_t tick_us;
    int64_t pulse[8];
    int32_t tai;
    int32_t unused[11];
};
_Static_assert(sizeof(struct user_timex) == 208, "struct timex");

static bool is_change(uint32_t modes)
{
    return modes & ADJ_ADJTIME ? !(modes & ADJ_OFFSET_READONLY) : modes != 0;
}

static long adjust(uint64_t user_timex)
{
    struct user_timex about;
    if (copy_from_user(&about, user_timex, sizeof(about)) != 0) {
        return -EFAULT;
    }
    uint32_t modes = about.modes;
    if (modes & ADJ_ADJTIME && !(modes & ADJ_OFFSET_SINGLESHOT)) {
        return -EINVAL;
    }
    if (is_change(modes)) {
        return -EPERM;
    }
    uint64_t now = clock_wall_ns();
    about = (struct user_timex){
        .modes = modes,
        .error_max_us = 16000000,
        .error_us = 16000000,
        .status = STATUS_UNSYNCHRONISED,
        .constant = 2,
        .precision_us = 1,
        .tolerance = 32768000,
        .seconds = (int64_t)(now / 1000000000),
        .microseconds = (int64_t)(now % 1000000000 / 1000),
        .tick_us = 10000,
    };
    return copy_to_user(user_timex, &about, sizeof(about)) != 0 ? -EFAULT : TIME_ERROR;
}

long linux_adjtimex(uint64_t user_timex, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
    (void)b, (void)c, (void)d, (void)e, (void)f;
    return adjust(user_timex);
}

long linux_clock_adjtime(uint64_t id, uint64_t user_timex, uint64_t c, uint64_t d, uint64_t e,
                         uint64_t f)
{
    (void)c, (void)d, (void)e, (void)f;
    if ((int)id == CLOCK_REALTIME) {
        return adjust(user_timex);
    }
    bool is_clock = (uint32_t)id <= CLOCK_BOOTTIME_ALARM || (uint32_t)id == CLOCK_TAI;
    return is_clock ? -EOPNOTSUPP : -EINVAL;
}
