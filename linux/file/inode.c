/* Who may do what with an inode: mode bits against the credentials of the current task. */
#include "linux/file/inode.h"

#include "linux/core/errno.h"
#include "linux/file/walk.h"
#include "linux/proc/task.h"

/* The container's own threads act as root. */
static const struct credentials root_credentials;

static const struct credentials *credentials_current(void)
{
    const struct task *task = task_current();
    return task == NULL ? &root_credentials : task->credentials;
}

static bool credentials_in_group(const struct credentials *credentials, uint32_t own_gid,
                                 uint32_t gid)
{
    if (own_gid == gid) {
        return true;
    }
    for (uint32_t i = 0; i < credentials->group_count; i++) {
        if (credentials->groups[i] == gid) {
            return true;
        }
    }
    return false;
}

bool task_in_group(uint32_t gid)
{
    const struct credentials *credentials = credentials_current();
    return credentials_in_group(credentials, credentials->fsgid, gid);
}

bool task_is_root(void)
{
    return credentials_current()->fsuid == 0;
}

bool inode_owner_or_root(const struct inode *inode)
{
    uint32_t uid = credentials_current()->fsuid;
    return uid == 0 || uid == inode->uid;
}

static long permission(const struct credentials *credentials, uint32_t uid, uint32_t gid,
                       const struct inode *inode, uint32_t wanted)
{
    uint32_t mode = inode->mode;
    if (uid == 0) {
        /* Root may all but execute what nobody may. */
        bool executable = (mode & 0111) != 0 || inode_is(inode, S_IFDIR);
        return (wanted & 1) && !executable ? -EACCES : 0;
    }
    if (uid == inode->uid) {
        mode >>= 6;
    } else if (credentials_in_group(credentials, gid, inode->gid)) {
        mode >>= 3;
    }
    return (wanted & ~mode & 7) == 0 ? 0 : -EACCES;
}

long inode_permission(const struct inode *inode, uint32_t wanted)
{
    const struct credentials *credentials = credentials_current();
    return permission(credentials, credentials->fsuid, credentials->fsgid, inode, wanted);
}

long inode_permission_real(const struct inode *inode, uint32_t wanted)
{
    const struct credentials *credentials = credentials_current();
    return permission(credentials, credentials->uid, credentials->gid, inode, wanted);
}

uint32_t set_id_drop(const struct inode *inode, struct attributes *attributes)
{
    uint32_t drop = inode->mode & S_ISUID;
    if ((inode->mode & (S_ISGID | 0010)) == (S_ISGID | 0010)) {
        drop |= S_ISGID; /* without group execution the bit means something else */
    }
    if (drop == 0 || !inode_is(inode, S_IFREG) || task_is_root()) {
        return 0;
    }
    attributes->mode = inode->mode & 07777 & ~drop;
    return ATTRIBUTE_MODE;
}

long inode_change(struct inode *inode, uint32_t mask, const struct attributes *attributes)
{
    return inode->operations->set_attributes == NULL
               ? -EPERM
               : inode->operations->set_attributes(inode, mask, attributes);
}
