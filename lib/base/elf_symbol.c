#include "lib/base/elf.h"
#include "lib/base/elf_format.h"
#include "lib/base/string.h"

#define ELF_SECTION_SYMBOLS   2
#define ELF_SYMBOL_FUNCTION   2
#define ELF_SYMBOL_TYPE(info) ((info)&0xf)

/* Copied: nothing in the file is aligned for sure. */
static bool section_read(const uint8_t *file, uint64_t size_bytes, const struct elf_header *header,
                         uint32_t index, struct elf_section_header *out)
{
    uint64_t offset = (uint64_t)index * sizeof(*out);
    if (index >= header->section_header_count || header->section_headers > size_bytes ||
        !range_inside(offset, sizeof(*out), size_bytes - header->section_headers)) {
        return false;
    }
    memcpy(out, file + header->section_headers + offset, sizeof(*out));
    return range_inside(out->offset, out->size_bytes, size_bytes);
}

static bool symbols_find(const uint8_t *file, uint64_t size_bytes,
                         struct elf_section_header *symbols, struct elf_section_header *strings)
{
    struct elf_header header;
    if (size_bytes < sizeof(header)) {
        return false;
    }
    memcpy(&header, file, sizeof(header));
    for (uint32_t i = 0; i < header.section_header_count; i++) {
        if (section_read(file, size_bytes, &header, i, symbols) &&
            symbols->type == ELF_SECTION_SYMBOLS) {
            return section_read(file, size_bytes, &header, symbols->link, strings);
        }
    }
    return false;
}

const char *elf_function_name(const void *file, uint64_t size_bytes, uint64_t address,
                              uint64_t *out_offset)
{
    struct elf_section_header symbols;
    struct elf_section_header strings;
    struct elf_symbol best = {.value = 0};
    const uint8_t *bytes = file;
    if (!symbols_find(bytes, size_bytes, &symbols, &strings)) {
        return NULL;
    }
    for (uint64_t at = 0; symbols.size_bytes - at >= sizeof(best); at += sizeof(best)) {
        struct elf_symbol symbol;
        memcpy(&symbol, bytes + symbols.offset + at, sizeof(symbol));
        if (ELF_SYMBOL_TYPE(symbol.info) == ELF_SYMBOL_FUNCTION && symbol.section != 0 &&
            symbol.value <= address && symbol.value >= best.value) {
            best = symbol;
        }
    }
    const char *name = (const char *)bytes + strings.offset + best.name;
    if (best.section == 0 || best.name >= strings.size_bytes ||
        memchr(name, '\0', strings.size_bytes - best.name) == NULL) {
        return NULL;
    }
    *out_offset = address - best.value;
    return name;
}
