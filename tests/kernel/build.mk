# The kernel's objects, tested by an init that boots on the debug kernel with two CPUs.

$(call user_program,tests/kernel,$(wildcard tests/kernel/*.c) tests/kernel/harness.S)
$(call kernel_image,tests/kernel,kernel-debug,init=$(B)/user/tests/kernel.elf)
TEST_FILES += $(B)/tests/kernel.elf $(B)/tests/hello.elf
SHELL_TESTS += tests/kernel/run.py tests/kernel/docs.py tests/kernel/hardening.py
