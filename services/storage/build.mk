# The storage service and the tests of its logic over a simulated disk.

STORAGE_LOGIC := $(addprefix services/storage/,tree.c extents.c catalog.c tree_cache.c blob.c \
                   fetch.c store.c update.c handlers.c)

$(call user_program,storage,$(STORAGE_LOGIC) services/storage/backend.c services/storage/main.c)
