/* Intel SDM volume 3, chapter 4. All tables are part of the image and are sealed themselves. */
#include "kernel/x86_64/kernel_map.h"

#include "kernel/core/assert.h"
#include "kernel/core/sealed.h"
#include "kernel/x86_64/cpu.h"
#include "kernel/x86_64/memory_map.h"
#include "kernel/x86_64/page_table.h"
#include "kernel/x86_64/stacks.h"

#define GIB               0x40000000ull
#define TABLE_RIGHTS      (PTE_PRESENT | PTE_WRITE)
#define DATA_RIGHTS       (PTE_PRESENT | PTE_WRITE | PTE_GLOBAL | PTE_NX)
#define READ_ONLY_RIGHTS  (PTE_PRESENT | PTE_GLOBAL | PTE_NX)
#define EXECUTABLE_RIGHTS (PTE_PRESENT | PTE_GLOBAL)

#define DIRECT_TABLES_MAX 64 /* one per GiB, where the CPU has no pages of that size */
#define IMAGE_TABLES      8  /* 16 MiB of kernel image in small pages */
#define STACK_TABLES      (CPUS_MAX * STACKS_STRIDE / LARGE_BYTES)
#define OWN_TABLES        (1 + STACK_TABLES) /* the first is the devices' */

extern char kernel_physical_start[];
extern char kernel_sealed_start[];
extern char kernel_sealed_end[];

typedef uint64_t page_table[PAGE_TABLE_ENTRIES] __attribute__((aligned(4096)));
static SEALED page_table root_table;
static SEALED page_table direct_pdpt;
static SEALED page_table direct_pd[DIRECT_TABLES_MAX];
static SEALED page_table direct_pt[IMAGE_TABLES]; /* the image's part */
static SEALED page_table image_pdpt;
static SEALED page_table image_pd;
static SEALED page_table image_pt[IMAGE_TABLES];
static SEALED page_table own_pdpt;
static SEALED page_table own_pd;
static SEALED page_table own_pt[OWN_TABLES];
static SEALED uint64_t device_pages;
SEALED uint64_t kernel_root_physical;

static uint64_t image_physical(const void *address)
{
    return (uint64_t)(uintptr_t)address - KERNEL_VIRTUAL;
}

static uint64_t table_entry(const page_table table)
{
    return image_physical(table) | TABLE_RIGHTS;
}

static uint64_t *small_entry(page_table *tables, uint64_t offset)
{
    uint64_t page = offset >> PAGE_SHIFT;
    return &tables[page / PAGE_TABLE_ENTRIES][page % PAGE_TABLE_ENTRIES];
}

static void direct_map_build(void)
{
    uint64_t gibs = ALIGN_UP(machine.ram_end, GIB) / GIB;
    if (gibs > PAGE_TABLE_ENTRIES || (!cpu_features.gigabyte_pages && gibs > DIRECT_TABLES_MAX)) {
        panic(__FILE__, __LINE__, "more RAM than the direct map holds");
    }
    for (uint64_t gib = 0; gib < gibs; gib++) {
        if (cpu_features.gigabyte_pages && gib > 0) {
            direct_pdpt[gib] = gib * GIB | DATA_RIGHTS | PTE_LARGE;
            continue;
        }
        for (uint64_t i = 0; i < PAGE_TABLE_ENTRIES; i++) {
            direct_pd[gib][i] = (gib * GIB + i * LARGE_BYTES) | DATA_RIGHTS | PTE_LARGE;
        }
        direct_pdpt[gib] = table_entry(direct_pd[gib]);
    }
}

/*
 * Text executes, read-only data is read-only, everything else is writable and does not execute. In
 * the direct map too the image is read (programs lie in it), but never written.
 */
static void image_map_build(void)
{
    uint64_t end = image_physical(kernel_end);
    assert(end <= IMAGE_TABLES * LARGE_BYTES);
    for (uint64_t physical = 0; physical < IMAGE_TABLES * LARGE_BYTES; physical += PAGE_SIZE) {
        bool image = physical >= (uint64_t)kernel_physical_start && physical < end;
        uint64_t rights = physical < image_physical(kernel_text_end)     ? EXECUTABLE_RIGHTS
                          : physical < image_physical(kernel_data_start) ? READ_ONLY_RIGHTS
                                                                         : DATA_RIGHTS;
        *small_entry(direct_pt, physical) = physical | (image ? READ_ONLY_RIGHTS : DATA_RIGHTS);
        if (image && physical >= image_physical(kernel_text_start)) {
            *small_entry(image_pt, physical) = physical | rights;
        }
    }
    for (uint64_t i = 0; i < IMAGE_TABLES; i++) {
        direct_pd[0][i] = table_entry(direct_pt[i]);
        image_pd[i] = table_entry(image_pt[i]);
    }
    image_pdpt[KERNEL_VIRTUAL / GIB % PAGE_TABLE_ENTRIES] = table_entry(image_pd);
}

void kernel_map_init(void)
{
    direct_map_build();
    image_map_build();
    own_pdpt[0] = table_entry(own_pd);
    for (uint64_t i = 0; i < OWN_TABLES; i++) {
        own_pd[i] = table_entry(own_pt[i]);
    }
    root_table[DIRECT_MAP_SLOT] = table_entry(direct_pdpt);
    root_table[DEVICE_SLOT] = table_entry(own_pdpt);
    root_table[IMAGE_SLOT] = table_entry(image_pdpt);
    kernel_root_physical = image_physical(root_table);
    cr3_write(kernel_root_physical);
}

void *device_map(uint64_t physical)
{
    uint64_t page = device_pages++;
    assert(page < PAGE_TABLE_ENTRIES);
    own_pt[0][page] = ALIGN_DOWN(physical, PAGE_SIZE) | DATA_RIGHTS | PTE_UNCACHED | PTE_THROUGH;
    return (void *)(uintptr_t)(DEVICE_BASE + page * PAGE_SIZE + physical % PAGE_SIZE);
}

void stack_page_map(uint64_t address, uint64_t physical)
{
    assert(address - STACKS_BASE < STACK_TABLES * LARGE_BYTES);
    *small_entry(own_pt, address - DEVICE_BASE) = physical | DATA_RIGHTS;
}

bool stack_page_mapped(uint64_t address)
{
    return address - STACKS_BASE < STACK_TABLES * LARGE_BYTES &&
           (*small_entry(own_pt, address - DEVICE_BASE) & PTE_PRESENT) != 0;
}

void kernel_map_seal(void)
{
    uint64_t end = image_physical(kernel_sealed_end);
    cr0_write(cr0_read() & ~CR0_WRITE_PROTECT); /* the tables lie among what they seal */
    for (uint64_t physical = image_physical(kernel_sealed_start); physical < end;
         physical += PAGE_SIZE) {
        *small_entry(image_pt, physical) = physical | READ_ONLY_RIGHTS;
    }
    cr0_write(cr0_read() | CR0_WRITE_PROTECT);
}

void kernel_map_flush(void)
{
    uint64_t cr4 = cr4_read();
    cr4_write(cr4 & ~CR4_GLOBAL_PAGES);
    cr4_write(cr4);
}
