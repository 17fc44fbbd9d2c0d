/* The serial log: early messages, services' lines, panics. */
#pragma once

#include "lib/base/types.h"

void log_init(void);

/* One processor logs, without the lock: the others are stopped, wherever they were. */
extern bool log_alone;

void log_bytes(const char *text, size_t length_bytes);
/* %s %u %d %x %p %llu and so on: lib/base/format.h */
void log_line(const char *format, ...) __attribute__((format(printf, 1, 2)));
