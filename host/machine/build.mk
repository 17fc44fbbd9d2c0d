# The frame codec that the CLI and the daemon share, and the daemon.

ifndef MACHINE_SOURCES
CHANNEL_SOURCES := host/channel/frame.c host/channel/queue.c lib/base/record.c
MACHINE_SOURCES := $(addprefix host/machine/,accelerator.c client.c daemon.c launch.c lifecycle.c \
    options.c port.c qemu.c session.c state.c status.c)

$(call host_test,channel_test,host/channel/test/channel_test.c $(CHANNEL_SOURCES),)
$(call host_fuzzer,frame_fuzz,host/channel/test/frame_fuzz.c $(CHANNEL_SOURCES),)
endif
