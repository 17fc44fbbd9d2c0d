# The start benchmark's image: static programs. Their files end on a page, so that the image's
# layout is the one that our importer writes.

$(B)/bench/start/%: bench/start/%.c
	@mkdir -p $(@D)
	$(QUIET)musl-gcc -static -O2 -s -o $@ $<
	$(QUIET)truncate -s %4096 $@

# With the directories that images have for what is mounted there.
$(B)/bench/start.erofs: $(addprefix $(B)/bench/start/,probe nothing idle)
	@mkdir -p $(B)/bench/start/dev $(B)/bench/start/proc $(B)/bench/start/sys
	$(QUIET)mkfs.erofs -x-1 -T0 -U 00000000-0000-0000-0000-000000000001 $@ $(B)/bench/start >/dev/null

BENCH_FILES += $(B)/bench/start.erofs
