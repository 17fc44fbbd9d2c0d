#include "host/cli/cli.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void line_print(const char *format, va_list values)
{
    char line[4096];
    int used = snprintf(line, sizeof(line), "oak: ");
    int length = vsnprintf(line + used, sizeof(line) - (size_t)used - 1, format, values);
    size_t total_bytes = MIN((size_t)(used + MAX(length, 0)), sizeof(line) - 2);
    /* Names come from users, images and containers: no control characters on a terminal. */
    for (size_t i = 0; i < total_bytes; i++) {
        if (iscntrl((unsigned char)line[i])) {
            line[i] = '?';
        }
    }
    line[total_bytes] = '\n';
    fwrite(line, 1, total_bytes + 1, stderr);
}

int error_line(int code, const char *format, ...)
{
    va_list values;
    fflush(stdout);
    va_start(values, format);
    line_print(format, values);
    va_end(values);
    return code;
}

void note_line(const char *format, ...)
{
    va_list values;
    va_start(values, format);
    line_print(format, values);
    va_end(values);
}

void *allocate(size_t length_bytes)
{
    void *memory = calloc(1, MAX(length_bytes, (size_t)1));
    if (memory == NULL) {
        exit(error_line(EXIT_OAK, "out of memory"));
    }
    return memory;
}

void *allocate_again(void *old, size_t length_bytes)
{
    void *memory = realloc(old, MAX(length_bytes, (size_t)1));
    if (memory == NULL) {
        exit(error_line(EXIT_OAK, "out of memory"));
    }
    return memory;
}

char *text_copy(const char *text)
{
    size_t length = strlen(text) + 1;
    return memcpy(allocate(length), text, length);
}

char *text_format(const char *format, ...)
{
    va_list values;
    char *text;
    va_start(values, format);
    int length = vasprintf(&text, format, values);
    va_end(values);
    if (length < 0) {
        exit(error_line(EXIT_OAK, "out of memory"));
    }
    return text;
}

void text_list_add(struct text_list *list, const char *text)
{
    if (list->count == list->capacity) {
        list->capacity = MAX(2 * list->capacity, (size_t)8);
        list->items = allocate_again(list->items, list->capacity * sizeof(*list->items));
    }
    list->items[list->count++] = text;
}

void text_list_free(struct text_list *list)
{
    free(list->items);
    *list = (struct text_list){0};
}

const char *status_text(status_t status)
{
#define STATUS(name, number, meaning) [number] = meaning,
    static const char *const texts[] = {
#include "abi/status.def"
    };
#undef STATUS
    return status < ARRAY_LENGTH(texts) ? texts[status] : "unknown error";
}

bool number_parse(const char *text, uint64_t limit, uint64_t *out)
{
    uint64_t value = 0;
    if (*text == '\0') {
        return false;
    }
    for (; *text != '\0'; text++) {
        if (!isdigit((unsigned char)*text) || value > (limit - (uint64_t)(*text - '0')) / 10) {
            return false;
        }
        value = value * 10 + (uint64_t)(*text - '0');
    }
    if (value > limit) {
        return false;
    }
    *out = value;
    return true;
}
