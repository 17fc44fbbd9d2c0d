# Oak. `make run`, `make test`, `make bench`; every component has a build.mk that says what it is
# made of, with the macros of tools/rules.mk.

all:

B := build
-include tools/rules.mk
include $(wildcard lib/build.mk drivers/build.mk kernel/build.mk services/build.mk linux/build.mk \
                   host/build.mk images/build.mk tests/build.mk bench/build.mk tools/build.mk)
include tools/targets.mk
