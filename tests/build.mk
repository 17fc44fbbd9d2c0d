# Tests that boot the kernel: each is an init of its own.

$(call user_program,tests/hello,tests/boot/hello.c)
$(call kernel_image,tests/hello,kernel-debug,init=$(B)/user/tests/hello.elf)
