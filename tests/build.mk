# Tests that boot the kernel: each is an init of its own.

$(call user_program,tests/hello,tests/boot/hello.c)
$(call kernel_image,tests/hello,kernel-debug,init=$(B)/user/tests/hello.elf)

-include $(addprefix tests/,linux/build.mk linux/erofs/build.mk kernel/build.mk attack/build.mk real/build.mk programs/build.mk)

# The engine and a container, with a stand-in for the personality.
$(call user_program,tests/stand_in,tests/boot/stand_in.c)
$(call user_program,tests/frail_storage,tests/boot/frail_storage.c)
$(call kernel_image,tests/engine,kernel-debug,init=$(B)/user/init.elf storage=$(B)/user/storage.elf \
    engine=$(B)/user/engine.elf linux=$(B)/user/tests/stand_in.elf)
$(call kernel_image,tests/engine-frail,kernel-debug,init=$(B)/user/init.elf storage=$(B)/user/tests/frail_storage.elf \
    engine=$(B)/user/engine.elf linux=$(B)/user/tests/stand_in.elf)
$(call kernel_image,tests/engine-dead,kernel-debug,init=$(B)/user/init.elf storage=$(B)/user/storage.elf \
    engine=$(B)/user/tests/stand_in.elf)
TEST_FILES += $(addprefix $(B)/tests/,engine.elf engine-frail.elf engine-dead.elf)
SHELL_TESTS += tests/boot/engine.py

# The system as it is shipped, with the image that tests/linux/build.mk makes.
TEST_FILES += $(B)/tests/linux-image.erofs
SHELL_TESTS += tests/boot/engine_linux.py tests/boot/engine_terminal.py tests/boot/hostile_image.py

# The same on every machine that it is made for.
TEST_FILES += $(B)/oak.elf $(B)/host/oak $(B)/host/oak-archive $(B)/images/busybox/index.json
SHELL_TESTS += tests/boot/machines.sh
