/*
 * A CPU's stacks: its own, on which all kernel code runs from the top, and one each for the traps
 * that may come at any instruction. Below each lies an unmapped page: running over the end is a
 * double fault at once, which has a stack of its own.
 */
#pragma once

#include "kernel/core/cpu.h"

#define STACKS_STRIDE 0x20000ull /* of addresses, per CPU */

/* Entries of the TSS's interrupt stack table. */
enum fault_stack {
    FAULT_STACK_DOUBLE_FAULT = 1,
    FAULT_STACK_NMI,
    FAULT_STACK_MACHINE_CHECK,
    FAULT_STACK_DEBUG,
    FAULT_STACKS = FAULT_STACK_DEBUG,
};

/* Map the CPU's stacks, set cpu->stack_top and the TSS's table. Panics without memory. */
void stacks_make(struct cpu *cpu);

/* Run `function` at the top of an empty stack; it never returns. */
__attribute__((noreturn)) void stack_run(uint64_t top, void (*function)(void));

/* Is the address one of the unmapped pages between stacks? */
bool stacks_guard(uint64_t address);
