# The services; each says in its own folder what it is made of.

-include $(wildcard services/*/build.mk)

# The runtime's boot test: it needs the kernel's macros, and some program to load.
$(call user_program,tests/oak-boot,lib/oak/test/boot_init.c)
$(call kernel_image,tests/oak-boot,kernel-debug,init=$(B)/user/tests/oak-boot.elf storage=$(B)/user/storage.elf)
TEST_FILES += $(B)/tests/oak-boot.elf
SHELL_TESTS += lib/oak/test/boot.py
