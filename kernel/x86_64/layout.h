/*
 * The kernel's half of the address space and the selectors; also for assembly.
 *
 *   PML4 slot 256  the window of the current domain (abi/kernel.h)
 *             384  the direct map: all physical memory, never executable
 *             510  device registers of the kernel itself: local APIC, IOAPIC; then the CPUs' stacks
 *             511  the kernel image, its last 2 GiB
 *
 * The last three are the kernel's own, the same in every root, and never change.
 */
#pragma once

#define DIRECT_MAP_SLOT 384
#define WINDOW_SLOT     256
#define DEVICE_SLOT     510
#define IMAGE_SLOT      511

#ifndef DIRECT_MAP /* kernel/test/machine has another place for it */
#define DIRECT_MAP 0xffffc00000000000
#endif
#define KERNEL_VIRTUAL 0xffffffff80000000
#define DEVICE_BASE    0xffffff0000000000
#define STACKS_BASE    0xffffff0000200000 /* x86_64/stacks.h: behind one page table */

/* Where the application processors start: one page below 1 MiB. */
#define TRAMPOLINE 0x8000

#define KERNEL_CODE  0x08
#define KERNEL_DATA  0x10
#define USER_DATA    0x1b
#define USER_CODE    0x23
#define TSS_SELECTOR 0x28

/* RFLAGS of user code: interrupts on; and what an application may have beside that: arithmetic
 * flags, TF, DF, AC, ID. */
#define USER_RFLAGS    0x202
#define ALLOWED_RFLAGS 0x250dd5
