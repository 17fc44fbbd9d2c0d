/*
 * A container's accounts, window, table and channel. Everything is paid for by its account, so
 * destroying that undoes it all; the slots here are given back with it.
 */
#include "lib/base/string.h"
#include "lib/oak/backtrace.h"
#include "lib/oak/kernel.h"
#include "lib/oak/log.h"
#include "lib/oak/slots.h"
#include "lib/oak/window.h"
#include "tests/linux/bringup.h"

#define THREADS_MAX         4096
#define STACK_ADDRESSES_MAX 32
#define IMAGE_BYTES_MAX     (16ull << 20) /* of the personality, with room to spare */
#define READ_WRITE          (RIGHT_READ | RIGHT_WRITE)

static void slots_take(struct container *container)
{
    uint32_t *const slots[] = {
        &container->account, &container->personality, &container->application,
        &container->domain,  &container->memory,      &container->gate,
        &container->events,  &container->thread,      &container->channel};
    for (size_t i = 0; i < ARRAY_LENGTH(slots); i++) {
        *slots[i] = slot_new();
    }
}

static void accounts_make(const struct plan *plan, const struct container *container)
{
    must(kernel_account_create(SLOT_ACCOUNT, container->account, 0, plan->memory_limit_bytes,
                               THREADS_MAX),
         "container account");
    must(kernel_account_create(container->account, container->personality, 256 << 10, UINT64_MAX,
                               THREADS_MAX),
         "personality account");
    must(kernel_account_create(container->account, container->application, 0, UINT64_MAX,
                               THREADS_MAX),
         "application account");
}

/* A window that repeats the template's, over a copy-on-write clone of its private memory. */
static void window_clone(const struct plan *plan, const struct template *template,
                         const struct container_handles *handles, const struct container *container)
{
    must(kernel_domain_create(container->personality, container->domain, plan->domain_flags,
                              handles->watch_signal, handles->watch_bits),
         "domain");
    must(kernel_memory_clone(container->personality, container->memory, template->program.memory),
         "clone the window's memory");
    must(kernel_regions_copy(container->domain, template->program.domain, container->memory,
                             template->program.memory),
         "copy the window's regions");
    uint64_t block = WINDOW_THREAD_BLOCK(0); /* the template's thread still stands on it */
    if (template->ready.frame != block + THREAD_FRAME_OFFSET) {
        must(kernel_region_unmap(container->domain, block, THREAD_BLOCK_SIZE), "unmap a stack");
        must(kernel_memory_discard(container->memory, block - WINDOW_BASE, THREAD_BLOCK_SIZE),
             "discard a stack");
    }
    if (template->ready.written_bytes != 0) {
        must(kernel_region_populate(container->domain, template->ready.written,
                                    template->ready.written_bytes),
             "populate the window");
    }
    must(kernel_thread_create(container->application, container->thread, container->domain,
                              template->ready.frame, BAND_CONTAINER, 0),
         "thread");
}

static void channel_make(const struct plan *plan, struct container *container)
{
    must(kernel_memory_create(container->personality, container->channel, CHANNEL_BYTES),
         "channel");
    must(kernel_memory_populate(container->channel, 0,
                                CHANNEL_SPECIFICATION +
                                    ALIGN_UP((uint64_t)plan->specification_bytes, PAGE_SIZE)),
         "populate the channel");
    void *mapped;
    must(window_map(container->channel, 0, CHANNEL_BYTES, READ_WRITE, &mapped), "map the channel");
    container->channel_bytes = mapped;
    memcpy(container->channel_bytes + CHANNEL_SPECIFICATION_AT(plan->specification_bytes),
           plan->specification, plan->specification_bytes);
}

static void table_fill(const struct container_handles *handles, const struct container *container)
{
    const struct program_capability table[] = {
        {SLOT_DOMAIN, container->domain, RIGHT_READ | RIGHT_CONTROL},
        {SLOT_ACCOUNT, container->personality, RIGHT_READ | RIGHT_PAY},
        {SLOT_LOG, SLOT_LOG, RIGHT_WRITE},
        {SLOT_TIME, SLOT_TIME, RIGHT_READ},
        {SLOT_MEMORY, container->memory, RIGHTS_ALL & ~RIGHT_DESTROY},
        {SLOT_THREAD, container->thread, RIGHTS_ALL},
        {CONTAINER_SLOT_ENGINE, container->gate, RIGHT_CALL},
        {CONTAINER_SLOT_STORAGE, handles->storage_gate, RIGHT_CALL},
        {CONTAINER_SLOT_IMAGE, handles->image, RIGHT_READ | RIGHT_EXECUTE},
        {CONTAINER_SLOT_EVENTS, container->events, READ_WRITE},
        {CONTAINER_SLOT_CHANNEL, container->channel, READ_WRITE},
        {CONTAINER_SLOT_APPLICATION, container->application, RIGHT_READ | RIGHT_PAY},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(table); i++) {
        must(kernel_capability_copy(container->domain, table[i].slot_there, table[i].slot_here,
                                    table[i].rights),
             "fill the container's table");
    }
}

void container_make(const struct plan *plan, const struct template *template,
                    const struct container_handles *handles, struct container *out)
{
    struct container container = {0};
    slots_take(&container);
    accounts_make(plan, &container);
    window_clone(plan, template, handles, &container);
    must(kernel_gate_create(container.personality, container.gate, handles->endpoint,
                            handles->badge),
         "gate");
    must(kernel_signal_create(container.personality, container.events), "event signal");
    channel_make(plan, &container);
    table_fill(handles, &container);
    *out = container;
}

void container_start(const struct container *container, const struct template *template,
                     uint64_t argument)
{
    uint64_t bytes = CONTAINER_ARGUMENT_SPECIFICATION(argument);
    uint64_t words = bytes <= MESSAGE_BYTES ? (bytes + 7) / 8 : 0;
    memcpy(thread_frame_self()->message, container->channel_bytes + CHANNEL_SPECIFICATION_AT(bytes),
           words * 8);
    must(kernel_thread_start(container->thread, SLOT_NONE, template->ready.entry, argument, words),
         "start the container");
}

void container_destroy(struct container *container)
{
    window_unmap(container->channel_bytes, CHANNEL_BYTES);
    status_t status = kernel_object_destroy(container->account);
    if (status != STATUS_OK) {
        log_line("destroy the container: %s", status_name(status));
    }
    slot_release(container->account);
    slot_release(container->personality);
    slot_release(container->application);
    slot_release(container->domain);
    slot_release(container->memory);
    slot_release(container->gate);
    slot_release(container->events);
    slot_release(container->thread);
    slot_release(container->channel);
    *container = (struct container){0};
}

/* --- What is left of one that faulted -----------------------------------------------------------
 */

/* Whatever on the stack above RSP looks like a return address: frame pointers may be broken. */
static void stack_log(const char *who, uint32_t memory, uint64_t rsp)
{
    uint64_t block = ALIGN_DOWN(rsp - 1, THREAD_BLOCK_SIZE);
    uint64_t end = block + THREAD_FRAME_OFFSET;
    if (rsp < WINDOW_BASE || rsp >= WINDOW_HEAP || rsp < block + PAGE_SIZE || rsp >= end) {
        return;
    }
    void *mapped;
    uint64_t stack_bytes = THREAD_FRAME_OFFSET - PAGE_SIZE;
    if (window_map(memory, block + PAGE_SIZE - WINDOW_BASE, stack_bytes, RIGHT_READ, &mapped) !=
        STATUS_OK) {
        return;
    }
    const uint64_t *words = mapped;
    uint32_t found = 0;
    for (uint64_t at = ALIGN_UP(rsp, 8); at < end && found < STACK_ADDRESSES_MAX; at += 8) {
        uint64_t word = words[(at - block - PAGE_SIZE) / 8];
        if (word >= WINDOW_IMAGE && word < WINDOW_IMAGE + IMAGE_BYTES_MAX) {
            log_line("%s on the stack: %llx", who, (unsigned long long)word);
            found++;
        }
    }
    window_unmap(mapped, stack_bytes);
}

void domain_report_log(const char *who, uint32_t domain, uint32_t memory)
{
    struct domain_report report;
    if (object_state(domain, STATE_DOMAIN, &report, sizeof(report)) != STATUS_OK ||
        report.fault.cause == 0) {
        return;
    }
    log_line("%s faulted: cause %llu vector %llu error %llx address %llx rip %llx rsp %llx", who,
             (unsigned long long)report.fault.cause, (unsigned long long)report.fault.vector,
             (unsigned long long)report.fault.error, (unsigned long long)report.fault.address,
             (unsigned long long)report.fault.rip, (unsigned long long)report.fault.rsp);
    uint64_t calls[BACKTRACE_CALLS];
    uint32_t count = backtrace_read(SLOT_ACCOUNT, memory, report.rbp, calls);
    for (uint32_t i = 0; i < count; i++) {
        log_line("%s called from %llx", who, (unsigned long long)calls[i]);
    }
    if (count == 0) {
        stack_log(who, memory, report.fault.rsp);
    }
}
