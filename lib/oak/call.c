#include "lib/oak/call.h"

#define WORDS(bytes) (((bytes) + 7) / 8)

status_t call_gate(uint64_t gate, const struct call *call)
{
    struct call local = *call;
    uint64_t header = MESSAGE_HEADER(local.operation, WORDS(local.request_bytes), local.send_count);
    if ((gate & CALL_INTERRUPTIBLE) != 0) {
        header |= MESSAGE_INTERRUPTIBLE;
    }
    struct thread_frame *frame = thread_frame_self();
    for (uint32_t i = 0; i < MESSAGE_CAPABILITIES; i++) {
        frame->send[i] = i < local.send_count ? local.send[i] : SLOT_NONE;
        frame->receive[i] = i < local.receive_count ? local.receive[i] : SLOT_NONE;
    }
    if (local.request_bytes > 0) {
        frame->message[WORDS(local.request_bytes) - 1] = 0;
        memcpy(frame->message, local.request, local.request_bytes);
    }
    struct kernel_results results;
    status_t status = kernel_gate_call((uint32_t)gate, header, DEADLINE_NEVER, &results);
    if (status != STATUS_OK) {
        return status;
    }
    uint64_t answer = results.value[0];
    status = MESSAGE_OPERATION(answer);
    if (status != STATUS_OK) {
        return status;
    }
    if (MESSAGE_WORD_COUNT(answer) < WORDS(local.reply_bytes)) {
        return STATUS_CORRUPT;
    }
    memcpy(local.reply, frame->message, local.reply_bytes);
    *local.received = MIN(MESSAGE_CAPABILITY_COUNT(answer), local.receive_count);
    return STATUS_OK;
}
