/* What processes have used, as programs are told (getrusage(2)). */
#pragma once

#include "linux/event/cpu_clock.h"

struct task;

struct resource_usage {
    struct cpu_time cpu;
    uint64_t waits;          /* times that it gave its CPU up to wait */
    uint64_t resident_pages; /* the most at once; of several processes the largest */
};

void usage_add(struct resource_usage *to, const struct resource_usage *more);

/* Of a group and those of its tasks that have ended, without the resident pages of one that lives.
 * Under tasks_lock. */
struct resource_usage group_usage(const struct thread_group *group);

/* The last task of a process ends: its resident pages, for a parent that asks for such figures,
 * else 0. Takes tasks_lock, and looks at all areas. */
uint64_t usage_at_end(const struct task *task);
/* The current process asks for figures of its children. */
void usage_ask_children(void);

/* struct rusage: CPU times, resident pages and waits; what nobody counts is zero. -EFAULT. */
long usage_to_user(uint64_t user_usage, const struct resource_usage *usage);
