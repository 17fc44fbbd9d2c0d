# Images of containers that are made here.

BUSYBOX ?= /bin/busybox

# index.json stands for the whole layout, which appears at once.
IMAGES += $(B)/images/busybox/index.json
$(B)/images/busybox/index.json: tools/mkimage.py $(BUSYBOX)
	@mkdir -p $(B)/images
	$(QUIET)$(PYTHON) tools/mkimage.py $(BUSYBOX) $(B)/images/busybox
