# What a person types.

.PHONY: all run test bench fuzz clean generated check
generated: $(GENERATED)

all: $(HOST_PROGRAMS) $(USER_PROGRAMS) $(KERNEL_IMAGES) $(IMAGES)

# A script in a container of the busybox image, with its output and its exit code.
run: all
	@./oak run --rm build/images/busybox /bin/sh -c 'echo "Hello from Oak: $$(uname -s) in a container"; id; ls /'

test: all $(HOST_TESTS) $(TEST_FILES) check-layers
	@tools/run-tests.sh $(HOST_TESTS) $(filter-out $(LEAVE_OUT),$(SHELL_TESTS))

# The protocols that tests cannot exhaust: kernel/model.
.PHONY: models
models:
	@kernel/model/run.sh

.PHONY: check-layers
check-layers:
	@tools/check-layers.sh

bench: all $(BENCH_FILES)
	@bench/run.sh

# Each fuzzer for FUZZ_SECONDS.
FUZZ_SECONDS ?= 60
fuzz: $(HOST_FUZZERS)
	@for fuzzer in $(HOST_FUZZERS); do \
	    mkdir -p build/corpus/$$(basename $$fuzzer); \
	    $$fuzzer -max_total_time=$(FUZZ_SECONDS) build/corpus/$$(basename $$fuzzer) || exit 1; \
	done

clean:
	rm -rf $(B)
