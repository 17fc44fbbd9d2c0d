/* What a container's file system consists of before its first program runs. */
#pragma once

#include "lib/base/types.h"

struct specification;

/* In the template: make and mount all that needs no container, the root without its image, /dev,
 * /proc and /sys. -ENOMEM. */
long root_prepare(void);

/* The root lies over the image from now on. Before there is a task. */
long root_open(bool read_only);

/* The files that the engine's client sends, tmpfs mounts, and the working directory if it is
 * missing. By the first task; on failure *what names the part. */
long root_furnish(const struct specification *specification, const char **what);
