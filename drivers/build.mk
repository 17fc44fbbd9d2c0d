# The drivers themselves are part of lib/oak's archive (lib/build.mk); these are their unit tests.

$(call host_test,virtio_console,drivers/console/test/console_test.c \
    drivers/console/virtio_console.c lib/virtio/queue.c)
