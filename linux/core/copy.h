/*
 * Copying files out of and into the container for the engine's clients: a task that never runs a
 * program walks a tree and writes it as a tar archive to its stdout, or unpacks an archive from its
 * stdin. It has root's rights in the container and is ended by a signal like any other process.
 */
#pragma once

#include "linux/core/tar.h"
#include "linux/file/file.h"

#define COPY_PIECE_BYTES 4096
#define COPY_DEPTH_MAX   256 /* directories below one another that are copied out */

/*
 * The whole copy, as the current task: the path's last component and what is below it to the
 * stream; or the stream's archive into the directory of that path (STATUS_WRONG_TYPE: it is none).
 * NOT_FOUND: there is no such path. On failure one line in `message` for the user.
 */
status_t copy_run(struct file *stream, const char *path, bool into, char *message,
                  uint32_t message_bytes);

/* --- between copy.c, copy_out.c and copy_in.c ------------------------------------------------- */

struct copy {
    struct file *stream;
    const char *problem; /* says more than the error number; or NULL */
    bool found;          /* errors are not about the path that the client named any more */
    uint8_t piece[COPY_PIECE_BYTES];
    char name[PATH_MAX]; /* of the entry in progress, as it stands in the archive */
};

/* 0 or -errno. */
long copy_out(struct copy *copy, const char *path);
long copy_in(struct copy *copy, const char *path);

/* Reading from and writing to the stream: -EINTR when a signal came. */
void copy_reader_init(struct copy *copy, struct tar_reader *reader);
void copy_writer_init(struct copy *copy, struct tar_writer *writer);

/* -errno, with a text for the user. */
long copy_problem(struct copy *copy, long result, const char *problem);

/* What has that name in the directory, itself and not what a link leads to; mounts are crossed. */
long copy_find(const struct path *directory, const char *name, uint32_t length_bytes,
               struct path *out);
/* Open a regular file that was found. */
long copy_open(const struct path *path, uint32_t flags, struct file **out);
