/*
 * Open files: what a descriptor refers to. `operations` says what it is; the file may be shared by
 * descriptors, tasks and mappings.
 */
#pragma once

#include "linux/core/lock.h"
#include "linux/event/wait.h"
#include "linux/file/io.h"
#include "linux/file/path.h"

struct epoll_item;
struct file;

#define O_ACCMODE   00000003u
#define O_RDONLY    00000000u
#define O_WRONLY    00000001u
#define O_RDWR      00000002u
#define O_CREAT     00000100u
#define O_EXCL      00000200u
#define O_NOCTTY    00000400u
#define O_TRUNC     00001000u
#define O_APPEND    00002000u
#define O_NONBLOCK  00004000u
#define O_DSYNC     00010000u
#define O_ASYNC     00020000u
#define O_DIRECT    00040000u
#define O_LARGEFILE 00100000u
#define O_DIRECTORY 00200000u
#define O_NOFOLLOW  00400000u
#define O_CLOEXEC   02000000u
#define O_NOATIME   01000000u
#define O_PATH      010000000u
#define O_SYNC      04000000u  /* the bit alone, without O_DSYNC */
#define O_TMPFILE   020000000u /* the bit alone */
/* Of path_open only: to execute, for which a file need not be readable. */
#define OPEN_EXECUTE 0x80000000u

/* Which pages a mapping shows: a range of a kernel memory. */
struct file_mapping {
    uint32_t slot;
    uint64_t offset;
    uint64_t length_bytes; /* how far the pages are this file's; what follows must not be mapped */
    bool writable; /* stores may go to these pages themselves (MAP_SHARED, open for writing) */
};

/*
 * Operations may be NULL: read and write give -EINVAL, poll says always ready, ioctl -ENOTTY,
 * mapping -ENODEV, seek -ESPIPE. They block unless O_NONBLOCK is set (-EAGAIN), and give
 * -ERESTARTSYS when a signal comes first and nothing was moved.
 */
struct file_operations {
    /* Move bytes at *position and advance it; streams ignore it. The bytes moved, 0: end. */
    long (*read)(struct file *file, struct io *io, uint64_t *position);
    long (*write)(struct file *file, struct io *io, uint64_t *position);
    /* WAIT_POLL* that are true now; adds the queues that tell of changes (table may be NULL). */
    uint32_t (*poll)(struct file *file, struct poll_table *table);
    long (*ioctl)(struct file *file, uint32_t request, uint64_t argument);
    /* The new position; default for files with a size: file_seek_plain. */
    long (*seek)(struct file *file, int64_t offset, uint32_t whence);
    /* -EACCES when `shared` wants what the file's mode forbids is checked before. */
    long (*mapping)(struct file *file, uint64_t offset, uint64_t length_bytes, bool shared,
                    struct file_mapping *out);
    /* A close(2) takes away its last descriptor: wait for what should be done first. NULL: nothing.
     */
    void (*closing)(struct file *file);
    /* The last reference is gone. */
    void (*release)(struct file *file);
    bool tells_owner; /* of readiness, with O_ASYNC (event/async.h) */
    bool tells_room;  /* and who may read is told of room to write, too */
};

struct file {
    uint32_t references; /* atomic */
    uint32_t flags;      /* of open; F_SETFL changes some: atomic */
    const struct file_operations *operations;
    struct path path; /* inode NULL: none (cannot be) */
    void *data;       /* of the operations */
    struct mutex position_lock;
    uint64_t position;
    struct async *async; /* whom a signal tells of its readiness (event/async.h); or NULL */
    int32_t claim; /* on inode->writers, which ends with the file: 1 writing, -1 executing, or 0 */
    struct inode *directory; /* where it was opened, and as what: for /proc/self/fd; or NULL */
    char *name;
    const char *kind;            /* of a file that lies in no file system; or NULL */
    struct epoll_item *watchers; /* what watches it (event/epoll.h) */
};

static inline bool file_readable(const struct file *file)
{
    return (file->flags & O_ACCMODE) != O_WRONLY && !(file->flags & O_PATH);
}

static inline bool file_writable(const struct file *file)
{
    return (file->flags & O_ACCMODE) != O_RDONLY && !(file->flags & O_PATH);
}

static inline void file_get(struct file *file)
{
    __atomic_fetch_add(&file->references, 1, __ATOMIC_RELAXED);
}

/* The last reference closes the file: no lock of a file may be held, nor tasks_lock. */
void file_put(struct file *file);

/* An open file of an inode without a name, for pipes and their like: takes over the reference to
 * the inode, also on failure. NULL: no memory. */
struct file *file_new(struct inode *inode, uint32_t flags, const struct file_operations *operations,
                      void *data);

/* What a directory is when its file system does not say: it only has a position. */
extern const struct file_operations directory_file_operations;

/* What read, write and their like do with a checked io: at *at, which advances, or (NULL) at the
 * file's own position. */
long file_move(struct file *file, struct io *io, bool write, uint64_t *at);

/* Read at an offset into our own memory: the bytes read, or -errno. */
long file_read_kernel(struct file *file, void *to, uint64_t length_bytes, uint64_t offset);

/* Check the mode and ask the operations; beyond the file's last page too (such pages fault). */
long file_mapping(struct file *file, uint64_t offset, uint64_t length_bytes, bool shared,
                  struct file_mapping *out);

#define SEEK_SET  0
#define SEEK_CUR  1
#define SEEK_END  2
#define SEEK_DATA 3
#define SEEK_HOLE 4

/* A page at that offset lies behind the end of the file. */
bool file_beyond(struct file *file, uint64_t offset);

/* How a mapped page's absence is mended; 0, or -EIO: beyond the end of the file, or unreadable. */
long file_page_in(struct file *file, uint64_t offset);

/*
 * Who writes to a regular file keeps others from executing it, and the other way round: -ETXTBSY.
 * The claim lasts as long as the file is open (mappings keep it open), or until it is dropped.
 */
long file_claim_write(struct file *file);
long file_claim_execute(struct file *file);
void file_claim_drop(struct file *file);

/* 0 when the current task may execute the file: regular, with x permission. */
long file_may_execute(struct file *file);

long file_seek_plain(struct file *file, int64_t offset, uint32_t whence);
