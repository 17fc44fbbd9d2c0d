/*
 * Proves the generated client and server against each other over a pretended gate: parameters
 * arrive as they were sent, results come back, and requests that do not match the interface never
 * reach a handler.
 */
#include <string.h>

#include "abi/container.service.h"
#include "abi/storage.service.h"
#include "lib/base/test/check.h"

static struct service_call pending;
static status_t (*dispatch)(const void *handlers, struct service_call *call);
static const void *handlers;
static int handler_calls;
static uint32_t cut_words; /* the pretended gate loses this many words of the request */

bool service_request_matches(const struct service_call *call, uint32_t bytes, uint32_t capabilities)
{
    return MESSAGE_WORD_COUNT(call->header) == (bytes + 7) / 8 &&
           MESSAGE_CAPABILITY_COUNT(call->header) == capabilities;
}

void service_put_reply(struct service_call *call, const void *reply, uint32_t bytes,
                       const uint32_t *slots, uint32_t count)
{
    memcpy(call->reply, reply, bytes);
    memcpy(call->send, slots, count * sizeof(*slots));
    call->reply_header = MESSAGE_HEADER(STATUS_OK, (bytes + 7) / 8, count);
}

void service_answer_with(uint32_t endpoint, uint64_t token, const void *reply, uint32_t bytes,
                         const uint32_t *slots, uint32_t count)
{
    (void)endpoint, (void)token, (void)reply, (void)bytes, (void)slots, (void)count;
}

status_t call_gate(uint64_t gate, const struct call *call)
{
    memset(&pending, 0, sizeof(pending));
    pending.badge = gate;
    if (call->request_bytes > 0) {
        memcpy(pending.request, call->request, call->request_bytes);
    }
    pending.header = MESSAGE_HEADER(call->operation, (call->request_bytes + 7) / 8 - cut_words,
                                    call->send_count);
    status_t status = dispatch(handlers, &pending);
    if (status == STATUS_OK && call->reply != NULL) {
        memcpy(call->reply, pending.reply, call->reply_bytes);
        *call->received = MESSAGE_CAPABILITY_COUNT(pending.reply_header);
    }
    return status;
}

static status_t on_open(struct service_call *call, const struct storage_blob_open_request *request,
                        struct storage_blob_open_reply *reply)
{
    handler_calls++;
    CHECK(call->badge == 7 && request->name.length_bytes == 5);
    CHECK(memcmp(request->name.data, "hello", 5) == 0);
    reply->size = 0x123456789abcull;
    reply->handle = 9;
    reply->memory = 70;
    reply->gate = 71;
    return STATUS_OK;
}

static status_t on_launched(struct service_call *call,
                            const struct container_launched_request *request)
{
    (void)call;
    handler_calls++;
    CHECK(request->process == 3 && request->result == 4 && request->pid == 5);
    CHECK(request->message.length_bytes == 256 && request->message.data[255] == 'z');
    return STATUS_NOT_FOUND;
}

static const struct storage_handlers storage = {.blob_open = on_open};
static const struct container_handlers container = {.launched = on_launched};

static void test_results(void)
{
    struct storage_blob_open_reply reply;
    dispatch = storage_dispatch;
    handlers = &storage;
    CHECK(storage_blob_open(7, "hello", 5, 100, 101, &reply) == STATUS_OK);
    CHECK(reply.size == 0x123456789abcull && reply.handle == 9);
    CHECK(reply.memory == 100 && reply.gate == 101 && handler_calls == 1);
    CHECK(storage_synchronise(7) == STATUS_NOT_SUPPORTED);
}

static void test_parameters(void)
{
    char message[257];
    memset(message, 'z', sizeof(message));
    dispatch = container_dispatch;
    handlers = &container;
    CHECK(container_launched(1, 3, 4, 5, message, 256) == STATUS_NOT_FOUND && handler_calls == 2);
    CHECK(container_launched(1, 3, 4, 5, message, 257) == STATUS_TOO_LARGE && handler_calls == 2);
}

static void test_refusals(void)
{
    struct storage_blob_open_reply reply;
    dispatch = storage_dispatch;
    handlers = &storage;
    cut_words = 1;
    CHECK(storage_blob_open(7, "hello", 5, 100, 101, &reply) == STATUS_INVALID_ARGUMENT);
    cut_words = 0;
    struct service_call call = {.header = MESSAGE_HEADER(STORAGE_BLOB_OPEN, 5, 0)};
    call.request[0] = 33;
    CHECK(storage_dispatch(&storage, &call) == STATUS_INVALID_ARGUMENT);
    call.header = MESSAGE_HEADER(STORAGE_BLOB_OPEN, 5, 1);
    CHECK(storage_dispatch(&storage, &call) == STATUS_INVALID_ARGUMENT);
    call.header = MESSAGE_HEADER(77, 0, 0);
    CHECK(storage_dispatch(&storage, &call) == STATUS_NOT_SUPPORTED);
    CHECK(handler_calls == 2);
}

int main(void)
{
    test_results();
    test_parameters();
    test_refusals();
    return 0;
}
