/* What only has to be there: ports, interrupt controllers, CPUID, the end of the machine. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "kernel/core/assert.h"
#include "kernel/core/start_init.h"
#include "kernel/core/traps.h"
#include "kernel/test/machine/machine.h"
#include "kernel/x86_64/apic.h"
#include "kernel/x86_64/asm.h"
#include "kernel/x86_64/cpu.h"
#include "kernel/x86_64/stacks.h"

#define COM1_STATUS  0x3fd
#define COM1_SCRATCH 0x3ff
#define CLOCK_KHZ    1000000
#define IOAPIC_LINES 24

struct cpu_features cpu_features;
struct domain *init_domain;
static uint8_t scratch;

void machine_fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "machine: ");
    vfprintf(stderr, format, arguments);
    fprintf(stderr, "\n");
    va_end(arguments);
    abort();
}

void panic(const char *file, int line, const char *what)
{
    machine_fail("kernel panic: %s (%s:%d)", what, file, line);
}

void panic_trap(const struct registers *registers, const char *what)
{
    machine_fail("kernel panic: %s, vector %lu", what, registers->vector);
}

void panic_join(void)
{
}

bool stacks_guard(uint64_t address)
{
    (void)address;
    return false;
}

/* --- ports: a serial port that is always ready ------------------------------------------------ */

void port_write8(uint16_t port, uint8_t value)
{
    if (port == COM1_SCRATCH) {
        scratch = value;
    }
}

void port_write16(uint16_t port, uint16_t value)
{
    (void)port;
    (void)value;
}

void port_write32(uint16_t port, uint32_t value)
{
    (void)port;
    (void)value;
}

uint8_t port_read8(uint16_t port)
{
    return port == COM1_SCRATCH ? scratch : port == COM1_STATUS ? 0x20 : 0xff;
}

uint16_t port_read16(uint16_t port)
{
    (void)port;
    return 0xffff;
}

uint32_t port_read32(uint16_t port)
{
    (void)port;
    return 0xffffffff;
}

/* --- interrupt controllers -------------------------------------------------------------------- */

uint32_t apic_id(void)
{
    return cpu_current()->apic_id;
}

void apic_end_of_interrupt(void)
{
}

status_t ioapic_route(uint64_t interrupt, uint32_t vector, uint32_t apic_id_to)
{
    (void)vector;
    (void)apic_id_to;
    return interrupt < IOAPIC_LINES ? STATUS_OK : STATUS_OUT_OF_RANGE;
}

/* --- the CPU ---------------------------------------------------------------------------------- */

/* A hypervisor that tells the clock's frequency. */
struct cpuid_result cpuid(uint32_t leaf, uint32_t subleaf)
{
    (void)subleaf;
    switch (leaf) {
    case 1:
        return (struct cpuid_result){.ecx = 1u << 31};
    case 0x40000000:
        return (struct cpuid_result){.eax = 0x40000010};
    case 0x40000010:
        return (struct cpuid_result){.eax = CLOCK_KHZ};
    default:
        return (struct cpuid_result){0};
    }
}

void cpu_set_syscall_entry(bool traced)
{
    cpu_current()->traced = traced;
}

void cpu_domain_barrier(struct cpu *cpu, uint64_t domain)
{
    cpu->last_domain = domain;
}

uint64_t cpu_random(void)
{
    return 0x9e3779b97f4a7c15ull;
}
