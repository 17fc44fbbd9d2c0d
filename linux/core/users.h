/* Whom a container's process runs as: the text of --user, looked up in the image's files. */
#pragma once

#include "lib/base/types.h"

struct credentials;

/*
 * "user", "uid", "user:group", "uid:gid"; NULL or "": root. Sets ids and supplementary groups;
 * *home is the user's directory, on the heap, or NULL. -ENOENT: no such user or group.
 */
long users_resolve(const char *text, struct credentials *credentials, char **home);
