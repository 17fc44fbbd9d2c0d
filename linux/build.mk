# The Linux personality: one program, loaded once by the engine and cloned into every container.

LINUX_SOURCES := $(wildcard linux/*/*.c linux/*/*.S) lib/oak/heap_core.c lib/oak/log.c \
    lib/ring/byte_ring.c lib/base/string.c lib/base/format.c lib/base/tree.c lib/base/record.c

$(B)/user/linux.elf: $(call objects,user,$(LINUX_SOURCES)) lib/oak/program.ld
	@mkdir -p $(@D)
	$(QUIET)$(CC) -nostdlib -static -no-pie -Wl,--build-id=none -Wl,-z,max-page-size=4096 \
	    -Wl,-z,noexecstack -Wl,--gc-sections -T lib/oak/program.ld -o $@ \
	    $(call objects,user,$(LINUX_SOURCES))
-include $(patsubst %.o,%.d,$(call objects,user,$(LINUX_SOURCES)))

-include $(wildcard linux/*/test/build.mk)
