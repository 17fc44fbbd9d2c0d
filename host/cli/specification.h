/*
 * A container's specification: the image's configuration and the flags of run and create, combined
 * by docker's rules, as the records that CREATE takes.
 */
#pragma once

#include "host/cli/image.h"
#include "host/cli/names.h"
#include "host/cli/options.h"

/* limits.c: what a container may use, as run, create and update take it; NULL: not said. */
struct limit_flags {
    const char *memory;
    const char *cpus;
    const char *cpu_shares;
    const char *cpu_period;
    const char *cpu_quota;
    const char *pids_limit;
};

/* The same in the units of CREATE and UPDATE. 0: none; LIMIT_UNSAID: not said. */
#define LIMIT_UNSAID UINT64_MAX
struct limits {
    uint64_t memory_bytes;
    uint64_t cpu_weight;
    uint64_t cpu_quota_ns;
    uint64_t cpu_period_ns;
    uint64_t threads;
};

/* False: the error was printed. */
MUST_USE bool limits_parse(const char *command, const struct limit_flags *flags,
                           struct limits *limits);
void limits_put(struct record_writer *records, const struct limits *limits);

/* The flags of struct limit_flags for a table of options. */
#define LIMIT_OPTIONS(flags)                                                                       \
    {"memory", 'm', OPTION_TEXT, &(flags).memory}, {"cpus", 0, OPTION_TEXT, &(flags).cpus},        \
        {"cpu-shares", 'c', OPTION_TEXT, &(flags).cpu_shares},                                     \
        {"cpu-period", 0, OPTION_TEXT, &(flags).cpu_period},                                       \
        {"cpu-quota", 0, OPTION_TEXT, &(flags).cpu_quota},                                         \
    {                                                                                              \
        "pids-limit", 0, OPTION_TEXT, &(flags).pids_limit                                          \
    }

/* The only security option: programs get what their container's personality may do. */
#define UNSEALED "seal=off"

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
    struct limit_flags limits;
    const char *stop_signal;
    const char *detach_keys;
    const char *cid_file;
    struct text_list environment;
    struct text_list environment_files;
    struct text_list tmpfs;
    struct text_list labels;
    struct text_list security_options; /* each is UNSEALED */
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
    struct limits limits;
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
