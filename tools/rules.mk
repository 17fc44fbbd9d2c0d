# The compilers' flags, one set per world, and the macros that components build with:
#
#   $(call objects,WORLD,SOURCES)             the object files of SOURCES in that world
#   $(call host_program,NAME,SOURCES,LIBS)    build/host/NAME, hosted
#   $(call host_test,NAME,SOURCES,LIBS)       build/test/NAME, hosted, ASan and UBSan; `make test` runs it
#   $(call host_fuzzer,NAME,SOURCES,LIBS)     build/fuzz/NAME, libFuzzer; `make fuzz` runs it
#   $(call user_program,NAME,SOURCES)         build/user/NAME.elf, freestanding, at WINDOW_IMAGE, with lib/oak
#
# Worlds: kernel, user (services, personality, their libraries), host, test.

CC ?= gcc
ifeq ($(origin CC),default)
CC := gcc
endif
CLANG ?= clang
PYTHON := /usr/bin/python3

WARNINGS := -Wall -Wextra -Wpedantic -Wshadow -Wvla -Wundef -Wconversion -Wno-sign-conversion \
    -Wstrict-prototypes -Wmissing-prototypes -Wswitch-enum -Wimplicit-fallthrough -Wcast-qual \
    -Wwrite-strings -Werror
COMMON := -std=gnu17 -O2 -g -fno-strict-aliasing -fwrapv -fno-common -I. -I$(B)/gen -MMD -MP $(WARNINGS)
GCC_INCLUDE := $(shell $(CC) -print-file-name=include)
FREESTANDING := -ffreestanding -nostdinc -isystem $(GCC_INCLUDE) -mgeneral-regs-only -mno-red-zone \
    -fno-asynchronous-unwind-tables -fno-stack-protector -fcf-protection=none

CFLAGS_kernel := $(COMMON) $(FREESTANDING) -mcmodel=kernel -fno-pic -fno-pie -fno-omit-frame-pointer
CFLAGS_user := $(COMMON) $(FREESTANDING) -fpie -fvisibility=hidden -fno-omit-frame-pointer \
    -ffunction-sections
CFLAGS_host := $(COMMON) -D_GNU_SOURCE -fstack-protector-strong
SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=all
CFLAGS_test := $(COMMON) -D_GNU_SOURCE -DOAK_TEST -O1 $(SANITIZE)
CFLAGS_fuzz := $(COMMON) -D_GNU_SOURCE -DOAK_TEST -O1 -fsanitize=fuzzer-no-link,address,undefined

objects = $(patsubst %,$(B)/$(1)/%.o,$(2))

define world_rules
$(B)/$(1)/%.c.o: %.c | generated
	@mkdir -p $$(@D)
	$$(QUIET)$(2) $$(CFLAGS_$(1)) -c $$< -o $$@
$(B)/$(1)/%.S.o: %.S | generated
	@mkdir -p $$(@D)
	$$(QUIET)$(2) $$(CFLAGS_$(1)) -c $$< -o $$@
# Sources that a generator wrote under build/gen.
$(B)/$(1)/gen/%.c.o: $(B)/gen/%.c | generated
	@mkdir -p $$(@D)
	$$(QUIET)$(2) $$(CFLAGS_$(1)) -c $$< -o $$@
endef
QUIET := @
ifdef V
QUIET :=
endif
$(eval $(call world_rules,kernel,$(CC)))
$(eval $(call world_rules,user,$(CC)))
$(eval $(call world_rules,host,$(CC)))
$(eval $(call world_rules,test,$(CC)))
$(eval $(call world_rules,fuzz,$(CLANG)))

HOST_PROGRAMS :=
HOST_TESTS :=
HOST_FUZZERS :=
USER_PROGRAMS :=
KERNEL_IMAGES :=
IMAGES :=
SHELL_TESTS :=
TEST_FILES :=
BENCH_FILES :=
# Generators add their outputs here: every object waits for them.
GENERATED :=

define host_program_
HOST_PROGRAMS += $(B)/host/$(1)
$(B)/host/$(1): $(call objects,host,$(2))
	@mkdir -p $$(@D)
	$$(QUIET)$$(CC) -o $$@ $$^ $(3)
-include $(patsubst %.o,%.d,$(call objects,host,$(2)))
endef
host_program = $(eval $(call host_program_,$(1),$(2),$(3)))

define host_test_
HOST_TESTS += $(B)/test/$(1)
$(B)/test/$(1): $(call objects,test,$(2))
	@mkdir -p $$(@D)
	$$(QUIET)$$(CC) $(SANITIZE) -o $$@ $$^ $(3)
-include $(patsubst %.o,%.d,$(call objects,test,$(2)))
endef
host_test = $(eval $(call host_test_,$(1),$(2),$(3)))

define host_fuzzer_
HOST_FUZZERS += $(B)/fuzz/$(1)
$(B)/fuzz/$(1): $(call objects,fuzz,$(2))
	@mkdir -p $$(@D)
	$$(QUIET)$$(CLANG) -fsanitize=fuzzer,address,undefined -o $$@ $$^ $(3)
-include $(patsubst %.o,%.d,$(call objects,fuzz,$(2)))
endef
host_fuzzer = $(eval $(call host_fuzzer_,$(1),$(2),$(3)))

# Sources of lib/ that every user program gets: set in lib/build.mk.
USER_LIB :=
define user_program_
USER_PROGRAMS += $(B)/user/$(1).elf
$(B)/user/$(1).elf: $(call objects,user,$(2)) $(B)/user/liboak.a lib/oak/program.ld
	@mkdir -p $$(@D)
	$$(QUIET)$$(CC) -nostdlib -static -no-pie -Wl,--build-id=none -Wl,-z,max-page-size=4096 -Wl,-z,noexecstack -Wl,--gc-sections \
	    -L lib/oak -T lib/oak/program.ld -o $$@ $(call objects,user,$(2)) $(B)/user/liboak.a
-include $(patsubst %.o,%.d,$(call objects,user,$(2)))
endef
user_program = $(eval $(call user_program_,$(1),$(2)))
