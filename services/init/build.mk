# Init, and the image of the whole system.

$(call user_program,init,services/init/main.c services/init/manifest.c)

PERSONALITY ?= $(B)/user/linux.elf
$(call kernel_image,oak,kernel,init=$(B)/user/init.elf storage=$(B)/user/storage.elf \
    engine=$(B)/user/engine.elf linux=$(PERSONALITY))
IMAGES += $(B)/oak.elf
