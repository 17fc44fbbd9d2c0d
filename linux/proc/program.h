/* ELF files and scripts, as far as exec needs them. */
#pragma once

#include "linux/core/random.h"
#include "linux/proc/capability.h"
#include "linux/proc/task.h"

struct file;
struct mm;

#define PROGRAM_TAILS 8

/* The rest of a segment's last file page, which must read as zero: cleared once the space is in
 * use. */
struct program_tail {
    uint64_t address;
    uint64_t length_bytes;
};

struct program {
    uint64_t start; /* the first instruction: the interpreter's entry, or the program's own */
    uint64_t entry; /* the program's own */
    uint64_t headers;
    uint64_t header_count;
    uint64_t interpreter_base;
    uint64_t vdso;
    uint32_t tail_count;
    struct program_tail tail[PROGRAM_TAILS];
    char path[EXE_BYTES]; /* of the file, without links */
    struct program_authority authority;
    struct credentials credentials; /* that it runs with */
    bool secure;                    /* it has more authority than its caller */
    bool unreadable;                /* a file of it may be executed but not be read by its caller */
    bool is_unmappable;             /* its headers are well, its segments fit nowhere */
};

/* The first bytes of a file that is executed: a script's line, or headers that are usual. */
#define SCRIPT_LINE         256
#define PROGRAM_BEGIN_BYTES 512
struct program_begin {
    uint8_t bytes[PROGRAM_BEGIN_BYTES];
    uint64_t length_bytes;
};

long program_begin_read(struct file *file, struct program_begin *begin);

/* Map an ELF file, and its interpreter, into an empty mm. -ENOEXEC, -EIO and -ELIBBAD (the
 * interpreter is none), and the errors of mapping. */
long program_load(struct file *file, const struct program_begin *begin, struct mm *mm,
                  struct program *out);

/* Split "#!interpreter [argument]" of at most SCRIPT_LINE bytes with its NUL; cuts the line. The
 * interpreter may be empty when no newline follows. */
bool script_parse(char *line, char **interpreter, char **argument);
