/* Random numbers for programs. */
#pragma once

#include "lib/base/types.h"

/* Never fails or blocks; seeded on first use, by every container for itself. */
void random_bytes(void *to, size_t length_bytes);
