/* The vDSO as the build made it from vdso/object/. */
.section .rodata, "a"
.globl vdso_object, vdso_object_end
.balign 16
vdso_object:
    .incbin VDSO_OBJECT
vdso_object_end:
.section .note.GNU-stack, "", @progbits
