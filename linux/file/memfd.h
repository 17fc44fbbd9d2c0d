/* Files of memory without a name, for what is not made by memfd_create. */
#pragma once

#include "lib/base/types.h"

struct file;

/*
 * A new file of that size, open twice: to read and write, and only to read. Neither has operations:
 * the caller gives them some (tree_file_mapping). The name is what /proc/PID/maps shows.
 */
long memfd_pair(const char *name, uint64_t size_bytes, uint32_t mode, struct file *out[2]);
