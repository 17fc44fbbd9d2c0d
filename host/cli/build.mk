# The oak command: one program that is CLI and daemon. Its tests run a sanitized build of it against
# a fake engine.

include host/machine/build.mk

CLI_SOURCES := $(wildcard host/cli/*.c) $(MACHINE_SOURCES) $(CHANNEL_SOURCES) $(IMAGE_SOURCES)
CLI_LIBRARIES := -ljansson -larchive -lcrypto

$(call host_program,oak,$(CLI_SOURCES),$(CLI_LIBRARIES))

FAKE_ENGINE_SOURCES := $(addprefix tests/cli/,fake_blobs.c fake_engine.c fake_process.c \
    fake_requests.c) $(CHANNEL_SOURCES)

define cli_test_program
TEST_FILES += $(B)/test/$(1)
$(B)/test/$(1): $(call objects,test,$(2))
	@mkdir -p $$(@D)
	$$(QUIET)$$(CC) $(SANITIZE) -o $$@ $$^ $(3)
-include $(patsubst %.o,%.d,$(call objects,test,$(2)))
endef
$(eval $(call cli_test_program,oak,$(CLI_SOURCES),$(CLI_LIBRARIES)))
$(eval $(call cli_test_program,fake_engine,$(FAKE_ENGINE_SOURCES),))

$(call host_test,cli_test,host/cli/test/cli_test.c $(addprefix host/cli/,cli.c environment.c format.c \
    names.c options.c signals.c terminal.c) host/machine/options.c host/machine/qemu.c \
    host/machine/state.c,-ljansson)

SHELL_TESTS += tests/cli/run.sh
