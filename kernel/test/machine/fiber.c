/* Stacks to run on, with what the address sanitizer wants to know of them. */
#include "kernel/test/machine/machine.h"

#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#include <sys/mman.h>

static uint8_t *driver_place;
static const void *driver_stack;
static size_t driver_stack_bytes;
static struct fiber *begun;

void fiber_switch(uint8_t **save, uint8_t *load);

/* The registers that a function must keep, then the stack. */
__asm__(".text\n"
        "fiber_switch:\n\t"
        "pushq %rbp\n\t"
        "pushq %rbx\n\t"
        "pushq %r12\n\t"
        "pushq %r13\n\t"
        "pushq %r14\n\t"
        "pushq %r15\n\t"
        "movq %rsp, (%rdi)\n\t"
        "movq %rsi, %rsp\n\t"
        "popq %r15\n\t"
        "popq %r14\n\t"
        "popq %r13\n\t"
        "popq %r12\n\t"
        "popq %rbx\n\t"
        "popq %rbp\n\t"
        "ret\n");

#define SAVED_REGISTERS 6

void fiber_make(struct fiber *fiber)
{
    fiber->stack = mmap(NULL, FIBER_STACK_BYTES, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (fiber->stack == MAP_FAILED) {
        machine_fail("no memory for a stack");
    }
    fiber->place = fiber->stack + FIBER_STACK_BYTES;
}

static void fiber_main(void)
{
    struct fiber *fiber = begun;
    __sanitizer_finish_switch_fiber(NULL, &driver_stack, &driver_stack_bytes);
    fiber->run();
    machine_fail("the kernel returned to where it was entered");
}

void fiber_go_on(struct fiber *fiber)
{
    void *fake_stack;
    __sanitizer_start_switch_fiber(&fake_stack, fiber->stack, FIBER_STACK_BYTES);
    fiber_switch(&driver_place, fiber->place);
    __sanitizer_finish_switch_fiber(fake_stack, NULL, NULL);
}

void fiber_begin(struct fiber *fiber, void (*run)(void))
{
    uint8_t *top = fiber->stack + FIBER_STACK_BYTES;
    __asan_unpoison_memory_region(fiber->stack, FIBER_STACK_BYTES);
    uint64_t *words = (uint64_t *)(void *)top - SAVED_REGISTERS - 2; /* RSP % 16 is 8 on entry */
    for (uint32_t i = 0; i < SAVED_REGISTERS + 2; i++) {
        words[i] = 0;
    }
    words[SAVED_REGISTERS] = (uint64_t)(uintptr_t)fiber_main;
    fiber->place = (uint8_t *)words;
    fiber->run = run;
    begun = fiber;
    fiber_go_on(fiber);
}

void fiber_leave(struct fiber *fiber, bool ended)
{
    __sanitizer_start_switch_fiber(ended ? NULL : &fiber->fake_stack, driver_stack,
                                   driver_stack_bytes);
    fiber_switch(&fiber->place, driver_place);
    __sanitizer_finish_switch_fiber(fiber->fake_stack, &driver_stack, &driver_stack_bytes);
}
