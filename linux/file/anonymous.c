#include "linux/file/anonymous.h"

#include "linux/core/errno.h"
#include "linux/file/descriptor.h"

static void release(struct inode *inode)
{
    (void)inode; /* it has a reference of its own */
}

static const struct inode_operations operations_of_inode = {.release = release};

/* One inode for all of them, of no type, as on Linux. */
static struct inode anonymous_inode = {
    .references = 1,
    .mode = 0600,
    .links = 1,
    .number = 1,
    .operations = &operations_of_inode,
};

struct file *anonymous_file_new(const char *kind, uint32_t flags,
                                const struct file_operations *operations, void *data)
{
    inode_get(&anonymous_inode);
    struct file *file = file_new(&anonymous_inode, flags, operations, data);
    if (file != NULL) {
        file->kind = kind;
    }
    return file;
}

long anonymous_descriptor_new(const char *kind, uint32_t flags,
                              const struct file_operations *operations, void *data)
{
    struct file *file = anonymous_file_new(kind, flags & ~O_CLOEXEC, operations, data);
    if (file == NULL) {
        struct file unborn = {.data = data};
        operations->release(&unborn);
        return -ENOMEM;
    }
    return descriptor_add(file, flags & O_CLOEXEC);
}
