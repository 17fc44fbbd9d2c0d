# Attacks on the kernel, by an init that boots on the debug kernel with two CPUs.

$(call user_program,tests/attack,$(wildcard tests/attack/*.c) tests/kernel/harness.c \
    tests/kernel/harness.S)
$(call kernel_image,tests/attack,kernel-debug,init=$(B)/user/tests/attack.elf)
TEST_FILES += $(B)/tests/attack.elf $(B)/host/hold.so
SHELL_TESTS += tests/attack/run.py tests/attack/held.py

$(B)/host/hold.so: tests/attack/plugin/hold.c
	@mkdir -p $(@D)
	$(QUIET)$(CC) $(CFLAGS_host) -fvisibility=hidden -fPIC -shared -pthread -o $@ $<

# The same with other seeds.
.PHONY: attack-held
attack-held: $(TEST_FILES)
	@tests/attack/held.py $(FUZZ_SECONDS)
fuzz: attack-held
