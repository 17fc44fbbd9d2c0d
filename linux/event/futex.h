/*
 * Futexes (futex(2)): waiting on a word of user memory. A word is known by its address space and
 * address, or, in memory that is shared between address spaces, by that memory and the place in it.
 */
#pragma once

#include "lib/base/types.h"

struct mm;
struct task;

/* Wake up to `count` waiters of a word, as the kernel does when a thread ends. How many. */
long futex_wake_address(struct mm *mm, uint64_t address, uint32_t count);

/* A thread has ended that others may wait for to unlock. No lock may be held. */
void futex_owner_ended(int tid);

/* The task ends, or gets another program: what it holds of its robust futexes is marked so that
 * others find its owner dead (set_robust_list(2)). No lock may be held. */
void robust_list_release(struct task *task);
