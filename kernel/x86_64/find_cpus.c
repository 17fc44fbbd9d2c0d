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
#define MP_POINTER_BYTES   16
#define MP_HEADER_BYTES    44
#define MP_PROCESSOR_BYTES 20
#define MP_ENTRY_BYTES     8 /* of every other type */

struct acpi_header {
    char signature[4];
    uint32_t length;
    uint8_t rest[28];
};

static bool readable(uint64_t physical, uint64_t size_bytes)
{
    /* The tables lie beside RAM, in the same GiB: the direct map covers them. */
    return physical != 0 &&
           range_inside(physical, size_bytes, ALIGN_UP(machine.ram_end, 1ull << 30));
}

static uint32_t read32(const uint8_t *bytes)
{
    uint32_t value;
    memcpy(&value, bytes, sizeof(value));
    return value;
}

static uint64_t read64(const uint8_t *bytes)
{
    uint64_t value;
    memcpy(&value, bytes, sizeof(value));
    return value;
}

static void cpu_add(uint32_t apic_id_)
{
    if (machine.cpu_count < CPUS_MAX) {
        machine.cpu_apic_id[machine.cpu_count++] = apic_id_;
    }
}

/* A structure that begins with `signature` at a 16-byte boundary of the range; 0 without one. */
static uint64_t scan(uint64_t start, uint64_t end, const char *signature, size_t length)
{
    for (uint64_t physical = start; physical < end; physical += 16) {
        if (memcmp(physical_pointer(physical), signature, length) == 0) {
            return physical;
        }
    }
    return 0;
}

static void madt_read(const struct acpi_header *madt)
{
    const uint8_t *next = (const uint8_t *)madt + 44;
    const uint8_t *end = (const uint8_t *)madt + madt->length;
    while (end - next >= 2 && next[1] >= 2 && next[1] <= end - next) {
        if (next[0] == MADT_LOCAL_APIC && next[1] >= 8 && read32(next + 4) & 1) {
            cpu_add(next[3]);
        } else if (next[0] == MADT_LOCAL_X2APIC && next[1] >= 16 && read32(next + 8) & 1) {
            cpu_add(read32(next + 4));
        } else if (next[0] == MADT_IOAPIC && next[1] >= 12) {
            (void)ioapic_add(read32(next + 4), read32(next + 8));
        }
        next += next[1];
    }
}

static bool acpi_read(void)
{
    uint64_t rsdp = machine.rsdp_physical;
    if (rsdp == 0) {
        rsdp = scan(BIOS_START, BIOS_END, "RSD PTR ", 8);
    }
    if (!readable(rsdp, 36)) {
        return false;
    }
    const uint8_t *bytes = physical_pointer(rsdp);
    bool extended = bytes[15] >= 2;
    uint64_t table = extended ? read64(bytes + 24) : read32(bytes + 16);
    if (!readable(table, sizeof(struct acpi_header))) {
        return false;
    }
    const struct acpi_header *root = physical_pointer(table);
    uint64_t entry_bytes = extended ? 8 : 4;
    for (uint64_t at = sizeof(*root); at + entry_bytes <= root->length; at += entry_bytes) {
        const uint8_t *entry = (const uint8_t *)root + at;
        uint64_t physical = extended ? read64(entry) : read32(entry);
        if (!readable(physical, sizeof(struct acpi_header))) {
            continue;
        }
        const struct acpi_header *header = physical_pointer(physical);
        if (memcmp(header->signature, "APIC", 4) == 0 && readable(physical, header->length)) {
            madt_read(header);
            return machine.cpu_count > 0;
        }
    }
    return false;
}

/* All bytes of a structure of the MP specification add up to 0. */
static bool sums_to_zero(const uint8_t *bytes, uint32_t length)
{
    uint8_t sum = 0;
    for (uint32_t i = 0; i < length; i++) {
        sum = (uint8_t)(sum + bytes[i]);
    }
    return sum == 0;
}

/*
 * The entries end where the table's length says. Their count, which the header tells as well, is 0
 * in the table of qboot, the firmware of QEMU's microvm.
 */
static void mp_entries_read(const uint8_t *next, const uint8_t *end)
{
    uint32_t first_interrupt = 0;
    while (end - next >= MP_ENTRY_BYTES && next[0] <= MP_LAST_TYPE) {
        if (next[0] == MP_PROCESSOR) {
            if (end - next < MP_PROCESSOR_BYTES) {
                return;
            }
            if (next[3] & 1) {
                cpu_add(next[1]);
            }
            next += MP_PROCESSOR_BYTES;
            continue;
        }
        if (next[0] == MP_IOAPIC && next[3] & 1) {
            first_interrupt += ioapic_add(read32(next + 4), first_interrupt);
        }
        next += MP_ENTRY_BYTES;
    }
}

static bool mp_table_read(void)
{
    uint64_t pointer = scan(EBDA_START, EBDA_END, "_MP_", 4);
    if (pointer == 0) {
        pointer = scan(BIOS_START, BIOS_END, "_MP_", 4);
    }
    if (pointer == 0 || !sums_to_zero(physical_pointer(pointer), MP_POINTER_BYTES)) {
        return false;
    }
    uint64_t table = read32((const uint8_t *)physical_pointer(pointer) + 4);
    if (!readable(table, MP_HEADER_BYTES)) {
        return false;
    }
    const uint8_t *bytes = physical_pointer(table);
    uint32_t length = read32(bytes + 4) & 0xffff;
    if (memcmp(bytes, "PCMP", 4) != 0 || length < MP_HEADER_BYTES || !readable(table, length) ||
        !sums_to_zero(bytes, length)) {
        return false;
    }
    mp_entries_read(bytes + MP_HEADER_BYTES, bytes + length);
    return machine.cpu_count > 0;
}

void machine_find_cpus(void)
{
    if (!acpi_read() && !mp_table_read()) {
        cpu_add(apic_id());
    }
}
