/*
 * The storage service: brings up the disk, mounts the store, serves. Everything after that happens
 * in the loop: calls, and completions of transfers after the disk's interrupt.
 */
#include "abi/storage.h"
#include "lib/oak/clock.h"
#include "lib/oak/log.h"
#include "lib/oak/program.h"
#include "lib/oak/service.h"
#include "services/storage/backend_oak.h"
#include "services/storage/blob.h"
#include "services/storage/handlers.h"
#include "services/storage/store.h"

static void on_signal(void *context, uint64_t bits)
{
    (void)context;
    (void)bits;
    backend_interrupt();
    for (;;) {
        uint64_t cookie;
        status_t transferred;
        status_t status = backend_take(&cookie, &transferred);
        if (status == STATUS_NOT_FOUND) {
            return;
        }
        if (status != STATUS_OK) {
            /* Nothing in flight will ever finish: init starts us again, with the device reset. */
            log_panic("the disk broke the rules of its queue");
        }
        handlers_complete(cookie, transferred);
    }
}

static status_t store_bring_up(void)
{
    status_t status = backend_start();
    if (status != STATUS_OK) {
        log_line("no disk: %s", status_name(status));
        return status;
    }
    status = store_mount();
    if (status != STATUS_OK) {
        log_line("the store cannot be used: %s", status_name(status));
        return status;
    }
    log_line("store of %llu MiB, generation %llu, %llu MiB free",
             (unsigned long long)(store.blocks >> 8), (unsigned long long)store.catalog.generation,
             (unsigned long long)(store.map.free_blocks >> 8));
    return STATUS_OK;
}

void program_main(uint64_t argument)
{
    (void)argument;
    log_name_set("storage");
    blob_start(clock_now_ns() / 1000);
    handlers_set_trouble(store_bring_up());
    const struct service_interface interfaces[] = {
        {STORAGE_BADGE_ENGINE, STORAGE_BADGE_ENGINE, storage_dispatch, &storage_handlers, NULL},
        {STORAGE_BADGE_BLOB, UINT64_MAX, blob_dispatch, &blob_handlers, NULL},
    };
    const struct service service = {.endpoint = STORAGE_SLOT_ENDPOINT,
                                    .signal = STORAGE_SLOT_SIGNAL,
                                    .interfaces = interfaces,
                                    .interface_count = ARRAY_LENGTH(interfaces),
                                    .on_signal = on_signal};
    log_line("the loop ended: %s", status_name(service_run(&service)));
}
