/*
 * Lines for the machine's log (the serial port), through SLOT_LOG. A line is cut at LOG_LINE_BYTES,
 * bytes that are not printable ASCII are shown as '?' so that no client can forge a line.
 */
#pragma once

#include "lib/base/format.h"

#define LOG_LINE_BYTES 480

/* The prefix of every line of this program; a string that lives forever. */
void log_name_set(const char *name);

/* One line, formatted as lib/base/format.h says, without a newline at the end. Clobbers the
 * thread's message. */
void log_line(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Log and end this program with a fault, so that whoever watches the domain hears of it. For
 * states that our own code rules out; never for what came from outside. */
_Noreturn void log_panic(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A status by its name in abi/status.def; "?" for others. */
const char *status_name(status_t status);
