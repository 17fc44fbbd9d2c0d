# The personality without engine, storage and devices: an init that runs one command in a container
# of an image in the bundle. bringup.sh boots it.

BRINGUP := $(addprefix tests/linux/bringup_,init.c plan.c streams.c container.c)
$(call user_program,tests/linux-bringup,$(BRINGUP))

# Busybox with its applets, as mkfs.erofs makes it.
$(B)/tests/linux-image.erofs: tests/linux/make_image.sh /bin/busybox
	@mkdir -p $(@D)
	$(QUIET)tests/linux/make_image.sh $@

BRINGUP_BUNDLE := init=$(B)/user/tests/linux-bringup.elf linux=$(B)/user/linux.elf image=$(B)/tests/linux-image.erofs
$(call kernel_image,tests/linux,kernel-debug,$(BRINGUP_BUNDLE))
$(call kernel_image,tests/linux-release,kernel,$(BRINGUP_BUNDLE))

# The harness's own test: a small program stands in for the personality, a text for the image.
$(call user_program,tests/linux-stand-in,tests/linux/stand_in.c)
$(call kernel_image,tests/linux-stand-in,kernel-debug,init=$(B)/user/tests/linux-bringup.elf linux=$(B)/user/tests/linux-stand-in.elf image=tests/linux/stand_in_image.txt)
TEST_FILES += $(B)/tests/linux-stand-in.elf
SHELL_TESTS += tests/linux/stand_in_test.sh
