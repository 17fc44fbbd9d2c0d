/*
 * What programs say about how they want to run: policy, priority, nice value, CPUs. It is kept,
 * inherited and shown as on Linux; the kernel does not know of it (docs/limits.md).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define POLICY_OTHER    0u
#define POLICY_FIFO     1u
#define POLICY_RR       2u
#define POLICY_BATCH    3u
#define POLICY_IDLE     5u
#define POLICY_DEADLINE 6u

struct task;

struct scheduling {
    uint32_t policy;        /* SCHED_* */
    uint32_t priority;      /* of POLICY_FIFO and POLICY_RR, 1 to 99; otherwise 0 */
    int32_t nice;           /* -20 to 19 */
    uint32_t io_priority;   /* as ioprio_set(2) encodes it; 0: never set */
    bool reset_on_fork;     /* children begin without a privileged policy or nice value */
    uint64_t excluded_cpus; /* a bit each; the others are allowed */
};

/* What a child of the task begins with. */
void scheduling_inherit(struct scheduling *child, const struct scheduling *from);

/* The CPUs that it is allowed to use, a bit each. */
uint64_t scheduling_cpus(const struct scheduling *scheduling);
