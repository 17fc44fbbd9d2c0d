# The whole system as it is shipped: the oak command, its daemon, QEMU, and the real kernel.

SHELL_TESTS += $(addprefix tests/real/,run.sh life.sh terminal.sh images.sh death.sh soak.sh copy.sh parallel.sh \
                 limits.sh trace.sh)
