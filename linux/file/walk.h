/*
 * A walk from a start along a path, component by component: for path.c and open.c, which has to
 * create what the last symbolic link leads to.
 */
#pragma once

#include "linux/file/path.h"

/* How openat2 narrows a walk (RESOLVE_*). */
#define RESOLVE_NO_XDEV       0x01u
#define RESOLVE_NO_MAGICLINKS 0x02u
#define RESOLVE_NO_SYMLINKS   0x04u
#define RESOLVE_BENEATH       0x08u
#define RESOLVE_IN_ROOT       0x10u
#define RESOLVE_CACHED        0x20u

struct walk {
    struct path root; /* of the task; RESOLVE_BENEATH, RESOLVE_IN_ROOT: where the walk began */
    struct path at;   /* where the walk is */
    const char *rest; /* what is still to walk */
    char *buffer;     /* holds `rest` after the first symbolic link */
    uint32_t links;   /* followed */
    bool real;        /* permissions of the real user */
    uint32_t resolve; /* RESOLVE_* */
    uint64_t renames; /* that there had been when it began */
};

/* Renames since the start, of all trees: it changes while the tree's names cannot be looked up.
 * Atomic. */
extern uint64_t renames_done;

/* "" is the start itself when WALK_EMPTY is set, otherwise -ENOENT. Whatever it returns, walk_end
 * comes at the end. */
long walk_start(struct walk *walk, int directory_fd, const char *path, uint32_t walk_flags);
/* The same, narrowed. */
long walk_start_narrow(struct walk *walk, int directory_fd, const char *path, uint32_t resolve);
void walk_end(struct walk *walk);

/* Up to the directory of the last component, which goes to *last: an empty name at the end of the
 * path. The directory may be searched. */
long walk_parents(struct walk *walk, struct last_name *last);
/* The object of that name in the directory, what is mounted on it included; not "." and "..". */
long walk_lookup(struct walk *walk, const char *name, uint32_t length_bytes, struct path *out);
/* Go on at the symbolic link's target, relative to where the walk is. True in *jumped: it led to an
 * object, and the walk is there; otherwise `rest` says what comes. Takes over the reference. */
long walk_link(struct walk *walk, struct path *link, bool *jumped);
/* "..", within the task's root and across mounts. */
long walk_up(struct walk *walk);

static inline bool name_is_dots(const char *name, uint32_t length_bytes)
{
    return (length_bytes == 1 && name[0] == '.') ||
           (length_bytes == 2 && name[0] == '.' && name[1] == '.');
}

/* mount.c: go on to what is mounted on the path, if anything. Moves the reference. */
void mount_cross(struct path *path);

/* file.c: an open file of that path, found in that directory (NULL: not known) by that name. Takes
 * its own references. */
struct file *file_new_at(const struct path *path, struct inode *directory,
                         const struct last_name *last, uint32_t flags);

/* open.c: make an inode in a directory as the current task: -EROFS, -EACCES, and whom it belongs
 * to; creation->uid and gid are set here. `out` may be NULL. */
long path_create(const struct path *directory, const struct last_name *last,
                 struct creation *creation, struct inode **out);
/* The permission bits less the task's umask. */
uint32_t mode_masked(uint32_t mode);

static inline bool path_read_only(const struct path *path)
{
    return path_has(path, MOUNT_READ_ONLY);
}

/* inode.c: held while an inode's mode, owner or file capabilities are looked at and then changed:
 * who may is decided by what is there when it happens. */
extern struct mutex authority_lock;
/* What a change of content does to the authority that a file gives: its capabilities go; its set-id
 * bits go unless the task has CAP_FSETID. Before the change. */
void set_id_drop(struct inode *inode);
/* The same of the capabilities alone, for whom authority_lock is held. */
void file_capability_drop(struct inode *inode);
/* set_attributes; -EPERM where there is none. */
long inode_change(struct inode *inode, uint32_t mask, const struct attributes *attributes);
