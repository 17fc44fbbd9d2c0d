/* Making the first program: domain, window, thread and capabilities of init. */
#pragma once

#include "lib/base/types.h"

/* Without it nobody looks after the machine: its end by a fault is the machine's. */
extern struct domain *init_domain;

/* Panics when the bundle has no usable init. */
void start_init(uint64_t tsc_at_start);
