# The runtime that user programs link, the generated interfaces, and the libraries' unit tests.

IDL_NAMES := $(patsubst abi/%.idl,%,$(wildcard abi/*.idl))
GENERATED += $(IDL_NAMES:%=$(B)/gen/abi/%.idl.h) $(IDL_NAMES:%=$(B)/gen/abi/%.service.h)

$(B)/gen/abi/%.idl.h $(B)/gen/abi/%.service.h: abi/%.idl tools/idl/idl.py
	@mkdir -p $(@D)
	$(QUIET)$(PYTHON) tools/idl/idl.py $< $(B)/gen/abi/$*.idl.h $(B)/gen/abi/$*.service.h

LIBOAK_SOURCES := $(wildcard lib/base/*.c lib/oak/*.c lib/oak/*.S lib/ring/*.c lib/virtio/*.c \
                    drivers/*/*.c)
LIBOAK_OBJECTS := $(call objects,user,$(LIBOAK_SOURCES))
$(B)/user/liboak.a: $(LIBOAK_OBJECTS)
	@mkdir -p $(@D)
	$(QUIET)rm -f $@ && ar rcs $@ $^
-include $(LIBOAK_OBJECTS:.o=.d)

$(call host_test,heap,lib/oak/test/heap_test.c lib/oak/heap_core.c)
$(call host_test,elf,lib/base/test/elf_test.c lib/base/elf.c lib/base/elf_symbol.c)
$(call host_test,format,lib/base/test/format_test.c lib/base/format.c)
$(call host_test,sha256,lib/base/test/sha256_test.c lib/base/sha256.c)
$(call host_test,byte_ring,lib/ring/test/byte_ring_test.c lib/ring/byte_ring.c,-lpthread)
$(call host_test,idl,tools/idl/idl_test.c)
$(call host_fuzzer,byte_ring,lib/ring/test/byte_ring_fuzz.c lib/ring/byte_ring.c)
$(call host_test,virtqueue,lib/virtio/test/queue_test.c lib/virtio/queue.c)
$(call host_test,virtio_command_line,lib/virtio/test/command_line_test.c lib/virtio/command_line.c lib/base/command_line.c)
