/* What happens between user mode and the calls: traps, forwarding, the way out. */
#pragma once

#include "kernel/object/thread.h"

/* From entry.S; none returns. */
__attribute__((noinline, noreturn)) void kernel_call(struct thread *thread);
__attribute__((noreturn)) void syscall_traced(struct thread *thread);
__attribute__((noreturn)) void trap_user(struct thread *thread);
__attribute__((noreturn)) void kernel_leave(struct thread *thread);
/* From a kernel call that is OK, with these results; R8 to R10 come back as zero. */
__attribute__((noreturn)) void kernel_leave_call(uint64_t rdi, uint64_t rsi, uint64_t rdx,
                                                 struct thread *thread);

/* Interrupt while idle. */
void trap_kernel(struct registers *registers);
/* NMI, double fault, machine check; a debug trap of kernel code. At any instruction. */
void trap_own_stack(struct registers *registers);

/* Returns unless another processor panics: then this one stops here. */
void panic_join(void);

/* As panic, with the registers of the interrupted code. */
__attribute__((noreturn)) void panic_trap(const struct registers *registers, const char *what);

/* Send the current thread from application mode to its domain's trap entry. */
void trap_forward(struct thread *thread, enum trap_cause cause, uint64_t address);

/* Do what thread->attention asks; the CPU may have no current thread afterwards. */
void trap_attend(struct thread *thread);

/* An address that the CPU takes as one. */
static inline bool address_canonical(uint64_t address)
{
    return (int64_t)(address << 16) >> 16 == (int64_t)address;
}
