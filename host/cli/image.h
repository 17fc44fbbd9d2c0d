/*
 * The image that a command names: a loaded one, or a path to one, which is imported first. What is
 * kept of it here is what a container's configuration starts from.
 */
#pragma once

#include "host/cli/connection.h"

struct image {
    char *name; /* as the user wrote it */
    char *id;   /* sha256:... of its configuration */
    uint8_t blob[32];
    struct text_list entrypoint;
    struct text_list command;
    struct text_list environment;
    char *working_directory; /* "" without, as the next two */
    char *user;
    char *stop_signal;
};

/*
 * Finds it, importing a path through the connection. False: the error was printed. again: the
 * machine said that it does not have the blob; a path is imported once more, a name is an error.
 */
MUST_USE bool image_find(struct connection *connection, const char *reference, bool again,
                         struct image *out);
