/*
 * Capabilities (capabilities(7)): what root's authority is divided into. A container has docker's
 * default set, of which only what concerns the container itself means anything here. The sets are a
 * task's credentials'; a capability that is checked is asked for by name, never by the user's
 * number.
 */
#pragma once

#include "linux/proc/task.h"

struct inode;
struct path;

enum capability {
    CAP_CHOWN = 0,
    CAP_DAC_OVERRIDE = 1,
    CAP_DAC_READ_SEARCH = 2,
    CAP_FOWNER = 3,
    CAP_FSETID = 4,
    CAP_KILL = 5,
    CAP_SETGID = 6,
    CAP_SETUID = 7,
    CAP_SETPCAP = 8,
    CAP_LINUX_IMMUTABLE = 9,
    CAP_NET_BIND_SERVICE = 10,
    CAP_NET_RAW = 13,
    CAP_IPC_LOCK = 14,
    CAP_IPC_OWNER = 15,
    CAP_SYS_CHROOT = 18,
    CAP_SYS_PTRACE = 19,
    CAP_SYS_ADMIN = 21,
    CAP_SYS_NICE = 23,
    CAP_SYS_RESOURCE = 24,
    CAP_MKNOD = 27,
    CAP_SETFCAP = 31,
    CAP_LAST = 40,
};

#define CAPABILITIES_ALL ((1ull << (CAP_LAST + 1)) - 1)

/* chown, dac_override, fowner, fsetid, kill, setgid, setuid, setpcap, net_bind_service, net_raw,
 * sys_chroot, mknod, audit_write, setfcap. */
#define CAPABILITIES_CONTAINER 0xa80425fbull

/* struct credentials.securebits (securebits.h): each bit has its lock in the next one. */
#define SECURE_NOROOT               0x01u
#define SECURE_NO_SETUID_FIXUP      0x04u
#define SECURE_KEEP_CAPS            0x10u
#define SECURE_KEEP_CAPS_LOCKED     0x20u
#define SECURE_NO_CAP_AMBIENT_RAISE 0x40u
#define SECURE_ALL_BITS             0x55u
#define SECURE_ALL_LOCKS            0xaau

static inline uint64_t capability_bit(enum capability capability)
{
    return 1ull << capability;
}

static inline bool credentials_capable(const struct credentials *credentials,
                                       enum capability capability)
{
    return credentials->effective & capability_bit(capability);
}

/* The current task may; the container's own threads may all. */
static inline bool task_capable(enum capability capability)
{
    const struct task *task = task_current();
    return task == NULL || credentials_capable(task->credentials, capability);
}

/* What a container's first process, and everything else that the engine starts, has. */
void capabilities_init(struct credentials *credentials);

/* What follows for the capabilities when users changed from those of `old`. */
void capabilities_users_changed(struct credentials *changed, const struct credentials *old);
void capabilities_fsuid_changed(struct credentials *changed, uint32_t old_fsuid);

/* What a program's file says of the authority that it gives: all of one moment. */
struct program_authority {
    uint32_t mode;
    uint32_t uid;
    uint32_t gid;
    bool has_capabilities;
    bool effective;
    uint64_t permitted;
    uint64_t inheritable;
};
void program_authority_read(const struct path *path, struct program_authority *out);

/*
 * The credentials of that program for the current task, out of its own: set-id bits and file
 * capabilities. `shared`: others share parts of the task, so it gains no more than it could take
 * itself. *secure: it has more authority than its caller's users say (AT_SECURE). -EPERM: the file
 * demands capabilities that the container does not have.
 */
long capabilities_execute(struct credentials *changed, const struct program_authority *program,
                          bool shared, bool *secure);

/*
 * Whether the current task may look into and change another (ptrace(2), PTRACE_MODE_*CREDS): one of
 * its own group, or one whose users and groups are all its own, which has no capability that it has
 * not and is dumpable; or any with CAP_SYS_PTRACE. `by`: which of its users counts. Under
 * tasks_lock.
 */
enum access_by {
    ACCESS_BY_REAL,
    ACCESS_BY_FILE,
};
bool task_may_access(const struct task *target, enum access_by by);

/* prctl's options that are about capabilities; -ENOSYS: it is none of them. */
long capabilities_prctl(uint64_t option, uint64_t a, uint64_t b, uint64_t c, uint64_t d);
