/*
 * The application's registers while its thread is in the personality: twelve on the stack, six in
 * the frame.
 */
#pragma once

#include "lib/oak/kernel.h"

/* System calls have lower numbers. */
#define LINUX_CALLS 512u

/* As entry.S pushes them. */
struct application_registers {
    uint64_t r15, r14, r13, r12, rbp, rbx, r10, r9, r8, rdx, rsi, rdi;
};

/* From entry.S. */
void linux_trap(struct application_registers *registers, struct thread_frame *frame);
void linux_thread_begin(struct application_registers *registers, struct thread_frame *frame);

struct fault_registers {
    uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rdi, rsi, rbp, rbx, rdx, rcx, rax;
};
void linux_fault(struct fault_registers *registers);

extern char trap_entry[];
extern char fault_entry[];
extern char thread_entry[];

/* End the whole container with a report of what is wrong inside the personality. */
_Noreturn void personality_panic(const char *what);
