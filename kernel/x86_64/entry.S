/*
 * Every way into the kernel and out of it.
 *
 * A trap from user mode pushes its frame straight into the current thread's struct registers: the
 * TSS's RSP0 points to its end. The C code then runs on the CPU's own stack, from its top, and
 * leaves by kernel_leave with the thread to run. Only idle CPUs take interrupts in kernel mode.
 * NMI, double fault, machine check and debug traps come at any instruction, on stacks of their own.
 *
 * Two paths never reach C: `syscall` in application mode (forwarded to the personality) and
 * application_resume. Registers they do not name pass through untouched.
 */
#include "kernel/x86_64/layout.h"

/* Offsets of words that follow one another from `start` on. */
.macro offsets prefix, start, names:vararg
    .set offset, \start
    .irp name, \names
    .set \prefix\name, offset
    .set offset, offset + 8
    .endr
.endm

/* struct cpu */
offsets CPU_, 8, USER_RSP, STACK_TOP, CURRENT, ENTRIES, ROOT_LOADED, TSC_SINCE, APPLICATION, SCRATCH

/* struct thread; its general registers by their own names */
offsets T_, 40, FRAME, r15, r14, r13, r12, r11, r10, r9, r8, rbp, rdi, rsi, rdx, rcx, rbx, rax, \
    VECTOR, ERROR, RIP, CS, RFLAGS, RSP, SS
#define T_MODE      224
#define T_ATTENTION 225
#define T_SYSRET    226
offsets T_, 232, ROOT_APP, ROOT_PERS, TRAP_ENTRY, FRAME_ADDR, PERS_CYCLES, APP_CYCLES

/* struct thread_frame, struct trap_words application */
offsets F_, 0, RIP, RSP, RFLAGS, RAX, RCX, R11, CAUSE

/* From a frame on a stack of its own to the struct cpu above it: stacks.c. */
#define OWN_STACK_CPU 176

#define CAUSE_SYSCALL 1

/* CALL_gate_call and so on */
#define KERNEL_CALL(number, name, arguments, results, type, rights, other, makes, shape, meaning)  \
    .set CALL_##name, number
#include "abi/syscalls.def"

/* The thread at that register keeps these, or gives them back. */
.macro store thread, names:vararg
    .irp name, \names
    movq %\name, T_\name(%\thread)
    .endr
.endm
.macro load thread, names:vararg
    .irp name, \names
    movq T_\name(%\thread), %\name
    .endr
.endm

/*
 * RAX becomes the cycles since the mode changed last, and now counts as that moment. Clobbers RDX.
 */
.macro mode_cycles
    rdtsc
    shlq $32, %rdx
    orq %rdx, %rax
    movq %gs:CPU_TSC_SINCE, %rdx
    movq %rax, %gs:CPU_TSC_SINCE
    subq %rdx, %rax
.endm

/*
 * What every kernel call keeps, into the thread at RSP; then RCX is the thread, and RSP the CPU's
 * stack. The arguments stay in RDI, RSI, RDX, R10, R8 and R9, the call in EAX.
 */
.macro save_kept
    store rsp, r15, r14, r13, r12, rbp, rbx
    store rsp, r10 /* the fourth argument, which has no register in C */
    movq %r11, T_RFLAGS(%rsp)
    movq %rcx, T_RIP(%rsp)
    movq %gs:CPU_USER_RSP, %rcx
    movq %rcx, T_RSP(%rsp)
    movb $1, T_SYSRET(%rsp) /* CS and SS never differ */
    movq %rsp, %rcx
    movq %gs:CPU_STACK_TOP, %rsp
    lock incq %gs:CPU_ENTRIES
.endm

/* The rest, so that the call can be run again; then RDI is the thread. */
.macro save_arguments
    movl %eax, %eax
    store rcx, rdi, rsi, rdx, r9, r8, rax
    movq %rcx, %rdi
    xorl %ebp, %ebp
.endm

/* What lies below the hardware's frame, the vector and the error code in struct registers. */
.macro push_registers
    .irp name, rax, rbx, rcx, rdx, rsi, rdi, rbp, r8, r9, r10, r11, r12, r13, r14, r15
    pushq %\name
    .endr
    cld
    clac
.endm

/* Back, and past vector and error code. */
.macro pop_registers
    .irp name, r15, r14, r13, r12, r11, r10, r9, r8, rbp, rdi, rsi, rdx, rcx, rbx, rax
    popq %\name
    .endr
    addq $16, %rsp
.endm

.text
.globl syscall_entry
.align 64
syscall_entry:
    swapgs
    movq %rsp, %gs:CPU_USER_RSP
    movq %gs:CPU_CURRENT, %rsp
    cmpb $0, T_MODE(%rsp)
    je kernel_call_entry

    /* Application: hand the same thread to its personality. */
    movq T_FRAME(%rsp), %rsp
    movq %rcx, F_RIP(%rsp)
    movq %r11, F_RFLAGS(%rsp)
    movq %rax, F_RAX(%rsp)
    movq %gs:CPU_USER_RSP, %rcx
    movq %rcx, F_RSP(%rsp)
    movq $CAUSE_SYSCALL, F_CAUSE(%rsp)
    movq %gs:CPU_CURRENT, %r11
    movb $0, T_MODE(%r11)
    movq %rdx, %rcx
    mode_cycles
    addq %rax, T_APP_CYCLES(%r11)
    addq %rax, %gs:CPU_APPLICATION
    movq %rcx, %rdx
    movq F_RAX(%rsp), %rax
    movq T_ROOT_PERS(%r11), %rcx
    cmpq %rcx, %gs:CPU_ROOT_LOADED
    je 1f
    movq %rcx, %cr3
    movq %rcx, %gs:CPU_ROOT_LOADED
1:  movq T_FRAME_ADDR(%r11), %rsp
    movq T_TRAP_ENTRY(%r11), %rcx
    movl $USER_RFLAGS, %r11d
    swapgs
    sysretq

.align 16
kernel_call_entry:
    testl %eax, %eax
    jnz kernel_call_slow

    /* application_resume. RSP: thread; RAX, RCX and R11 are free. */
    cmpb $0, T_ATTENTION(%rsp)
    jne kernel_call_slow
    movq T_FRAME(%rsp), %rax
    cmpq $CAUSE_SYSCALL, F_CAUSE(%rax) /* other causes restore RCX and R11 */
    jne resume_slow
    movq F_RIP(%rax), %rcx
    movq F_RFLAGS(%rax), %r11
    andl $ALLOWED_RFLAGS, %r11d
    orl $USER_RFLAGS, %r11d
    movq %rcx, %rsp
    shrq $47, %rsp
    jnz resume_slow
    movq %gs:CPU_CURRENT, %rsp
    cmpq $0, T_ROOT_APP(%rsp)
    je resume_slow
    movb $1, T_MODE(%rsp)
    movq %rdx, %gs:CPU_SCRATCH
    mode_cycles
    addq %rax, T_PERS_CYCLES(%rsp)
    movq T_FRAME(%rsp), %rax
    movq %gs:CPU_SCRATCH, %rdx
    movq T_ROOT_APP(%rsp), %rsp
    cmpq %rsp, %gs:CPU_ROOT_LOADED
    je 2f
    movq %rsp, %cr3
    movq %rsp, %gs:CPU_ROOT_LOADED
2:  movq F_RSP(%rax), %rsp
    movq F_RAX(%rax), %rax
    swapgs
    sysretq

resume_slow:
    movq %gs:CPU_CURRENT, %rsp
    xorl %eax, %eax
    /* RCX and R11 may hold the frame's words by now; the slow path reads the frame itself. */
kernel_call_slow:
    save_kept
    .irp name, gate_call, endpoint_reply_receive, thread_unpark, thread_park, signal_raise, \
        signal_wait
    cmpl $CALL_\name, %eax
    je short_\name
    .endr
    save_arguments
    jmp kernel_call

/*
 * In place of syscall_entry while the trace is on: all goes the general way, so that every call and
 * every switch of threads is seen.
 */
.globl syscall_entry_traced
.align 16
syscall_entry_traced:
    swapgs
    movq %rsp, %gs:CPU_USER_RSP
    movq %gs:CPU_CURRENT, %rsp
    save_kept
    save_arguments
    jmp syscall_traced

/*
 * void kernel_leave(struct thread *thread): run the thread. Its root is loaded, RSP0 is set, the
 * CPU's entry count is even again.
 */
.globl kernel_leave
.align 16
kernel_leave:
    cmpb $0, T_SYSRET(%rdi)
    je leave_by_iret
    movq %rdi, %rcx
    load rcx, r10, r9, r8, rsi, rdx, rax, rdi
    jmp leave_by_sysret

/*
 * void kernel_leave_call(RDI, RSI, RDX: results, RCX: thread): the same at the end of a kernel call
 * that is OK. What such a call loses comes back as zero.
 */
.globl kernel_leave_call
.align 16
kernel_leave_call:
    xorl %r10d, %r10d
    xorl %r9d, %r9d
    xorl %r8d, %r8d
    xorl %eax, %eax
leave_by_sysret:
    load rcx, r15, r14, r13, r12, rbp, rbx
    movq T_RFLAGS(%rcx), %r11
    movq T_RSP(%rcx), %rsp
    movq T_RIP(%rcx), %rcx
    swapgs
    sysretq

leave_by_iret:
    leaq T_r15(%rdi), %rsp
    pop_registers
    swapgs
    iretq

.pushsection .rodata
.globl trap_entries
trap_entries:
.popsection

/*
 * One entry per vector: error code (or zero), vector, then the common part; or the one of traps that
 * have stacks of their own (cpu.c).
 */
vector_first:
.set vector, 0
.rept 256
.align 16
1:
    .if (vector != 8) && ((vector < 10) || (vector > 14)) && (vector != 17) && (vector != 21) && (vector != 29) && (vector != 30)
    pushq $0
    .endif
    pushq $vector
    .if (vector == 1) || (vector == 2) || (vector == 8) || (vector == 18)
    jmp own_stack_common
    .else
    jmp trap_common
    .endif
    .pushsection .rodata
    .quad 1b
    .popsection
    .set vector, vector + 1
.endr

.align 16
trap_common:
    push_registers
    testb $3, 144(%rsp) /* CS */
    jz trap_from_kernel
    swapgs
    lfence /* nobody speculates past the swapgs that it did not do (CVE-2019-1125) */
trap_from_user:
    movq %gs:CPU_CURRENT, %rdi
    movb $0, T_SYSRET(%rdi)
    movq %gs:CPU_STACK_TOP, %rsp
    lock incq %gs:CPU_ENTRIES
    xorl %ebp, %ebp
    jmp trap_user

trap_from_kernel:
    lfence
    movq %rsp, %rdi
    call trap_kernel
trap_return:
    pop_registers
    iretq

/* A debug trap of user code moves to its thread and goes on as every other trap. */
debug_of_user:
    swapgs
    lfence
    movq %gs:CPU_CURRENT, %rdi
    addq $T_r15, %rdi
    movq %rsp, %rsi
    movl $(T_SS + 8 - T_r15) / 8, %ecx
    rep movsq
    jmp trap_from_user

/*
 * Traps on stacks of their own. GS may be the user's even in kernel mode (between syscall and
 * swapgs, or behind the swapgs on the way out), and the user may have set it to anything. So its
 * base is kept aside and the kernel's comes from above the frame, where stacks.c put it; swapgs
 * plays no part. trap_own_stack may return for NMI and debug traps only; it must not fault, because
 * an iret would let the next NMI in, onto this same stack.
 */
own_stack_common:
    push_registers
    cmpb $1, 120(%rsp) /* vector */
    jne 1f
    testb $3, 144(%rsp) /* CS */
    jnz debug_of_user
1:  rdgsbase %rbx
    movq OWN_STACK_CPU(%rsp), %rax
    wrgsbase %rax
    lfence
    movq %rsp, %rdi
    call trap_own_stack
    wrgsbase %rbx
    jmp trap_return

.section .note.GNU-stack, "", @progbits
