/*
 * The vDSO (vdso(7)): a small shared object in every program, whose functions read clocks from the
 * kernel's time page, which lies right below it, without a system call.
 */
#pragma once

#include "lib/base/types.h"

struct mm;

/* In the template: put the object where clones share it. */
void vdso_prepare(void);

/* Map it into an mm that no thread runs in yet; its address, 0 when there is no room. */
uint64_t vdso_map(struct mm *mm);
