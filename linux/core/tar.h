/*
 * Tar archives as streams (POSIX.1-2001 pax, ustar, and GNU's long names when reading). Knows
 * neither files nor tasks: bytes come from one function and go to another. What is read is
 * hostile: every number is checked, no name is longer than its buffer, and a call reads no more
 * than the headers say. What names mean and whether they may be used is the caller's business.
 *
 * Functions return 0 or -errno, of the caller's functions unchanged; -EINVAL with `problem` set:
 * the archive is at fault.
 */
#pragma once

#include "lib/base/types.h"

#define TAR_BLOCK_BYTES 512
#define TAR_NAME_BYTES  4096 /* with the NUL */

enum tar_kind {
    TAR_FILE,
    TAR_DIRECTORY,
    TAR_SYMBOLIC_LINK,
    TAR_HARD_LINK, /* to a name of the same archive */
    TAR_OTHER,     /* devices and their like */
};

struct tar_entry {
    enum tar_kind kind;
    const char *name;   /* as it stands there: "../a", "/a", "a//b/" are possible */
    const char *target; /* of links */
    uint32_t mode;      /* 07777 of it */
    uint32_t uid;
    uint32_t gid;
    uint64_t size_bytes; /* of a file's data, which follow */
    int64_t modify_ns;   /* since 1970 */
};

/* --- reading --------------------------------------------------------------------------------- */

struct tar_reader {
    /* Up to length_bytes of what comes next; 0: the end. Set these two, zero the rest. */
    long (*take)(void *context, void *to, uint32_t length_bytes);
    void *context;

    const char *problem; /* what is wrong with the archive, or NULL */
    uint64_t left_bytes; /* of the entry's data */
    uint32_t padding_bytes;
    uint32_t extended; /* which of these fields an extended header has set */
    uint32_t uid;
    uint32_t gid;
    uint64_t size_bytes;
    int64_t modify_ns;
    uint32_t piece_used; /* of an extended header's piece in `piece` */
    uint32_t piece_bytes;
    uint8_t block[TAR_BLOCK_BYTES];
    uint8_t piece[TAR_BLOCK_BYTES];
    char name[TAR_NAME_BYTES];
    char target[TAR_NAME_BYTES];
};

/* The next entry, whose texts live until the next call; what is left of the one before is skipped.
 * 1: an entry, 0: the archive's end. */
long tar_next(struct tar_reader *reader, struct tar_entry *out);

/* Up to length_bytes of the entry's data: how many; 0: there are no more. */
long tar_read(struct tar_reader *reader, void *to, uint32_t length_bytes);

/* --- writing --------------------------------------------------------------------------------- */

struct tar_writer {
    /* All of it, or -errno. Set these two, zero the rest. */
    long (*give)(void *context, const void *bytes, uint32_t length_bytes);
    void *context;

    uint64_t left_bytes; /* that the entry's data still lack */
    uint32_t padding_bytes;
    uint8_t block[TAR_BLOCK_BYTES];
};

/* The entry before must have got all its data. -ENAMETOOLONG. */
long tar_put(struct tar_writer *writer, const struct tar_entry *entry);
/* Data of a file; not more than its size. */
long tar_write(struct tar_writer *writer, const void *bytes, uint32_t length_bytes);
/* The end of the archive. */
long tar_finish(struct tar_writer *writer);
