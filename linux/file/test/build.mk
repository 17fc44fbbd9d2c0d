# The EROFS reader and tree_fs, over a simulated image, heap and kernel.
FILE_SIMULATION := linux/file/test/simulated.c lib/base/tree.c
TREE_SIMULATION := $(FILE_SIMULATION) linux/file/test/simulated_content.c linux/file/io.c \
    linux/file/erofs.c linux/file/tree_fs.c linux/file/tree_node.c linux/file/tree_directory.c \
    linux/file/tree_rename.c linux/file/tree_file.c linux/file/tree_xattr.c

$(call host_test,erofs_test,linux/file/test/erofs_test.c linux/file/erofs.c $(FILE_SIMULATION))
$(call host_fuzzer,erofs_fuzz,linux/file/test/erofs_fuzz.c linux/file/erofs.c $(FILE_SIMULATION))
$(call host_test,tree_fs_test,linux/file/test/tree_fs_test.c $(TREE_SIMULATION))
# The calls on files, against a file system of the test.
$(call host_test,linux_vfs,linux/file/test/vfs_test.c lib/base/format.c)
