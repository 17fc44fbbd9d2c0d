/* Who may do what with an inode: mode bits against the credentials of the current task. */
#include "linux/file/inode.h"

#include "linux/core/errno.h"
#include "linux/file/walk.h"
#include "linux/proc/capability.h"

struct mutex authority_lock = MUTEX_INIT;

/* The container's own threads act as root. */
static const struct credentials root_credentials = {.effective = CAPABILITIES_ALL};

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

bool inode_is_own(const struct inode *inode)
{
    return credentials_current()->fsuid == inode->uid;
}

bool inode_owner_or_capable(const struct inode *inode)
{
    return inode_is_own(inode) || task_capable(CAP_FOWNER);
}

/* What capabilities add to the mode bits: of 4 read, 2 write, 1 execute or search. */
static uint32_t capable_of(uint64_t capabilities, const struct inode *inode)
{
    bool directory = inode_is(inode, S_IFDIR);
    uint32_t may = 0;
    if (capabilities & capability_bit(CAP_DAC_READ_SEARCH)) {
        may |= directory ? 5 : 4;
    }
    if (capabilities & capability_bit(CAP_DAC_OVERRIDE)) {
        /* Nobody executes what nobody may. */
        may |= directory || (inode->mode & 0111) != 0 ? 7 : 6;
    }
    return may;
}

static long permission(const struct credentials *credentials, uint32_t uid, uint32_t gid,
                       uint64_t capabilities, const struct inode *inode, uint32_t wanted)
{
    uint32_t mode = inode->mode;
    if (uid == inode->uid) {
        mode >>= 6;
    } else if (credentials_in_group(credentials, gid, inode->gid)) {
        mode >>= 3;
    }
    uint32_t missing = wanted & ~mode & 7;
    return missing == 0 || (wanted & ~capable_of(capabilities, inode)) == 0 ? 0 : -EACCES;
}

long inode_permission(const struct inode *inode, uint32_t wanted)
{
    const struct credentials *credentials = credentials_current();
    return permission(credentials, credentials->fsuid, credentials->fsgid, credentials->effective,
                      inode, wanted);
}

/* The real user's capabilities are what it could have (access_override_creds of Linux). */
long inode_permission_real(const struct inode *inode, uint32_t wanted)
{
    const struct credentials *credentials = credentials_current();
    uint64_t capabilities = credentials->securebits & SECURE_NO_SETUID_FIXUP
                                ? credentials->effective
                            : credentials->uid == 0 ? credentials->permitted
                                                    : 0;
    return permission(credentials, credentials->uid, credentials->gid, capabilities, inode, wanted);
}

void file_capability_drop(struct inode *inode)
{
    if (inode->file_capability && inode->operations->xattr_remove != NULL) {
        long ignored = inode->operations->xattr_remove(inode, "security.capability");
        (void)ignored; /* it may have others only */
        inode->file_capability = false;
    }
}

void set_id_drop(struct inode *inode)
{
    mutex_lock(&authority_lock);
    file_capability_drop(inode);
    uint32_t drop = inode->mode & S_ISUID;
    if ((inode->mode & (S_ISGID | 0010)) == (S_ISGID | 0010)) {
        drop |= S_ISGID; /* without group execution the bit means something else */
    }
    if (drop != 0 && inode_is(inode, S_IFREG) && !task_capable(CAP_FSETID)) {
        const struct attributes attributes = {.mode = inode->mode & 07777 & ~drop};
        (void)inode_change(inode, ATTRIBUTE_MODE, &attributes);
    }
    mutex_unlock(&authority_lock);
}

long inode_change(struct inode *inode, uint32_t mask, const struct attributes *attributes)
{
    return inode->operations->set_attributes == NULL
               ? -EPERM
               : inode->operations->set_attributes(inode, mask, attributes);
}
