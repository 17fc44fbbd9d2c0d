/* Executing programs, for execve and for the processes that the engine starts. */
#pragma once

#include "lib/base/types.h"

struct task;
struct file;

/* Arguments or environment: strings one behind the other. */
struct exec_strings {
    char *bytes;
    uint32_t used;
    uint32_t capacity;
    uint32_t count;
};

bool exec_strings_init(struct exec_strings *strings);
void exec_strings_free(struct exec_strings *strings);
long exec_strings_add(struct exec_strings *strings, const char *text, size_t length);

/* A regular file that the current task may execute. */
long exec_file_open(const char *path, struct file **out);

/* Replace the current task's program. On failure all is as it was. `arguments` may change. */
long exec_program(struct task *task, const char *path, struct exec_strings *arguments,
                  struct exec_strings *environment);
