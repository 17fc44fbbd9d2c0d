#include "kernel/x86_64/stacks.h"

#include "kernel/core/frame.h"
#include "kernel/x86_64/kernel_map.h"
#include "kernel/x86_64/layout.h"

#define FAULT_STACK_BYTES (2 * PAGE_SIZE)
/* Room above each fault stack: its entry finds its CPU there, as GS may be anything. */
#define FAULT_STACK_ABOVE 16

_Static_assert((FAULT_STACKS + 1) * PAGE_SIZE + KERNEL_STACK_BYTES +
                       FAULT_STACKS * FAULT_STACK_BYTES <
                   STACKS_STRIDE,
               "the last stack has an unmapped page above it too");

/* Leave a page out, map the next ones. Returns the end of what was mapped. */
static uint64_t stack_make(uint64_t start, uint64_t size_bytes)
{
    uint64_t physical = (uint64_t)frames_boot_pages(size_bytes / PAGE_SIZE) - DIRECT_MAP;
    uint64_t first = start + PAGE_SIZE;
    for (uint64_t offset = 0; offset < size_bytes; offset += PAGE_SIZE) {
        stack_page_map(first + offset, physical + offset);
    }
    return first + size_bytes;
}

void stacks_make(struct cpu *cpu)
{
    uint64_t end = stack_make(STACKS_BASE + cpu->number * STACKS_STRIDE, KERNEL_STACK_BYTES);
    cpu->stack_top = end - sizeof(uint64_t);
    *(uint64_t *)(uintptr_t)cpu->stack_top = 0; /* instead of a return address */
    for (uint32_t i = 0; i < FAULT_STACKS; i++) {
        end = stack_make(end, FAULT_STACK_BYTES);
        uint64_t top = end - FAULT_STACK_ABOVE;
        *(struct cpu **)(uintptr_t)top = cpu;
        cpu->tss.ist[i] = top;
    }
}

bool stacks_guard(uint64_t address)
{
    return address - STACKS_BASE < CPUS_MAX * STACKS_STRIDE && !stack_page_mapped(address);
}
