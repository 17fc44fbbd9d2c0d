/*
 * What every command of the CLI uses: its entry points, errors, memory and small text helpers. A
 * command is a short-lived process: out of memory ends it with a line and 125.
 */
#pragma once

#include "lib/base/types.h"

/* Exit codes as docker has them; any other is the container's own. */
#define EXIT_OAK            125 /* usage, or the machine */
#define EXIT_NOT_EXECUTABLE 126
#define EXIT_NOT_FOUND      127

struct command {
    const char *name;
    int (*run)(int argc, char **argv); /* argv[0] is the command's name; returns the exit code */
    const char *usage;                 /* what follows the name */
    const char *summary;
};

extern const struct command commands[];
extern const size_t command_count;

#define COMMAND(name) int name##_command(int argc, char **argv)
COMMAND(attach);
COMMAND(cp);
COMMAND(create);
COMMAND(exec);
COMMAND(help);
COMMAND(images);
COMMAND(import);
COMMAND(inspect);
COMMAND(kill);
COMMAND(load);
COMMAND(logs);
COMMAND(machine);
COMMAND(pause);
COMMAND(ps);
COMMAND(pull);
COMMAND(rm);
COMMAND(rmi);
COMMAND(run);
COMMAND(start);
COMMAND(stats);
COMMAND(stop);
COMMAND(trace);
COMMAND(unpause);
COMMAND(update);
COMMAND(version);
COMMAND(wait);
#undef COMMAND

/* Prints "oak: ..." and a newline to stderr, and returns code. */
__attribute__((format(printf, 2, 3))) int error_line(int code, const char *format, ...);

/* "oak: ..." to stderr: something worth knowing that is no error. */
__attribute__((format(printf, 1, 2))) void note_line(const char *format, ...);

/* Never NULL. */
void *allocate(size_t length_bytes);
void *allocate_again(void *old, size_t length_bytes);
char *text_copy(const char *text);
__attribute__((format(printf, 1, 2))) char *text_format(const char *format, ...);

/* A growing list of strings that it does not own. */
struct text_list {
    const char **items;
    size_t count;
    size_t capacity;
};
void text_list_add(struct text_list *list, const char *text);
void text_list_free(struct text_list *list);

/* What the statuses of the ABI mean to a user. */
const char *status_text(status_t status);

/* A decimal number up to limit, and nothing else. */
bool number_parse(const char *text, uint64_t limit, uint64_t *out);
