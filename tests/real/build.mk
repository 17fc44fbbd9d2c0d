# The whole system as it is shipped: the oak command, its daemon, QEMU, and the real kernel.

SHELL_TESTS += $(addprefix tests/real/,run.sh life.sh terminal.sh images.sh death.sh soak.sh copy.sh parallel.sh \
                 limits.sh trace.sh missing.sh mounts.sh hogs.sh)

# Programs that are copied into containers: what asks for calls that do not exist (missing.sh), what
# says who it is (mounts.sh), what looks into its window (life.sh).
REAL_PROGRAMS := $(addprefix $(B)/tests/real-,missing identity seal)
TEST_FILES += $(REAL_PROGRAMS)
$(REAL_PROGRAMS): $(B)/tests/real-%: tests/real/%.c
	@mkdir -p $(@D)
	$(QUIET)$(CC) -O2 -Wall -Wextra -Werror -static -I . -o $@ $<
