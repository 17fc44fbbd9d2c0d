# The storage service and the tests of its logic over a simulated disk.

STORAGE_LOGIC := $(addprefix services/storage/,tree.c extents.c catalog.c tree_cache.c blob.c \
                   fetch.c store.c update.c handlers.c)

$(call user_program,storage,$(STORAGE_LOGIC) services/storage/backend.c services/storage/main.c)

STORAGE_TESTED := $(STORAGE_LOGIC) services/storage/test/simulated.c lib/base/sha256.c
$(call host_test,storage_extents,services/storage/test/extents_test.c services/storage/extents.c)
$(call host_test,storage_crash,services/storage/test/crash_test.c $(STORAGE_TESTED))
$(call host_test,storage_serve,services/storage/test/serve_test.c $(STORAGE_TESTED))
$(call host_fuzzer,storage_catalog,services/storage/test/catalog_fuzz.c \
    $(addprefix services/storage/,catalog.c extents.c tree.c) lib/base/sha256.c)

# The boot test: an init of its own, storage from the bundle, QEMU's devices.
$(call user_program,tests/storage-boot,services/storage/test/boot_init.c services/storage/tree.c)
$(call kernel_image,tests/storage-boot,kernel-debug,init=$(B)/user/tests/storage-boot.elf storage=$(B)/user/storage.elf)
TEST_FILES += $(B)/tests/storage-boot.elf
SHELL_TESTS += services/storage/test/boot.py
