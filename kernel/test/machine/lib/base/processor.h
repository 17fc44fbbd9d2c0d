/* In place of lib/base/processor.h: what the machine made of C does (kernel/test/machine). */
#pragma once

#include "lib/base/types.h"

uint64_t tsc_read(void);

struct cpuid_result {
    uint32_t eax;
    uint32_t ebx;
    uint32_t ecx;
    uint32_t edx;
};
struct cpuid_result cpuid(uint32_t leaf, uint32_t subleaf);

void cpu_pause(void);
