/* Random numbers for programs. */
#pragma once

#include "lib/base/types.h"

/* In the template. */
void random_prepare(void);

/* Bytes for a program's beginning: the hardware's own, where it has any. Whole words of 64 bits. */
void random_words(uint64_t *to, uint32_t count);

/* Never fails or blocks; seeded on first use, by every container for itself. */
void random_bytes(void *to, size_t length_bytes);
