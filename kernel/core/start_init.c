/*
 * Init is the bundle's first file, "init": an ELF file whose segments are mapped as every other
 * program's are (lib/oak/program.h). The bundle is part of the kernel image and as trusted as the
 * kernel, but what does not look right still ends in a clear panic.
 */
#include "kernel/core/start_init.h"

#include "kernel/core/assert.h"
#include "kernel/core/clock.h"
#include "kernel/core/scheduler.h"
#include "kernel/core/sealed.h"
#include "kernel/core/trace.h"
#include "kernel/object/account.h"
#include "kernel/object/domain.h"
#include "kernel/object/memory.h"
#include "kernel/x86_64/memory_map.h"
#include "lib/base/elf.h"
#include "lib/base/string.h"

#define INIT_HEAP_BYTES 0x10000000ull /* 256 MiB of addresses */
#define READ_WRITE      (RIGHT_READ | RIGHT_WRITE)

SEALED struct domain *init_domain;

extern char bundle_start[];
extern char bundle_end[];

static void must(status_t status, const char *what)
{
    if (status != STATUS_OK) {
        panic("cannot start init", (int)status, what);
    }
}

static void give(uint32_t slot, struct object *object, uint32_t rights)
{
    must(domain_reserve(init_domain, slot), "capability table");
    (void)domain_put(init_domain, slot, object_handle(object, rights));
}

static const struct bundle_entry *init_find(void)
{
    const struct bundle_header *header = (const struct bundle_header *)bundle_start;
    if (header->magic != BUNDLE_MAGIC || header->count == 0 ||
        strncmp(header->entry[0].name, "init", BUNDLE_NAME) != 0) {
        panic(__FILE__, __LINE__, "the image holds no bundle that begins with init");
    }
    return &header->entry[0];
}

/* Pages of the source, copied on write if they are writable; without a source zeros. */
static void map(struct memory *private, uint64_t address, uint64_t size_bytes, uint32_t rights,
                struct memory *source, uint64_t source_offset)
{
    struct region_request request = {
        .address = address,
        .size_bytes = size_bytes,
        .rights = rights,
        .rights_allowed = rights,
        .private = {.memory = rights & RIGHT_WRITE ? private : NULL,
                    .offset = address - WINDOW_BASE},
        .source = {.memory = source, .offset = source_offset},
    };
    if (size_bytes > 0) {
        must(region_map_add(&init_domain->window, &request), "segment");
    }
}

static uint64_t program_map(struct memory *private, struct memory *bundle)
{
    const struct bundle_entry *entry = init_find();
    struct elf_image program;
    must(elf_parse(bundle_start + entry->offset, entry->size_bytes, entry->size_bytes, &program),
         "ELF file");
    for (uint32_t i = 0; i < program.segment_count; i++) {
        const struct elf_segment *segment = &program.segment[i];
        map(private, segment->address, segment->file_bytes, segment->rights, bundle,
            entry->offset + segment->file_offset);
        map(private, segment->address + segment->file_bytes, segment->zero_bytes, segment->rights,
            NULL, 0);
    }
    map(private, WINDOW_HEAP, INIT_HEAP_BYTES, READ_WRITE, NULL, 0);
    map(private, WINDOW_THREAD_BLOCK(0) + PAGE_SIZE, THREAD_BLOCK_SIZE - PAGE_SIZE, READ_WRITE,
        NULL, 0);
    return program.entry;
}

/* Over part of the image, or of what frames_boot_pages gave. */
static struct memory *memory_over(const void *start, uint64_t size_bytes)
{
    struct object *memory;
    uint64_t base = (uint64_t)start >= KERNEL_VIRTUAL ? KERNEL_VIRTUAL : DIRECT_MAP;
    must(memory_create_boot(root_account, (uint64_t)start - base, ALIGN_UP(size_bytes, PAGE_SIZE),
                            &memory),
         "memory over the kernel's own");
    return object_memory(memory);
}

void start_init(uint64_t tsc_at_start)
{
    uint64_t bundle_bytes = (uint64_t)(bundle_end - bundle_start);
    struct boot_info *info = frames_boot_pages(1);
    info->bundle_bytes = bundle_bytes;
    info->tsc_at_start = tsc_at_start;
    memcpy(info->command_line, machine.command_line, BOOT_COMMAND_LINE);

    struct memory *bundle = memory_over(bundle_start, bundle_bytes);
    trace_rings = frames_boot_pages((uint64_t)cpu_count * TRACE_RING_BYTES / PAGE_SIZE);
    struct memory *trace = memory_over(trace_rings, (uint64_t)cpu_count * TRACE_RING_BYTES);
    struct object *made;
    must(domain_create(root_account, false, &made), "domain");
    init_domain = object_domain(made);
    must(memory_make(root_account, MEMORY_NORMAL, WINDOW_SIZE, &made), "window memory");
    struct memory *private = object_memory(made);
    uint64_t entry = program_map(private, bundle);

    must(thread_create(root_account, init_domain, WINDOW_THREAD_BLOCK(0) + THREAD_FRAME_OFFSET,
                       BAND_DRIVER, false, &made),
         "thread");
    struct thread *thread = object_thread(made);
    struct object *platform;
    must(object_create(root_account, OBJECT_PLATFORM, sizeof(struct object), &platform),
         "platform");

    give(SLOT_DOMAIN, &init_domain->object, RIGHTS_ALL);
    give(SLOT_ACCOUNT, &root_account->object, RIGHTS_ALL & ~RIGHT_DESTROY);
    give(SLOT_LOG, platform, RIGHT_WRITE);
    give(SLOT_TIME, &memory_over(clock_page, PAGE_SIZE)->object, RIGHT_READ);
    give(SLOT_MEMORY, &private->object, RIGHTS_ALL);
    give(SLOT_THREAD, &thread->object, RIGHTS_ALL);
    give(INIT_SLOT_PLATFORM, platform, RIGHTS_ALL & ~RIGHT_DESTROY);
    give(INIT_SLOT_BUNDLE, &bundle->object, RIGHT_READ | RIGHT_EXECUTE);
    give(INIT_SLOT_BOOT, &memory_over(info, PAGE_SIZE)->object, RIGHT_READ);
    give(INIT_SLOT_TRACE, &trace->object, RIGHT_READ);

    thread_enter(thread, entry);
    thread->state = THREAD_READY;
    scheduler_ready(thread);
}
