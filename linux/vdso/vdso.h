/*
 * The vDSO (vdso(7)): a small shared object in every program, whose functions read clocks from the
 * kernel's time page, which lies right below it, without a system call.
 */
#pragma once

#include "lib/oak/kernel.h"

struct mm;

/* The object, and the time page. Above the stack's top, so that they share its page table. */
#define VDSO_ADDRESS (APPLICATION_END - PAGE_SIZE)
#define VVAR_ADDRESS (VDSO_ADDRESS - PAGE_SIZE)

/* In the template: put the object where clones share it. */
void vdso_prepare(void);

/* Map it into an mm that no thread runs in yet; its address, 0 when there is no room. */
uint64_t vdso_map(struct mm *mm);
