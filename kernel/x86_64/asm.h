/* The instructions that C cannot say and only the kernel may use. */
#pragma once

#include "lib/base/processor.h"

/* port_read8(port), port_write8(port, value), and for 16 and 32 bits. */
#define PORT_ACCESS(bits, suffix)                                                                  \
    static inline void port_write##bits(uint16_t port, uint##bits##_t value)                       \
    {                                                                                              \
        __asm__ volatile("out" suffix " %0, %1" : : "a"(value), "Nd"(port));                       \
    }                                                                                              \
    static inline uint##bits##_t port_read##bits(uint16_t port)                                    \
    {                                                                                              \
        uint##bits##_t value;                                                                      \
        __asm__ volatile("in" suffix " %1, %0" : "=a"(value) : "Nd"(port));                        \
        return value;                                                                              \
    }
PORT_ACCESS(8, "b")
PORT_ACCESS(16, "w")
PORT_ACCESS(32, "l")
#undef PORT_ACCESS

static inline uint64_t msr_read(uint32_t msr)
{
    uint32_t low;
    uint32_t high;
    __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
    return (uint64_t)high << 32 | low;
}

static inline void msr_write(uint32_t msr, uint64_t value)
{
    __asm__ volatile("wrmsr" : : "c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)));
}

#define CR0_WRITE_PROTECT (1ull << 16)
#define CR4_GLOBAL_PAGES  (1ull << 7)

/* cr0_read(), cr0_write(value), and so on. */
#define CONTROL_REGISTER(name)                                                                     \
    static inline uint64_t name##_read(void)                                                       \
    {                                                                                              \
        uint64_t value;                                                                            \
        __asm__ volatile("mov %%" #name ", %0" : "=r"(value));                                     \
        return value;                                                                              \
    }                                                                                              \
    static inline void name##_write(uint64_t value)                                                \
    {                                                                                              \
        __asm__ volatile("mov %0, %%" #name : : "r"(value) : "memory");                            \
    }
CONTROL_REGISTER(cr0)
CONTROL_REGISTER(cr2)
CONTROL_REGISTER(cr3)
CONTROL_REGISTER(cr4)
CONTROL_REGISTER(dr0)
CONTROL_REGISTER(dr1)
CONTROL_REGISTER(dr2)
CONTROL_REGISTER(dr3)
CONTROL_REGISTER(dr6)
CONTROL_REGISTER(dr7)
#undef CONTROL_REGISTER

/* With interrupts on for the moment: sleep until one came, or let those in that wait. */
static inline void cpu_sleep(void)
{
    __asm__ volatile("sti; hlt; cli" : : : "memory");
}

static inline void cpu_listen(void)
{
    __asm__ volatile("sti; pause; cli" : : : "memory");
}

/* Forget what this CPU cached of the translation of that address. */
static inline void translation_forget(uint64_t address)
{
    __asm__ volatile("invlpg (%0)" : : "r"(address) : "memory");
}

/* All that XCR0 enables, which is xsave_mask: nothing above bit 31, so that EDX may be anything. */
static inline void fpu_save(void *area)
{
    __asm__ volatile("xsaveopt64 %0" : : "m"(*(char *)area), "a"(-1) : "memory");
}

static inline void fpu_restore(const void *area)
{
    __asm__ volatile("xrstor64 %0" : : "m"(*(const char *)area), "a"(-1) : "memory");
}

/* The user's FS and GS bases, while in the kernel. */
static inline void bases_save(uint64_t *fs_base, uint64_t *gs_base)
{
    __asm__ volatile("rdfsbase %0\n\t"
                     "swapgs\n\t"
                     "rdgsbase %1\n\t"
                     "swapgs"
                     : "=&r"(*fs_base), "=&r"(*gs_base));
}

static inline void bases_restore(uint64_t fs_base, uint64_t gs_base)
{
    __asm__ volatile("wrfsbase %0\n\t"
                     "swapgs\n\t"
                     "wrgsbase %1\n\t"
                     "swapgs"
                     :
                     : "r"(fs_base), "r"(gs_base));
}
