/*
 * Flags as docker's pflag parses them: --name value, --name=value, -n value, -nvalue, -n=value,
 * combined short flags (-it), "--" ends them. Flags of docker that Oak does not have yet are in the
 * tables too, and refused by name.
 */
#pragma once

#include "host/cli/cli.h"

enum option_kind {
    OPTION_FLAG,  /* target: bool; --name=false is understood */
    OPTION_TEXT,  /* target: const char *, the last one wins */
    OPTION_LIST,  /* target: struct text_list, each one is added */
    OPTION_LATER, /* not there yet */
};

struct option {
    const char *name;
    char letter; /* 0 without */
    enum option_kind kind;
    void *target;
};

struct option_set {
    const struct option *options;
    size_t count;
    bool interspersed; /* flags may follow the first argument that is none */
};

/*
 * Takes argv[1..] apart; what is no flag goes to *arguments. False: the error was printed, the
 * command ends with EXIT_OAK. --help prints the command's usage and exits with 0.
 */
MUST_USE bool options_parse(const struct option_set *set, int argc, char **argv,
                            struct text_list *arguments);

#define OPTION_SET(table, mixed)                                                                   \
    &(const struct option_set)                                                                     \
    {                                                                                              \
        .options = (table), .count = ARRAY_LENGTH(table), .interspersed = (mixed)                  \
    }

/* Prints "oak: oak NAME needs ...; usage: ..." and returns EXIT_OAK. */
int usage_error(const char *command, const char *needs);
void usage_print(const char *command);
