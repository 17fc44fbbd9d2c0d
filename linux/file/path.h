/*
 * Paths and mounts: from names to inodes. A path is an inode under a mount; the table of mounts
 * says what stands on which directory.
 */
#pragma once

#include "linux/file/inode.h"

struct file;
struct task;

/* Of a mount, and as statfs tells them. */
enum mount_flag {
    MOUNT_READ_ONLY = 1,
    MOUNT_NOSUID = 2, /* exec gains nothing from its files: no set-id bits, no capabilities */
    MOUNT_NODEV = 4,  /* its device nodes cannot be opened */
    MOUNT_NOEXEC = 8, /* its files are not executed, and not mapped to be */
};

struct mount {
    struct mount *next;   /* all mounts, oldest first; never removed while the container lives */
    struct mount *parent; /* NULL: the root */
    struct inode *place;  /* in the parent */
    struct inode *root;
    const char *type; /* as /proc/mounts shows it */
    const char *source;
    const char *where; /* path in the container, for /proc/mounts */
    uint64_t device;   /* st_dev */
    uint32_t magic;    /* f_type of statfs */
    uint32_t flags;    /* enum mount_flag */
};

struct path {
    struct mount *mount; /* NULL: an inode of no file system, as a pipe's */
    struct inode *inode;
};

static inline bool path_has(const struct path *path, enum mount_flag flag)
{
    return path->mount != NULL && (path->mount->flags & flag);
}

/* st_dev: what lies in no file system has one of its own. */
static inline uint64_t path_device(const struct path *path)
{
    return path->mount == NULL ? DEVICE(0, 15) : path->mount->device;
}

static inline void path_get(const struct path *path)
{
    inode_get(path->inode);
}

static inline void path_put(struct path *path)
{
    inode_put(path->inode);
    path->inode = NULL;
}

/* A task's root, current directory and umask; counted. */
struct fs_context {
    uint32_t references; /* atomic */
    struct mutex lock;
    struct path root;
    struct path current;
    uint32_t mask;
};

/* At the root of the container. NULL: no memory. */
struct fs_context *fs_context_new(void);
struct fs_context *fs_context_clone(struct fs_context *context);
static inline void fs_context_get(struct fs_context *context)
{
    __atomic_fetch_add(&context->references, 1, __ATOMIC_RELAXED);
}
void fs_context_put(struct fs_context *context);

/* On an existing directory. Takes over the reference to root. */
long mount_at(const char *where, struct inode *root, const char *type, const char *source,
              uint32_t magic, uint32_t flags);
/* The same in two steps: a mount that stands nowhere yet (NULL: no memory; takes over the root also
 * then), and putting it on a directory, whose reference is taken over; the first one on none. */
/* In memory of the caller's, as `where` must be too. Takes over the reference to the root. */
void mount_init(struct mount *mount, const char *where, struct inode *root, const char *type,
                const char *source, uint32_t magic, uint32_t flags);

struct mount *mount_new(const char *where, struct inode *root, const char *type, const char *source,
                        uint32_t magic, uint32_t flags);
void mount_put_on(struct mount *mount, const struct path *place);
struct mount *mount_first(void);
struct inode *mount_root_inode(void);

enum walk_flags {
    WALK_NO_FOLLOW = 1, /* the last component may be a symbolic link */
    WALK_DIRECTORY = 2, /* it must be a directory */
    WALK_EMPTY = 4,     /* "" means the start itself (AT_EMPTY_PATH) */
    WALK_REAL = 8,      /* permissions are those of the real user (access) */
};

#define AT_FDCWD (-100)

/* An existing object, by a path relative to the directory descriptor. Fills *out with references.
 * Permissions of the current task are checked on the way. */
long path_find(int directory_fd, const char *path, uint32_t walk_flags, struct path *out);

/* The directory of the last component, and that component; -EEXIST for "/", "." and "..", with
 * the name (for "/" an empty one) in *last alone. */
struct last_name {
    char name[NAME_MAX + 1];
    uint32_t length_bytes;
    bool slash; /* a '/' followed it */
};
long path_find_parent(int directory_fd, const char *path, struct path *directory,
                      struct last_name *last);

/* Open as the open call does, relative to the current directory: a file with one reference. */
long path_open(const char *path, uint32_t flags, uint32_t mode, struct file **out);
long path_open_at(int directory_fd, const char *path, uint32_t flags, uint32_t mode,
                  struct file **out);

/* Write the absolute path of a directory as the current task sees it: its length, -ENOENT when it
 * was removed, -ERANGE. */
long path_text(const struct path *directory, char *out, uint32_t capacity_bytes);
/* The same for an open file, of whatever kind ("pipe:[5]"); as /proc/self/fd shows it. */
long file_path_text(struct file *file, char *out, uint32_t capacity_bytes);

/* access(2)'s question for the current task: mode of 4 read, 2 write, 1 execute; 0 or -EACCES. */
long inode_permission(const struct inode *inode, uint32_t wanted);
/* The same for the real user and group. */
long inode_permission_real(const struct inode *inode, uint32_t wanted);
/* The current task is in that group (fsgid or a supplementary one). */
bool task_in_group(uint32_t gid);
/* The current task owns the inode. */
bool inode_is_own(const struct inode *inode);
/* It owns it, or has CAP_FOWNER. */
bool inode_owner_or_capable(const struct inode *inode);
