/* An inode of /proc or /sys, for proc.c, which makes them, and proc_content.c, which opens their
 * files. */
#pragma once

#include "linux/file/file.h"
#include "linux/file/proc_entry.h"

struct proc_inode {
    struct inode inode;
    const struct proc_entry *entry;
    struct proc_target target;
    enum proc_tree tree;
    bool stays; /* it is in no heap */
};

static inline struct proc_inode *proc_of(struct inode *inode)
{
    return CONTAINER_OF(inode, struct proc_inode, inode);
}

void proc_inode_release(struct inode *inode);

/* proc_content.c */
extern const struct inode_operations proc_file_operations;
