# The first instruction of a program: RDI its argument, RSP the start of its frame (16-byte aligned).
# Frame pointers end here, for whoever walks the stack after a fault.

.section .text.start, "ax"
.global _start
.type _start, @function
_start:
    xor %ebp, %ebp
    call program_start_main
    ud2
.size _start, . - _start

.section .note.GNU-stack, "", @progbits
