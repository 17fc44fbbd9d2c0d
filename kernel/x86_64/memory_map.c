/* Xen docs/misc/pvh (struct hvm_start_info). */
#include "kernel/x86_64/memory_map.h"

#include "kernel/core/assert.h"
#include "kernel/core/sealed.h"
#include "lib/base/string.h"

#define START_INFO_MAGIC 0x336ec578
#define E820_RAM         1

#define FIRST_GIB 0x40000000ull

struct start_info {
    uint32_t magic;
    uint32_t version;
    uint32_t flags;
    uint32_t module_count;
    uint64_t modules;
    uint64_t command_line;
    uint64_t rsdp;
    uint64_t memory_map;
    uint32_t memory_map_entries;
};

struct memory_map_entry {
    uint64_t address;
    uint64_t size;
    uint32_t type;
    uint32_t reserved;
};

struct machine machine SEALED;

void machine_read(uint64_t start_info_physical)
{
    struct start_info *info = physical_pointer(start_info_physical);
    uint64_t map_bytes = (uint64_t)info->memory_map_entries * sizeof(struct memory_map_entry);
    if (info->magic != START_INFO_MAGIC || info->version < 1 || info->memory_map == 0 ||
        !range_inside(info->memory_map, map_bytes, FIRST_GIB)) {
        panic(__FILE__, __LINE__, "the boot loader gave no PVH memory map");
    }
    if (info->command_line != 0 && info->command_line < FIRST_GIB) {
        const char *text = physical_pointer(info->command_line);
        size_t length = strnlen(text, BOOT_COMMAND_LINE - 1);
        memcpy(machine.command_line, text, length);
    }
    machine.rsdp_physical = info->rsdp;
    struct memory_map_entry *entry = physical_pointer(info->memory_map);
    for (uint32_t i = 0; i < info->memory_map_entries; i++) {
        uint64_t start = ALIGN_UP(entry[i].address, PAGE_SIZE);
        uint64_t end = ALIGN_DOWN(entry[i].address + entry[i].size, PAGE_SIZE);
        if (entry[i].type != E820_RAM || start >= end || machine.ram_count == RAM_RANGES_MAX) {
            continue;
        }
        machine.ram[machine.ram_count++] = (struct ram_range){start, end};
        machine.ram_bytes += end - start;
        machine.ram_end = MAX(machine.ram_end, end);
    }
}
