/* Processes that the engine starts: the container's own, EXEC's and those that copy. */
#pragma once

#include "lib/base/types.h"

/*
 * Make the task of a process and let it run; of a failure the engine is told by the task itself
 * or, when there could be none, from here; of a success by launched_report. Takes over the
 * channel's slot. From the event thread. Process 0, the container's own, is the caller's: when it
 * returns the caller is that task's thread, or there is none.
 */
enum launch_kind {
    LAUNCH_PROGRAM,
    LAUNCH_COPY_OUT,
    LAUNCH_COPY_IN,
};
void launch(enum launch_kind kind, uint32_t process, uint32_t channel,
            uint64_t specification_bytes);

/* Tell the engine of the programs that run now; from the event thread, at EVENT_LAUNCHED. */
void launched_report(void);

/* A signal for a process; nothing when it is gone. */
void launched_signal(uint32_t process, int number);
void launched_resize(uint32_t process, uint32_t rows, uint32_t columns);
