# The oak command: CLI and daemon in one program, and oak-archive beside it, which has the commands
# that read archives (helper.h says why). Their tests run sanitized builds against a fake engine.

CLI_ARCHIVE_ONLY := $(addprefix host/cli/,catalog_import.c copy_in.c copy_out.c cp.c \
    import_progress.c load.c pull.c tree_write.c)
CLI_COMMON := $(filter-out $(CLI_ARCHIVE_ONLY) host/cli/archive_commands.c,$(wildcard host/cli/*.c)) \
    $(MACHINE_SOURCES) $(CHANNEL_SOURCES)
CLI_SOURCES := $(CLI_COMMON) host/cli/archive_commands.c
CLI_ARCHIVE_SOURCES := $(CLI_COMMON) $(CLI_ARCHIVE_ONLY) $(IMAGE_SOURCES)

$(call host_program,oak,$(CLI_SOURCES),-ljansson)
$(call host_program,oak-archive,$(CLI_ARCHIVE_SOURCES),$(IMAGE_LIBRARIES))

FAKE_ENGINE_SOURCES := $(addprefix tests/cli/,fake_blobs.c fake_engine.c fake_process.c \
    fake_requests.c) $(CHANNEL_SOURCES)

define cli_test_program
TEST_FILES += $(B)/test/$(1)
$(B)/test/$(1): $(call objects,test,$(2))
	@mkdir -p $$(@D)
	$$(QUIET)$$(CC) $(SANITIZE) -o $$@ $$^ $(3)
-include $(patsubst %.o,%.d,$(call objects,test,$(2)))
endef
$(eval $(call cli_test_program,oak,$(CLI_SOURCES),-ljansson))
$(eval $(call cli_test_program,oak-archive,$(CLI_ARCHIVE_SOURCES),$(IMAGE_LIBRARIES)))
$(eval $(call cli_test_program,fake_engine,$(FAKE_ENGINE_SOURCES),))

$(call host_test,cli_test,host/cli/test/cli_test.c $(addprefix host/cli/,cli.c environment.c format.c \
    names.c options.c signals.c terminal.c) host/machine/options.c host/machine/qemu.c \
    host/machine/state.c,-ljansson)

SHELL_TESTS += tests/cli/run.sh
