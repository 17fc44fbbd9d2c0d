/* What processes have used, as programs are told (getrusage(2)). */
#pragma once

#include "linux/event/cpu_clock.h"

/* struct rusage: CPU times and resident pages; what nobody counts is zero. -EFAULT. */
long usage_to_user(uint64_t user_usage, const struct cpu_time *time, uint64_t resident_pages);
