/*
 * The engine's loop: calls of containers and of the template on the endpoint, bits of one signal,
 * bytes of the control channel. Whatever came, afterwards everything that can move is moved in
 * bounded pieces, with a look at endpoint and signal in between.
 *
 * The host is served from the moment on at which the template is ready, or will never be: until
 * then its bytes wait in the device.
 */
#include "abi/engine.h"
#include "lib/oak/clock.h"
#include "lib/oak/log.h"
#include "lib/oak/program.h"
#include "services/engine/blobs.h"
#include "services/engine/control.h"
#include "services/engine/engine.h"
#include "services/engine/template.h"

#define EVENT_TEMPLATE (1ull << 56)

_Static_assert((EVENT_TEMPLATE & CONTAINER_WATCH_BITS) == 0, "a bit of its own");

static bool more_to_do;

static void on_signal(void *context, uint64_t bits)
{
    (void)context;
    if ((bits & ENGINE_EVENT_CONSOLE) != 0) {
        control_interrupt();
    }
    if ((bits & ENGINE_EVENT_STORAGE) != 0) {
        blobs_reopen();
    }
    if ((bits & EVENT_TEMPLATE) != 0) {
        template_faulted();
    }
    if ((bits & CONTAINER_WATCH_BITS) != 0) {
        engine_faulted(bits & CONTAINER_WATCH_BITS);
    }
}

static void on_idle(void *context)
{
    (void)context;
    if (template_state() == TEMPLATE_STARTING) {
        return;
    }
    bool turned = engine_turn();
    bool pumped = control_pump();
    more_to_do = turned || pumped;
}

static uint64_t next_deadline(void *context)
{
    (void)context;
    return more_to_do ? 0 : containers_deadline();
}

static void on_deadline(void *context)
{
    (void)context;
    /* Also while there is more to do: who keeps us busy must not hold starts up. */
    if (clock_now_ns() >= containers_deadline()) {
        containers_late();
    }
}

static status_t on_template_ready(struct service_call *call,
                                  const struct container_template_ready_request *request)
{
    (void)call;
    return template_freeze(request);
}

static const struct container_handlers template_handlers = {.template_ready = on_template_ready};

/* From program.ld: the variables that begin as zero. */
extern uint8_t program_zero_start[];
extern uint8_t program_zero_end[];

/* Every table's pages now: what the engine has later does not depend on how much it was used, and
 * it never faults for lack of memory. */
static void tables_back(void)
{
    status_t status =
        kernel_memory_populate(SLOT_MEMORY, (uint64_t)(uintptr_t)program_zero_start - WINDOW_BASE,
                               (uint64_t)(program_zero_end - program_zero_start));
    if (status != STATUS_OK) {
        log_panic("no memory for the tables: %s", status_name(status));
    }
}

void program_main(uint64_t argument)
{
    log_name_set("engine");
    tables_back();
    engine_init();
    struct bundle bundle;
    status_t status = bundle_open(ENGINE_SLOT_BUNDLE, argument, &bundle);
    if (status != STATUS_OK) {
        log_panic("the bundle: %s", status_name(status));
    }
    template_start(&bundle, EVENT_TEMPLATE);
    status = control_open();
    if (status != STATUS_OK) {
        log_panic("no control channel: %s", status_name(status));
    }
    const struct service_interface interfaces[] = {
        {ENGINE_BADGE_TEMPLATE, ENGINE_BADGE_TEMPLATE, container_dispatch, &template_handlers,
         NULL},
        {ENGINE_BADGE_CONTAINER, UINT64_MAX, container_dispatch, &container_handlers, NULL},
    };
    const struct service service = {.endpoint = ENGINE_SLOT_ENDPOINT,
                                    .signal = ENGINE_SLOT_SIGNAL,
                                    .interfaces = interfaces,
                                    .interface_count = ARRAY_LENGTH(interfaces),
                                    .on_signal = on_signal,
                                    .next_deadline = next_deadline,
                                    .on_deadline = on_deadline,
                                    .on_idle = on_idle};
    log_panic("the loop ended: %s", status_name(service_run(&service)));
}
