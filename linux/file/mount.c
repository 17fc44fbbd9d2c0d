/*
 * The table of mounts. It only grows: a mount that is in it never changes or goes away, so it is
 * read without a lock. mounts_lock orders those who add to it; inode->mounts lets a walk skip the
 * table for all directories but those that something stands on.
 */
#include "lib/base/string.h"
#include "linux/core/errno.h"
#include "linux/core/heap.h"
#include "linux/file/walk.h"

/* Minor numbers of st_dev below this are those of the personality's own pseudo file systems. */
#define DEVICE_FIRST 32

static struct mutex mounts_lock;
static struct mount *first_mount;
static struct mount *last_mount;
static uint64_t mount_count;

struct mount *mount_first(void)
{
    return __atomic_load_n(&first_mount, __ATOMIC_ACQUIRE);
}

struct inode *mount_root_inode(void)
{
    struct mount *mount = mount_first();
    return mount == NULL ? NULL : mount->root;
}

/* What was mounted last on the directory. */
static struct mount *mount_on(const struct path *path)
{
    struct mount *found = NULL;
    for (struct mount *mount = mount_first(); mount != NULL;
         mount = __atomic_load_n(&mount->next, __ATOMIC_ACQUIRE)) {
        if (mount->parent == path->mount && mount->place == path->inode) {
            found = mount;
        }
    }
    return found;
}

void mount_cross(struct path *path)
{
    while (__atomic_load_n(&path->inode->mounts, __ATOMIC_ACQUIRE) != 0) {
        struct mount *mount = mount_on(path);
        if (mount == NULL) {
            return;
        }
        inode_get(mount->root);
        path_put(path);
        *path = (struct path){mount, mount->root};
    }
}

void mount_init(struct mount *mount, const char *where, struct inode *root, const char *type,
                const char *source, uint32_t magic, uint32_t flags)
{
    *mount = (struct mount){.root = root,
                            .type = type,
                            .source = source,
                            .where = where,
                            .magic = magic,
                            .flags = flags};
}

struct mount *mount_new(const char *where, struct inode *root, const char *type, const char *source,
                        uint32_t magic, uint32_t flags)
{
    size_t length = strlen(where);
    struct mount *mount = heap_alloc(sizeof(*mount) + length + 1);
    if (mount == NULL) {
        inode_put(root);
        return NULL;
    }
    char *own_where = (char *)(mount + 1);
    memcpy(own_where, where, length);
    mount_init(mount, own_where, root, type, source, magic, flags);
    return mount;
}

void mount_put_on(struct mount *mount, const struct path *place)
{
    mount->parent = place->mount;
    mount->place = place->inode;
    mutex_lock(&mounts_lock);
    mount->device = DEVICE(0, DEVICE_FIRST + mount_count++);
    if (last_mount == NULL) {
        __atomic_store_n(&first_mount, mount, __ATOMIC_RELEASE);
    } else {
        __atomic_store_n(&last_mount->next, mount, __ATOMIC_RELEASE);
    }
    last_mount = mount;
    mutex_unlock(&mounts_lock);
    if (mount->place != NULL) {
        __atomic_fetch_add(&mount->place->mounts, 1, __ATOMIC_RELEASE);
    }
}

long mount_at(const char *where, struct inode *root, const char *type, const char *source,
              uint32_t magic, uint32_t flags)
{
    struct path place;
    long result = path_find(AT_FDCWD, where, WALK_DIRECTORY, &place);
    if (result != 0) {
        inode_put(root);
        return result;
    }
    struct mount *mount = mount_new(where, root, type, source, magic, flags);
    if (mount == NULL) {
        path_put(&place);
        return -ENOMEM;
    }
    mount_put_on(mount, &place);
    return 0;
}
