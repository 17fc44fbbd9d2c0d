/* ELF files and scripts, as far as exec needs them. */
#pragma once

#include "lib/base/types.h"

struct file;
struct mm;

struct program {
    uint64_t start; /* the first instruction: the interpreter's entry, or the program's own */
    uint64_t entry; /* the program's own */
    uint64_t headers;
    uint64_t header_count;
    uint64_t interpreter_base;
    uint64_t vdso;
};

/* Map an ELF file, and its interpreter, into an empty mm. -ENOEXEC and the errors of mapping. */
long program_load(struct file *file, struct mm *mm, struct program *out);

/* Split "#!interpreter [argument]"; cuts the line. */
bool script_parse(char *line, char **interpreter, char **argument);

void random_bytes(void *to, size_t length_bytes);
