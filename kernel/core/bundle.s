/* The bundle of programs, as part of the kernel image. */
.section .bundle, "a"
.balign 4096
.incbin BUNDLE
.balign 4096
