#include "lib/base/string.h"

static const uint64_t ones = 0x0101010101010101ull; /* in each byte */

void *(memcpy)(void *restrict to, const void *restrict from, size_t length_bytes)
{
    void *next = to;
    size_t words = length_bytes >> 3;
    size_t rest = length_bytes & 7;
    __asm__ volatile("rep movsq" : "+D"(next), "+S"(from), "+c"(words) : : "memory");
    __asm__ volatile("rep movsb" : "+D"(next), "+S"(from), "+c"(rest) : : "memory");
    return to;
}

void *memmove(void *to, const void *from, size_t length_bytes)
{
    uint8_t *target = to;
    const uint8_t *source = from;
    if (target <= source || target >= source + length_bytes) {
        return memcpy(to, from, length_bytes);
    }
    while (length_bytes > 0) {
        length_bytes--;
        target[length_bytes] = source[length_bytes];
    }
    return to;
}

void *(memset)(void *to, int value, size_t length_bytes)
{
    void *next = to;
    uint64_t pattern = ones * (uint8_t)value;
    size_t words = length_bytes >> 3;
    size_t rest = length_bytes & 7;
    __asm__ volatile("rep stosq" : "+D"(next), "+c"(words) : "a"(pattern) : "memory");
    __asm__ volatile("rep stosb" : "+D"(next), "+c"(rest) : "a"(pattern) : "memory");
    return to;
}

int memcmp(const void *a, const void *b, size_t length_bytes)
{
    const uint8_t *left = a;
    const uint8_t *right = b;
    size_t i = 0;
    for (; length_bytes - i >= 8; i += 8) { /* words as long as they are the same */
        uint64_t one;
        uint64_t other;
        __builtin_memcpy(&one, left + i, 8);
        __builtin_memcpy(&other, right + i, 8);
        if (one != other) {
            break;
        }
    }
    for (; i < length_bytes; i++) {
        if (left[i] != right[i]) {
            return left[i] < right[i] ? -1 : 1;
        }
    }
    return 0;
}

void *memchr(const void *bytes, int value, size_t length_bytes)
{
    const uint8_t *next = bytes;
    size_t i = 0;
    for (; length_bytes - i >= 8; i += 8) { /* words as long as no byte of theirs is it */
        uint64_t word;
        __builtin_memcpy(&word, next + i, 8);
        word ^= ones * (uint8_t)value;
        if (((word - ones) & ~word & ones << 7) != 0) {
            break;
        }
    }
    for (; i < length_bytes; i++) {
        if (next[i] == (uint8_t)value) {
            return (void *)(uintptr_t)(next + i);
        }
    }
    return NULL;
}

size_t strlen(const char *text)
{
    size_t length = 0;
    while (text[length] != '\0') {
        length++;
    }
    return length;
}

size_t strnlen(const char *text, size_t limit)
{
    size_t length = 0;
    while (length < limit && text[length] != '\0') {
        length++;
    }
    return length;
}

int strcmp(const char *a, const char *b)
{
    return strncmp(a, b, SIZE_MAX);
}

int strncmp(const char *a, const char *b, size_t limit)
{
    for (size_t i = 0; i < limit; i++) {
        uint8_t left = (uint8_t)a[i];
        uint8_t right = (uint8_t)b[i];
        if (left != right) {
            return left < right ? -1 : 1;
        }
        if (left == 0) {
            return 0;
        }
    }
    return 0;
}

char *strchr(const char *text, int value)
{
    for (;; text++) {
        if (*text == (char)value) {
            return (char *)(uintptr_t)text;
        }
        if (*text == '\0') {
            return NULL;
        }
    }
}

char *strrchr(const char *text, int value)
{
    const char *found = NULL;
    for (;; text++) {
        if (*text == (char)value) {
            found = text;
        }
        if (*text == '\0') {
            return (char *)(uintptr_t)found;
        }
    }
}
