# Unit tests of the archives that copies are.
$(call host_test,tar_test,linux/core/test/tar_test.c linux/core/tar.c lib/base/format.c)
$(call host_fuzzer,tar_fuzz,linux/core/test/tar_fuzz.c linux/core/tar.c lib/base/format.c)
