# Unit tests of the kernel's parts that need no machine.

$(call host_test,features,kernel/test/features_test.c kernel/x86_64/features.c lib/base/command_line.c)
