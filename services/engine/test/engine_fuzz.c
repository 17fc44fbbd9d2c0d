/*
 * Drives the whole engine over simulated objects: raw bytes and frames of any form, good requests
 * in any order, calls and ring indices of a personality that may say anything, and failing
 * allocations. After every input everything must be given back.
 */
#include <string.h>

#include "services/engine/session.h"
#include "services/engine/test/harness.h"

struct input {
    const uint8_t *bytes;
    size_t left;
};

static uint32_t take(struct input *input, uint32_t bytes)
{
    uint32_t value = 0;
    for (uint32_t i = 0; i < bytes && input->left > 0; i++, input->left--) {
        value |= (uint32_t)*input->bytes++ << (8 * i);
    }
    return value;
}

static void output_discard(void)
{
    static uint8_t bytes[2 * FRAME_BYTES_MAX];
    engine_output(bytes, sizeof(bytes));
}

static void raw_frame(struct input *input)
{
    struct control_frame header = {.session = take(input, 1) % 4};
    header.type = (uint16_t)(take(input, 1) % 12);
    header.stream = (uint16_t)take(input, 1);
    header.value = take(input, 2);
    uint32_t length = take(input, 1);
    header.length = MIN(length, (uint32_t)input->left);
    engine_input(&header, sizeof(header));
    engine_input(input->bytes, header.length);
    input->bytes += header.length;
    input->left -= header.length;
}

static void good_request(struct input *input)
{
    uint8_t bytes[256];
    struct record_writer records;
    uint32_t session = 1 + take(input, 1) % 3;
    uint32_t type = take(input, 1) % 40;
    const struct record_writer *payload = &records;
    record_writer_init(&records, bytes, sizeof(bytes));
    record_put_text(&records, RECORD_CONTAINER, "one");
    record_put_number(&records, (uint16_t)(take(input, 1) % 46), take(input, 2));
    if (type == CONTROL_CREATE || type == CONTROL_EXEC) {
        struct record_writer *whole = specification("one", take(input, 1));
        if (type == CONTROL_EXEC) {
            record_put_text(whole, RECORD_CONTAINER, "one");
        }
        payload = whole;
    }
    frame_send(session, CONTROL_REQUEST, (uint16_t)take(input, 1), type, payload->bytes,
               (uint32_t)payload->length_bytes);
}

static struct container *any_container(void)
{
    for (uint32_t i = 0; i < CONTAINERS_MAX && container_count() > 0; i++) {
        if (container_at(i) != NULL) {
            return container_at(i);
        }
    }
    return NULL;
}

static void personality_speaks(struct input *input)
{
    struct container *container = any_container();
    struct service_call call = {.badge = container != NULL ? container_badge(container) : 0};
    uint32_t operation = take(input, 1) % 8;
    static const uint32_t words[8] = {0, 1, 0, 35, 2, 1, 9, 0};
    call.header = MESSAGE_HEADER(operation, words[operation], 0);
    uint32_t process = take(input, 1) % 4;
    uint32_t value = take(input, 1);
    memcpy(call.request, &process, sizeof(process));
    memcpy((uint8_t *)call.request + 4, &value, sizeof(value));
    call.request[2] = take(input, 1);
    (void)!container_dispatch(&container_handlers, &call);
}

static void ring_poke(struct input *input)
{
    struct container *container = any_container();
    uint32_t field = take(input, 1) % (sizeof(struct channel_control) / 4);
    uint32_t value = take(input, 4);
    struct process *process = container != NULL ? &container->process : NULL;
    if (process != NULL && (field & 1) != 0 && container->execs != NULL) {
        process = container->execs;
    }
    if (process != NULL && process->ring_open[0]) {
        memcpy(simulated_channel(process->channel.view) + 4 * field, &value, 4);
        process_activate(process);
    }
}

static void everything_back(void)
{
    struct control_hello hello = {0};
    simulated_fail_after = -1;
    struct container *container;
    while ((container = any_container()) != NULL) {
        container_delete(container);
    }
    /* At most what one frame may still miss, then a greeting is found. */
    static const uint8_t zeros[FRAME_BYTES_MAX];
    engine_input(zeros, sizeof(zeros));
    frame_send(0, CONTROL_HELLO, 0, CONTROL_VERSION, &hello, sizeof(hello));
    output_discard();
    CHECK(session_count() == 0 && container_count() == 0);
    CHECK(simulated_live == 0 && simulated_heap_blocks == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    static bool begun;
    struct input input = {bytes, length};
    if (!begun) {
        begun = true;
        engine_init();
        everything_back();
    }
    while (input.left > 0) {
        switch (take(&input, 1) % 8) {
        case 0:
            raw_frame(&input);
            break;
        case 1:
        case 2:
            good_request(&input);
            break;
        case 3:
            personality_speaks(&input);
            break;
        case 4:
            ring_poke(&input);
            break;
        case 5:
            simulated_fail_after = take(&input, 1);
            break;
        case 6:
            engine_turn();
            output_discard();
            break;
        default: {
            uint32_t cut = take(&input, 1) % 32;
            cut = MIN(cut, (uint32_t)input.left);
            engine_input(input.bytes, cut);
            input.bytes += cut;
            input.left -= cut;
            break;
        }
        }
    }
    everything_back();
    return 0;
}
