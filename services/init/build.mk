# Init, and the image of the whole system.

$(call user_program,init,services/init/main.c services/init/manifest.c)
