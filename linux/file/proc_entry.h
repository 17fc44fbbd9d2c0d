/*
 * What the files of /proc and /sys share: entries (the tables that say what there is), targets
 * (whose file it is) and texts (content being made).
 */
#pragma once

#include "linux/file/inode.h"

struct task;
struct thread_group;
struct file_table;
struct io;
struct fs_context;
struct mm;

/* Which process, thread and descriptor a file tells of; 0 and -1: none. Numbers are used again: the
 * process is the one that began then. What lies in its memory is told of one program only, the one
 * that it ran when the file was found. */
struct proc_target {
    int pid;
    int tid;
    int fd;
    uint32_t executions;
    uint64_t start_ns;
};

/* Content: grows up to PROC_TEXT_MAX; `failed` when there was no memory or no room. */
#define PROC_TEXT_MAX (4u << 20) /* smaps of some 6,000 areas */
struct proc_text {
    char *bytes;
    uint32_t used_bytes;
    uint32_t capacity_bytes;
    bool failed;
};

void proc_put(struct proc_text *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void proc_put_bytes(struct proc_text *text, const void *bytes, uint32_t length_bytes);

/* How a directory knows its entries. */
enum proc_directory {
    PROC_STATIC,     /* by its table alone */
    PROC_ROOT,       /* by its table, and processes */
    PROC_TASKS,      /* threads of the process */
    PROC_FILES,      /* its descriptors */
    PROC_FILES_INFO, /* a text for each */
    PROC_CPUS,       /* by its table, and cpu0, cpu1, ... */
};

struct proc_inode;

struct proc_entry {
    const char *name;
    uint32_t mode; /* with the type */
    /* Directories. */
    enum proc_directory kind;
    const struct proc_entry *children;
    uint32_t child_count;
    /* The entries of the directory of each CPU, whose number is the target's fd. */
    const struct proc_entry *cpu_entry;
    /* A directory that something is mounted on: its one inode. */
    struct proc_inode *place;
    /* Regular files and links whose content never changes. */
    const char *text;
    /* Regular files: 0, or -ESRCH when the process is gone. */
    long (*make)(const struct proc_target *target, struct proc_text *text);
    /* Bytes instead of a text: move what the io wants from or to that position, and the position
     * behind it; how many. Opening asks proc_may_look. */
    long (*move)(const struct proc_target *target, struct io *io, uint64_t *position, bool write);
    /* Take what a write gave, ended by a NUL. NULL: -EACCES to open it for writing. */
    long (*write)(const struct proc_target *target, const char *bytes, uint32_t length_bytes);
    /* Links: as inode_operations. follow may be NULL. */
    long (*readlink)(const struct proc_target *target, char *out, uint32_t capacity_bytes);
    long (*follow)(const struct proc_target *target, struct path *out);
};

/* /proc/<pid> and /proc/<pid>/task/<tid>; a descriptor in either. */
extern const struct proc_entry proc_process_entry;
extern const struct proc_entry proc_thread_entry;
extern const struct proc_entry proc_descriptor_entry;
extern const struct proc_entry proc_descriptor_info_entry;
#define PROC_FILE(file_name, function)                                                             \
    {                                                                                              \
        .name = (file_name), .mode = S_IFREG | 0444, .make = (function)                            \
    }
#define PROC_TEXT(file_name, content)                                                              \
    {                                                                                              \
        .name = (file_name), .mode = S_IFREG | 0444, .text = (content)                             \
    }
#define PROC_DIRECTORY(directory_name, entries)                                                    \
    {                                                                                              \
        .name = (directory_name), .mode = S_IFDIR | 0555, .children = (entries),                   \
        .child_count = ARRAY_LENGTH(entries)                                                       \
    }
#define PROC_LINK(link_name, function)                                                             \
    {                                                                                              \
        .name = (link_name), .mode = S_IFLNK | 0777, .readlink = (function)                        \
    }

/* Trees of entries, each mounted once: /proc, /sys, /sys/fs/cgroup. */
enum proc_tree {
    PROC_TREE,
    SYS_TREE,
    CGROUP_TREE,
    PROC_TREES,
};
/* The root of a tree, whose entries that one is; it lives for ever. */
struct inode *proc_tree_root(enum proc_tree tree, const struct proc_entry *entry);

/* Where /sys/fs/cgroup is mounted, and the making of such an inode. */
extern struct proc_inode cgroup_place;
struct inode *proc_place_init(struct proc_inode *place, enum proc_tree tree,
                              const struct proc_entry *entry);

/* The directories of /proc/sys. */
#define PROC_SETTINGS 5
extern const struct proc_entry proc_settings[PROC_SETTINGS];
/* What stands beside the processes. */
extern const struct proc_entry proc_system_entries[];
extern const uint32_t proc_system_entry_count;
/* net/proc_net.c: /proc/net. */
#define PROC_NET_ENTRIES 12
extern const struct proc_entry proc_net_entries[PROC_NET_ENTRIES];

/* The process of that number, or the thread, which is found in /proc without being listed there;
 * false: there is none. */
bool proc_find(int number, struct proc_target *out);
/* Parts of a process, with references; NULL: it has none, it is gone or a zombie. */
struct mm *proc_mm(const struct proc_target *target);
struct file_table *proc_files(const struct proc_target *target);
/* Whether the process or thread still exists. */
bool proc_alive(const struct proc_target *target);
/* The owner of its files, for a file that is found now: target->executions is set. False: gone. */
bool proc_owner(struct proc_target *target, uint32_t *uid, uint32_t *gid);
/* What a process has open and mapped is its owner's to know: 0, -EACCES, -ENOENT. */
long proc_may_look(const struct proc_target *target);
/* The same, -ESRCH for one that is gone, and the mm, with a reference: looked at and taken at once,
 * for the process may become another user's. *out is NULL: it has none, or runs another program
 * than when the file was found.
 */
long proc_mm_look(const struct proc_target *target, struct mm **out);
/* The same under tasks_lock; *out is what proc_task finds. Take it before the lock is let go. */
long proc_look_locked(const struct proc_target *target, struct task **out);
/* The thread, or for a process its leader or whichever task is left. Under tasks_lock. */
struct task *proc_task(const struct proc_target *target, struct thread_group **group);

/* proc_links.c */
long proc_exe_read(const struct proc_target *target, char *out, uint32_t capacity_bytes);
long proc_cwd_read(const struct proc_target *target, char *out, uint32_t capacity_bytes);
long proc_cwd_follow(const struct proc_target *target, struct path *out);
long proc_root_read(const struct proc_target *target, char *out, uint32_t capacity_bytes);
long proc_root_follow(const struct proc_target *target, struct path *out);

long proc_make_maps(const struct proc_target *target, struct proc_text *text);
long proc_make_smaps(const struct proc_target *target, struct proc_text *text);
long proc_make_smaps_rollup(const struct proc_target *target, struct proc_text *text);
long proc_make_command_line(const struct proc_target *target, struct proc_text *text);
long proc_make_environment(const struct proc_target *target, struct proc_text *text);
long proc_make_auxv(const struct proc_target *target, struct proc_text *text);
long proc_memory_move(const struct proc_target *target, struct io *io, uint64_t *position,
                      bool write);
long proc_make_mounts(const struct proc_target *target, struct proc_text *text);
long proc_make_mountinfo(const struct proc_target *target, struct proc_text *text);

/* Sizes of a process's memory. What is resident is its private pages, as estimated (mm_resident);
 * pages of files that it shares with others count for nobody. */
struct proc_memory {
    uint64_t total_bytes;
    uint64_t resident_bytes;
    uint64_t code_bytes;
    uint64_t data_bytes;
    uint64_t stack_bytes;
    uint64_t locked_bytes;
    uint64_t stack_start;
};
void proc_memory_read(const struct proc_target *target, struct proc_memory *out);
