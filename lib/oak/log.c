#include "lib/oak/log.h"

#include "lib/base/string.h"
#include "lib/oak/kernel.h"

static const char *program_name = "program";

#define STATUS(name, number, meaning) [number] = #name,
static const char *const names[] = {
#include "abi/status.def"
};
#undef STATUS

const char *status_name(status_t status)
{
    return status < ARRAY_LENGTH(names) && names[status] != NULL ? names[status] : "?";
}

void log_name_set(const char *name)
{
    program_name = name;
}

static void log_line_list(const char *format, va_list arguments)
{
    char line[LOG_LINE_BYTES];
    size_t length = format_text(line, sizeof(line), "%s: ", program_name);
    length += format_text_list(line + length, sizeof(line) - length, format, arguments);
    for (size_t i = 0; i < length; i++) {
        if (line[i] < ' ' || line[i] > '~') {
            line[i] = '?';
        }
    }
    struct thread_frame *frame = thread_frame_self();
    _Static_assert(sizeof(line) <= sizeof(frame->message), "a line fits into a message");
    memcpy(frame->message, line, length);
    kernel_log_write(SLOT_LOG, length);
}

void log_line(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    log_line_list(format, arguments);
    va_end(arguments);
}

void log_panic(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    log_line_list(format, arguments);
    va_end(arguments);
    __builtin_trap();
}
