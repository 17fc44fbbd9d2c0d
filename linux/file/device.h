/* The character devices that every container has, and the tree of /dev. */
#pragma once

#include "linux/file/inode.h"

struct file;

/* Open the device that inode->device_number says; -ENXIO: there is none of that number, or
 * (tty 5:0) the session has no terminal. */
long device_open(struct inode *inode, struct file *file);

/*
 * A tmpfs tree with the devices, links and directories of /dev; needs no task and no container,
 * so it can be made in the template. -ENOMEM.
 */
long dev_tree_make(struct inode **out_root);
