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
