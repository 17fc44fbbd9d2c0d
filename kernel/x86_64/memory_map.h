/* The machine as the boot loader describes it: RAM, command line, processors, IOAPICs. */
#pragma once

#include "kernel/x86_64/layout.h"
#include "lib/base/types.h"

#define RAM_RANGES_MAX 32

struct ram_range {
    uint64_t start;
    uint64_t end;
};

struct machine {
    struct ram_range ram[RAM_RANGES_MAX]; /* page aligned, sorted as the loader gave them */
    uint32_t ram_count;
    uint64_t ram_bytes;
    uint64_t ram_end;
    char command_line[BOOT_COMMAND_LINE];
    uint64_t rsdp_physical; /* 0: not given */
    uint32_t cpu_apic_id[64];
    uint32_t cpu_count;
};
extern struct machine machine;

/* Read the PVH start info at that physical address. */
void machine_read(uint64_t start_info_physical);

/* Find processors and IOAPICs in the ACPI tables or the MP table; direct map must be complete. */
void machine_find_cpus(void);

static inline void *physical_pointer(uint64_t physical)
{
    return (void *)(uintptr_t)(physical + DIRECT_MAP);
}
