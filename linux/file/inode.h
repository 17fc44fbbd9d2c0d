/*
 * Inodes: one per identity, whatever its names. A file system embeds struct inode in its own node
 * and fills the tables of operations; everything else sees only this. Operations lock what they
 * need by themselves, may block, and answer 0 or -errno. Names come as pointer and length, are
 * never empty, "." or "..", hold no '/' and are at most NAME_MAX bytes.
 */
#pragma once

#include "linux/core/lock.h"

struct file;
struct inode;
struct mount;
struct path;
struct watch;

#define NAME_MAX 255
#define PATH_MAX 4096

#define S_IFMT   0170000u
#define S_IFSOCK 0140000u
#define S_IFLNK  0120000u
#define S_IFREG  0100000u
#define S_IFBLK  0060000u
#define S_IFDIR  0040000u
#define S_IFCHR  0020000u
#define S_IFIFO  0010000u
#define S_ISUID  0004000u
#define S_ISGID  0002000u
#define S_ISVTX  0001000u

/* What can no longer be done to a file of memory (fcntl(2), F_ADD_SEALS). */
#define SEAL_SEAL         0x01u
#define SEAL_SHRINK       0x02u
#define SEAL_GROW         0x04u
#define SEAL_WRITE        0x08u
#define SEAL_FUTURE_WRITE 0x10u
#define SEAL_EXEC         0x20u
#define SEALS_ALL         0x3fu
#define SEAL_NONE         0x80000000u /* ours: it may be sealed; not shown */

/* makedev of the system calls for small numbers. */
#define DEVICE(major, minor) ((uint64_t)(major) << 8 | (uint64_t)(minor))
static inline uint32_t device_major(uint64_t device)
{
    return (uint32_t)(device >> 8 & 0xfff);
}
static inline uint32_t device_minor(uint64_t device)
{
    return (uint32_t)((device & 0xff) | (device >> 12 & 0xfff00));
}

enum attribute_mask {
    ATTRIBUTE_MODE = 1,
    ATTRIBUTE_UID = 2,
    ATTRIBUTE_GID = 4,
    ATTRIBUTE_SIZE = 8,
    ATTRIBUTE_ACCESS_TIME = 16,
    ATTRIBUTE_MODIFY_TIME = 32,
};

struct attributes {
    uint32_t mode; /* permission bits */
    uint32_t uid;
    uint32_t gid;
    uint64_t size_bytes;
    int64_t access_ns; /* since 1970 */
    int64_t modify_ns;
};

/* What a new inode is to be. */
struct creation {
    uint32_t mode; /* with the type */
    uint32_t uid;
    uint32_t gid;
    uint64_t device;    /* S_IFCHR, S_IFBLK */
    const char *target; /* S_IFLNK */
    bool nameless;      /* S_IFREG: no name leads to it */
    bool linkable;      /* it may get one later */
};

/* Gets one entry of a directory; false: no more room, this one comes again. */
typedef bool (*list_emit)(void *context, const char *name, uint32_t length_bytes, uint64_t number,
                          uint32_t type, uint64_t next_cursor);

struct inode_operations {
    /* --- directories; NULL: not this file system */
    long (*lookup)(struct inode *directory, const char *name, uint32_t length_bytes,
                   struct inode **out);
    /* -EEXIST when the name is there. */
    long (*create)(struct inode *directory, const char *name, uint32_t length_bytes,
                   const struct creation *creation, struct inode **out);
    /* A regular file of the directory's file system that no name leads to (O_TMPFILE). NULL:
     * -EOPNOTSUPP. */
    long (*create_nameless)(struct inode *directory, const struct creation *creation,
                            struct inode **out);
    long (*link)(struct inode *directory, const char *name, uint32_t length_bytes,
                 struct inode *target);
    /* Removes anything but a directory, or (directory_only) an empty directory. */
    long (*unlink)(struct inode *directory, const char *name, uint32_t length_bytes,
                   bool directory_only);
    /* Within one mount; flags: RENAME_NOREPLACE 1, RENAME_EXCHANGE 2. */
    long (*rename)(struct inode *from, const char *from_name, uint32_t from_bytes, struct inode *to,
                   const char *to_name, uint32_t to_bytes, uint32_t flags);
    /* Entries from the cursor on, without "." and ".."; cursor 0 is the first. */
    long (*list)(struct inode *directory, uint64_t cursor, list_emit emit, void *context);
    /* The directory above within the mount; the mount's root is its own parent. -ENOENT: removed.
     */
    long (*parent)(struct inode *directory, struct inode **out);
    /* A directory's own name in its parent; the length, -ENOENT: removed. */
    long (*name)(struct inode *directory, char *out, uint32_t capacity_bytes);

    /* --- symbolic links */
    long (*readlink)(struct inode *link, char *out, uint32_t capacity_bytes);
    /* Links of /proc that lead to an object; NULL: by readlink. Fills a path with references. */
    long (*follow)(struct inode *link, struct path *out);

    /* --- all */
    /* Give the new open file its operations and data. NULL: it cannot be opened (-ENXIO). */
    long (*open)(struct inode *inode, struct file *file);
    /* NULL: -EPERM. */
    long (*set_attributes)(struct inode *inode, uint32_t mask, const struct attributes *attributes);
    /* Make that range of a regular file a hole; the size stays. NULL: -EOPNOTSUPP. */
    long (*punch)(struct inode *inode, uint64_t offset, uint64_t length_bytes);
    /*
     * Extended attributes by their whole names; who may has been checked. A capacity of 0 asks for
     * the length alone; -ERANGE: it is too small. flags: XATTR_CREATE (-EEXIST), XATTR_REPLACE
     * (-ENODATA). The list is of names, each with its NUL. NULL: -EOPNOTSUPP, and an empty list.
     */
    long (*xattr_get)(struct inode *inode, const char *name, void *value, uint32_t capacity_bytes);
    long (*xattr_set)(struct inode *inode, const char *name, const void *value,
                      uint32_t value_bytes, uint32_t flags);
    long (*xattr_remove)(struct inode *inode, const char *name);
    long (*xattr_list)(struct inode *inode, char *out, uint32_t capacity_bytes);
    /* Add seals: -EPERM when that is sealed, -EBUSY while it is mapped writable. NULL: the file
     * system has none (-EINVAL). */
    long (*seal)(struct inode *inode, uint32_t seals);
    /* Bring size and the like up to date before they are read; may be NULL. */
    void (*refresh)(struct inode *inode);
    /* The last reference is gone. */
    void (*release)(struct inode *inode);
};

struct inode {
    uint32_t references; /* atomic */
    uint32_t mode;
    uint32_t uid;
    uint32_t gid;
    uint32_t links;
    uint64_t number;
    uint64_t device_number; /* S_IFCHR, S_IFBLK: what it is; otherwise 0 */
    uint64_t size_bytes;    /* of a file whose pages are mapped: also what faults beyond it see */
    uint64_t blocks;        /* of 512 bytes */
    int64_t access_ns;
    int64_t modify_ns;
    int64_t change_ns;
    struct mutex lock;
    const struct inode_operations *operations;
    uint32_t mounts; /* how many mounts stand on it (path.c) */
    union {
        struct pipe *fifo;         /* S_IFIFO: while it is open (pipe.c) */
        struct unix_socket *bound; /* S_IFSOCK: which socket has this name (net/unix_name.c) */
    };
    int32_t writers;       /* > 0: open for writing, < 0: being executed, so many times; atomic */
    uint32_t seals;        /* F_SEAL_* of fcntl; atomic */
    uint32_t stored;       /* shared mappings that stores go through, or may later; under lock */
    bool mapped;           /* a mapping of it was made once; atomic */
    bool file_capability;  /* it may have the attribute security.capability */
    struct watch *watches; /* who watches it (event/inotify.c) */
};

static inline void inode_get(struct inode *inode)
{
    __atomic_fetch_add(&inode->references, 1, __ATOMIC_RELAXED);
}

/* inotify.c: the last reference to an inode is gone that is watched. */
void inode_watches_end(struct inode *inode);

static inline void inode_put(struct inode *inode)
{
    if (inode != NULL && __atomic_sub_fetch(&inode->references, 1, __ATOMIC_ACQ_REL) == 0) {
        if (__atomic_load_n(&inode->watches, __ATOMIC_ACQUIRE) != NULL) {
            inode_watches_end(inode);
        }
        inode->operations->release(inode);
    }
}

static inline bool inode_is(const struct inode *inode, uint32_t type)
{
    return (inode->mode & S_IFMT) == type;
}

/* nameless.c: an inode of no file system, the current task's, with one reference; its operations
 * release it with inode_nameless_release. NULL: no memory. */
struct inode *inode_new_nameless(uint32_t mode, const struct inode_operations *operations);
void inode_nameless_release(struct inode *inode);
