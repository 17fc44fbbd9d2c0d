/*
 * Memory held back for what cannot fail: a page that the personality writes for the first time, a
 * page table. Whatever lets it grow at an application's request asks for a full reserve first.
 */
#pragma once

#include "lib/base/types.h"

/* Once per container, before anything else; without enough memory the reserve is not full. */
void reserve_start(void);

/* Fill it up; false: the account is exhausted, nothing may grow. Takes no lock. */
bool reserve_full(void);

/* Give some of it up for a page that is missing now; false: there is none. Takes no lock, so that a
 * fault anywhere in the personality can ask. */
bool reserve_spend(void);

/* Is there enough left that what may fail as well need not? */
bool reserve_comfortable(void);
