# The Linux personality: one program, loaded once by the engine and cloned into every container.

LINUX_SOURCES := $(wildcard linux/*/*.c linux/*/*.S) lib/oak/heap_core.c lib/oak/log.c \
    lib/oak/call.c lib/oak/time_page.c lib/ring/byte_ring.c lib/base/string.c lib/base/format.c \
    lib/base/tree.c lib/base/record.c

# The names of all calls, by which those that are missing are counted.
LINUX_CALL_NAMES := $(B)/gen/linux/call_names.def
GENERATED += $(LINUX_CALL_NAMES)
$(LINUX_CALL_NAMES): linux/build.mk
	@mkdir -p $(@D)
	$(QUIET)echo '#include <asm/unistd_64.h>' | $(CC) -E -dM - | \
	    sed -n 's/^#define __NR_\([a-z0-9_]*\) \([0-9]*\)$$/[\2] = "\1",/p' | sort -V > $@

# The vDSO is a shared object of its own.
VDSO := $(B)/user/linux/vdso.so
$(VDSO): linux/vdso/object/functions.c linux/vdso/object/vdso.ld | generated
	@mkdir -p $(@D)
	$(QUIET)$(CC) $(filter-out -fpie -fvisibility=hidden -MMD -MP,$(CFLAGS_user)) -fPIC -shared -nostdlib -s \
	    -Wl,-soname=linux-vdso.so.1 -Wl,--build-id=none -Wl,--hash-style=both -Wl,-z,noexecstack \
	    -Wl,-T,linux/vdso/object/vdso.ld -o $@ $<
$(B)/user/linux/vdso/object.S.o: $(VDSO)
$(B)/user/linux/vdso/object.S.o: CFLAGS_user += -DVDSO_OBJECT='"$(VDSO)"'

include linux/net/lwip/build.mk

$(B)/user/linux.elf: $(call objects,user,$(LINUX_SOURCES)) $(LWIP_OBJECTS) linux/program.ld \
    linux/start_order.ld
	@mkdir -p $(@D)
	$(QUIET)$(CC) -nostdlib -static -no-pie -Wl,--build-id=none -Wl,-z,max-page-size=4096 \
	    -Wl,-z,noexecstack -Wl,--gc-sections -L linux -T linux/program.ld -o $@ \
	    $(call objects,user,$(LINUX_SOURCES)) $(LWIP_OBJECTS)
-include $(patsubst %.o,%.d,$(call objects,user,$(LINUX_SOURCES)))

-include $(wildcard linux/*/test/build.mk)
