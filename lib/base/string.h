/* The memory and string functions that freestanding code shares; on the host libc has them. */
#pragma once

#if __STDC_HOSTED__
#include <string.h>
#else
#include "lib/base/types.h"

void *memcpy(void *restrict to, const void *restrict from, size_t length_bytes);
void *memmove(void *to, const void *from, size_t length_bytes);
void *memset(void *to, int value, size_t length_bytes);
int memcmp(const void *a, const void *b, size_t length_bytes);
void *memchr(const void *bytes, int value, size_t length_bytes);
size_t strlen(const char *text);
size_t strnlen(const char *text, size_t limit);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t limit);
char *strchr(const char *text, int value);
char *strrchr(const char *text, int value);

/* Small, fixed lengths become a few moves. */
#define memcpy(to, from, length_bytes)  __builtin_memcpy(to, from, length_bytes)
#define memset(to, value, length_bytes) __builtin_memset(to, value, length_bytes)
#endif
