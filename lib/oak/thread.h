/*
 * A further thread in this program's own domain, with its block (guard, stack, frame) below the
 * main thread's. The libraries of lib/oak are single-threaded: a second thread
 * uses kernel calls and memory of its own, and shares only what it locks itself.
 */
#pragma once

#include "lib/base/types.h"

#define THREADS_MAX 64

/*
 * Start `entry(argument)`; the slot gets the thread with all rights. When entry returns the thread
 * ends. Its block is not used again. Errors: LIMIT_REACHED, NO_MEMORY.
 */
MUST_USE status_t thread_run(void (*entry)(uint64_t argument), uint64_t argument,
                             enum thread_band band, uint32_t *out_slot);
