/*
 * What a machine is made of. `oak machine start` fills it from flags, and hands it to the daemon
 * as flags again.
 */
#pragma once

#include "lib/base/types.h"

#include <limits.h>

struct machine_options {
    uint32_t cpus;
    uint64_t memory_bytes;
    uint64_t store_bytes;     /* of a store that has to be made */
    const char *machine_type; /* NULL: MACHINE_TYPE_DEFAULT */
    const char *accelerator;  /* "auto", "kvm" or "tcg" */
};

#define MACHINE_TYPE_DEFAULT   "q35"
#define MACHINE_CPUS_MAX       64
#define MACHINE_MEMORY_MINIMUM (64ull << 20)
#define MACHINE_STORE_MINIMUM  (16ull << 20)

/* The defaults, and OAK_ACCELERATOR where it is set. */
void machine_options_init(struct machine_options *options);

/*
 * One flag, name without dashes. NOT_FOUND: no such flag; INVALID_ARGUMENT: the value is not one.
 */
MUST_USE status_t machine_options_set(struct machine_options *options, const char *name,
                                      const char *value);

/* Bytes from a number with docker's suffixes b, k, m, g, t. INVALID_ARGUMENT when it is not one. */
MUST_USE status_t size_parse(const char *text, uint64_t *out);

/*
 * The flags that make the same options again: a NULL-terminated vector of at most
 * MACHINE_OPTION_ARGUMENTS strings, valid until the next call.
 */
#define MACHINE_OPTION_ARGUMENTS 6
const char *const *machine_options_arguments(const struct machine_options *options);
