/* Proves: no byte stream, however sliced, takes the decoder or the records in it out of bounds. */
#include "host/channel/frame.h"
#include "lib/base/record.h"

#include <stdlib.h>
#include <string.h>

static void records_walk(const void *bytes, size_t length_bytes, int depth)
{
    struct record_reader reader;
    record_reader_init(&reader, bytes, length_bytes);
    struct record record;
    while (record_next(&reader, &record) == STATUS_OK) {
        uint64_t number;
        (void)record_number(&record, &number);
        if (depth < 4) {
            records_walk(record.value, record.length_bytes, depth + 1);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t bytes[FRAME_DECODER_BYTES];
    struct frame_decoder decoder;
    frame_decoder_init(&decoder, bytes);
    size_t slice_bytes = size > 0 ? (size_t)data[0] * 16 + 1 : 1;
    for (size_t done = 0; done < size;) {
        size_t room_bytes;
        uint8_t *room = frame_decoder_room(&decoder, &room_bytes);
        size_t part = MIN(MIN(room_bytes, slice_bytes), size - done);
        memcpy(room, data + done, part);
        frame_decoder_filled(&decoder, part);
        done += part;
        struct frame frame;
        status_t status;
        while ((status = frame_decoder_next(&decoder, &frame)) == STATUS_OK) {
            records_walk(frame.payload, frame.header.length, 0);
        }
        if (status != STATUS_WOULD_BLOCK) {
            break;
        }
    }
    return 0;
}
