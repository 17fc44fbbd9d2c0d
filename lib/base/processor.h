/* The processor's instructions that every program may use and C cannot say. */
#pragma once

#include "lib/base/types.h"

static inline uint64_t tsc_read(void)
{
    uint64_t value;
    __asm__ volatile("rdtsc\n\t"
                     "shlq $32, %%rdx\n\t"
                     "orq %%rdx, %0"
                     : "=a"(value)
                     :
                     : "rdx", "cc");
    return value;
}

struct cpuid_result {
    uint32_t eax;
    uint32_t ebx;
    uint32_t ecx;
    uint32_t edx;
};

static inline struct cpuid_result cpuid(uint32_t leaf, uint32_t subleaf)
{
    struct cpuid_result result;
    __asm__ volatile("cpuid"
                     : "=a"(result.eax), "=b"(result.ebx), "=c"(result.ecx), "=d"(result.edx)
                     : "a"(leaf), "c"(subleaf));
    return result;
}

/* 64 bits of RDRAND; false where it has none to give. */
static inline bool rdrand(uint64_t *out)
{
    bool good;
    __asm__ volatile("rdrand %0" : "=r"(*out), "=@ccc"(good));
    return good;
}

static inline void cpu_pause(void)
{
    __asm__ volatile("pause");
}
