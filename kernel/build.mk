# The kernel, in two builds (release and debug, whose assertions check every invariant they can),
# linked with a bundle of programs into bootable images:
#
#   $(call kernel_image,NAME,WORLD,PROGRAM=FILE ...)   build/NAME.elf, WORLD kernel or kernel-debug

KERNEL_SOURCES := $(wildcard kernel/core/*.c kernel/object/*.c kernel/x86_64/*.c kernel/x86_64/*.S) \
    lib/base/string.c lib/base/format.c lib/base/tree.c lib/base/elf.c lib/base/command_line.c

# Canaries from one word that is chosen at each start; indirect branches that the CPU cannot be
# taught where to go (docs/decisions/008-cpu-flaws.md).
HARDENING := -fstack-protector-strong -mstack-protector-guard=global -mindirect-branch=thunk \
    -mindirect-branch-register -fno-jump-tables
CFLAGS_kernel += $(HARDENING)
# Without canaries, which cost 1 % of a call and 3 % of a page fault: they hold no array, and what is
# in ipc_fast.c and wait_fast.c never returns to where a canary would be used.
NEVER_RETURN := kernel/object/ipc_fast.c kernel/object/wait_fast.c
$(call objects,kernel,$(NEVER_RETURN) kernel/object/region_fault.c): CFLAGS_kernel += -fno-stack-protector
# Nor does anyone need the registers there that a function keeps for its caller: entry.S has saved
# them. These flags would hold for all that is optimised as a whole, so it is without these files; what
# they share with others is in headers. Sums are left as they are written: they are one instruction.
$(call objects,kernel,$(NEVER_RETURN)): CFLAGS_kernel += -fno-lto -fomit-frame-pointer -ffixed-rbp \
    $(patsubst %,-fcall-used-%,rbx r12 r13 r14 r15) -fno-tree-reassoc

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

# Twice: the first image tells the addresses of the functions, the second holds their names.
KERNEL_LINK = $(CC) -nostdlib -static -no-pie -Wl,--build-id=none -Wl,-z,max-page-size=4096 \
    -Wl,-z,noexecstack -Wl,--no-warn-rwx-segments -T kernel/x86_64/kernel.ld

define kernel_image_
$(B)/bundle/$(1).bundle: $(B)/host/bundle $(foreach part,$(3),$(lastword $(subst =, ,$(part))))
	@mkdir -p $$(@D)
	$$(QUIET)$(B)/host/bundle $$@ $(3)
$(B)/bundle/$(1).o: $(B)/bundle/$(1).bundle kernel/core/bundle.s
	$$(QUIET)$$(CC) -c -x assembler-with-cpp -DBUNDLE='"$$<"' kernel/core/bundle.s -o $$@
$(B)/$(1).elf: $(B)/$(2).o $(B)/bundle/$(1).o kernel/x86_64/kernel.ld tools/symbols.py
	@mkdir -p $$(@D)
	$$(QUIET)$$(KERNEL_LINK) -o $(B)/bundle/$(1).first $(B)/$(2).o $(B)/bundle/$(1).o
	$$(QUIET)$(PYTHON) tools/symbols.py $(B)/bundle/$(1).first $(B)/bundle/$(1).symbols.s
	$$(QUIET)$$(CC) -c $(B)/bundle/$(1).symbols.s -o $(B)/bundle/$(1).symbols.o
	$$(QUIET)$$(KERNEL_LINK) -o $$@ $(B)/$(2).o $(B)/bundle/$(1).o $(B)/bundle/$(1).symbols.o
	$$(QUIET)rm $(B)/bundle/$(1).first
endef
kernel_image = $(eval $(call kernel_image_,$(1),$(2),$(3)))

SHELL_TESTS += kernel/model/run.sh

-include kernel/test/build.mk
