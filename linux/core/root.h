/* What a container's file system consists of before its first program runs. */
#pragma once

#include "lib/base/types.h"

struct specification;

/* In the template: make what needs no container, the tree of /dev. -ENOMEM. */
long root_prepare(void);

/* The overlay over the image as root. Before there is a task. */
long root_mount(bool read_only);

/* /dev, /proc, tmpfs mounts, the files that the engine's client sends, and the working directory if
 * it is missing. By the first task; on failure *what names the part. */
long root_furnish(const struct specification *specification, const char **what);
