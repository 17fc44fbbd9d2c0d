/*
 * What the boot loader says about RAM and the command line, and the kernel's own page tables.
 * Xen docs/misc/pvh (struct hvm_start_info); Intel SDM volume 3, chapter 4.
 */
#include "kernel/x86_64/memory_map.h"

#include "kernel/core/assert.h"
#include "kernel/x86_64/asm.h"
#include "kernel/x86_64/cpu.h"
#include "kernel/x86_64/layout.h"
#include "lib/base/string.h"

#define START_INFO_MAGIC 0x336ec578
#define E820_RAM         1

#define PTE_PRESENT       (1ull << 0)
#define PTE_WRITE         (1ull << 1)
#define PTE_WRITE_THROUGH (1ull << 3)
#define PTE_UNCACHED      (1ull << 4)
#define PTE_LARGE         (1ull << 7)
#define PTE_GLOBAL        (1ull << 8)
#define PTE_NX            (1ull << 63)

#define FIRST_GIB  0x40000000ull
#define LARGE_PAGE 0x200000ull

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
    uint32_t reserved;
};

struct memory_map_entry {
    uint64_t address;
    uint64_t size;
    uint32_t type;
    uint32_t reserved;
};

struct machine machine;
uint64_t kernel_root_physical;

extern char kernel_text_start[];
extern char kernel_text_end[];
extern char kernel_data_start[];
extern char kernel_end[];

/* The kernel's own tables; the direct map needs at most one table per GiB without 1 GiB pages. */
#define DIRECT_TABLES_MAX 64
typedef uint64_t page_table[512] __attribute__((aligned(4096)));
static page_table root_table;
static page_table direct_pdpt;
static page_table direct_pd[DIRECT_TABLES_MAX];
static page_table image_pdpt;
static page_table image_pd;
static page_table image_pt[8]; /* 16 MiB of kernel image in small pages */
static page_table device_pdpt;
static page_table device_pd;
static page_table device_pt;
static uint32_t device_pages;

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
        if (entry[i].size > UINT64_MAX - entry[i].address) {
            continue;
        }
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

static uint64_t image_physical(const void *address)
{
    return (uint64_t)(uintptr_t)address - KERNEL_VIRTUAL;
}

static void direct_map_build(void)
{
    uint64_t gibs = ALIGN_UP(machine.ram_end, FIRST_GIB) / FIRST_GIB;
    if (gibs > 512 || (!cpu_features.gigabyte_pages && gibs > DIRECT_TABLES_MAX)) {
        panic(__FILE__, __LINE__, "more RAM than the direct map holds");
    }
    uint64_t rights = PTE_PRESENT | PTE_WRITE | PTE_GLOBAL | PTE_NX;
    for (uint64_t gib = 0; gib < gibs; gib++) {
        if (cpu_features.gigabyte_pages) {
            direct_pdpt[gib] = gib * FIRST_GIB | rights | PTE_LARGE;
            continue;
        }
        for (uint64_t i = 0; i < 512; i++) {
            direct_pd[gib][i] = (gib * FIRST_GIB + i * LARGE_PAGE) | rights | PTE_LARGE;
        }
        direct_pdpt[gib] = image_physical(direct_pd[gib]) | PTE_PRESENT | PTE_WRITE;
    }
}

/* Text executes, read-only data is read-only, everything else is writable and does not execute. */
static void image_map_build(void)
{
    uint64_t end = image_physical(kernel_end);
    assert(end <= ARRAY_LENGTH(image_pt) * LARGE_PAGE);
    for (uint64_t physical = 0; physical < end; physical += PAGE_SIZE) {
        char *address = (char *)(uintptr_t)(physical + KERNEL_VIRTUAL);
        uint64_t rights = PTE_WRITE | PTE_NX;
        if (address >= kernel_text_start && address < kernel_text_end) {
            rights = 0;
        } else if (address >= kernel_text_end && address < kernel_data_start) {
            rights = PTE_NX;
        } else if (physical < 0x100000) {
            continue;
        }
        uint64_t page = physical >> PAGE_SHIFT;
        image_pt[page / 512][page % 512] = physical | rights | PTE_PRESENT | PTE_GLOBAL;
    }
    for (uint64_t i = 0; i < ARRAY_LENGTH(image_pt); i++) {
        image_pd[i] = image_physical(image_pt[i]) | PTE_PRESENT | PTE_WRITE;
    }
    image_pdpt[510] = image_physical(image_pd) | PTE_PRESENT | PTE_WRITE;
}

void kernel_map_init(void)
{
    direct_map_build();
    image_map_build();
    device_pdpt[0] = image_physical(device_pd) | PTE_PRESENT | PTE_WRITE;
    device_pd[0] = image_physical(device_pt) | PTE_PRESENT | PTE_WRITE;
    root_table[DIRECT_MAP_SLOT] = image_physical(direct_pdpt) | PTE_PRESENT | PTE_WRITE;
    root_table[DEVICE_SLOT] = image_physical(device_pdpt) | PTE_PRESENT | PTE_WRITE;
    root_table[IMAGE_SLOT] = image_physical(image_pdpt) | PTE_PRESENT | PTE_WRITE;
    kernel_root_physical = image_physical(root_table);
    cr3_write(kernel_root_physical);
}

void *device_map(uint64_t physical, uint64_t size_bytes)
{
    uint64_t first = ALIGN_DOWN(physical, PAGE_SIZE);
    uint64_t end = ALIGN_UP(physical + size_bytes, PAGE_SIZE);
    uint32_t page = device_pages;
    device_pages += (uint32_t)((end - first) >> PAGE_SHIFT);
    assert(device_pages <= 512);
    for (uint64_t next = first; next < end; next += PAGE_SIZE) {
        device_pt[page + ((next - first) >> PAGE_SHIFT)] =
            next | PTE_PRESENT | PTE_WRITE | PTE_UNCACHED | PTE_WRITE_THROUGH | PTE_NX | PTE_GLOBAL;
    }
    return (void *)(uintptr_t)(DEVICE_BASE + (uint64_t)page * PAGE_SIZE + (physical - first));
}
