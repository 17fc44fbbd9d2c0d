# Tests that boot the kernel: each is an init of its own.

$(call user_program,tests/hello,tests/boot/hello.c)
$(call kernel_image,tests/hello,kernel-debug,init=$(B)/user/tests/hello.elf)

-include tests/linux/build.mk

# The engine and a container, with a stand-in for the personality.
$(call user_program,tests/stand_in,tests/boot/stand_in.c)
