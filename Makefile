# Oak. `make run`, `make test`, `make bench`; every component has a build.mk that says what it is
# made of, with the macros of tools/rules.mk.

all:

B := build

# Made again whenever the list of packages changes; make then reads everything once more.
include $(B)/packages.mk
$(B)/packages.mk: tools/packages.txt tools/packages.sh
	@mkdir -p $(B)
	@tools/packages.sh
	@echo '# every package of tools/packages.txt is installed' > $@

include tools/rules.mk
include $(wildcard lib/build.mk drivers/build.mk kernel/build.mk services/build.mk linux/build.mk \
                   host/build.mk images/build.mk tests/build.mk bench/build.mk tools/build.mk)
include tools/targets.mk
