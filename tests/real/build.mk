# The whole system as it is shipped: the oak command, its daemon, QEMU, and the real kernel.

SHELL_TESTS += $(addprefix tests/real/,run.sh life.sh terminal.sh images.sh death.sh soak.sh copy.sh parallel.sh \
                 limits.sh trace.sh missing.sh)

# What asks for calls that do not exist: missing.sh.
TEST_FILES += $(B)/tests/real-missing
$(B)/tests/real-missing: tests/real/missing.c
	@mkdir -p $(@D)
	$(QUIET)$(CC) -O2 -Wall -Wextra -Werror -static -o $@ $<
