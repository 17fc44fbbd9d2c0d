/* The end: say why, with registers and the way here, then reset the machine. */
#include "kernel/core/assert.h"
#include "kernel/core/cpu.h"
#include "kernel/core/log.h"
#include "kernel/core/traps.h"
#include "kernel/x86_64/asm.h"
#include "kernel/x86_64/layout.h"

#define BACKTRACE_DEPTH 16

static uint32_t panicking;

void registers_print(const struct registers *registers)
{
    log_line("vector %lu error %lx cr2 %lx", registers->vector, registers->error, cr2_read());
    log_line("rip %lx rsp %lx rflags %lx cs %lx", registers->rip, registers->rsp,
             registers->rflags, registers->cs);
    log_line("rax %lx rbx %lx rcx %lx rdx %lx", registers->rax, registers->rbx, registers->rcx,
             registers->rdx);
    log_line("rsi %lx rdi %lx rbp %lx r8 %lx", registers->rsi, registers->rdi, registers->rbp,
             registers->r8);
    log_line("r9 %lx r10 %lx r11 %lx r12 %lx", registers->r9, registers->r10, registers->r11,
             registers->r12);
    log_line("r13 %lx r14 %lx r15 %lx", registers->r13, registers->r14, registers->r15);
}

/* Return addresses by frame pointers, as long as they stay in the kernel's own image. */
static void backtrace_print(const uint64_t *frame)
{
    for (uint32_t i = 0; i < BACKTRACE_DEPTH && (uint64_t)frame > KERNEL_VIRTUAL; i++) {
        if (frame[1] < KERNEL_VIRTUAL) {
            break;
        }
        log_line("  called from %lx", frame[1]);
        frame = (const uint64_t *)frame[0];
    }
}

/* An empty IDT makes the next exception a triple fault: the machine resets. */
static void reset(void)
{
    struct {
        uint16_t limit;
        uint64_t base;
    } __attribute__((packed)) nothing = {0, 0};
    __asm__ volatile("lidt %0; int3" : : "m"(nothing));
}

void panic(const char *file, int line, const char *what)
{
    if (__atomic_exchange_n(&panicking, 1, __ATOMIC_SEQ_CST) == 0) {
        log_line("oak: kernel panic: %s (%s:%d)", what, file, line);
        backtrace_print(__builtin_frame_address(0));
        reset();
    }
    for (;;) {
        __asm__ volatile("cli; hlt");
    }
}
