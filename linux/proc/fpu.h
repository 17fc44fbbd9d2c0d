/*
 * The FPU state of the current task's program, which lies in the CPU while the task is in the
 * personality: that has no use for those registers.
 */
#pragma once

#include "lib/base/types.h"

/* As a program finds them at its start, and a handler. */
void fpu_renew(void);

/* To and from an XSAVE area of cpu_xsave_bytes(), aligned to 64 bytes, which may be the
 * application's; 0, or -EFAULT: it cannot be reached, or is no such area. */
long fpu_save(void *area);
long fpu_load(const void *area);
