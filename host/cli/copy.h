/*
 * The two halves of oak cp: tar archives over a session's streams, as docker's archive interface
 * defines them. COPY_OUT's archive holds the path's last component and what is below it; COPY_IN
 * unpacks an archive into a directory that exists.
 */
#pragma once

#include "host/cli/containers.h"

/* Copies container:path to the host's target ("-": the archive itself to stdout). Exit code. */
int copy_out(struct connection *connection, const char *container, const char *path,
             const char *target);

/* Copies the host's source ("-": an archive from stdin) to container:path. Exit code. */
int copy_in(struct connection *connection, const char *source, const char *container,
            const char *path);

/* Takes "/." and trailing slashes off; true when "/." was there: the directory's contents only. */
bool copy_path_trim(char *path);

/* tree_write.c: puts an archive's entries below a directory, trusting none of its names. */
struct tree {
    int directory_fd;
    const char *top;   /* what every entry's first component becomes; NULL: it is left out */
    uint64_t refused;  /* entries that were not written: devices, sockets, pipes */
    char problem[256]; /* set on failure */
};

struct archive;

/*
 * Writes all entries. Names that are absolute, contain "..", or lead through a symbolic link fail
 * the copy; nothing is written outside the directory, whatever the archive says.
 */
MUST_USE status_t tree_write(struct tree *tree, struct archive *archive);
