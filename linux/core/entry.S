/*
 * Into the personality and back. A trap arrives with RSP at the thread's frame and every register
 * but RAX, RCX, R11 as the application had it; those three, RIP, RSP and RFLAGS are in the frame.
 * A fault of the personality itself arrives on the interrupted stack, below what it uses.
 */

/* The template's first thread, and a clone's: RSP is the start of its frame. A clone's becomes the
 * first task, whose registers to start with lie where a trap leaves them. */
.section .text.start, "ax"
.globl _start, container_entry
_start:
    xorl %ebp, %ebp
    call template_begin
    ud2
container_entry:
    subq $96, %rsp
    xorl %ebp, %ebp
    call container_begin
    movq %rsp, %rdi
    jmp thread_entry

.section .text.entry, "ax"
.globl trap_entry
.align 64
trap_entry:
    pushq %rdi
    pushq %rsi
    pushq %rdx
    pushq %r8
    pushq %r9
    pushq %r10
    pushq %rbx
    pushq %rbp
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, %rdi
    leaq 96(%rsp), %rsi /* the frame */
    xorl %ebp, %ebp
    call linux_trap
resume_pop:
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbp
    popq %rbx
    popq %r10
    popq %r9
    popq %r8
    popq %rdx
    popq %rsi
    popq %rdi
    xorl %eax, %eax /* application_resume */
    syscall
    ud2

/* A new thread's first instruction; RDI: struct application_registers to start with, on its stack. */
.globl thread_entry
thread_entry:
    movq %rdi, %rsp
    leaq 96(%rsp), %rsi
    xorl %ebp, %ebp
    call linux_thread_begin
    jmp resume_pop

.globl fault_entry
.align 16
fault_entry:
    pushq %rax
    pushq %rcx
    pushq %rdx
    pushq %rbx
    pushq %rbp
    pushq %rsi
    pushq %rdi
    pushq %r8
    pushq %r9
    pushq %r10
    pushq %r11
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, %rbx
    movq %rbx, %rdi
    andq $-16, %rsp
    call linux_fault
    movq %rbx, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %r11
    popq %r10
    popq %r9
    popq %r8
    popq %rdi
    popq %rsi
    popq %rbp
    popq %rbx
    popq %rdx
    popq %rcx
    popq %rax
    movl $1, %eax /* fault_resume: loads RIP, RSP, RFLAGS, RAX, RCX, R11 from the frame */
    syscall
    ud2

/*
 * long user_copy(void *to, const void *from, uint64_t length): 0, or -EFAULT when a page on either
 * side could not be had. linux_fault sends a fault between user_access_start and user_access_end to
 * user_access_failed; these functions use no stack.
 */
.globl user_access_start, user_access_end, user_access_failed
.globl user_copy, user_clear, user_copy_string, user_compare_exchange, user_xsave, user_xrstor
.align 16
user_access_start:
user_copy:
    movq %rdx, %rcx
    shrq $3, %rcx
    rep movsq
    movl %edx, %ecx
    andl $7, %ecx
    rep movsb
    xorl %eax, %eax
    ret

/* long user_clear(void *to, uint64_t length) */
user_clear:
    movq %rsi, %rcx
    shrq $3, %rcx
    xorl %eax, %eax
    rep stosq
    movl %esi, %ecx
    andl $7, %ecx
    rep stosb
    ret

/* long user_copy_string(char *to, const char *from, uint64_t capacity): length, capacity: no end. */
user_copy_string:
    xorl %eax, %eax
1:  cmpq %rdx, %rax
    jae 2f
    movb (%rsi,%rax), %cl
    movb %cl, (%rdi,%rax)
    testb %cl, %cl
    jz 2f
    incq %rax
    jmp 1b
2:  ret

/* long user_compare_exchange(uint32_t *at, uint32_t *expected, uint32_t value): 1 done, 0 not. */
user_compare_exchange:
    movl (%rsi), %eax
    lock cmpxchgl %edx, (%rdi)
    movl %eax, (%rsi)
    sete %al
    movzbl %al, %eax
    ret

/* long user_xsave(void *area, uint64_t mask), long user_xrstor(const void *area, uint64_t mask) */
user_xsave:
    movl %esi, %eax
    movq %rsi, %rdx
    shrq $32, %rdx
    xsave64 (%rdi)
    xorl %eax, %eax
    ret
user_xrstor:
    movl %esi, %eax
    movq %rsi, %rdx
    shrq $32, %rdx
    xrstor64 (%rdi)
    xorl %eax, %eax
    ret
user_access_end:

user_access_failed:
    movq $-14, %rax
    ret

.section .note.GNU-stack, "", @progbits
