/*
 * The end: say why, with registers and the way here, then reset the machine.
 *
 * The first processor to come here stops the others and is alone from then on: it takes no lock,
 * as its holder may never run again. When it fails itself, it resets at once.
 *
 * tools/symbols.py writes the names of the kernel's functions into the image: a count, then that
 * many pairs in the order of addresses (offset from the text's start, offset of the name from the
 * table's start), then the names. They are missing when an image is linked for the first time,
 * which is when the addresses become known; that one never runs.
 */
#include "kernel/core/assert.h"
#include "kernel/core/clock.h"
#include "kernel/core/log.h"
#include "kernel/core/trace.h"
#include "kernel/core/traps.h"
#include "kernel/x86_64/apic.h"
#include "kernel/x86_64/cpu.h"
#include "kernel/x86_64/kernel_map.h"

#define BACKTRACE_DEPTH 24
#define STOP_NS         1000000 /* for the others to take notice */

struct symbol {
    uint32_t place;
    uint32_t name;
};
extern const struct symbol_table {
    uint64_t count;
    struct symbol symbol[];
} symbols_start;

static uint32_t owner; /* 1 + the APIC number of the processor that panics; atomic */

__attribute__((noreturn)) static void halt(void)
{
    for (;;) {
        __asm__ volatile("cli; hlt");
    }
}

/* An empty IDT makes the next exception a triple fault: the machine resets. */
__attribute__((noreturn)) static void reset(void)
{
    struct table_pointer nothing = {0, 0};
    __asm__ volatile("lidt %0; int3" : : "m"(nothing));
    halt();
}

void panic_join(void)
{
    if (__atomic_load_n(&owner, __ATOMIC_ACQUIRE) != 0) {
        halt();
    }
}

static void others_stop(void)
{
    uint32_t own = (cpuid(1, 0).ebx >> 24) + 1; /* not from GS, which may not be set up */
    uint32_t found = 0;
    __asm__ volatile("cli");
    if (!__atomic_compare_exchange_n(&owner, &found, own, false, __ATOMIC_SEQ_CST,
                                     __ATOMIC_SEQ_CST)) {
        if (found == own) {
            reset();
        }
        halt();
    }
    log_alone = true;
    if (cpu_count > 1) {
        apic_stop_others();
        clock_spin_ns(STOP_NS);
    }
}

static void registers_print(const struct registers *registers)
{
    log_line("vector %lu error %lx cr2 %lx cr3 %lx", registers->vector, registers->error,
             cr2_read(), cr3_read());
    log_line("rip %lx rsp %lx rflags %lx cs %lx", registers->rip, registers->rsp, registers->rflags,
             registers->cs);
    log_line("rax %lx rbx %lx rcx %lx rdx %lx", registers->rax, registers->rbx, registers->rcx,
             registers->rdx);
    log_line("rsi %lx rdi %lx rbp %lx r8 %lx", registers->rsi, registers->rdi, registers->rbp,
             registers->r8);
    log_line("r9 %lx r10 %lx r11 %lx r12 %lx", registers->r9, registers->r10, registers->r11,
             registers->r12);
    log_line("r13 %lx r14 %lx r15 %lx", registers->r13, registers->r14, registers->r15);
}

/* Frames lie on a kernel stack; the first processor begins on one in the image. */
static bool frame_readable(uint64_t frame)
{
    bool image = frame >= (uint64_t)kernel_data_start && frame < (uint64_t)kernel_end - 8;
    return frame % sizeof(uint64_t) == 0 &&
           (image || (stack_page_mapped(frame) && stack_page_mapped(frame + 8)));
}

/* The address, and the function that it lies in. */
static void place_print(const char *what, uint64_t address)
{
    uint64_t place = address - (uint64_t)kernel_text_start;
    const struct symbol *found = NULL;
    for (uint64_t i = 0; i < symbols_start.count && symbols_start.symbol[i].place <= place; i++) {
        found = &symbols_start.symbol[i];
    }
    if (found == NULL || address >= (uint64_t)kernel_text_end) {
        log_line("%s %lx", what, address);
    } else {
        log_line("%s %lx %s+%lx", what, address, (const char *)&symbols_start + found->name,
                 place - found->place);
    }
}

/* Prints where the calls are, not where they return to: that may be the next line or function. */
static void backtrace_print(const uint64_t *frame)
{
    for (uint32_t i = 0; i < BACKTRACE_DEPTH && frame_readable((uint64_t)frame); i++) {
        if (frame[1] < (uint64_t)kernel_text_start || frame[1] >= (uint64_t)kernel_text_end) {
            break;
        }
        place_print("  called from", frame[1] - 1);
        frame = (const uint64_t *)frame[0];
    }
}

/* With the calls that led to `frame`. */
__attribute__((noreturn)) static void machine_end(const void *frame)
{
    backtrace_print(frame);
    trace_print_last(cpu_current()->number);
    reset();
}

void panic(const char *file, int line, const char *what)
{
    others_stop();
    log_line("oak: kernel panic on processor %u: %s (%s:%d)", owner - 1, what, file, line);
    log_line("rsp %lx cr2 %lx cr3 %lx", (uint64_t)__builtin_frame_address(0), cr2_read(),
             cr3_read());
    machine_end(__builtin_frame_address(0));
}

void panic_trap(const struct registers *registers, const char *what)
{
    others_stop();
    log_line("oak: kernel panic on processor %u: %s", owner - 1, what);
    registers_print(registers);
    place_print("  at", registers->rip);
    machine_end((const void *)registers->rbp);
}
