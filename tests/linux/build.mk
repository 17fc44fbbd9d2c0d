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
TEST_FILES += $(B)/tests/linux-stand-in.elf $(B)/tests/linux.elf
SHELL_TESTS += tests/linux/stand_in_test.sh tests/linux/memory_test.sh tests/linux/net_test.sh

# Programs that print the same on Linux and in a container: tests/linux/programs/run.sh. All are
# linked with musl, a few with glibc too.
LINUX_TESTS := $(filter-out program,$(basename $(notdir $(wildcard tests/linux/programs/*.c))))
LINUX_TESTS_GLIBC := signal-glibc thread-glibc time-glibc inet_udp-glibc
LINUX_TESTS_FOLDER := $(B)/tests/linux-programs
LINUX_TESTS_SHARED := tests/linux/programs/program.c tests/linux/programs/program.h \
    tests/linux/programs/tracing.h
LINUX_TESTS_FLAGS := $(filter-out -MMD -MP -g,$(COMMON)) -D_GNU_SOURCE -static -s -pthread

$(addprefix $(LINUX_TESTS_FOLDER)/,$(LINUX_TESTS)): $(LINUX_TESTS_FOLDER)/%: tests/linux/programs/%.c $(LINUX_TESTS_SHARED)
	@mkdir -p $(@D)
	$(QUIET)musl-gcc $(LINUX_TESTS_FLAGS) -o $@ $(filter %.c,$^)
$(addprefix $(LINUX_TESTS_FOLDER)/,$(LINUX_TESTS_GLIBC)): $(LINUX_TESTS_FOLDER)/%-glibc: tests/linux/programs/%.c $(LINUX_TESTS_SHARED)
	@mkdir -p $(@D)
	$(QUIET)$(CC) $(LINUX_TESTS_FLAGS) -o $@ $(filter %.c,$^)
$(LINUX_TESTS_FOLDER)/names: $(addprefix $(LINUX_TESTS_FOLDER)/,$(LINUX_TESTS) $(LINUX_TESTS_GLIBC)) tests/linux/programs/each.sh tests/linux/programs/copyup_data.sh
	$(QUIET)cp tests/linux/programs/each.sh $(@D)
	$(QUIET)rm -rf $(@D)/data
	$(QUIET)tests/linux/programs/copyup_data.sh $(@D)/data
	$(QUIET)printf '%s\n' $(LINUX_TESTS) $(LINUX_TESTS_GLIBC) > $@
$(B)/tests/linux-programs.erofs: tests/linux/make_image.sh /bin/busybox $(LINUX_TESTS_FOLDER)/names
	$(QUIET)tests/linux/make_image.sh $@ $(LINUX_TESTS_FOLDER)

LINUX_TESTS_BUNDLE := init=$(B)/user/tests/linux-bringup.elf linux=$(B)/user/linux.elf image=$(B)/tests/linux-programs.erofs
$(call kernel_image,tests/linux-programs,kernel-debug,$(LINUX_TESTS_BUNDLE))
$(call kernel_image,tests/linux-programs-release,kernel,$(LINUX_TESTS_BUNDLE))
TEST_FILES += $(B)/tests/linux-programs.elf
SHELL_TESTS += tests/linux/programs/run.sh

# Programs that attack the personality from within a container: tests/linux/attack/run.sh.
LINUX_ATTACKS := $(filter-out attack,$(basename $(notdir $(wildcard tests/linux/attack/*.c))))
LINUX_ATTACKS_FOLDER := $(B)/tests/linux-attack
LINUX_ATTACKS_SHARED := tests/linux/attack/attack.c tests/linux/attack/attack.h

$(addprefix $(LINUX_ATTACKS_FOLDER)/,$(LINUX_ATTACKS)): $(LINUX_ATTACKS_FOLDER)/%: tests/linux/attack/%.c $(LINUX_ATTACKS_SHARED)
	@mkdir -p $(@D)
	$(QUIET)musl-gcc $(LINUX_TESTS_FLAGS) -o $@ $(filter %.c,$^)
$(LINUX_ATTACKS_FOLDER)/names: $(addprefix $(LINUX_ATTACKS_FOLDER)/,$(LINUX_ATTACKS)) tests/linux/attack/each.sh
	$(QUIET)cp tests/linux/attack/each.sh $(@D)
	$(QUIET)echo $(LINUX_ATTACKS) > $@
$(B)/tests/linux-attack.erofs: tests/linux/make_image.sh /bin/busybox $(LINUX_ATTACKS_FOLDER)/names
	$(QUIET)tests/linux/make_image.sh $@ $(LINUX_ATTACKS_FOLDER)

$(call kernel_image,tests/linux-attack,kernel-debug,init=$(B)/user/tests/linux-bringup.elf linux=$(B)/user/linux.elf image=$(B)/tests/linux-attack.erofs)
TEST_FILES += $(B)/tests/linux-attack.elf
SHELL_TESTS += tests/linux/attack/run.sh
