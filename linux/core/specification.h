/*
 * What the engine's client asked for (records of abi/control.h), copied out of the channel and
 * checked. Texts live as long as the specification.
 */
#pragma once

#include "lib/base/record.h"
#include "linux/proc/exec.h"

struct specification {
    uint8_t *bytes;
    struct exec_strings arguments;
    struct exec_strings environment;
    char *working_directory; /* NULL: none was given, as the next three */
    char *user;
    char *hostname;
    char *path; /* of a copy, which has no arguments */
    bool terminal;
    bool open_stdin;
    bool read_only;
    bool furnishes;               /* there are records of tmpfs or files */
    uint32_t window;              /* rows << 16 | columns; 0: unknown */
    struct record_reader records; /* all, for tmpfs and files */
};

/* -EINVAL: these are no such records; -E2BIG, -ENOMEM. */
long specification_read(const void *shared, uint64_t length_bytes, struct specification *out);
void specification_free(struct specification *specification);

/* A record's text with its NUL, on the heap; NULL: no memory, or a NUL inside. */
char *record_text(const struct record *record);
