# Unit tests of the archives that copies are.
$(call host_test,tar_test,linux/core/test/tar_test.c linux/core/tar.c lib/base/format.c)
$(call host_fuzzer,tar_fuzz,linux/core/test/tar_fuzz.c linux/core/tar.c lib/base/format.c)
# Unpacking into the personality's own tree.
$(call host_fuzzer,copy_fuzz,linux/core/test/copy_fuzz.c linux/core/copy_in.c linux/core/tar.c \
    $(addprefix linux/file/,test/simulated.c test/simulated_content.c io.c erofs.c tree_fs.c \
    tree_node.c tree_directory.c tree_rename.c tree_file.c tree_xattr.c) lib/base/format.c lib/base/tree.c)
