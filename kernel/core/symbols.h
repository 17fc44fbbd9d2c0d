/* The names of the kernel's functions, for panics; tools/symbols.py writes them into the image. */
#pragma once

#include "lib/base/types.h"

/* The function that the address lies in, and how far; NULL outside the kernel's text. */
const char *symbol_find(uint64_t address, uint64_t *offset);
