# Images of containers that are made here. A layout's index.json stands for all of it, which appears
# at once.

BUSYBOX ?= /bin/busybox

IMAGES += $(B)/images/busybox/index.json
$(B)/images/busybox/index.json: images/busybox.py images/layout.py $(BUSYBOX)
	@mkdir -p $(B)/images
	$(QUIET)$(PYTHON) images/busybox.py $(BUSYBOX) $(B)/images/busybox

# One of each recipe, of Debian packages: build/images/NAME, and its files in build/roots/NAME.
DEBIAN_IMAGES := $(notdir $(wildcard images/recipes/*))
DEBIAN_LAYOUTS := $(DEBIAN_IMAGES:%=$(B)/images/%/index.json)
$(DEBIAN_LAYOUTS): $(B)/images/%/index.json: images/debian.py images/layout.py images/recipes/%
	@mkdir -p $(B)/images $(B)/roots
	$(QUIET)$(PYTHON) images/debian.py images/recipes/$* $(B)/debs $(B)/roots/$* $(B)/images/$*
$(filter-out $(B)/images/bash/%,$(DEBIAN_LAYOUTS)): images/recipes/bash
