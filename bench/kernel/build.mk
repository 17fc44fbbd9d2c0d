# The kernel's paths in instructions: an init on the release kernel.

$(call user_program,bench/kernel,$(wildcard bench/kernel/*.c bench/kernel/*.S) \
    tests/kernel/harness.c tests/kernel/harness.S)
$(call kernel_image,bench/kernel,kernel,init=$(B)/user/bench/kernel.elf)
BENCH_FILES += $(B)/bench/kernel.elf
