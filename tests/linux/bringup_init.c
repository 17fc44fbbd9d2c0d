/*
 * The harness itself: loads the personality once, then makes, serves and destroys one container
 * after the other. The service loop drives it: calls and signals change `state`, and after each of
 * them on_idle does what is to be done next. After the last run the endpoint is destroyed, which
 * ends the loop.
 */
#include "abi/blob.service.h"
#include "abi/container.service.h"
#include "lib/oak/clock.h"
#include "lib/oak/log.h"
#include "lib/oak/service.h"
#include "lib/oak/slots.h"
#include "lib/oak/window.h"
#include "tests/linux/bringup.h"

#define BADGE_TEMPLATE  1
#define BADGE_STORAGE   2
#define BADGE_CONTAINER 3

#define BIT_TEMPLATE_FAULT  1
#define BIT_CONTAINER_FAULT 2

#define REPORT_NS 5000000000ull /* how often a run that takes long is reported */

#define EXIT_FAULT 255 /* said to have been the exit code of a personality that faulted */

static struct {
    struct plan plan;
    struct bundle bundle;
    struct template template;
    struct container container;
    struct container_handles handles;
    struct streams streams;
    uint64_t image_bytes;
    uint64_t run; /* the one that is running, from 1 on; 0: the template is not ready */
    bool ended;   /* the container is to be destroyed */
    bool over;    /* nothing more will run */
    uint64_t start_ns;
    uint64_t report_ns; /* when the next such report is due */
    uint64_t free_before_bytes;
    uint64_t free_first_bytes; /* after the first run */
} state;

void must(status_t status, const char *step)
{
    if (status != STATUS_OK) {
        log_line("failed: %s: %s", step, status_name(status));
        log_line("end");
        __builtin_trap();
    }
}

uint32_t slot_new(void)
{
    uint32_t slot;
    must(slot_allocate(&slot), "slot");
    return slot;
}

static unsigned long long since_start_us(void)
{
    return (clock_now_ns() - state.start_ns) / 1000;
}

static uint64_t free_bytes(void)
{
    struct platform_state platform;
    must(object_state(INIT_SLOT_PLATFORM, STATE_PLATFORM, &platform, sizeof(platform)),
         "read the platform");
    return platform.memory_free_bytes + platform.memory_spare_bytes;
}

#define SETTLE_NS 5000000000ull

/* The same, once what ended last is given back: a barrier later than its destroy returned. */
static uint64_t free_bytes_settled(uint64_t wanted_bytes)
{
    uint64_t deadline_ns = clock_now_ns() + SETTLE_NS;
    uint64_t now_bytes;
    while ((now_bytes = free_bytes()) < wanted_bytes && clock_now_ns() < deadline_ns) {
        (void)kernel_thread_park(clock_now_ns() + 1000000, PARK_UNINTERRUPTIBLE);
    }
    return now_bytes;
}

/* --- What the container calls --- */

static status_t on_template_ready(struct service_call *call,
                                  const struct container_template_ready_request *request)
{
    if (call->badge != BADGE_TEMPLATE || state.run != 0) {
        return STATUS_NOT_PERMITTED;
    }
    state.template.ready = *request;
    state.run = 1;
    log_line("template ready, entry %llx, after %llu us", (unsigned long long)request->entry,
             since_start_us());
    return STATUS_DEFERRED;
}

static status_t on_next_request(struct service_call *call,
                                struct container_next_request_reply *reply)
{
    (void)call;
    reply->kind = CONTAINER_REQUEST_NONE;
    return STATUS_OK;
}

static status_t on_launched(struct service_call *call,
                            const struct container_launched_request *request)
{
    (void)call;
    log_line("launched pid %llu result %s: %.*s (%llu us)", (unsigned long long)request->pid,
             status_name(request->result), (int)request->message.length_bytes,
             (const char *)request->message.data, since_start_us());
    if (request->result != STATUS_OK) {
        uint32_t code = request->result == STATUS_NOT_PERMITTED ? 126 : 127;
        log_line("ended code %u (%llu us)", code, since_start_us());
        state.ended = true;
    }
    return STATUS_OK;
}

static status_t on_ended(struct service_call *call, const struct container_ended_request *request)
{
    (void)call;
    unsigned long long took_us = since_start_us();
    streams_finish(&state.streams);
    log_line("ended code %u%s (%llu us)", request->exit_code,
             request->oom_killed != 0 ? ", out of memory" : "", took_us);
    state.ended = true;
    return STATUS_DEFERRED; /* on_idle takes its caller down: an answer would set it going again */
}

static status_t on_ring_moved(struct service_call *call,
                              const struct container_ring_moved_request *request)
{
    (void)call;
    (void)request;
    return STATUS_OK; /* on_idle pumps after every call */
}

static status_t on_missing(struct service_call *call,
                           const struct container_missing_request *request)
{
    (void)call;
    log_line("missing %.*s", (int)request->name.length_bytes, (const char *)request->name.data);
    return STATUS_OK;
}

/* The image lies in memory completely: a page that is not there is past its end. */
static status_t on_page_in(struct service_call *call, const struct blob_page_in_request *request)
{
    (void)call;
    return request->offset < state.image_bytes ? STATUS_OK : STATUS_OUT_OF_RANGE;
}

/* --- One run after the other --- */

static void on_signal(void *context, uint64_t bits)
{
    (void)context;
    if ((bits & BIT_TEMPLATE_FAULT) != 0) {
        domain_report_log("template", state.template.program.domain, state.template.program.memory);
        log_line("ended code %u", EXIT_FAULT);
        state.over = true;
    }
    if ((bits & BIT_CONTAINER_FAULT) != 0 && !state.ended) {
        streams_finish(&state.streams);
        domain_report_log("container", state.container.domain, state.container.memory);
        log_line("ended code %u (%llu us)", EXIT_FAULT, since_start_us());
        state.ended = true;
    }
}

static uint64_t next_deadline(void *context)
{
    (void)context;
    return state.container.account != SLOT_NONE ? state.report_ns : DEADLINE_NEVER;
}

/* Whether it waits or spins shows in the CPU time between two reports. */
static void on_deadline(void *context)
{
    (void)context;
    state.report_ns += REPORT_NS;
    struct account_usage usage;
    if (object_state(state.container.account, STATE_ACCOUNT, &usage, sizeof(usage)) != STATUS_OK) {
        return;
    }
    log_line("still running after %llu ms: cpu %llu ms, %llu bytes", since_start_us() / 1000,
             (unsigned long long)(usage.cpu_ns / 1000000), (unsigned long long)usage.bytes_total);
}

static void run_begin(void)
{
    state.ended = false;
    state.start_ns = clock_now_ns();
    state.report_ns = state.start_ns + REPORT_NS;
    container_make(&state.plan, &state.template, &state.handles, &state.container);
    streams_start(&state.streams, state.container.channel_bytes, &state.plan);
    (void)streams_pump(&state.streams);
    state.start_ns = clock_now_ns();
    container_start(&state.container, &state.template,
                    CONTAINER_ARGUMENT(state.plan.specification_bytes, state.image_bytes));
}

static void run_finish(void)
{
    container_destroy(&state.container);
    uint64_t free_now_bytes = free_bytes_settled(state.free_before_bytes);
    if (state.run == 1) {
        state.free_first_bytes = free_now_bytes;
    }
    if (state.run == state.plan.runs) {
        log_line("memory free before %llu, after the first run %llu, after the last %llu",
                 (unsigned long long)state.free_before_bytes,
                 (unsigned long long)state.free_first_bytes, (unsigned long long)free_now_bytes);
        state.over = true;
    }
    state.run++;
}

static void on_idle(void *context)
{
    (void)context;
    if (state.container.account != SLOT_NONE) {
        uint64_t events = streams_pump(&state.streams);
        if (events != 0) {
            (void)kernel_signal_raise(state.container.events, events);
        }
        if (state.ended) {
            run_finish();
        }
    } else if (state.run == 1) {
        state.free_before_bytes = free_bytes();
    }
    if (state.over) {
        program_destroy(&state.template.program); /* first: its call is still unanswered */
        slot_destroy(state.handles.endpoint);
    } else if (state.run > 0 && state.container.account == SLOT_NONE) {
        run_begin();
    }
}

/* --- Start --- */

static void handles_make(void)
{
    struct container_handles *handles = &state.handles;
    uint64_t offset;
    must(bundle_find(&state.bundle, "image", &offset, &state.image_bytes), "image in the bundle");
    handles->endpoint = slot_new();
    handles->storage_gate = slot_new();
    handles->image = slot_new();
    handles->watch_signal = slot_new();
    handles->badge = BADGE_CONTAINER;
    handles->watch_bits = BIT_CONTAINER_FAULT;
    must(kernel_endpoint_create(SLOT_ACCOUNT, handles->endpoint), "endpoint");
    must(kernel_signal_create(SLOT_ACCOUNT, handles->watch_signal), "signal");
    must(kernel_gate_create(SLOT_ACCOUNT, handles->storage_gate, handles->endpoint, BADGE_STORAGE),
         "gate of the image");
    must(kernel_memory_view(SLOT_ACCOUNT, handles->image, INIT_SLOT_BUNDLE, offset,
                            ALIGN_UP(state.image_bytes, PAGE_SIZE), RIGHT_READ | RIGHT_EXECUTE),
         "view of the image");
}

static void template_start(void)
{
    uint32_t gate = slot_new();
    must(kernel_gate_create(SLOT_ACCOUNT, gate, state.handles.endpoint, BADGE_TEMPLATE),
         "gate of the template");
    const struct program_capability capabilities[] = {{CONTAINER_SLOT_ENGINE, gate, RIGHT_CALL}};
    const struct program_specification specification = {.bundle = &state.bundle,
                                                        .name = "linux",
                                                        .account = SLOT_ACCOUNT,
                                                        .limit_bytes = UINT64_MAX,
                                                        .limit_threads = 4,
                                                        .band = BAND_CONTAINER,
                                                        .capabilities = capabilities,
                                                        .capability_count =
                                                            ARRAY_LENGTH(capabilities),
                                                        .watch_signal = state.handles.watch_signal,
                                                        .watch_bits = BIT_TEMPLATE_FAULT};
    state.start_ns = clock_now_ns();
    must(program_load(&specification, &state.template.program), "load the personality");
    must(program_start(&state.template.program), "start the personality");
}

static void serve(void)
{
    static const struct container_handlers container_handlers = {.template_ready =
                                                                     on_template_ready,
                                                                 .next_request = on_next_request,
                                                                 .launched = on_launched,
                                                                 .ended = on_ended,
                                                                 .ring_moved = on_ring_moved,
                                                                 .missing = on_missing};
    static const struct container_handlers template_handlers = {.template_ready =
                                                                    on_template_ready};
    static const struct blob_handlers blob_handlers = {.page_in = on_page_in};
    static const struct service_interface interfaces[] = {
        {BADGE_TEMPLATE, BADGE_TEMPLATE, container_dispatch, &template_handlers, NULL},
        {BADGE_STORAGE, BADGE_STORAGE, blob_dispatch, &blob_handlers, NULL},
        {BADGE_CONTAINER, BADGE_CONTAINER, container_dispatch, &container_handlers, NULL},
    };
    const struct service service = {.endpoint = state.handles.endpoint,
                                    .signal = state.handles.watch_signal,
                                    .interfaces = interfaces,
                                    .interface_count = ARRAY_LENGTH(interfaces),
                                    .on_signal = on_signal,
                                    .next_deadline = next_deadline,
                                    .on_deadline = on_deadline,
                                    .on_idle = on_idle};
    status_t status = service_run(&service);
    if (!state.over) {
        must(status, "serve");
    }
}

void program_main(uint64_t argument)
{
    (void)argument;
    log_name_set("init");
    const void *boot;
    must(window_map_source(INIT_SLOT_BOOT, 0, PAGE_SIZE, &boot), "boot information");
    const struct boot_info *info = boot;
    must(plan_read(info->command_line, &state.plan), "a command in the command line");
    if (state.plan.wall_seconds != 0) {
        uint64_t wall_ns = state.plan.wall_seconds * 1000000000u;
        must(kernel_platform_set(INIT_SLOT_PLATFORM, PLATFORM_WALL_NS, wall_ns), "set the clock");
    }
    must(bundle_open(INIT_SLOT_BUNDLE, info->bundle_bytes, &state.bundle), "bundle");
    handles_make();
    template_start();
    serve();
    log_line("end");
    for (;;) {
        (void)kernel_thread_park(DEADLINE_NEVER, 0);
    }
}
