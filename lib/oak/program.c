/*
 * Loading: make the objects, map the image and the first thread's block into the new window, fill
 * the table. All of it is charged to the new account, so destroying that undoes every step.
 */
#include "lib/oak/program.h"

#include "lib/base/elf.h"
#include "lib/oak/kernel.h"
#include "lib/oak/slots.h"
#include "lib/oak/window.h"

#define OWN_DOMAIN_RIGHTS  (RIGHT_READ | RIGHT_CONTROL)
#define OWN_ACCOUNT_RIGHTS (RIGHT_READ | RIGHT_PAY)
#define OWN_MEMORY_RIGHTS  (RIGHTS_ALL & ~RIGHT_DESTROY)

static status_t image_read(const struct bundle *bundle, const char *name, uint64_t *out_offset,
                           struct elf_image *out)
{
    uint64_t size_bytes;
    status_t status = bundle_find(bundle, name, out_offset, &size_bytes);
    if (status != STATUS_OK) {
        return status;
    }
    const void *head;
    status = window_map_source(bundle->memory, *out_offset, PAGE_SIZE, &head);
    if (status != STATUS_OK) {
        return status;
    }
    status = elf_parse(head, MIN(size_bytes, PAGE_SIZE), size_bytes, out);
    window_unmap(head, PAGE_SIZE);
    return status;
}

static status_t slots_take(struct program *program)
{
    uint32_t *const slots[] = {&program->account, &program->domain, &program->memory,
                               &program->thread};
    for (size_t i = 0; i < ARRAY_LENGTH(slots); i++) {
        status_t status = slot_allocate(slots[i]);
        if (status != STATUS_OK) {
            return status;
        }
    }
    return STATUS_OK;
}

static status_t objects_create(const struct program_specification *specification,
                               const struct program *program)
{
    status_t status = kernel_account_create(
        specification->account, program->account, specification->guarantee_bytes,
        specification->limit_bytes, specification->limit_threads);
    if (status != STATUS_OK) {
        return status;
    }
    status = kernel_domain_create(program->account, program->domain, specification->domain_flags,
                                  specification->watch_signal, specification->watch_bits);
    if (status != STATUS_OK) {
        return status;
    }
    uint64_t private_bytes = specification->private_bytes != 0 ? specification->private_bytes
                                                               : WINDOW_MAPS - WINDOW_BASE;
    return kernel_memory_create(program->account, program->memory, private_bytes);
}

static status_t region_map(const struct program *program, uint64_t address, uint64_t size_bytes,
                           uint32_t rights, uint32_t private_memory, uint32_t source,
                           uint64_t source_offset)
{
    return kernel_region_map(
        program->domain, address | rights, size_bytes, private_memory | (uint64_t)source << 32,
        private_memory == SLOT_NONE ? 0 : address - WINDOW_BASE, source_offset);
}

static status_t segment_map(const struct program *program, const struct elf_segment *segment,
                            const struct bundle *bundle, uint64_t file_offset)
{
    if (segment->file_bytes > 0) {
        bool writable = (segment->rights & RIGHT_WRITE) != 0;
        status_t status = region_map(program, segment->address, segment->file_bytes,
                                     segment->rights, writable ? program->memory : SLOT_NONE,
                                     bundle->memory, file_offset + segment->file_offset);
        if (status != STATUS_OK) {
            return status;
        }
    }
    if (segment->zero_bytes == 0) {
        return STATUS_OK;
    }
    return region_map(program, segment->address + segment->file_bytes, segment->zero_bytes,
                      segment->rights, program->memory, SLOT_NONE, 0);
}

static status_t window_fill(const struct program *program, const struct elf_image *image,
                            const struct bundle *bundle, uint64_t file_offset)
{
    for (uint32_t i = 0; i < image->segment_count; i++) {
        status_t status = segment_map(program, &image->segment[i], bundle, file_offset);
        if (status != STATUS_OK) {
            return status;
        }
    }
    return region_map(program, WINDOW_THREAD_BLOCK(0) + PAGE_SIZE, THREAD_BLOCK_SIZE - PAGE_SIZE,
                      RIGHT_READ | RIGHT_WRITE, program->memory, SLOT_NONE, 0);
}

static status_t table_fill(const struct program_specification *specification,
                           const struct program *program)
{
    uint32_t domain_rights = specification->domain_rights;
    uint32_t account_rights = specification->account_rights;
    const struct program_capability own[] = {
        {SLOT_DOMAIN, program->domain, domain_rights != 0 ? domain_rights : OWN_DOMAIN_RIGHTS},
        {SLOT_ACCOUNT, program->account, account_rights != 0 ? account_rights : OWN_ACCOUNT_RIGHTS},
        {SLOT_LOG, SLOT_LOG, RIGHT_WRITE},
        {SLOT_TIME, SLOT_TIME, RIGHT_READ},
        {SLOT_MEMORY, program->memory, OWN_MEMORY_RIGHTS},
        {SLOT_THREAD, program->thread, RIGHTS_ALL},
    };
    const struct program_capability *list = own;
    size_t count = ARRAY_LENGTH(own);
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < count; i++) {
            status_t status = kernel_capability_copy(program->domain, list[i].slot_there,
                                                     list[i].slot_here, list[i].rights);
            if (status != STATUS_OK) {
                return status;
            }
        }
        list = specification->capabilities;
        count = specification->capability_count;
    }
    return STATUS_OK;
}

static status_t program_build(const struct program_specification *specification,
                              struct program *program)
{
    uint64_t file_offset;
    struct elf_image image;
    status_t status = image_read(specification->bundle, specification->name, &file_offset, &image);
    if (status != STATUS_OK) {
        return status;
    }
    program->entry = image.entry;
    status = slots_take(program);
    if (status != STATUS_OK) {
        return status;
    }
    status = objects_create(specification, program);
    if (status != STATUS_OK) {
        return status;
    }
    status = window_fill(program, &image, specification->bundle, file_offset);
    if (status != STATUS_OK) {
        return status;
    }
    status =
        kernel_thread_create(program->account, program->thread, program->domain,
                             WINDOW_THREAD_BLOCK(0) + THREAD_FRAME_OFFSET, specification->band, 0);
    if (status != STATUS_OK) {
        return status;
    }
    return table_fill(specification, program);
}

status_t program_load(const struct program_specification *specification, struct program *out)
{
    struct program program = {.argument = specification->argument};
    status_t status = program_build(specification, &program);
    if (status != STATUS_OK) {
        program_destroy(&program);
        return status;
    }
    *out = program;
    return STATUS_OK;
}

status_t program_start(const struct program *program)
{
    return kernel_thread_start(program->thread, SLOT_NONE, program->entry, program->argument, 0);
}

void program_destroy(struct program *program)
{
    slot_destroy(program->account);
    slot_release(program->domain);
    slot_release(program->memory);
    slot_release(program->thread);
    *program = (struct program){0};
}
