# Reading images and writing them as EROFS blobs.

IMAGE_SOURCES := $(addprefix host/image/,blob_writer.c digest.c erofs_directory.c erofs_writer.c \
    image_list.c image_tree.c layer.c manifest.c problem.c source.c spool.c xattr.c) lib/base/tree.c
IMAGE_LIBRARIES := -ljansson -larchive -lcrypto
IMAGE_TEST_SOURCES := $(IMAGE_SOURCES) host/cli/cli.c host/image/test/image_make.c

$(call host_test,image_tree,host/image/test/image_tree_test.c $(IMAGE_TEST_SOURCES),$(IMAGE_LIBRARIES))
$(call host_test,erofs_writer,host/image/test/erofs_writer_test.c $(IMAGE_TEST_SOURCES),$(IMAGE_LIBRARIES))
$(call host_test,blob_writer,host/image/test/blob_writer_test.c services/storage/tree.c lib/base/sha256.c $(IMAGE_TEST_SOURCES),$(IMAGE_LIBRARIES))
$(call host_test,layer,host/image/test/layer_test.c $(IMAGE_TEST_SOURCES),$(IMAGE_LIBRARIES))
$(call host_test,manifest,host/image/test/manifest_test.c $(IMAGE_TEST_SOURCES),$(IMAGE_LIBRARIES))
$(call host_fuzzer,manifest_fuzz,host/image/test/manifest_fuzz.c $(IMAGE_TEST_SOURCES),$(IMAGE_LIBRARIES))
$(call host_fuzzer,layer_fuzz,host/image/test/layer_fuzz.c $(IMAGE_TEST_SOURCES),$(IMAGE_LIBRARIES))
