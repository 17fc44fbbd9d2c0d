# An EROFS image with any byte changed: what Linux shows of it, and what a container sees.

EROFS_TEST := $(B)/tests/linux-erofs
EROFS_HERE := tests/linux/erofs/here.c tests/linux/erofs/walk.c $(TREE_SIMULATION)
EROFS_LINUX := $(addprefix $(B)/bench/linux/,erofs.ko libcrc32c.ko brd.ko)

$(EROFS_TEST)/here: $(call objects,test,$(EROFS_HERE))
	@mkdir -p $(@D)
	$(QUIET)$(CC) $(SANITIZE) -o $@ $^
$(EROFS_TEST)/image: tests/linux/erofs/make_image.sh
	@mkdir -p $(@D)
	$(QUIET)tests/linux/erofs/make_image.sh $@
$(EROFS_TEST)/init: tests/linux/erofs/guest.c tests/linux/erofs/walk.c tests/linux/erofs/walk.h
	@mkdir -p $(@D)
	$(QUIET)musl-gcc $(LINUX_TESTS_FLAGS) -o $@ $(filter %.c,$^)
$(EROFS_TEST)/initramfs: $(EROFS_TEST)/image $(EROFS_TEST)/init $(EROFS_LINUX)
	$(QUIET)rm -rf $(@D)/root; mkdir $(@D)/root; cp $^ $(@D)/root
	$(QUIET)cd $(@D)/root && find . | busybox cpio -o -H newc -R 0:0 2>/dev/null >../$(@F)
-include $(patsubst %.o,%.d,$(call objects,test,$(EROFS_HERE)))

TEST_FILES += $(EROFS_TEST)/here $(EROFS_TEST)/initramfs $(B)/bench/linux/vmlinuz
SHELL_TESTS += tests/linux/erofs/run.sh

.PHONY: test-erofs
test-erofs: $(EROFS_TEST)/here $(EROFS_TEST)/initramfs $(B)/bench/linux/vmlinuz
	@tests/linux/erofs/run.sh 1
