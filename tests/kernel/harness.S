# Running the application like a function, and probes with a fault entry that skips them.
# struct application lies at the thread's frame + 0x800; a thread enters with RSP at its frame.

#define SAVED_RSP 0x800
#define RBX       0x808
#define RDX       0x810
#define RSI       0x818
#define RDI       0x820
#define RBP       0x828
#define R8        0x830
#define R9        0x838
#define R10       0x840
#define R12       0x848
#define R13       0x850
#define R14       0x858
#define R15       0x860
#define PROBE_RIP 0x868
#define FAULTS    0x870

#define PERSONALITY_RIP 0x80
#define PERSONALITY_RSP 0x88

.text
# void harness_resume(struct thread_frame *frame)
.globl harness_resume
harness_resume:
    pushq %rbx
    pushq %rbp
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, SAVED_RSP(%rdi)
    movq RBX(%rdi), %rbx
    movq RDX(%rdi), %rdx
    movq RSI(%rdi), %rsi
    movq RBP(%rdi), %rbp
    movq R8(%rdi), %r8
    movq R9(%rdi), %r9
    movq R10(%rdi), %r10
    movq R12(%rdi), %r12
    movq R13(%rdi), %r13
    movq R14(%rdi), %r14
    movq R15(%rdi), %r15
    movq RDI(%rdi), %rdi
    xorl %eax, %eax
    syscall
    ud2

# Every trap of an application: RAX, RCX and R11 are in the frame already.
.globl harness_trap_entry
harness_trap_entry:
    movq %rbx, RBX(%rsp)
    movq %rdx, RDX(%rsp)
    movq %rsi, RSI(%rsp)
    movq %rdi, RDI(%rsp)
    movq %rbp, RBP(%rsp)
    movq %r8, R8(%rsp)
    movq %r9, R9(%rsp)
    movq %r10, R10(%rsp)
    movq %r12, R12(%rsp)
    movq %r13, R13(%rsp)
    movq %r14, R14(%rsp)
    movq %r15, R15(%rsp)
    movq SAVED_RSP(%rsp), %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbp
    popq %rbx
    ret

# A fault in personality mode. Inside a probe: go on behind it. Anywhere else: fault again, which
# ends the domain with a report.
.globl harness_fault_entry
harness_fault_entry:
    leaq -1(%rsp), %rax
    andq $-0x8000, %rax
    addq $0x7000, %rax
    movq PERSONALITY_RIP(%rax), %rcx
    leaq probe_begin(%rip), %r11
    cmpq %r11, %rcx
    jb 1f
    leaq probe_end(%rip), %r11
    cmpq %r11, %rcx
    jb 2f
1:  cmpq $0, PROBE_RIP(%rax)
    je 3f
    cmpq PROBE_RIP(%rax), %rcx
    jne 3f
    addq $8, PERSONALITY_RSP(%rax)
2:  incq FAULTS(%rax)
    leaq probe_failed(%rip), %rcx
    movq %rcx, PERSONALITY_RIP(%rax)
    movl $1, %eax
    syscall
3:  ud2

# uint64_t probe_read(address), probe_write(address), probe_execute(address): 1 without a fault
.globl probe_read
.globl probe_write
.globl probe_execute
probe_begin:
probe_read:
    movb (%rdi), %al
    movl $1, %eax
    ret
probe_write:
    lock orb $0, (%rdi)
    movl $1, %eax
    ret
probe_execute:
    call *%rdi
    movl $1, %eax
    ret
probe_end:
probe_failed:
    xorl %eax, %eax
    ret

.section .note.GNU-stack, "", @progbits
