/*
 * An index that a user chose and that was compared with its limit may be used by the CPU before the
 * comparison is done: what lies behind the array then leaves traces (Spectre variant 1). This binds
 * it by data. The limit is a power of two and a constant.
 */
#pragma once

#include "lib/base/types.h"

static inline __attribute__((always_inline)) uint64_t index_bound(uint64_t index, uint32_t limit)
{
    __asm__("andl %1, %k0" : "+r"(index) : "ir"(limit - 1) : "cc");
    return index;
}
