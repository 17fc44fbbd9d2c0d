#include "host/machine/machine.h"

#include "lib/base/record.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

__attribute__((format(printf, 2, 3))) static void line_put(struct record_writer *writer,
                                                           const char *format, ...)
{
    char line[PATH_MAX + 64];
    va_list values;
    va_start(values, format);
    vsnprintf(line, sizeof(line), format, values);
    va_end(values);
    record_put_text(writer, RECORD_MESSAGE, line);
}

void status_answer(struct machine *machine, struct client *client, uint16_t tag)
{
    static uint8_t bytes[CONTROL_FRAME_MAX];
    struct record_writer writer;
    char path[PATH_MAX + 32];
    record_writer_init(&writer, bytes, sizeof(bytes));
    line_put(&writer, "state=%s", machine->phase == MACHINE_READY ? "running" : "stopping");
    line_put(&writer, "daemon_pid=%d", (int)getpid());
    line_put(&writer, "machine_pid=%d", (int)machine->process);
    line_put(&writer, "machine_type=%s", machine->options.machine_type);
    line_put(&writer, "accelerator=%s", accelerator_name(machine->accelerator));
    line_put(&writer, "cpus=%" PRIu32, machine->options.cpus);
    line_put(&writer, "memory_bytes=%" PRIu64, machine->hello.memory_bytes);
    line_put(&writer, "store_bytes=%" PRIu64, machine->hello.store_bytes);
    state_path(&machine->state, STATE_STORE, path, sizeof(path));
    line_put(&writer, "store_path=%s", path);
    state_path(&machine->state, STATE_CONSOLE, path, sizeof(path));
    line_put(&writer, "console_path=%s", path);
    line_put(&writer, "uptime_ms=%" PRId64, (clock_now_ns() - machine->started_ns) / 1000000);
    line_put(&writer, "clients=%" PRIu32, machine->client_count);
    line_put(&writer, "sessions=%" PRIu32, machine->sessions.count);
    line_put(&writer, "queued_bytes=%zu", frame_queue_length(&machine->port_out));
    struct control_frame header = {
        .length = (uint32_t)writer.length_bytes,
        .type = CONTROL_RESULT,
        .stream = tag,
        .value = writer.overflow ? STATUS_TOO_LARGE : STATUS_OK,
    };
    client_send(client, &header, bytes);
}
