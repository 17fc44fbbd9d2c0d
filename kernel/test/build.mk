# Unit tests of the kernel's parts that need no machine.

$(call host_test,features,kernel/test/features_test.c kernel/x86_64/features.c lib/base/command_line.c)

# Sequences of kernel calls from random bytes (calls/), on the kernel's own code as it is, over a
# machine made of C (machine/). What of the kernel is not in this list belongs to a real machine.
MACHINE_KERNEL := $(filter-out kernel/core/main.c kernel/core/panic.c kernel/core/start_init.c, \
    $(wildcard kernel/core/*.c kernel/object/*.c)) \
    kernel/x86_64/page_table.c kernel/x86_64/shootdown.c lib/base/format.c lib/base/tree.c
MACHINE_CALLS := $(MACHINE_KERNEL) $(wildcard kernel/test/machine/*.c) \
    $(addprefix kernel/test/calls/,world.c arguments.c play.c sweep.c audit.c audit_memory.c calls_fuzz.c)

CFLAGS_machine := -Ikernel/test/machine -DDIRECT_MAP=0x200000000000ull -DOAK_DEBUG
CFLAGS_machine-test := $(CFLAGS_machine) $(CFLAGS_test)
CFLAGS_machine-fuzz := $(CFLAGS_machine) $(CFLAGS_fuzz)
$(eval $(call world_rules,machine-test,$(CC)))
$(eval $(call world_rules,machine-fuzz,$(CLANG)))

# What is covered of the kernel leads the fuzzer, not what is covered of its test.
$(call objects,machine-fuzz,$(filter kernel/test/%,$(MACHINE_CALLS))): \
    CFLAGS_machine-fuzz += -fno-sanitize=fuzzer-no-link

# Every function's begin and end is a place where other CPUs may be faster.
$(call objects,machine-test,$(MACHINE_KERNEL)): CFLAGS_machine-test += -finstrument-functions
$(call objects,machine-fuzz,$(MACHINE_KERNEL)): CFLAGS_machine-fuzz += -finstrument-functions

# These alone touch what is free; machine/memory.c finds everybody else who does.
MACHINE_ALLOCATORS := kernel/core/frame.c kernel/core/kmem.c
UNCHECKED := -fno-sanitize=address -Dmemset=memory_set
$(call objects,machine-test,$(MACHINE_ALLOCATORS)): CFLAGS_machine-test += $(UNCHECKED)
$(call objects,machine-fuzz,$(MACHINE_ALLOCATORS)): CFLAGS_machine-fuzz += $(UNCHECKED)

MACHINE_WRAPPED := frame_take frame_give frames_take_zeroed frames_take_adjacent frames_free_bytes \
    kmem_alloc kmem_free
MACHINE_LINK := -Wl,-T,kernel/test/machine/state.ld $(patsubst %,-Xlinker --wrap=%,$(MACHINE_WRAPPED))

HOST_TESTS += $(B)/test/kernel_calls
$(B)/test/kernel_calls: $(call objects,machine-test,$(MACHINE_CALLS) kernel/test/calls/calls_test.c)
	@mkdir -p $(@D)
	$(QUIET)$(CC) $(SANITIZE) -o $@ $(filter %.o,$^) $(MACHINE_LINK)

HOST_FUZZERS += $(B)/fuzz/kernel_calls
$(B)/fuzz/kernel_calls: $(call objects,machine-fuzz,$(MACHINE_CALLS))
	@mkdir -p $(@D)
	$(QUIET)$(CLANG) -fsanitize=fuzzer,address,undefined -o $@ $(filter %.o,$^) $(MACHINE_LINK)

$(B)/test/kernel_calls $(B)/fuzz/kernel_calls: kernel/test/machine/state.ld
-include $(patsubst %.o,%.d,$(call objects,machine-test,$(MACHINE_CALLS) kernel/test/calls/calls_test.c) \
    $(call objects,machine-fuzz,$(MACHINE_CALLS)))

# The sweeps at every place, from some number on.
.PHONY: kernel-sweeps
kernel-sweeps: $(B)/test/kernel_calls
	@timeout $(FUZZ_SECONDS) $< $$(date +%s) 100000 1; [ $$? = 124 ]
fuzz: kernel-sweeps
