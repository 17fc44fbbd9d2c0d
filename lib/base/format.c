/*
 * The formatter: a sink that counts and never overruns, and one function per kind of conversion.
 */
#include "lib/base/format.h"

#include "lib/base/string.h"

#define NUMBER_DIGITS 20 /* a 64-bit number in base 10 */

struct sink {
    char *to;
    size_t capacity_bytes; /* without the NUL */
    size_t length_bytes;
};

struct conversion {
    bool left;
    bool zeros;
    size_t width;
    bool bounded; /* a precision was given */
    size_t precision;
    unsigned int longs; /* 0 int, 1 long or size_t, 2 long long */
};

static void sink_put(struct sink *sink, char byte)
{
    if (sink->length_bytes < sink->capacity_bytes) {
        sink->to[sink->length_bytes++] = byte;
    }
}

static void sink_fill(struct sink *sink, char byte, size_t count)
{
    size_t room = sink->capacity_bytes - sink->length_bytes;
    for (size_t i = 0; i < MIN(count, room); i++) {
        sink_put(sink, byte);
    }
}

static void put_field(struct sink *sink, const struct conversion *how, const char *text,
                      size_t length)
{
    size_t padding = how->width > length ? how->width - length : 0;
    if (!how->left) {
        sink_fill(sink, ' ', padding);
    }
    for (size_t i = 0; i < length; i++) {
        sink_put(sink, text[i]);
    }
    if (how->left) {
        sink_fill(sink, ' ', padding);
    }
}

static void put_number(struct sink *sink, const struct conversion *how, uint64_t value,
                       unsigned int base, const char *prefix)
{
    char digits[NUMBER_DIGITS];
    size_t count = 0;
    do {
        digits[count++] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value != 0);
    size_t length = count + strlen(prefix);
    size_t padding = how->width > length ? how->width - length : 0;
    if (!how->left && !how->zeros) {
        sink_fill(sink, ' ', padding);
    }
    for (const char *next = prefix; *next != '\0'; next++) {
        sink_put(sink, *next);
    }
    if (!how->left && how->zeros) {
        sink_fill(sink, '0', padding);
    }
    while (count > 0) {
        sink_put(sink, digits[--count]);
    }
    if (how->left) {
        sink_fill(sink, ' ', padding);
    }
}

/* The pointers are to the caller's va_list: it goes on where we stop. */
static const char *parse_conversion(const char *next, struct conversion *how, va_list *arguments)
{
    *how = (struct conversion){0};
    for (; *next == '-' || *next == '0'; next++) {
        how->left |= *next == '-';
        how->zeros |= *next == '0';
    }
    for (; *next >= '0' && *next <= '9'; next++) {
        how->width = MIN(how->width * 10 + (size_t)(*next - '0'), (size_t)4096);
    }
    if (*next == '.') {
        next++;
        how->bounded = true;
        if (*next == '*') {
            next++;
            int bound = va_arg(*arguments, int);
            how->precision = bound < 0 ? SIZE_MAX : (size_t)bound;
        }
        for (; *next >= '0' && *next <= '9'; next++) {
            how->precision = MIN(how->precision * 10 + (size_t)(*next - '0'), (size_t)4096);
        }
    }
    for (; *next == 'l' || *next == 'z'; next++) {
        how->longs++;
    }
    return next;
}

static uint64_t take_unsigned(const struct conversion *how, va_list *arguments)
{
    return how->longs > 0 ? va_arg(*arguments, uint64_t) : va_arg(*arguments, unsigned int);
}

static void put_signed(struct sink *sink, const struct conversion *how, va_list *arguments)
{
    int64_t value = how->longs > 0 ? va_arg(*arguments, int64_t) : va_arg(*arguments, int);
    uint64_t magnitude = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    put_number(sink, how, magnitude, 10, value < 0 ? "-" : "");
}

static void put_string(struct sink *sink, const struct conversion *how, const char *text)
{
    if (text == NULL) {
        text = "(null)";
    }
    put_field(sink, how, text, how->bounded ? strnlen(text, how->precision) : strlen(text));
}

/* False when the conversion is not known. */
static bool put_conversion(struct sink *sink, char kind, const struct conversion *how,
                           va_list *arguments)
{
    char byte;
    switch (kind) {
    case 'd':
        put_signed(sink, how, arguments);
        return true;
    case 'u':
        put_number(sink, how, take_unsigned(how, arguments), 10, "");
        return true;
    case 'x':
        put_number(sink, how, take_unsigned(how, arguments), 16, "");
        return true;
    case 'p':
        put_number(sink, how, (uintptr_t)va_arg(*arguments, void *), 16, "0x");
        return true;
    case 's':
        put_string(sink, how, va_arg(*arguments, const char *));
        return true;
    case 'c':
        byte = (char)va_arg(*arguments, int);
        put_field(sink, how, &byte, 1);
        return true;
    case '%':
        sink_put(sink, '%');
        return true;
    default:
        return false;
    }
}

size_t format_text_list(char *to, size_t capacity_bytes, const char *format, va_list arguments)
{
    if (capacity_bytes == 0) {
        return 0;
    }
    struct sink sink = {to, capacity_bytes - 1, 0};
    va_list copy;
    va_copy(copy, arguments);
    for (const char *next = format; *next != '\0'; next++) {
        if (*next != '%') {
            sink_put(&sink, *next);
            continue;
        }
        struct conversion how;
        const char *kind = parse_conversion(next + 1, &how, &copy);
        if (!put_conversion(&sink, *kind, &how, &copy)) {
            put_field(&sink, &(struct conversion){0}, next, strlen(next));
            break;
        }
        next = kind;
    }
    va_end(copy);
    to[sink.length_bytes] = '\0';
    return sink.length_bytes;
}

size_t format_text(char *to, size_t capacity_bytes, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    size_t length = format_text_list(to, capacity_bytes, format, arguments);
    va_end(arguments);
    return length;
}
