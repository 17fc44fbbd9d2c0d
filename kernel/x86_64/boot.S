/*
 * The first instructions: PVH entry (32-bit protected mode, no paging, EBX = struct
 * hvm_start_info) into long mode at the kernel's own addresses, and the trampoline that brings an
 * application processor from real mode to the same place.
 *
 * Xen docs/misc/pvh: the entry point stands in ELF note 18 of "Xen".
 */
#include "kernel/x86_64/layout.h"

#define PTE_PRESENT_WRITE 0x3
#define PTE_LARGE         0x83

.section .note.pvh, "a", @note
.align 4
    .long 4
    .long 4
    .long 18
    .asciz "Xen"
    .long boot_entry

.section .boot.data, "aw"
.align 4096
boot_pml4:
    .fill 512, 8, 0
boot_pdpt: /* of identity, direct map and image */
    .fill 512, 8, 0
boot_pd: /* the first GiB in 2 MiB pages */
.set page, 0
.rept 512
    .quad page + PTE_LARGE
    .set page, page + 0x200000
.endr
.align 16
boot_gdt:
    .quad 0
    .quad 0x00af9a000000ffff /* KERNEL_CODE: 64-bit */
boot_gdt_end:
boot_tsc:
    .quad 0

/*
 * Long mode, with the boot tables. Protection and paging may come on at once, so it can be entered
 * from real mode too.
 */
.macro enter_long_mode
    movl %cr4, %eax
    orl $0x20, %eax /* PAE */
    movl %eax, %cr4
    movl $boot_pml4, %eax
    movl %eax, %cr3
    movl $0xc0000080, %ecx /* EFER: LME, NXE, SCE */
    rdmsr
    orl $0x901, %eax
    wrmsr
    movl %cr0, %eax
    orl $0x80010001, %eax /* PG, WP, PE */
    andl $~0x60000000, %eax /* caches on */
    movl %eax, %cr0
.endm

.section .boot.text, "ax"
.code32
.globl boot_entry
boot_entry:
    cld
    rdtsc
    movl %eax, boot_tsc
    movl %edx, boot_tsc + 4

    movl $boot_pdpt + PTE_PRESENT_WRITE, boot_pml4
    movl $boot_pdpt + PTE_PRESENT_WRITE, boot_pml4 + DIRECT_MAP_SLOT * 8
    movl $boot_pdpt + PTE_PRESENT_WRITE, boot_pml4 + IMAGE_SLOT * 8
    movl $boot_pd + PTE_PRESENT_WRITE, boot_pdpt
    movl $boot_pd + PTE_PRESENT_WRITE, boot_pdpt + 510 * 8

    lgdt boot_gdt_pointer
    enter_long_mode
    ljmp $KERNEL_CODE, $boot_64

.code64
boot_64: /* the data segments mean nothing here, until cpu.c loads its own */
    movl %ebx, %edi
    movq boot_tsc, %rsi
    movabsq $boot_stack_top, %rsp
    xorl %ebp, %ebp
    movabsq $kernel_main, %rax
    call *%rax
    ud2

/*
 * Copied to TRAMPOLINE; a started processor comes here in real mode with CS:IP = TRAMPOLINE >> 4:0
 * and what INIT left: interrupts off, DS at 0 (SDM volume 3, 9.1.1).
 */
.code16
.globl trampoline_start, trampoline_end
trampoline_start:
    lgdtl TRAMPOLINE + (boot_gdt_pointer - trampoline_start)
    enter_long_mode
    ljmpl $KERNEL_CODE, $trampoline_64
boot_gdt_pointer:
    .word boot_gdt_end - boot_gdt - 1
    .long boot_gdt
trampoline_end:

.code64
trampoline_64:
    movabsq $cpu_entry, %rax
    jmp *%rax

.section .text
cpu_entry: /* at the kernel's address: only now the boot tables can go, and the stack be anywhere */
    movq kernel_root_physical, %rax
    movq %rax, %cr3
    movq trampoline_stack, %rsp
    xorl %ebp, %ebp
    call cpu_main
    ud2

/* void stack_run(uint64_t top, void (*function)(void)) */
.globl stack_run
stack_run:
    movq %rdi, %rsp
    xorl %ebp, %ebp
    call *%rsi
    ud2

/* Until the first processor has its own stack. */
.section .bss
.align 4096
    .skip 16384
boot_stack_top:

.section .note.GNU-stack, "", @progbits
