# Debian's programs in containers of Debian's packages, compared with Linux: a short form in
# `make test`, everything in `make test-programs`, which leaves the table build/programs.tsv.

# The images of the scripts that are not for the full form alone.
PROGRAM_IMAGES := $(sort $(shell awk ' \
    function show() { if (image != "" && !full) print image } \
    FNR == 1 { show(); image = FILENAME; gsub(/.*\/|\..*/, "", image); full = 0 } \
    /^\#@ image / { image = $$3 } \
    /^\#@ full/ { full = 1 } \
    END { show() }' tests/programs/scripts/*))

TEST_FILES += $(PROGRAM_IMAGES:%=$(B)/images/%/index.json)
SHELL_TESTS += tests/programs/run.py

.PHONY: test-programs
test-programs: all $(DEBIAN_LAYOUTS)
	@tests/programs/run.py --full
