/* Resource limits (getrlimit(2)) that are enforced where the resource is given out. */
#pragma once

#include "linux/proc/task.h"

#define RLIMIT_CPU     0
#define RLIMIT_FSIZE   1
#define RLIMIT_DATA    2
#define RLIMIT_STACK   3
#define RLIMIT_CORE    4
#define RLIMIT_NPROC   6
#define RLIMIT_NOFILE  7
#define RLIMIT_MEMLOCK 8
#define RLIMIT_AS      9
#define RLIMIT_NICE    13
#define RLIMIT_RTPRIO  14

#define LIMIT_NONE UINT64_MAX

/* The current task's limit now; none for the container's own threads. */
static inline uint64_t limit_now(int resource)
{
    const struct task *task = task_current();
    return task == NULL ? LIMIT_NONE
                        : __atomic_load_n(&task->group->limits[resource].soft, __ATOMIC_RELAXED);
}

/* Does the current task's user have more tasks, but for so many, than RLIMIT_NPROC lets it have? */
bool limit_tasks_exceeded(uint32_t uncounted);

/* A file would become larger than RLIMIT_FSIZE lets it: SIGXFSZ to the current task, and -EFBIG. */
long limit_file_exceeded(void);
