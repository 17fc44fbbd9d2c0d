/* linux/file/tree_content.c over the simulated kernel, and what lies beside the tree. */
#include "linux/core/errno.h"
#include "linux/file/device.h"
#include "linux/file/file.h"
#include "linux/file/pipe.h"
#include "linux/file/test/simulated_kernel.h"

#define kernel_memory_create   simulated_memory_create
#define kernel_memory_populate simulated_memory_populate
#define kernel_memory_discard  simulated_memory_discard
#define memory_page_present    simulated_page_present
#define kernel_object_destroy  simulated_object_destroy
#define kernel_capability_drop simulated_capability_drop

#include "linux/file/tree_content.c"

/* Nobody opens anything but plain files. */
const struct file_operations directory_file_operations;

long fifo_open(struct inode *inode, struct file *file)
{
    (void)inode, (void)file;
    return -ENXIO;
}

long device_open(struct inode *inode, struct file *file)
{
    (void)inode, (void)file;
    return -ENXIO;
}

long file_seek_plain(struct file *file, int64_t offset, uint32_t whence)
{
    (void)file, (void)offset, (void)whence;
    return -ESPIPE;
}
