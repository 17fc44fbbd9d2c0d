/*
 * The loop. One struct service_call is alive at a time, on the loop's stack; what is deferred is
 * remembered by the handler as (endpoint, token).
 *
 * Invariant: whenever we receive, frame->receive names four empty slots of ours (or none where the
 * table is full), and frame->send is ours to overwrite.
 */
#include "lib/oak/service.h"

#include "lib/base/string.h"
#include "lib/oak/clock.h"
#include "lib/oak/kernel.h"
#include "lib/oak/log.h"
#include "lib/oak/slots.h"

#define WORDS(bytes) (((bytes) + 7) / 8)

/* The empty slots offered to the kernel for what clients send. */
static uint32_t receive_slots[MESSAGE_CAPABILITIES];

void service_keep(struct service_call *call, uint32_t slot)
{
    for (uint32_t i = 0; i < MESSAGE_CAPABILITIES; i++) {
        if (call->received[i] == slot) {
            call->received[i] = SLOT_NONE;
        }
        if (receive_slots[i] == slot) {
            receive_slots[i] = SLOT_NONE;
        }
    }
}

void service_drop_after(struct service_call *call, uint32_t slot)
{
    if (call->drop_count < MESSAGE_CAPABILITIES) {
        call->drop[call->drop_count++] = slot;
    }
}

bool service_request_matches(const struct service_call *call, uint32_t bytes, uint32_t capabilities)
{
    if (MESSAGE_WORD_COUNT(call->header) != WORDS(bytes) ||
        MESSAGE_CAPABILITY_COUNT(call->header) != capabilities) {
        return false;
    }
    for (uint32_t i = 0; i < capabilities; i++) {
        if (call->received[i] == SLOT_NONE) {
            return false;
        }
    }
    return true;
}

static uint64_t reply_pack(uint64_t *words, uint32_t *send, const void *reply, uint32_t bytes,
                           const uint32_t *slots, uint32_t count)
{
    uint32_t sent = 0;
    while (sent < count && slots[sent] != SLOT_NONE) {
        send[sent] = slots[sent];
        sent++;
    }
    if (bytes > 0) {
        words[WORDS(bytes) - 1] = 0;
        memcpy(words, reply, bytes);
    }
    return MESSAGE_HEADER(STATUS_OK, WORDS(bytes), sent);
}

void service_put_reply(struct service_call *call, const void *reply, uint32_t bytes,
                       const uint32_t *slots, uint32_t count)
{
    call->reply_header = reply_pack(call->reply, call->send, reply, bytes, slots, count);
}

void service_answer_with(uint32_t endpoint, uint64_t token, const void *reply, uint32_t bytes,
                         const uint32_t *slots, uint32_t count)
{
    struct thread_frame *frame = thread_frame_self();
    uint64_t header = reply_pack(frame->message, frame->send, reply, bytes, slots, count);
    status_t status = kernel_endpoint_reply(endpoint, token, header);
    if (status != STATUS_OK) {
        service_answer(endpoint, token, status);
    }
}

void service_answer(uint32_t endpoint, uint64_t token, status_t status)
{
    kernel_endpoint_reply(endpoint, token, MESSAGE_HEADER(status, 0, 0));
}

/* Refill the slots that a handler kept. A full table means the next client's capability is not
 * accepted and its call fails the check; nothing worse. */
static void receive_slots_offer(struct thread_frame *frame)
{
    for (uint32_t i = 0; i < MESSAGE_CAPABILITIES; i++) {
        if (receive_slots[i] == SLOT_NONE && slot_allocate(&receive_slots[i]) != STATUS_OK) {
            receive_slots[i] = SLOT_NONE;
        }
        frame->receive[i] = receive_slots[i];
    }
}

static void call_take(struct service_call *call, const struct thread_frame *frame)
{
    uint32_t words = MIN(MESSAGE_WORD_COUNT(call->header), (uint32_t)MESSAGE_WORDS);
    memcpy(call->request, frame->message, words * sizeof(uint64_t));
    uint32_t count = MESSAGE_CAPABILITY_COUNT(call->header);
    for (uint32_t i = 0; i < MESSAGE_CAPABILITIES; i++) {
        call->received[i] = i < count ? receive_slots[i] : SLOT_NONE;
    }
    call->reply_header = MESSAGE_HEADER(STATUS_OK, 0, 0);
    call->drop_count = 0;
}

static status_t call_dispatch(const struct service *service, struct service_call *call)
{
    for (size_t i = 0; i < service->interface_count; i++) {
        const struct service_interface *interface = &service->interfaces[i];
        if (call->badge >= interface->badge_first && call->badge <= interface->badge_last) {
            call->context = interface->context;
            return interface->dispatch(interface->handlers, call);
        }
    }
    return STATUS_NOT_SUPPORTED;
}

/* Dispatch a received call. The reply stays in the call, because whatever else runs before it is
 * sent may use the frame. Returns its token and header, or token 0 when it is deferred. */
static uint64_t call_serve(const struct service *service, struct service_call *call,
                           const struct thread_frame *frame, uint64_t *out_header)
{
    call_take(call, frame);
    status_t status = call_dispatch(service, call);
    for (uint32_t i = 0; i < MESSAGE_CAPABILITIES; i++) {
        if (call->received[i] != SLOT_NONE) {
            kernel_capability_drop(SLOT_DOMAIN, call->received[i]);
        }
    }
    if (status == STATUS_DEFERRED) {
        return 0;
    }
    *out_header = status == STATUS_OK ? call->reply_header : MESSAGE_HEADER(status & 0xffff, 0, 0);
    return call->token;
}

static void reply_load(const struct service_call *call, uint64_t header)
{
    struct thread_frame *frame = thread_frame_self();
    memcpy(frame->message, call->reply, MESSAGE_WORD_COUNT(header) * sizeof(uint64_t));
    memcpy(frame->send, call->send, sizeof(call->send));
}

static uint64_t deadline_of(const struct service *service)
{
    return service->next_deadline == NULL ? DEADLINE_NEVER
                                          : service->next_deadline(service->context);
}

/* The reply itself cannot be delivered, for a client that is gone or a slot of ours that is not
 * what it should be. In the second case the client must not wait forever. */
static void reply_failed(const struct service *service, uint64_t token, status_t status)
{
    if (status != STATUS_OK) {
        service_answer(service->endpoint, token, status);
    }
}

/* Answer (unless token is 0) and wait: in one kernel call if there is no deadline and nothing to
 * do between the two. */
static status_t answer_and_receive(const struct service *service, const struct service_call *call,
                                   uint64_t token, uint64_t header, struct kernel_results *out)
{
    bool between = call->drop_count > 0 || service->on_idle != NULL;
    bool both = token != 0 && !between && deadline_of(service) == DEADLINE_NEVER;
    if (token != 0) {
        reply_load(call, header);
    }
    receive_slots_offer(thread_frame_self());
    if (both) {
        status_t status =
            kernel_endpoint_reply_receive(service->endpoint, token, header, service->signal, out);
        if (status == STATUS_OK || status == STATUS_INTERRUPTED) {
            return status;
        }
        reply_failed(service, token, status);
    } else if (token != 0) {
        reply_failed(service, token, kernel_endpoint_reply(service->endpoint, token, header));
    }
    for (uint32_t i = 0; i < call->drop_count; i++) {
        slot_release(call->drop[i]);
    }
    if (service->on_idle != NULL) {
        service->on_idle(service->context);
    }
    uint64_t deadline_ns = deadline_of(service);
    receive_slots_offer(thread_frame_self());
    return kernel_endpoint_receive(service->endpoint, service->signal, deadline_ns, out);
}

static void deadline_check(const struct service *service)
{
    uint64_t deadline_ns = deadline_of(service);
    if (service->on_deadline != NULL && deadline_ns != DEADLINE_NEVER &&
        clock_now_ns() >= deadline_ns) {
        service->on_deadline(service->context);
    }
}

status_t service_run(const struct service *service)
{
    struct thread_frame *frame = thread_frame_self();
    struct service_call call = {.endpoint = service->endpoint};
    uint64_t token = 0;
    uint64_t header = 0;
    for (;;) {
        struct kernel_results received;
        status_t status = answer_and_receive(service, &call, token, header, &received);
        token = 0;
        call.drop_count = 0;
        if (status == STATUS_OK && received.value[2] != 0) {
            call.header = received.value[0];
            call.badge = received.value[1];
            call.token = received.value[2];
            token = call_serve(service, &call, frame, &header);
        } else if (status == STATUS_OK && service->on_signal != NULL) {
            service->on_signal(service->context, received.value[1]);
        } else if (status != STATUS_OK && status != STATUS_TIMED_OUT &&
                   status != STATUS_INTERRUPTED) {
            return status;
        }
        deadline_check(service);
    }
}
