# Attacks on the kernel, by an init that boots on the debug kernel with two CPUs.

$(call user_program,tests/attack,$(wildcard tests/attack/*.c) tests/kernel/harness.c \
    tests/kernel/harness.S)
$(call kernel_image,tests/attack,kernel-debug,init=$(B)/user/tests/attack.elf)
TEST_FILES += $(B)/tests/attack.elf
SHELL_TESTS += tests/attack/run.py
