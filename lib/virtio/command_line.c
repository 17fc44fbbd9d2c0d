#include "lib/virtio/command_line.h"

#include "lib/base/command_line.h"
#include "lib/base/string.h"

static const char key[] = "virtio_mmio.device=";

static bool digit_value(char digit, uint32_t base, uint64_t *out)
{
    if (digit >= '0' && digit <= '9') {
        *out = (uint64_t)(digit - '0');
    } else if (digit >= 'a' && digit <= 'f') {
        *out = (uint64_t)(digit - 'a' + 10);
    } else if (digit >= 'A' && digit <= 'F') {
        *out = (uint64_t)(digit - 'A' + 10);
    } else {
        return false;
    }
    return *out < base;
}

/* A decimal or 0x number; fails on overflow and on no digits. */
static bool parse_number(const char **text, uint64_t *out)
{
    const char *next = *text;
    uint32_t base = 10;
    if (next[0] == '0' && (next[1] == 'x' || next[1] == 'X')) {
        base = 16;
        next += 2;
    }
    uint64_t value = 0;
    uint64_t digit;
    const char *first = next;
    for (; digit_value(*next, base, &digit); next++) {
        if (value > (UINT64_MAX - digit) / base) {
            return false;
        }
        value = value * base + digit;
    }
    *text = next;
    *out = value;
    return next != first;
}

static bool parse_size(const char **text, uint64_t *out)
{
    if (!parse_number(text, out)) {
        return false;
    }
    uint32_t shift = 0;
    if (**text == 'K' || **text == 'k') {
        shift = 10;
    } else if (**text == 'M' || **text == 'm') {
        shift = 20;
    }
    if (shift != 0) {
        (*text)++;
    }
    if (*out > UINT64_MAX >> shift) {
        return false;
    }
    *out <<= shift;
    return true;
}

static bool expect(const char **text, char byte)
{
    if (**text != byte) {
        return false;
    }
    (*text)++;
    return true;
}

static bool parse_entry(const char **text, struct virtio_mmio_entry *out)
{
    uint64_t irq;
    if (!parse_size(text, &out->size_bytes) || !expect(text, '@') ||
        !parse_number(text, &out->base) || !expect(text, ':') || !parse_number(text, &irq) ||
        irq > UINT32_MAX) {
        return false;
    }
    out->irq = (uint32_t)irq;
    return **text == '\0' || **text == ' ' || **text == ':';
}

bool virtio_command_line_next(const char **next, struct virtio_mmio_entry *out)
{
    const char *word = *next;
    while ((word = command_line_find(word, key)) != NULL) {
        const char *end = strchr(word, ' ');
        *next = end == NULL ? word + strlen(word) : end + 1;
        if (parse_entry(&word, out)) {
            return true;
        }
        word = *next;
    }
    *next += strlen(*next);
    return false;
}
