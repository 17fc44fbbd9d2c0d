/*
 * Capability sets: how they change with users and programs, and the calls that show and change
 * them. Credentials never change once a task has them: a change is a copy that takes their place.
 */
#include "linux/proc/capability.h"

#include "linux/core/errno.h"
#include "linux/core/heap.h"
#include "linux/core/syscalls.h"
#include "linux/core/user.h"
#include "linux/file/inode.h"
#include "linux/file/path.h"
#include "linux/file/walk.h"
#include "linux/mm/mm.h"

/* Those that fsuid stands for. */
#define CAPABILITIES_FILE                                                                          \
    (capability_bit(CAP_CHOWN) | capability_bit(CAP_DAC_OVERRIDE) |                                \
     capability_bit(CAP_DAC_READ_SEARCH) | capability_bit(CAP_FOWNER) |                            \
     capability_bit(CAP_FSETID) | capability_bit(CAP_LINUX_IMMUTABLE) |                            \
     capability_bit(CAP_MKNOD) | 1ull << 32)

static bool is_subset(uint64_t part, uint64_t whole)
{
    return (part & ~whole) == 0;
}

void capabilities_init(struct credentials *credentials)
{
    credentials->permitted = CAPABILITIES_CONTAINER;
    credentials->effective = CAPABILITIES_CONTAINER;
    credentials->bounding = CAPABILITIES_CONTAINER;
}

/* --- users ------------------------------------------------------------------------------------ */

static bool has_root(const struct credentials *credentials)
{
    return credentials->uid == 0 || credentials->euid == 0 || credentials->suid == 0;
}

void capabilities_users_changed(struct credentials *changed, const struct credentials *old)
{
    if (changed->securebits & SECURE_NO_SETUID_FIXUP) {
        return;
    }
    if (has_root(old) && !has_root(changed)) {
        if (!(changed->securebits & SECURE_KEEP_CAPS)) {
            changed->permitted = 0;
            changed->effective = 0;
        }
        changed->ambient = 0;
    }
    if (old->euid == 0 && changed->euid != 0) {
        changed->effective = 0;
    }
    if (old->euid != 0 && changed->euid == 0) {
        changed->effective = changed->permitted;
    }
}

void capabilities_fsuid_changed(struct credentials *changed, uint32_t old_fsuid)
{
    if (changed->securebits & SECURE_NO_SETUID_FIXUP) {
        return;
    }
    if (old_fsuid == 0 && changed->fsuid != 0) {
        changed->effective &= ~CAPABILITIES_FILE;
    }
    if (old_fsuid != 0 && changed->fsuid == 0) {
        changed->effective |= changed->permitted & CAPABILITIES_FILE;
    }
}

/* --- programs --------------------------------------------------------------------------------- */

/* struct vfs_ns_cap_data of linux/capability.h, little endian. */
static void file_capabilities_read(struct inode *program, struct program_authority *out)
{
    uint32_t word[6] = {0};
    if (!program->file_capability || program->operations->xattr_get == NULL) {
        return;
    }
    long length =
        program->operations->xattr_get(program, "security.capability", word, sizeof(word));
    bool of_root = length == 24 && word[0] >> 24 == 3 && word[5] == 0;
    if (!of_root && (length != 20 || word[0] >> 24 != 2)) {
        return;
    }
    out->has_capabilities = true;
    out->effective = word[0] & 1;
    out->permitted = (word[1] | (uint64_t)word[3] << 32) & CAPABILITIES_ALL;
    out->inheritable = (word[2] | (uint64_t)word[4] << 32) & CAPABILITIES_ALL;
}

void program_authority_read(const struct path *path, struct program_authority *out)
{
    struct inode *program = path->inode;
    if (path_has(path, MOUNT_NOSUID)) {
        *out = (struct program_authority){.mode = 0};
        return;
    }
    mutex_lock(&authority_lock);
    *out =
        (struct program_authority){.mode = program->mode, .uid = program->uid, .gid = program->gid};
    file_capabilities_read(program, out);
    mutex_unlock(&authority_lock);
}

static void set_ids_apply(struct credentials *changed, const struct program_authority *program)
{
    if (program->mode & S_ISUID) {
        changed->euid = program->uid;
    }
    if ((program->mode & (S_ISGID | 0010)) == (S_ISGID | 0010)) {
        changed->egid = program->gid;
    }
}

/* As far as the caller could have taken it without the file. */
static void gains_drop(struct credentials *changed, const struct credentials *old)
{
    bool gains = changed->euid != old->euid || changed->egid != old->egid ||
                 !is_subset(changed->permitted, old->permitted);
    if (gains && !credentials_capable(old, CAP_SETUID)) {
        changed->euid = old->euid;
        changed->egid = old->egid;
    }
    changed->permitted &= old->permitted;
}

long capabilities_execute(struct credentials *changed, const struct program_authority *program,
                          bool shared, bool *secure)
{
    const struct credentials old = *changed;
    if (!changed->no_new_privileges) {
        set_ids_apply(changed, program);
    }
    bool set_id = changed->euid != old.uid || changed->egid != old.gid;
    bool effective = program->effective;
    changed->permitted = 0;
    if (program->has_capabilities) {
        changed->permitted = (changed->bounding & program->permitted) |
                             (changed->inheritable & program->inheritable);
        if (program->effective && !is_subset(program->permitted, changed->permitted)) {
            return -EPERM;
        }
    }
    bool root_rules = !(changed->securebits & SECURE_NOROOT) &&
                      !(program->has_capabilities && changed->uid != 0 && changed->euid == 0);
    if (root_rules && (changed->euid == 0 || changed->uid == 0)) {
        changed->permitted = changed->bounding | changed->inheritable;
        effective = effective || changed->euid == 0;
    }
    if (changed->no_new_privileges) {
        changed->permitted &= old.permitted;
    }
    if (shared) {
        gains_drop(changed, &old);
    }
    changed->suid = changed->fsuid = changed->euid;
    changed->sgid = changed->fsgid = changed->egid;
    if (program->has_capabilities || changed->euid != old.euid || changed->egid != old.egid) {
        changed->ambient = 0;
    }
    changed->permitted |= changed->ambient;
    changed->effective = effective ? changed->permitted : changed->ambient;
    changed->securebits &= ~SECURE_KEEP_CAPS;
    *secure =
        set_id || (changed->uid != 0 && (effective || changed->permitted != changed->ambient));
    return 0;
}

/* --- other tasks ------------------------------------------------------------------------------ */

bool task_may_access(const struct task *target, enum access_by by)
{
    const struct task *self = task_current();
    if (self == NULL || target->group == self->group || task_capable(CAP_SYS_PTRACE)) {
        return true;
    }
    const struct credentials *own = self->credentials;
    const struct credentials *of = target->credentials;
    uint32_t uid = by == ACCESS_BY_FILE ? own->fsuid : own->uid;
    uint32_t gid = by == ACCESS_BY_FILE ? own->fsgid : own->gid;
    uint64_t capabilities = by == ACCESS_BY_FILE ? own->effective : own->permitted;
    return of != NULL && uid == of->uid && uid == of->euid && uid == of->suid && gid == of->gid &&
           gid == of->egid && gid == of->sgid && is_subset(of->permitted, capabilities) &&
           (target->mm == NULL || !target->mm->undumpable);
}

/* --- capget and capset ------------------------------------------------------------------------ */

#define VERSION_1 0x19980330u
#define VERSION_2 0x20071026u
#define VERSION_3 0x20080522u

struct user_header {
    uint32_t version;
    int32_t pid;
};

struct user_sets { /* of 32 capabilities; later versions have two */
    uint32_t effective;
    uint32_t permitted;
    uint32_t inheritable;
};

/* How many sets the version has; -EINVAL, with the version that is preferred in the user's header.
 */
static long header_read(uint64_t user_header, struct user_header *header)
{
    if (copy_from_user(&header->version, user_header, sizeof(header->version)) != 0) {
        return -EFAULT;
    }
    bool two = header->version == VERSION_2 || header->version == VERSION_3;
    if (!two && header->version != VERSION_1) {
        return put_user_u32(user_header, VERSION_3) != 0 ? -EFAULT : -EINVAL;
    }
    uint64_t user_pid = user_header + offsetof(struct user_header, pid);
    if (copy_from_user(&header->pid, user_pid, sizeof(header->pid)) != 0) {
        return -EFAULT;
    }
    return two ? 2 : 1;
}

long linux_capget(uint64_t user_header, uint64_t user_sets, uint64_t c, uint64_t d, uint64_t e,
                  uint64_t f)
{
    (void)c, (void)d, (void)e, (void)f;
    struct user_header header;
    long count = header_read(user_header, &header);
    if (count < 0) {
        return count == -EINVAL && user_sets == 0 ? 0 : count;
    }
    if (header.pid < 0) {
        return -EINVAL;
    }
    struct user_sets sets[2] = {{0, 0, 0}, {0, 0, 0}};
    mutex_lock(&tasks_lock);
    const struct task *task = header.pid == 0 ? task_current() : task_find(header.pid);
    if (task != NULL) {
        const struct credentials *of = task->credentials;
        for (int i = 0; i < 2; i++) {
            sets[i] = (struct user_sets){(uint32_t)(of->effective >> 32 * i),
                                         (uint32_t)(of->permitted >> 32 * i),
                                         (uint32_t)(of->inheritable >> 32 * i)};
        }
    }
    mutex_unlock(&tasks_lock);
    if (task == NULL) {
        return -ESRCH;
    }
    return user_sets == 0 ? 0 : copy_to_user(user_sets, sets, (uint64_t)count * sizeof(sets[0]));
}

/* capset(2)'s rules: nothing is gained but what may be inherited. */
static bool may_set(const struct credentials *old, uint64_t effective, uint64_t permitted,
                    uint64_t inheritable)
{
    bool free = credentials_capable(old, CAP_SETPCAP);
    return (free || is_subset(inheritable, old->inheritable | old->permitted)) &&
           is_subset(inheritable, old->inheritable | old->bounding) &&
           is_subset(permitted, old->permitted) && is_subset(effective, permitted);
}

long linux_capset(uint64_t user_header, uint64_t user_sets, uint64_t c, uint64_t d, uint64_t e,
                  uint64_t f)
{
    (void)c, (void)d, (void)e, (void)f;
    struct task *task = task_current();
    struct user_header header;
    struct user_sets sets[2] = {{0, 0, 0}, {0, 0, 0}};
    long count = header_read(user_header, &header);
    if (count < 0) {
        return count;
    }
    if (header.pid != 0 && header.pid != task->tid) {
        return -EPERM;
    }
    if (copy_from_user(sets, user_sets, (uint64_t)count * sizeof(sets[0])) != 0) {
        return -EFAULT;
    }
    uint64_t effective = sets[0].effective | (uint64_t)sets[1].effective << 32;
    uint64_t permitted = sets[0].permitted | (uint64_t)sets[1].permitted << 32;
    uint64_t inheritable = sets[0].inheritable | (uint64_t)sets[1].inheritable << 32;
    effective &= CAPABILITIES_ALL;
    permitted &= CAPABILITIES_ALL;
    inheritable &= CAPABILITIES_ALL;
    if (!may_set(task->credentials, effective, permitted, inheritable)) {
        return -EPERM;
    }
    struct credentials *changed = credentials_copy(task->credentials);
    if (changed == NULL) {
        return -ENOMEM;
    }
    changed->effective = effective;
    changed->permitted = permitted;
    changed->inheritable = inheritable;
    changed->ambient &= permitted & inheritable;
    credentials_set(task, changed);
    return 0;
}

/* --- prctl ------------------------------------------------------------------------------------ */

#define PR_GET_KEEPCAPS     7
#define PR_SET_KEEPCAPS     8
#define PR_CAPBSET_READ     23
#define PR_CAPBSET_DROP     24
#define PR_GET_SECUREBITS   27
#define PR_SET_SECUREBITS   28
#define PR_SET_NO_NEW_PRIVS 38
#define PR_GET_NO_NEW_PRIVS 39
#define PR_CAP_AMBIENT      47

#define PR_CAP_AMBIENT_IS_SET    1
#define PR_CAP_AMBIENT_RAISE     2
#define PR_CAP_AMBIENT_LOWER     3
#define PR_CAP_AMBIENT_CLEAR_ALL 4

static long ambient_change(struct credentials *changed, uint64_t action, uint64_t capability)
{
    if (action == PR_CAP_AMBIENT_CLEAR_ALL) {
        changed->ambient = 0;
        return capability == 0 ? 0 : -EINVAL;
    }
    if (capability > CAP_LAST) {
        return -EINVAL;
    }
    uint64_t bit = 1ull << capability;
    switch (action) {
    case PR_CAP_AMBIENT_IS_SET:
        return (changed->ambient & bit) != 0;
    case PR_CAP_AMBIENT_RAISE:
        if (!(changed->permitted & changed->inheritable & bit) ||
            (changed->securebits & SECURE_NO_CAP_AMBIENT_RAISE)) {
            return -EPERM;
        }
        changed->ambient |= bit;
        return 0;
    case PR_CAP_AMBIENT_LOWER:
        changed->ambient &= ~bit;
        return 0;
    default:
        return -EINVAL;
    }
}

/* Locked bits stay, and locks; only CAP_SETPCAP changes anything. */
static long securebits_change(struct credentials *changed, uint64_t bits)
{
    uint32_t wanted = (uint32_t)bits;
    uint32_t locked = (changed->securebits & SECURE_ALL_LOCKS) >> 1;
    if (((wanted ^ changed->securebits) & locked) != 0 ||
        (changed->securebits & SECURE_ALL_LOCKS & ~wanted) != 0 ||
        (bits & ~(uint64_t)(SECURE_ALL_BITS | SECURE_ALL_LOCKS)) != 0 ||
        !credentials_capable(changed, CAP_SETPCAP)) {
        return -EPERM;
    }
    changed->securebits = wanted;
    return 0;
}

static long keep_change(struct credentials *changed, uint64_t keep)
{
    if (keep > 1) {
        return -EINVAL;
    }
    if (changed->securebits & SECURE_KEEP_CAPS_LOCKED) {
        return -EPERM;
    }
    changed->securebits &= ~SECURE_KEEP_CAPS;
    changed->securebits |= keep ? SECURE_KEEP_CAPS : 0;
    return 0;
}

static long bounding_drop(struct credentials *changed, uint64_t capability)
{
    if (!credentials_capable(changed, CAP_SETPCAP)) {
        return -EPERM;
    }
    if (capability > CAP_LAST) {
        return -EINVAL;
    }
    changed->bounding &= ~(1ull << capability);
    return 0;
}

static long change(struct credentials *changed, uint64_t option, uint64_t a, uint64_t b)
{
    switch (option) {
    case PR_SET_KEEPCAPS:
        return keep_change(changed, a);
    case PR_CAPBSET_DROP:
        return bounding_drop(changed, a);
    case PR_SET_SECUREBITS:
        return securebits_change(changed, a);
    case PR_CAP_AMBIENT:
        return ambient_change(changed, a, b);
    default:
        changed->no_new_privileges = true;
        return 0;
    }
}

long capabilities_prctl(uint64_t option, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    struct task *task = task_current();
    const struct credentials *now = task->credentials;
    switch (option) {
    case PR_GET_KEEPCAPS:
        return (now->securebits & SECURE_KEEP_CAPS) != 0;
    case PR_CAPBSET_READ:
        return a <= CAP_LAST ? (long)(now->bounding >> a & 1) : -EINVAL;
    case PR_GET_SECUREBITS:
        return now->securebits;
    case PR_GET_NO_NEW_PRIVS:
        return a || b || c || d ? -EINVAL : now->no_new_privileges;
    case PR_SET_NO_NEW_PRIVS:
        if (a != 1 || b || c || d) {
            return -EINVAL;
        }
        break;
    case PR_CAP_AMBIENT:
        if (c || d) {
            return -EINVAL;
        }
        break;
    case PR_SET_KEEPCAPS:
    case PR_CAPBSET_DROP:
    case PR_SET_SECUREBITS:
        break;
    default:
        return -ENOSYS;
    }
    struct credentials *changed = credentials_copy(now);
    if (changed == NULL) {
        return -ENOMEM;
    }
    long result = change(changed, option, a, b);
    if (result < 0) {
        credentials_put(changed);
        return result;
    }
    credentials_set(task, changed);
    return result;
}
