/*
 * Text formatting for logs and messages, shared by the kernel and every user program.
 *
 * Conversions: %s %c %d %u %x %p %%, with the lengths l, ll and z, a width, and the flags 0 and -;
 * %.*s and %.Ns bound a string that has no end of its own. No floating point, no allocation. An
 * unknown conversion is copied as it stands and ends the formatting.
 */
#pragma once

#include <stdarg.h>

#include "lib/base/types.h"

/*
 * Write at most capacity_bytes bytes, the terminating NUL included (nothing when it is zero).
 * Returns the length of the text without NUL, cut to what fits: never more than capacity_bytes - 1.
 */
size_t format_text(char *to, size_t capacity_bytes, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
size_t format_text_list(char *to, size_t capacity_bytes, const char *format, va_list arguments)
    __attribute__((format(printf, 3, 0)));
