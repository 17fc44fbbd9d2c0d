/* Mapping ELF programs. Every field comes from the image or from an application: all are checked.
 */
#include "linux/proc/program.h"

#include "abi/container.h"
#include "lib/base/string.h"
#include "lib/oak/kernel.h"
#include "linux/core/errno.h"
#include "linux/core/user.h"
#include "linux/file/file.h"
#include "linux/file/path.h"
#include "linux/mm/mm.h"
#include "linux/proc/exec.h"

#define ET_EXEC   2
#define ET_DYN    3
#define EM_X86_64 62
#define PT_LOAD   1
#define PT_INTERP 3
#define PT_PHDR   6
#define PF_X      1
#define PF_W      2
#define PF_R      4

#define HEADERS_MAX      32
#define PROGRAM_BASE     0x0000555555554000ull
#define INTERPRETER_BASE 0x00007f0000000000ull
#define PATH_BYTES       256
#define MAP_LOWEST       0x10000ull /* the pages around zero belong to nobody */

struct elf_header {
    uint8_t ident[16];
    uint16_t type;
    uint16_t machine;
    uint32_t version;
    uint64_t entry;
    uint64_t program_offset;
    uint64_t section_offset;
    uint32_t flags;
    uint16_t header_size;
    uint16_t program_entry_size;
    uint16_t program_count;
    uint16_t section_entry_size;
    uint16_t section_count;
    uint16_t section_names;
};

struct elf_program_header {
    uint32_t type;
    uint32_t flags;
    uint64_t offset;
    uint64_t address;
    uint64_t physical;
    uint64_t file_bytes;
    uint64_t memory_bytes;
    uint64_t alignment;
};

struct elf {
    struct elf_header header;
    struct elf_program_header program[HEADERS_MAX];
    uint64_t first; /* address range of the loadable segments, page aligned */
    uint64_t end;
};

/* `no_header` for a file that is too short to have one, `bad` for one that has another. As on
 * Linux, of the identification only the magic bytes count. */
static long elf_read(struct file *file, const struct program_begin *begin, struct elf *elf,
                     long no_header, long bad)
{
    const struct elf_header *header = &elf->header;
    if (begin->length_bytes < sizeof(*header)) {
        return no_header;
    }
    memcpy(&elf->header, begin->bytes, sizeof(elf->header));
    if (memcmp(header->ident, "\177ELF", 4) != 0 ||
        (header->type != ET_EXEC && header->type != ET_DYN) || header->machine != EM_X86_64 ||
        header->program_entry_size != sizeof(struct elf_program_header) ||
        header->program_count == 0 || header->program_count > HEADERS_MAX) {
        return bad;
    }
    uint64_t bytes = header->program_count * sizeof(struct elf_program_header);
    if (range_inside(header->program_offset, bytes, begin->length_bytes)) {
        memcpy(elf->program, begin->bytes + header->program_offset, bytes);
        return 0;
    }
    return file_read_kernel(file, elf->program, bytes, header->program_offset) == (long)bytes ? 0
                                                                                              : bad;
}

long program_begin_read(struct file *file, struct program_begin *begin)
{
    long length = file_read_kernel(file, begin->bytes, sizeof(begin->bytes), 0);
    begin->length_bytes = (uint64_t)MAX(length, 0);
    return MIN(length, 0);
}

/* What the loadable segments take; false: nowhere can they be. */
static bool span_find(struct elf *elf)
{
    const struct elf_header *header = &elf->header;
    elf->first = UINT64_MAX;
    elf->end = 0;
    for (uint32_t i = 0; i < header->program_count; i++) {
        const struct elf_program_header *program = &elf->program[i];
        if (program->type != PT_LOAD || program->memory_bytes == 0) {
            continue;
        }
        if (program->file_bytes > program->memory_bytes ||
            !range_inside(program->address, program->memory_bytes, APPLICATION_END - PAGE_SIZE) ||
            (header->type == ET_EXEC && program->address < MAP_LOWEST) ||
            program->address % PAGE_SIZE != program->offset % PAGE_SIZE ||
            program->offset > 1ull << 50) {
            return false;
        }
        elf->first = MIN(elf->first, ALIGN_DOWN(program->address, PAGE_SIZE));
        elf->end = MAX(elf->end, ALIGN_UP(program->address + program->memory_bytes, PAGE_SIZE));
    }
    return elf->end != 0;
}

static uint32_t protection_of(uint32_t flags)
{
    return (flags & PF_R ? PROT_READ : 0) | (flags & PF_W ? PROT_WRITE : 0) |
           (flags & PF_X ? PROT_EXEC : 0);
}

static long tail_add(struct program *out, uint64_t address)
{
    if (out->tail_count == PROGRAM_TAILS) {
        return -ENOEXEC;
    }
    out->tail[out->tail_count++] =
        (struct program_tail){address, ALIGN_UP(address, PAGE_SIZE) - address};
    return 0;
}

static long segment_map(struct file *file, struct mm *mm, const struct elf_program_header *program,
                        uint64_t bias, struct program *out)
{
    uint64_t start = ALIGN_DOWN(program->address, PAGE_SIZE);
    uint64_t offset = ALIGN_DOWN(program->offset, PAGE_SIZE);
    uint64_t file_end = program->address + program->file_bytes;
    uint64_t memory_end = program->address + program->memory_bytes;
    uint64_t mapped_end = program->file_bytes == 0 ? start : ALIGN_UP(file_end, PAGE_SIZE);
    uint32_t protection = protection_of(program->flags);
    long result = 0;
    if (mapped_end > start) {
        result = mm_map(mm, start + bias, mapped_end - start, protection, MAP_PRIVATE | MAP_FIXED,
                        file, offset, NULL);
        if (result < 0) {
            return result;
        }
    }
    if (memory_end > file_end && file_end % PAGE_SIZE != 0 && (program->flags & PF_W) &&
        mapped_end > start) {
        result = tail_add(out, file_end + bias);
        if (result < 0) {
            return result;
        }
    }
    if (ALIGN_UP(memory_end, PAGE_SIZE) > mapped_end) {
        result = mm_map(mm, mapped_end + bias, ALIGN_UP(memory_end, PAGE_SIZE) - mapped_end,
                        protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, NULL, 0, NULL);
    }
    return result < 0 ? result : 0;
}

/* At its own addresses, or so that it begins at `base`; *bias is what it was moved by. */
static long segments_map(struct file *file, struct mm *mm, struct elf *elf, uint64_t base,
                         struct program *out, uint64_t *bias)
{
    bool good = span_find(elf);
    *bias = good && base != 0 ? base - elf->first : 0;
    /* Where they are moved to they must fit, too. */
    if (!good ||
        !range_inside(elf->first + *bias, elf->end - elf->first, APPLICATION_END - PAGE_SIZE)) {
        out->is_unmappable = true;
        return -ENOEXEC;
    }
    for (uint32_t i = 0; i < elf->header.program_count; i++) {
        const struct elf_program_header *program = &elf->program[i];
        if (program->type == PT_LOAD && program->memory_bytes > 0) {
            long result = segment_map(file, mm, program, *bias, out);
            if (result != 0) {
                return result;
            }
        }
    }
    return 0;
}

/* The path that PT_INTERP names; empty without one. */
static long interpreter_path(struct file *file, const struct elf *elf, char *path)
{
    path[0] = '\0';
    for (uint32_t i = 0; i < elf->header.program_count; i++) {
        const struct elf_program_header *program = &elf->program[i];
        if (program->type == PT_INTERP) {
            if (program->file_bytes < 2 || program->file_bytes > PATH_BYTES) {
                return -ENOEXEC;
            }
            long length = file_read_kernel(file, path, program->file_bytes, program->offset);
            if (length != (long)program->file_bytes) {
                return length < 0 ? length : -EIO;
            }
            if (path[length - 1] != '\0') {
                return -ENOEXEC;
            }
        }
    }
    return 0;
}

static __attribute__((noinline)) long interpreter_load(const char *path, struct mm *mm,
                                                       struct program *out)
{
    struct file *file;
    struct program_begin begin;
    struct elf elf;
    long result = exec_file_open(path, &file);
    if (result != 0) {
        return result;
    }
    result = program_begin_read(file, &begin);
    if (result == 0) {
        result = elf_read(file, &begin, &elf, -EIO, -ELIBBAD);
    }
    if (result == 0 && elf.header.type != ET_DYN) {
        result = -ELIBBAD;
    }
    if (result == 0) {
        out->unreadable |= inode_permission(file->path.inode, 4) != 0;
        result = segments_map(file, mm, &elf, INTERPRETER_BASE, out, &out->interpreter_base);
        out->start = elf.header.entry + out->interpreter_base;
    }
    file_claim_drop(
        file); /* as on Linux: only the program itself cannot be written while it runs */
    file_put(file);
    return result;
}

/* Where the program headers are in memory: inside the segment that maps their file offset. */
static uint64_t headers_address(const struct elf *elf, uint64_t bias)
{
    for (uint32_t i = 0; i < elf->header.program_count; i++) {
        const struct elf_program_header *program = &elf->program[i];
        uint64_t offset = elf->header.program_offset;
        if (program->type == PT_LOAD && offset - program->offset < program->file_bytes) {
            return program->address + (offset - program->offset) + bias;
        }
    }
    return 0;
}

/* Apart from its interpreter's, so that the stack holds the headers of one file at a time. */
static __attribute__((noinline)) long own_load(struct file *file, const struct program_begin *begin,
                                               struct mm *mm, struct program *out,
                                               char *interpreter)
{
    struct elf elf;
    uint64_t bias;
    long result = elf_read(file, begin, &elf, -ENOEXEC, -ENOEXEC);
    if (result == 0) {
        result = interpreter_path(file, &elf, interpreter);
    }
    if (result == 0) {
        uint64_t base = elf.header.type == ET_DYN ? PROGRAM_BASE : 0;
        result = segments_map(file, mm, &elf, base, out, &bias);
    }
    if (result != 0) {
        return result;
    }
    out->entry = elf.header.entry + bias;
    out->start = out->entry;
    out->headers = headers_address(&elf, bias);
    out->header_count = elf.header.program_count;
    mm->brk_start = elf.end + bias;
    mm->brk_end = mm->brk_start;
    return 0;
}

long program_load(struct file *file, const struct program_begin *begin, struct mm *mm,
                  struct program *out)
{
    char interpreter[PATH_BYTES];
    long result = own_load(file, begin, mm, out, interpreter);
    return result != 0 || interpreter[0] == '\0' ? result : interpreter_load(interpreter, mm, out);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* As load_script of Linux: without a newline the interpreter's name must end in the line. */
bool script_parse(char *line, char **interpreter, char **argument)
{
    char *name = line + 2;
    while (is_blank(*name)) {
        name++;
    }
    char *end = strchr(line, '\n');
    if (end == NULL) {
        const char *after = name;
        while (*after != '\0' && !is_blank(*after)) {
            after++;
        }
        end = line + strlen(line);
        if (after == line + SCRIPT_LINE - 1) {
            return false;
        }
    }
    bool empty = name == end && *end == '\n';
    while (end > name && is_blank(end[-1])) {
        end--;
    }
    *end = '\0';
    char *next = name;
    while (*next != '\0' && !is_blank(*next)) {
        next++;
    }
    *interpreter = name;
    *argument = NULL;
    if (*next != '\0') {
        *next++ = '\0';
        while (is_blank(*next)) {
            next++;
        }
        *argument = *next != '\0' ? next : NULL;
    }
    return !empty;
}
