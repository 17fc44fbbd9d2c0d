/*
 * Init: makes what the manifest says, starts the processes, and then serves two things: the little
 * that needs the whole platform's authority (abi/init.idl), and processes that end by a fault.
 *
 * A process that may be restarted gets a new account, domain and device grant; the endpoint stays,
 * so calls under way return RESTARTED and waiting ones are served by the next life. One that may
 * not, or was restarted too often: without the engine nobody can use the machine, so it is reset
 * and the host hears of it; without another service the machine goes on, and its callers are told.
 */
#include "abi/init.service.h"
#include "lib/oak/backtrace.h"
#include "lib/oak/clock.h"
#include "lib/oak/log.h"
#include "lib/oak/program.h"
#include "lib/oak/slots.h"
#include "lib/oak/window.h"
#include "lib/virtio/probe.h"
#include "services/init/manifest.h"

#define RESET_CONTROL_PORT 0xcf9 /* ICH9's, among the ports of PCI's configuration */
#define RESET_FULL         0x06

struct running {
    bool alive;
    uint32_t restarts;
    struct program program;
    struct virtio_found *device;
    uint32_t grant[VIRTIO_GRANT_SLOTS];
};

static uint32_t kept[KEPT_COUNT];
static struct running processes[MANIFEST_PROCESSES];
static struct virtio_machine machine;
static struct bundle bundle;
static uint64_t memory_bytes;

/* --- Objects ---------------------------------------------------------------------------------- */

static status_t account_make(uint32_t slot, uint32_t memory_share, bool guaranteed)
{
    uint64_t limit_bytes = UINT64_MAX;
    if (memory_share != 0) {
        limit_bytes = ALIGN_DOWN(memory_bytes / memory_share, PAGE_SIZE);
    }
    uint64_t guarantee_bytes = guaranteed && memory_share != 0 ? limit_bytes : 0;
    return kernel_account_create(SLOT_ACCOUNT, slot, guarantee_bytes, limit_bytes, UINT64_MAX);
}

static status_t object_make(const struct manifest_object *object, uint32_t slot, bool guaranteed)
{
    switch (object->type) {
    case OBJECT_ENDPOINT:
        return kernel_endpoint_create(SLOT_ACCOUNT, slot);
    case OBJECT_SIGNAL:
        return kernel_signal_create(SLOT_ACCOUNT, slot);
    case OBJECT_GATE:
        return kernel_gate_create(SLOT_ACCOUNT, slot, kept[object->endpoint], object->badge);
    case OBJECT_ACCOUNT:
        return account_make(slot, object->memory_share, guaranteed);
    case OBJECT_NONE:
    case OBJECT_DOMAIN:
    case OBJECT_SPACE:
    case OBJECT_MEMORY:
    case OBJECT_THREAD:
    case OBJECT_IRQ:
    case OBJECT_IOPORT:
    case OBJECT_PLATFORM:
    case OBJECT_TYPES:
        break;
    }
    return STATUS_NOT_SUPPORTED;
}

static void objects_make(void)
{
    for (uint32_t i = KEPT_NONE + 1; i < KEPT_COUNT; i++) {
        const struct manifest_object *object = &manifest_objects[i];
        kept[i] = object->slot;
        if (object->type == OBJECT_NONE) {
            continue;
        }
        status_t status = slot_allocate(&kept[i]);
        if (status == STATUS_OK) {
            status = object_make(object, kept[i], true);
        }
        if (status != STATUS_OK) {
            log_panic("object %u of the manifest: %s", i, status_name(status));
        }
    }
}

/* --- Processes -------------------------------------------------------------------------------- */

static struct virtio_found *device_find(enum virtio_device_type type)
{
    for (size_t i = 0; i < machine.count; i++) {
        if (machine.device[i].device_type == type && !machine.device[i].taken) {
            return &machine.device[i];
        }
    }
    return NULL;
}

/* Without its device a process is started all the same: it says what it lacks to who asks. */
static void device_grant(const struct manifest_process *entry, struct running *process)
{
    const struct manifest_device *device = &entry->device;
    if (device->type == 0) {
        return;
    }
    if (process->device == NULL) {
        process->device = device_find(device->type);
    }
    status_t status = STATUS_NOT_FOUND;
    if (process->device != NULL) {
        status = virtio_grant_make(&machine, process->device, SLOT_ACCOUNT, kept[device->signal],
                                   device->signal_bits, device->dma_bytes, process->grant);
    }
    if (status != STATUS_OK) {
        log_line("%s: no device for it: %s", entry->name, status_name(status));
    }
}

static size_t capabilities_list(const struct manifest_process *entry, const struct running *process,
                                struct program_capability *out)
{
    size_t count = 0;
    for (size_t i = 0; i < MANIFEST_CAPABILITIES; i++) {
        const struct manifest_capability *given = &entry->capability[i];
        if (given->what != KEPT_NONE) {
            out[count++] =
                (struct program_capability){given->slot_there, kept[given->what], given->rights};
        }
    }
    for (uint32_t i = 0; i < VIRTIO_GRANT_SLOTS; i++) {
        uint32_t rights = i == VIRTIO_GRANT_PAGE  ? RIGHT_READ
                          : i == VIRTIO_GRANT_DMA ? RIGHT_READ | RIGHT_WRITE | RIGHT_CONTROL
                                                  : RIGHT_READ | RIGHT_WRITE;
        if (process->grant[i] != SLOT_NONE && i != VIRTIO_GRANT_IRQ) {
            out[count++] = (struct program_capability){entry->device.slot_there + i,
                                                       process->grant[i], rights};
        }
    }
    return count;
}

static status_t process_start(uint32_t index)
{
    const struct manifest_process *entry = &manifest_processes[index];
    struct running *process = &processes[index];
    struct program_capability capabilities[MANIFEST_CAPABILITIES + VIRTIO_GRANT_SLOTS];
    size_t count = capabilities_list(entry, process, capabilities);
    const struct program_specification specification = {
        .bundle = &bundle,
        .name = entry->name,
        .account = SLOT_ACCOUNT,
        .guarantee_bytes = entry->guarantee_bytes,
        .limit_bytes = MAX(memory_bytes / entry->memory_share, entry->guarantee_bytes),
        .limit_threads = entry->limit_threads,
        .band = entry->band,
        .argument = bundle.size_bytes,
        .capabilities = capabilities,
        .capability_count = count,
        .watch_signal = kept[KEPT_SIGNAL],
        .watch_bits = 1ull << index,
    };
    status_t status = program_load(&specification, &process->program);
    if (status == STATUS_OK) {
        status = program_start(&process->program);
        if (status != STATUS_OK) {
            program_destroy(&process->program);
        }
    }
    process->alive = status == STATUS_OK;
    return status;
}

/* Who died, why and where: what somebody needs who has the log and the image's symbols. */
static void process_report(const char *name, const struct program *program)
{
    struct domain_report report;
    if (object_state(program->domain, STATE_DOMAIN, &report, sizeof(report)) != STATUS_OK) {
        log_line("%s ended", name);
        return;
    }
    log_line("%s ended by a fault: cause %llu vector %llu error 0x%llx address 0x%llx rip 0x%llx",
             name, (unsigned long long)report.fault.cause, (unsigned long long)report.fault.vector,
             (unsigned long long)report.fault.error, (unsigned long long)report.fault.address,
             (unsigned long long)report.fault.rip);
    uint64_t calls[BACKTRACE_CALLS];
    uint32_t count = backtrace_read(program->account, program->memory, report.rbp, calls);
    for (uint32_t i = 0; i < count; i++) {
        log_line("%s: called from 0x%llx", name, (unsigned long long)calls[i]);
    }
}

/* The device must be silent before the memory that it writes to is anybody else's. One that cannot
 * be silenced keeps its grant, and nobody gets it again. */
static status_t process_bury(struct running *process)
{
    status_t status = STATUS_OK;
    if (process->device != NULL) {
        status = virtio_device_silence(&machine, process->device);
    }
    program_destroy(&process->program);
    process->alive = false;
    if (status == STATUS_OK) {
        virtio_grant_destroy(process->grant);
    }
    return status;
}

/* What the old life had put there is in use by who maps it, and stays. */
static status_t account_replace(enum kept which)
{
    uint32_t slot;
    status_t status = slot_allocate(&slot);
    if (status != STATUS_OK) {
        return status;
    }
    status = object_make(&manifest_objects[which], slot, false);
    if (status != STATUS_OK) {
        slot_free(slot);
        return status;
    }
    kept[which] = slot;
    return STATUS_OK;
}

static status_t process_restart(uint32_t index)
{
    const struct manifest_process *entry = &manifest_processes[index];
    if (processes[index].restarts++ == entry->restarts_max) {
        return STATUS_LIMIT_REACHED;
    }
    status_t status = STATUS_OK;
    if (entry->replaced != KEPT_NONE) {
        status = account_replace(entry->replaced);
    }
    if (status == STATUS_OK) {
        status = kernel_endpoint_restart(kept[entry->endpoint]);
    }
    if (status == STATUS_OK) {
        device_grant(entry, &processes[index]);
        status = process_start(index);
    }
    return status;
}

/* That another life of it began, or none will. */
static void end_tell(const struct manifest_process *entry)
{
    if (entry->tell_signal != KEPT_NONE) {
        (void)kernel_signal_raise(kept[entry->tell_signal], entry->tell_bits);
    }
}

static void machine_end(void)
{
    struct kernel_results unused;
    log_line("the machine cannot be used any more: resetting it");
    (void)kernel_ioport_access(machine.ioport, RESET_CONTROL_PORT, 1 | IOPORT_WRITE, RESET_FULL,
                               &unused);
    /* Not every machine has that port; the kernel resets without, when it loses init. */
    log_panic("the machine has no port to reset it");
}

static void process_ended(uint32_t index)
{
    const struct manifest_process *entry = &manifest_processes[index];
    struct running *process = &processes[index];
    if (!process->alive) {
        return;
    }
    process_report(entry->name, &process->program);
    status_t status = process_bury(process);
    if (entry->restarts_max == 0) {
        machine_end();
        return;
    }
    if (status == STATUS_OK) {
        status = process_restart(index);
    }
    if (status == STATUS_OK) {
        log_line("%s: restarted, %u of %u times", entry->name, process->restarts,
                 entry->restarts_max);
        end_tell(entry);
        return;
    }
    log_line("%s: not restarted (%s); the machine goes on without it", entry->name,
             status_name(status));
    /* Told first: whoever learns from a call that the service is gone knows it by then. */
    end_tell(entry);
    slot_destroy(kept[entry->endpoint]);
}

/* --- The loop --------------------------------------------------------------------------------- */

static void on_signal(void *context, uint64_t bits)
{
    (void)context;
    for (uint32_t i = 0; i < MANIFEST_PROCESSES; i++) {
        if ((bits >> i & 1) != 0) {
            process_ended(i);
        }
    }
}

static status_t on_clock_set(struct service_call *call,
                             const struct init_clock_set_request *request)
{
    (void)call;
    return kernel_platform_set(kept[KEPT_PLATFORM], PLATFORM_WALL_NS, request->wall_ns);
}

static const struct init_handlers handlers = {.clock_set = on_clock_set};

static void must(status_t status, const char *what)
{
    if (status != STATUS_OK) {
        log_panic("%s: %s", what, status_name(status));
    }
}

void program_main(uint64_t argument)
{
    (void)argument;
    log_name_set("init");
    const void *boot;
    must(window_map_source(INIT_SLOT_BOOT, 0, PAGE_SIZE, &boot), "boot information");
    const struct boot_info *info = boot;
    struct platform_state state;
    must(object_state(INIT_SLOT_PLATFORM, STATE_PLATFORM, &state, sizeof(state)), "platform");
    memory_bytes = state.memory_bytes;
    must(bundle_open(INIT_SLOT_BUNDLE, info->bundle_bytes, &bundle), "bundle");
    must(virtio_find(INIT_SLOT_PLATFORM, SLOT_ACCOUNT, info->command_line, &machine), "devices");
    log_line("%llu MiB, %llu CPUs, %zu virtio devices", (unsigned long long)(memory_bytes >> 20),
             (unsigned long long)state.cpus, machine.count);
    objects_make();
    /* All of them before anybody runs: to set a device up moves what others see of the bus, which
     * an emulator does not always do in one step (docs/limits.md). */
    for (uint32_t i = 0; i < MANIFEST_PROCESSES; i++) {
        device_grant(&manifest_processes[i], &processes[i]);
    }
    for (uint32_t i = 0; i < MANIFEST_PROCESSES; i++) {
        status_t status = process_start(i);
        if (status != STATUS_OK) {
            log_line("%s: not started: %s", manifest_processes[i].name, status_name(status));
        }
    }
    const struct service_interface interface = {INIT_BADGE_ENGINE, INIT_BADGE_ENGINE, init_dispatch,
                                                &handlers, NULL};
    const struct service service = {.endpoint = kept[KEPT_ENDPOINT],
                                    .signal = kept[KEPT_SIGNAL],
                                    .interfaces = &interface,
                                    .interface_count = 1,
                                    .on_signal = on_signal};
    log_panic("the loop ended: %s", status_name(service_run(&service)));
}
