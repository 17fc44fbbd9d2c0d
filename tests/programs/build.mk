# Debian's programs in containers of Debian's packages, compared with Linux: a short form in
# `make test`, everything in `make test-programs`, which leaves the table build/programs.tsv.

TEST_FILES += $(DEBIAN_LAYOUTS)
SHELL_TESTS += tests/programs/run.py

.PHONY: test-programs
test-programs: all $(DEBIAN_LAYOUTS)
	@tests/programs/run.py --full
