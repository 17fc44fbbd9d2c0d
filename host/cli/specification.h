/*
 * A container's specification: the image's configuration and the flags of run and create, combined
 * by docker's rules, as the records that CREATE takes.
 */
#pragma once

#include "host/cli/image.h"
#include "host/cli/names.h"
#include "host/cli/options.h"

struct container_flags {
    bool detach;
    bool interactive;
    bool terminal;
    bool remove;
    bool read_only;
    bool quiet;
    bool sig_proxy;
    const char *name;
    const char *working_directory;
    const char *user;
    const char *entrypoint; /* NULL: the image's; "": none */
    const char *hostname;
    const char *memory;
    const char *stop_signal;
    const char *detach_keys;
    const char *cid_file;
    struct text_list environment;
    struct text_list environment_files;
    struct text_list tmpfs;
    struct text_list labels;
};

/* What one container is made from. */
struct specification {
    char id[ID_DIGITS + 1];
    char name[NAME_MAX_BYTES + 1];
    const struct container_flags *flags;
    const struct image *image;
    struct text_list entrypoint;
    struct text_list command;
    struct text_list environment;
    const char *working_directory;
    const char *user;
    const char *stop_signal;
    char *hostname;
    uint64_t memory_bytes;
    uint32_t stop_signal_number;
};

/*
 * The flags of run and create, for options_parse: one per process. detached: create, which has no
 * --detach and no --rm of its own in docker but takes the latter.
 */
extern struct container_flags container_flags;
const struct option_set *container_option_set(void);

/* Checks what the flags say by themselves. False: the error was printed. */
MUST_USE bool container_flags_check(const char *command, const struct container_flags *flags);

/* Combines; arguments are the words after IMAGE. False: the error was printed. */
MUST_USE bool specification_make(struct specification *specification,
                                 const struct container_flags *flags, const struct image *image,
                                 const char *const *arguments, size_t argument_count);

/* Writes the records of CREATE. False: the error was printed. */
MUST_USE bool specification_write(const struct specification *specification,
                                  struct record_writer *records);

/* -e and --env-file: adds NAME=value to the list, a later NAME replacing an earlier one. */
MUST_USE bool environment_add(struct text_list *environment, const char *command,
                              const struct text_list *files, const struct text_list *flags);
void environment_set(struct text_list *environment, const char *entry);

/* label.c: the notes that ps and inspect read. At most the 64 KiB that the engine keeps. */
char *label_make(const struct specification *specification, size_t *length_bytes);
