# The shortest personality: a system call is answered at once, anything else goes to the harness.
# RSP is the frame, the cause lies at 0x30.

.text
.globl bench_trap_entry
.hidden bench_trap_entry
bench_trap_entry:
    cmpq $1, 0x30(%rsp)
    jne harness_trap_entry
    xorl %eax, %eax
    syscall
    ud2

.section .note.GNU-stack, "", @progbits
