/*
 * A storage service for the engine's boot test that has every blob and ends by a fault whenever it
 * is told to synchronise: what becomes of a call under way, of containers, and of the machine when
 * it has died too often.
 */
#include "abi/blob.service.h"
#include "abi/storage.h"
#include "abi/storage.service.h"
#include "lib/oak/log.h"
#include "lib/oak/program.h"
#include "lib/oak/slots.h"
#include "lib/oak/window.h"

static const char content[] = "frail image data";

static status_t memory_make(uint32_t *out)
{
    status_t status = slot_allocate(out);
    if (status == STATUS_OK) {
        status = kernel_memory_create(STORAGE_SLOT_CACHE, *out, PAGE_SIZE);
    }
    void *bytes;
    if (status == STATUS_OK) {
        status = window_map(*out, 0, PAGE_SIZE, RIGHT_READ | RIGHT_WRITE, &bytes);
    }
    if (status == STATUS_OK) {
        memcpy(bytes, content, sizeof(content));
        window_unmap(bytes, PAGE_SIZE);
    }
    return status;
}

static status_t on_blob_open(struct service_call *call,
                             const struct storage_blob_open_request *request,
                             struct storage_blob_open_reply *reply)
{
    (void)request;
    status_t status = memory_make(&reply->memory);
    if (status == STATUS_OK) {
        status = slot_allocate(&reply->gate);
    }
    if (status == STATUS_OK) {
        status = kernel_gate_create(STORAGE_SLOT_CACHE, reply->gate, STORAGE_SLOT_ENDPOINT,
                                    STORAGE_BADGE_BLOB);
    }
    if (status == STATUS_OK) {
        reply->size = sizeof(content);
        service_drop_after(call, reply->memory);
        service_drop_after(call, reply->gate);
    }
    return status;
}

static status_t on_blob_close(struct service_call *call,
                              const struct storage_blob_close_request *request)
{
    (void)call;
    (void)request;
    return STATUS_OK;
}

static status_t on_synchronise(struct service_call *call)
{
    (void)call;
    log_panic("as intended");
}

static status_t on_statistics(struct service_call *call, struct storage_statistics_reply *reply)
{
    (void)call;
    reply->store_bytes = PAGE_SIZE;
    return STATUS_OK;
}

static status_t on_page_in(struct service_call *call, const struct blob_page_in_request *request)
{
    (void)call;
    (void)request;
    return STATUS_OK;
}

static const struct storage_handlers storage_handlers = {.blob_open = on_blob_open,
                                                         .blob_close = on_blob_close,
                                                         .synchronise = on_synchronise,
                                                         .statistics = on_statistics};
static const struct blob_handlers blob_handlers = {.page_in = on_page_in};

void program_main(uint64_t argument)
{
    (void)argument;
    log_name_set("frail");
    const struct service_interface interfaces[] = {
        {STORAGE_BADGE_ENGINE, STORAGE_BADGE_ENGINE, storage_dispatch, &storage_handlers, NULL},
        {STORAGE_BADGE_BLOB, UINT64_MAX, blob_dispatch, &blob_handlers, NULL},
    };
    const struct service service = {.endpoint = STORAGE_SLOT_ENDPOINT,
                                    .interfaces = interfaces,
                                    .interface_count = ARRAY_LENGTH(interfaces)};
    log_line("the loop ended: %s", status_name(service_run(&service)));
}
