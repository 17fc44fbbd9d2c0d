#include "lib/base/elf.h"

#include "lib/base/elf_format.h"
#include "lib/base/string.h"

#define ELF_TYPE_EXECUTABLE 2
#define ELF_MACHINE_X86_64  62
#define ELF_SEGMENT_LOAD    1
#define ELF_FLAG_EXECUTE    1
#define ELF_FLAG_WRITE      2
#define ELF_FLAG_READ       4

static bool rights_of(uint32_t flags, uint32_t *out)
{
    bool write = (flags & ELF_FLAG_WRITE) != 0;
    bool execute = (flags & ELF_FLAG_EXECUTE) != 0;
    *out = RIGHT_READ | (write ? RIGHT_WRITE : 0u) | (execute ? RIGHT_EXECUTE : 0u);
    return (flags & ELF_FLAG_READ) != 0 && !(write && execute);
}

/* A partial last page shows what follows in the file, so zeros may only follow whole pages. */
static bool segment_of(const struct elf_program_header *header, uint64_t size_bytes,
                       struct elf_segment *out)
{
    uint64_t image_bytes = WINDOW_HEAP - WINDOW_IMAGE;
    if (header->address % PAGE_SIZE != 0 || header->offset % PAGE_SIZE != 0 ||
        header->address < WINDOW_IMAGE || header->memory_bytes == 0 ||
        header->file_bytes > header->memory_bytes ||
        !range_inside(header->address - WINDOW_IMAGE, header->memory_bytes, image_bytes) ||
        !range_inside(header->offset, header->file_bytes, size_bytes)) {
        return false;
    }
    uint64_t file_bytes = ALIGN_UP(header->file_bytes, PAGE_SIZE);
    uint64_t memory_bytes = ALIGN_UP(header->memory_bytes, PAGE_SIZE);
    if (memory_bytes > file_bytes && header->file_bytes != file_bytes) {
        return false;
    }
    out->address = header->address;
    out->file_offset = header->offset;
    out->file_bytes = file_bytes;
    out->zero_bytes = memory_bytes - file_bytes;
    return rights_of(header->flags, &out->rights) &&
           (out->zero_bytes == 0 || (out->rights & RIGHT_WRITE) != 0);
}

static status_t segments_parse(const uint8_t *headers, uint32_t count, uint64_t size_bytes,
                               struct elf_image *image)
{
    uint64_t end = WINDOW_IMAGE;
    for (uint32_t i = 0; i < count; i++) {
        struct elf_program_header header;
        memcpy(&header, headers + i * sizeof(header), sizeof(header));
        if (header.type != ELF_SEGMENT_LOAD || header.memory_bytes == 0) {
            continue;
        }
        if (image->segment_count == ELF_SEGMENTS_MAX) {
            return STATUS_CORRUPT;
        }
        struct elf_segment *segment = &image->segment[image->segment_count++];
        if (!segment_of(&header, size_bytes, segment) || segment->address < end) {
            return STATUS_CORRUPT;
        }
        end = segment->address + segment->file_bytes + segment->zero_bytes;
    }
    return STATUS_OK;
}

static bool entry_is_code(const struct elf_image *image)
{
    for (uint32_t i = 0; i < image->segment_count; i++) {
        const struct elf_segment *segment = &image->segment[i];
        if ((segment->rights & RIGHT_EXECUTE) != 0 && image->entry >= segment->address &&
            image->entry - segment->address < segment->file_bytes) {
            return true;
        }
    }
    return false;
}

status_t elf_parse(const void *head, uint64_t head_bytes, uint64_t size_bytes,
                   struct elf_image *out)
{
    struct elf_header header;
    if (size_bytes < sizeof(header) || head_bytes < sizeof(header)) {
        return STATUS_CORRUPT;
    }
    memcpy(&header, head, sizeof(header));
    uint64_t table_bytes =
        header.program_header_count * (uint64_t)sizeof(struct elf_program_header);
    if (memcmp(header.identity, elf_identity, sizeof(elf_identity)) != 0 ||
        header.type != ELF_TYPE_EXECUTABLE || header.machine != ELF_MACHINE_X86_64 ||
        header.program_header_bytes != sizeof(struct elf_program_header) ||
        !range_inside(header.program_headers, table_bytes, MIN(head_bytes, size_bytes))) {
        return STATUS_CORRUPT;
    }
    struct elf_image image = {.entry = header.entry};
    status_t status = segments_parse((const uint8_t *)head + header.program_headers,
                                     header.program_header_count, size_bytes, &image);
    if (status != STATUS_OK) {
        return status;
    }
    if (!entry_is_code(&image)) {
        return STATUS_CORRUPT;
    }
    *out = image;
    return STATUS_OK;
}
