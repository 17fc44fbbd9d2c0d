/* Inodes of no file system: what pipes and sockets without a name are to fstat and /proc. */
#include "linux/core/container.h"
#include "linux/core/heap.h"
#include "linux/file/inode.h"
#include "linux/proc/task.h"

static uint64_t last_number; /* atomic */

struct inode *inode_new_nameless(uint32_t mode, const struct inode_operations *operations)
{
    struct inode *inode = heap_alloc(sizeof(*inode));
    if (inode != NULL) {
        const struct credentials *credentials = task_current()->credentials;
        inode->references = 1;
        inode->mode = mode;
        inode->uid = credentials->fsuid;
        inode->gid = credentials->fsgid;
        inode->links = 1;
        inode->number = __atomic_add_fetch(&last_number, 1, __ATOMIC_RELAXED);
        inode->access_ns = inode->modify_ns = inode->change_ns = (int64_t)clock_wall_ns();
        inode->operations = operations;
    }
    return inode;
}

void inode_nameless_release(struct inode *inode)
{
    heap_free(inode);
}
