#include "services/engine/template.h"

#include "abi/container.h"
#include "abi/engine.h"
#include "lib/base/elf.h"
#include "lib/oak/clock.h"
#include "lib/oak/kernel.h"
#include "lib/oak/log.h"
#include "lib/oak/slots.h"
#include "lib/oak/window.h"
#include "services/engine/marks.h"

#define TEMPLATE_LIMIT_BYTES (32ull << 20)
#define TEMPLATE_BYTES       (WINDOW_MAPS - WINDOW_BASE)

static struct {
    enum template_state state;
    struct program program;
    uint32_t gate;
    uint64_t started_ns;
    struct template_image image;
    const struct bundle *bundle;
    const void *file; /* the program, mapped when a name of it was first asked for; or NULL */
    uint64_t file_bytes;
} template;

static void template_fail(const char *what, status_t status)
{
    log_line("no container can be started: %s: %s", what, status_name(status));
    slot_destroy(template.gate);
    template.gate = SLOT_NONE;
    template.state = TEMPLATE_FAILED;
}

static status_t template_load(const struct bundle *bundle, uint64_t fault_bits)
{
    status_t status = slot_allocate(&template.gate);
    if (status != STATUS_OK) {
        return status;
    }
    status = kernel_gate_create(SLOT_ACCOUNT, template.gate, ENGINE_SLOT_ENDPOINT,
                                ENGINE_BADGE_TEMPLATE);
    if (status != STATUS_OK) {
        return status;
    }
    const struct program_capability gate = {CONTAINER_SLOT_ENGINE, template.gate, RIGHT_CALL};
    const struct program_specification specification = {
        .bundle = bundle,
        .name = TEMPLATE_PROGRAM,
        .account = SLOT_ACCOUNT,
        .limit_bytes = TEMPLATE_LIMIT_BYTES,
        .limit_threads = 1,
        .band = BAND_CONTAINER,
        .private_bytes = TEMPLATE_BYTES,
        .capabilities = &gate,
        .capability_count = 1,
        .watch_signal = ENGINE_SLOT_SIGNAL,
        .watch_bits = fault_bits,
    };
    status = program_load(&specification, &template.program);
    if (status != STATUS_OK) {
        return status;
    }
    status = program_start(&template.program);
    if (status != STATUS_OK) {
        program_destroy(&template.program);
    }
    return status;
}

void template_start(const struct bundle *bundle, uint64_t fault_bits)
{
    template.state = TEMPLATE_STARTING;
    template.bundle = bundle;
    template.started_ns = clock_now_ns();
    status_t status = template_load(bundle, fault_bits);
    if (status != STATUS_OK) {
        template_fail("loading " TEMPLATE_PROGRAM, status);
    }
}

static bool in_window(uint64_t address, uint64_t size_bytes)
{
    return address % PAGE_SIZE == 0 && size_bytes % PAGE_SIZE == 0 && address >= WINDOW_BASE &&
           range_inside(address - WINDOW_BASE, size_bytes, TEMPLATE_BYTES);
}

/* The thread that made it goes, with its stack and frame: a clone's first thread begins with empty
 * ones, there or elsewhere. */
static void thread_remove(uint64_t clone_frame)
{
    uint64_t block = WINDOW_THREAD_BLOCK(0);
    slot_destroy(template.program.thread);
    template.program.thread = SLOT_NONE;
    (void)kernel_memory_discard(template.program.memory, block - WINDOW_BASE, THREAD_BLOCK_SIZE);
    if (clone_frame != block + THREAD_FRAME_OFFSET) {
        (void)kernel_region_unmap(template.program.domain, block, THREAD_BLOCK_SIZE);
    }
}

status_t template_freeze(const struct container_template_ready_request *request)
{
    if (template.state != TEMPLATE_STARTING || request->entry - WINDOW_BASE >= WINDOW_SIZE ||
        !in_window(request->frame, PAGE_SIZE) ||
        !in_window(request->written, request->written_bytes)) {
        return STATUS_INVALID_ARGUMENT;
    }
    thread_remove(request->frame); /* and with it the call, which is never answered */
    slot_destroy(template.gate);
    template.gate = SLOT_NONE;
    template.image = (struct template_image){.domain = template.program.domain,
                                             .memory = template.program.memory,
                                             .entry = request->entry,
                                             .frame = request->frame,
                                             .written = request->written,
                                             .written_bytes = request->written_bytes};
    template.state = TEMPLATE_READY;
    mark_set(MARK_READY);
    log_line("personality ready after %llu us",
             (unsigned long long)((clock_now_ns() - template.started_ns) / 1000));
    return STATUS_DEFERRED;
}

void template_faulted(void)
{
    if (template.state == TEMPLATE_STARTING) {
        program_destroy(&template.program);
        template_fail("the personality ended by a fault", STATUS_CLOSED);
    }
}

static status_t file_map(void)
{
    uint64_t offset;
    status_t status = bundle_find(template.bundle, TEMPLATE_PROGRAM, &offset, &template.file_bytes);
    return status != STATUS_OK
               ? status
               : window_map_source(template.bundle->memory, offset,
                                   ALIGN_UP(template.file_bytes, (uint64_t)PAGE_SIZE),
                                   &template.file);
}

const char *template_function(uint64_t address, uint64_t *out_offset)
{
    if (template.file == NULL && file_map() != STATUS_OK) {
        return NULL;
    }
    return elf_function_name(template.file, template.file_bytes, address, out_offset);
}

enum template_state template_state(void)
{
    return template.state;
}

const struct template_image *template_get(void)
{
    return template.state == TEMPLATE_READY ? &template.image : NULL;
}
