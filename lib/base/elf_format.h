/* The structures of an ELF64 file (System V ABI, "Object Files"), for elf*.c. */
#pragma once

#include "lib/base/types.h"

static const uint8_t elf_identity[] = {0x7f, 'E', 'L', 'F', 2 /* 64-bit */, 1 /* little endian */,
                                       1};

struct elf_header {
    uint8_t identity[16];
    uint16_t type;
    uint16_t machine;
    uint32_t version;
    uint64_t entry;
    uint64_t program_headers;
    uint64_t section_headers;
    uint32_t flags;
    uint16_t header_bytes;
    uint16_t program_header_bytes;
    uint16_t program_header_count;
    uint16_t section_header_bytes;
    uint16_t section_header_count;
    uint16_t section_names;
};
_Static_assert(sizeof(struct elf_header) == 64, "ELF64 header");

struct elf_program_header {
    uint32_t type;
    uint32_t flags;
    uint64_t offset;
    uint64_t address;
    uint64_t physical_address;
    uint64_t file_bytes;
    uint64_t memory_bytes;
    uint64_t alignment;
};
_Static_assert(sizeof(struct elf_program_header) == 56, "ELF64 program header");

struct elf_section_header {
    uint32_t name;
    uint32_t type;
    uint64_t flags;
    uint64_t address;
    uint64_t offset;
    uint64_t size_bytes;
    uint32_t link; /* a symbol table's strings */
    uint32_t info;
    uint64_t alignment;
    uint64_t entry_bytes;
};
_Static_assert(sizeof(struct elf_section_header) == 64, "ELF64 section header");

struct elf_symbol {
    uint32_t name;
    uint8_t info;
    uint8_t other;
    uint16_t section; /* 0: defined elsewhere */
    uint64_t value;
    uint64_t size_bytes;
};
_Static_assert(sizeof(struct elf_symbol) == 24, "ELF64 symbol");
