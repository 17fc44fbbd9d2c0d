/* The serial port COM1, written by polling: slow and simple, for lines that matter. */
#include "kernel/core/log.h"

#include "kernel/core/lock.h"
#include "kernel/x86_64/asm.h"
#include "lib/base/format.h"

#define COM1           0x3f8
#define LINE_STATUS    (COM1 + 5)
#define SCRATCH        (COM1 + 7)
#define SCRATCH_VALUE  0x5a
#define TRANSMIT_EMPTY 0x20
#define LOG_LINE_BYTES 512
#define TRANSMIT_SPINS 100000

static struct spinlock log_lock = {.lock_class = LOCK_LOG};
static bool present;
bool log_alone;

void log_init(void)
{
    port_write8(COM1 + 1, 0);    /* no interrupts */
    port_write8(COM1 + 3, 0x80); /* divisor: 115200 */
    port_write8(COM1 + 0, 1);
    port_write8(COM1 + 1, 0);
    port_write8(COM1 + 3, 3); /* 8N1 */
    port_write8(COM1 + 2, 0xc7);
    /* A hypervisor may leave the port out; what is read then differs. */
    port_write8(SCRATCH, SCRATCH_VALUE);
    present = port_read8(SCRATCH) == SCRATCH_VALUE && port_read8(LINE_STATUS) != 0xff;
}

static void byte_write(char byte)
{
    for (uint32_t i = 0; i < TRANSMIT_SPINS && !(port_read8(LINE_STATUS) & TRANSMIT_EMPTY); i++) {
    }
    port_write8(COM1, (uint8_t)byte);
}

void log_bytes(const char *text, size_t length_bytes)
{
    if (!present) {
        return;
    }
    if (!log_alone) {
        spin_lock(&log_lock);
    }
    for (size_t i = 0; i < length_bytes; i++) {
        if (text[i] == '\n') {
            byte_write('\r');
        }
        byte_write(text[i]);
    }
    if (!log_alone) {
        spin_unlock(&log_lock);
    }
}

void log_line(const char *format, ...)
{
    char line[LOG_LINE_BYTES];
    va_list arguments;
    va_start(arguments, format);
    size_t length = format_text_list(line, sizeof(line) - 1, format, arguments);
    va_end(arguments);
    length = MIN(length, sizeof(line) - 2);
    line[length] = '\n';
    log_bytes(line, length + 1);
}
