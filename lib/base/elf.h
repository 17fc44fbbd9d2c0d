/*
 * The part of ELF that programs of the bundle use (System V ABI, "Program Header"): an x86-64
 * executable at fixed addresses whose loadable segments begin on pages. Everything else is CORRUPT.
 */
#pragma once

#include "lib/base/types.h"

#define ELF_SEGMENTS_MAX 8

struct elf_segment {
    uint64_t address;     /* page aligned, inside the program's part of the window */
    uint64_t file_offset; /* page aligned */
    uint64_t file_bytes;  /* rounded up to pages */
    uint64_t zero_bytes;  /* pages of zeros behind them */
    uint32_t rights;      /* RIGHT_READ with at most one of WRITE and EXECUTE */
};

struct elf_image {
    uint64_t entry; /* inside an executable segment */
    uint32_t segment_count;
    struct elf_segment segment[ELF_SEGMENTS_MAX]; /* ascending, not overlapping */
};

/* Check a file of size_bytes whose first head_bytes bytes are at `head`. */
MUST_USE status_t elf_parse(const void *head, uint64_t head_bytes, uint64_t size_bytes,
                            struct elf_image *out);

/*
 * The function of the whole file that the address lies in or behind, by its symbol table, and how
 * far behind its beginning. The name lies in the file. NULL: the file says none.
 */
const char *elf_function_name(const void *file, uint64_t size_bytes, uint64_t address,
                              uint64_t *out_offset);
