# What several CPUs do at once: an init on the release kernel.

$(call user_program,bench/smp,bench/smp/bench.c tests/kernel/harness.c tests/kernel/harness.S)
$(call kernel_image,bench/smp,kernel,init=$(B)/user/bench/smp.elf)
BENCH_FILES += $(B)/bench/smp.elf
