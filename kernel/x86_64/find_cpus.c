/*
 * Which processors and IOAPICs there are: the ACPI MADT, or the older MP table, or just this one.
 * ACPI 6.4 sections 5.2.5 and 5.2.12; Intel MultiProcessor Specification 1.4, chapter 4.
 */
#include "kernel/core/cpu.h"
#include "kernel/x86_64/apic.h"
#include "kernel/x86_64/memory_map.h"
#include "lib/base/string.h"

#define BIOS_START 0xe0000
#define BIOS_END   0x100000
#define EBDA_START 0x9f800
#define EBDA_END   0xa0000

#define MADT_LOCAL_APIC   0
#define MADT_IOAPIC       1
#define MADT_LOCAL_X2APIC 9

#define MP_PROCESSOR       0
#define MP_IOAPIC          2
#define MP_LAST_TYPE       4
#define MP_PROCESSOR_BYTES 20
#define MP_ENTRY_BYTES     8 /* of every other type */

#define HEADER_BYTES 44 /* of an MADT and of an MP table */
#define ROOT_BYTES   36 /* of the header of a table of tables */

static bool readable(uint64_t physical, uint64_t size_bytes)
{
    /* The tables lie beside RAM, in the same GiB: the direct map covers them. */
    return physical != 0 &&
           range_inside(physical, size_bytes, ALIGN_UP(machine.ram_end, 1ull << 30));
}

static uint64_t read(const uint8_t *bytes, size_t size_bytes)
{
    uint64_t value = 0;
    memcpy(&value, bytes, size_bytes);
    return value;
}

static void cpu_add(uint64_t apic_id_)
{
    if (machine.cpu_count < CPUS_MAX) {
        machine.cpu_apic_id[machine.cpu_count++] = (uint32_t)apic_id_;
    }
}

/* How long the table is, as it says; 0 when there is none with that signature. */
static uint64_t table_bytes(uint64_t physical, const char *signature, size_t length_bytes)
{
    const uint8_t *table = physical_pointer(physical);
    if (!readable(physical, HEADER_BYTES) || memcmp(table, signature, 4) != 0) {
        return 0;
    }
    uint64_t size_bytes = read(table + 4, length_bytes);
    return readable(physical, size_bytes) ? size_bytes : 0;
}

static void madt_read(const uint8_t *next, const uint8_t *end)
{
    while (end - next >= 2 && next[1] >= 2 && next[1] <= end - next) {
        if (next[0] == MADT_LOCAL_APIC && next[1] >= 8 && next[4] & 1) {
            cpu_add(next[3]);
        } else if (next[0] == MADT_LOCAL_X2APIC && next[1] >= 16 && next[8] & 1) {
            cpu_add(read(next + 4, 4));
        } else if (next[0] == MADT_IOAPIC && next[1] >= 12) {
            (void)ioapic_add(read(next + 4, 4), (uint32_t)read(next + 8, 4));
        }
        next += next[1];
    }
}

static void acpi_read(void)
{
    if (!readable(machine.rsdp_physical, 36)) {
        return;
    }
    const uint8_t *rsdp = physical_pointer(machine.rsdp_physical);
    bool extended = rsdp[15] >= 2;
    uint64_t entry_bytes = extended ? 8 : 4;
    uint64_t root = read(rsdp + (extended ? 24 : 16), entry_bytes);
    uint64_t root_bytes = table_bytes(root, extended ? "XSDT" : "RSDT", 4);
    for (uint64_t at = ROOT_BYTES; at + entry_bytes <= root_bytes; at += entry_bytes) {
        uint64_t physical = read((const uint8_t *)physical_pointer(root) + at, entry_bytes);
        uint64_t madt_bytes = table_bytes(physical, "APIC", 4);
        if (madt_bytes != 0) {
            const uint8_t *madt = physical_pointer(physical);
            madt_read(madt + HEADER_BYTES, madt + madt_bytes);
            return;
        }
    }
}

/*
 * The entries end where the table's length says. Their count, which the header tells as well, is 0
 * in the table of qboot, the firmware of QEMU's microvm.
 */
static void mp_entries_read(const uint8_t *next, const uint8_t *end)
{
    uint32_t first_interrupt = 0;
    while (end - next >= MP_ENTRY_BYTES && next[0] <= MP_LAST_TYPE) {
        bool enabled = next[3] & 1;
        if (next[0] == MP_PROCESSOR && enabled) {
            cpu_add(next[1]);
        } else if (next[0] == MP_IOAPIC && enabled) {
            first_interrupt += ioapic_add(read(next + 4, 4), first_interrupt);
        }
        next += next[0] == MP_PROCESSOR ? MP_PROCESSOR_BYTES : MP_ENTRY_BYTES;
    }
}

/* The table that a pointer in the range leads to. */
static void mp_table_read(uint64_t start, uint64_t end)
{
    for (uint64_t pointer = start; pointer < end && machine.cpu_count == 0; pointer += 16) {
        const uint8_t *bytes = physical_pointer(pointer);
        uint64_t physical = read(bytes + 4, 4);
        if (memcmp(bytes, "_MP_", 4) == 0) {
            const uint8_t *table = physical_pointer(physical);
            mp_entries_read(table + HEADER_BYTES, table + table_bytes(physical, "PCMP", 2));
        }
    }
}

void machine_find_cpus(void)
{
    acpi_read();
    if (machine.cpu_count == 0) {
        mp_table_read(EBDA_START, EBDA_END);
        mp_table_read(BIOS_START, BIOS_END);
    }
    if (machine.cpu_count == 0) {
        cpu_add(apic_id());
    }
}
