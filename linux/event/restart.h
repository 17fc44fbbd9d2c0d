/*
 * Calls that cannot simply be made again after a signal without a handler, because time has passed:
 * they return -ERESTARTBLOCK, and go on by restart_syscall(2). After a handler they give EINTR.
 */
#pragma once

#include "linux/proc/task.h"

/* What the current task's call goes on with; returns -ERESTARTBLOCK. */
static inline long restart_with(long (*again)(const struct restart *), const struct restart *from)
{
    struct restart *restart = &task_current()->restart;
    *restart = *from;
    restart->again = again;
    return -ERESTARTBLOCK;
}
