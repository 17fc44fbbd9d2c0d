# The same programs in an Oak container and in a Linux guest: one tree of files, which is an image for
# Oak and an initramfs for Linux.

BENCH_LINUX := $(B)/bench/linux
BENCH_LINUX_PROGRAMS := $(addprefix $(BENCH_LINUX)/layer/bench/,micro nothing stopwatch)
BENCH_LINUX_MUSL := musl-gcc $(filter-out -MMD -MP,$(COMMON)) -D_GNU_SOURCE -static -pthread

$(BENCH_LINUX)/layer/bench/micro: $(wildcard bench/linux/micro/*.[ch])
	@mkdir -p $(@D)
	$(QUIET)$(BENCH_LINUX_MUSL) -o $@ $(filter %.c,$^)
$(BENCH_LINUX)/layer/bench/stopwatch: bench/linux/stopwatch.c
	@mkdir -p $(@D)
	$(QUIET)$(BENCH_LINUX_MUSL) -o $@ $<
$(BENCH_LINUX)/layer/bench/nothing: bench/start/nothing.c
	@mkdir -p $(@D)
	$(QUIET)$(BENCH_LINUX_MUSL) -s -o $@ $<
$(BENCH_LINUX)/init: bench/linux/init.c
	@mkdir -p $(@D)
	$(QUIET)$(CC) $(filter-out -MMD -MP,$(COMMON)) -D_GNU_SOURCE -static -o $@ $<
# The modules are for tests/linux/erofs.
$(BENCH_LINUX)/vmlinuz $(BENCH_LINUX)/erofs.ko $(BENCH_LINUX)/libcrc32c.ko $(BENCH_LINUX)/brd.ko &: bench/linux/kernel.sh
	$(QUIET)bench/linux/kernel.sh $(BENCH_LINUX) erofs libcrc32c brd

# Debian's programs, with python's modules compiled as the package's script does it.
$(BENCH_LINUX)/debian/index.json: bench/linux/recipe images/recipes/bash images/debian.py images/layout.py
	@mkdir -p $(BENCH_LINUX) $(B)/roots
	$(QUIET)$(PYTHON) images/debian.py $< $(B)/debs $(B)/roots/bench $(@D)

# What is the same on both sides, beside Debian's files.
$(BENCH_LINUX)/layer.tar: $(BENCH_LINUX_PROGRAMS) $(BENCH_LINUX)/debian/index.json bench/linux/inside.sh bench/linux/data.sh bench/linux/layer.sh
	$(QUIET)bench/linux/layer.sh $(BENCH_LINUX)/layer $(B)/roots/bench $@
$(BENCH_LINUX)/image/index.json: $(BENCH_LINUX)/layer.tar tests/real/make_image.py
	$(QUIET)rm -rf $(@D)
	$(QUIET)$(PYTHON) tests/real/make_image.py $(BENCH_LINUX)/debian $(@D) bench '{}' $<
$(BENCH_LINUX)/initramfs: $(BENCH_LINUX)/layer.tar $(BENCH_LINUX)/init bench/linux/initramfs.sh
	$(QUIET)bench/linux/initramfs.sh $@ $(B)/roots/bench $< $(BENCH_LINUX)/init

BENCH_FILES += $(BENCH_LINUX)/vmlinuz $(BENCH_LINUX)/image/index.json $(BENCH_LINUX)/initramfs
