/*
 * Where images come from: a directory with an OCI layout, or an archive (tar, perhaps compressed)
 * with an OCI layout or what docker save writes. Both are a set of named files here. An archive
 * that cannot be read at any place (stdin, a compressed one) is first written to an unlinked file
 * in the state directory.
 */
#pragma once

#include "host/image/layer.h"

#define SOURCE_FILES_MAX 65536

struct source_file;

struct source {
    int directory_fd; /* of a directory; -1 otherwise */
    int archive_fd;   /* of an archive; -1 otherwise */
    struct source_file *files;
    size_t count;
    size_t capacity;
    struct problem *problem;
};

/*
 * Opens what is at the path, or stdin when that is NULL. room_bytes: how much may be written to the
 * state directory. Close it, whatever this returns.
 */
MUST_USE status_t source_open(struct source *source, const char *path, int state_fd,
                              uint64_t room_bytes, struct problem *problem);
void source_close(struct source *source);

bool source_has(const struct source *source, const char *name);

/* The file's bytes. NOT_FOUND. Close it when done. */
MUST_USE status_t source_file_open(const struct source *source, const char *name,
                                   struct byte_range *out);
void source_file_close(const struct source *source, struct byte_range *range);

/* The whole file, if it is not larger than that, in memory of its own. */
MUST_USE status_t source_file_read(const struct source *source, const char *name, size_t length_max,
                                   void **bytes, size_t *length_bytes);
