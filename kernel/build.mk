# The kernel, in two builds (release and debug, whose assertions check every invariant they can),
# linked with a bundle of programs into bootable images:
#
#   $(call kernel_image,NAME,WORLD,PROGRAM=FILE ...)   build/NAME.elf, WORLD kernel or kernel-debug

KERNEL_SOURCES := $(wildcard kernel/core/*.c kernel/object/*.c kernel/x86_64/*.c kernel/x86_64/*.S) \
    lib/base/string.c lib/base/format.c lib/base/tree.c lib/base/elf.c

CFLAGS_kernel-debug := $(CFLAGS_kernel) -DOAK_DEBUG
$(eval $(call world_rules,kernel-debug,$(CC)))
-include $(patsubst %.o,%.d,$(call objects,kernel,$(KERNEL_SOURCES)) $(call objects,kernel-debug,$(KERNEL_SOURCES)))

# The kernel without a bundle, one object per build. The release build is optimised as a whole: its
# paths run through many small functions of several files.
CFLAGS_kernel += -flto
$(B)/kernel.o: $(call objects,kernel,$(KERNEL_SOURCES))
	$(QUIET)$(CC) $(CFLAGS_kernel) -flto-partition=one -r -nostdlib -flinker-output=nolto-rel -o $@ $^
$(B)/kernel-debug.o: $(call objects,kernel-debug,$(KERNEL_SOURCES))
	$(QUIET)$(LD) -r -o $@ $^

define kernel_image_
$(B)/bundle/$(1).bundle: $(B)/host/bundle $(foreach part,$(3),$(lastword $(subst =, ,$(part))))
	@mkdir -p $$(@D)
	$$(QUIET)$(B)/host/bundle $$@ $(3)
$(B)/bundle/$(1).o: $(B)/bundle/$(1).bundle kernel/core/bundle.s
	$$(QUIET)$$(CC) -c -x assembler-with-cpp -DBUNDLE='"$$<"' kernel/core/bundle.s -o $$@
$(B)/$(1).elf: $(B)/$(2).o $(B)/bundle/$(1).o kernel/x86_64/kernel.ld
	@mkdir -p $$(@D)
	$$(QUIET)$$(CC) -nostdlib -static -no-pie -Wl,--build-id=none -Wl,-z,max-page-size=4096 -Wl,-z,noexecstack -Wl,--no-warn-rwx-segments \
	    -T kernel/x86_64/kernel.ld -o $$@ $(B)/$(2).o $(B)/bundle/$(1).o
endef
kernel_image = $(eval $(call kernel_image_,$(1),$(2),$(3)))

-include kernel/test/build.mk
