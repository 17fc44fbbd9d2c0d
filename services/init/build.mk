# Init, and the image of the whole system.

$(call user_program,init,services/init/main.c services/init/manifest.c)

ifneq ($(and $(wildcard linux/build.mk),$(wildcard services/engine/build.mk)),)
$(call kernel_image,oak,kernel,$(foreach name,init storage engine linux,$(name)=$(B)/user/$(name).elf))
IMAGES += $(B)/oak.elf
endif
