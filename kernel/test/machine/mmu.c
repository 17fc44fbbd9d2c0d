/*
 * User programs' accesses to memory: through the page tables that the kernel wrote, and through
 * translations that the CPU remembers until it is told to forget them. Intel SDM volume
 * 3, 4.5, 4.10.
 */
#include "kernel/test/machine/machine.h"

#include "kernel/core/frame.h"
#include "kernel/x86_64/asm.h"
#include "kernel/x86_64/page_table.h"

#define REMEMBERED 64

#define FAULT_PRESENT 1
#define FAULT_WRITE   2
#define FAULT_USER    4
#define FAULT_FETCH   16

struct translation {
    uint64_t address;
    uint64_t entry; /* with the rights of all levels; 0: none is remembered */
    bool large;     /* the page is a part of a large one: the whole is forgotten at once */
};

static struct {
    uint64_t root;
    struct translation translation[REMEMBERED];
} units[MACHINE_CPUS];

static uint32_t own(void)
{
    return cpu_current()->number;
}

static struct translation *place(uint32_t cpu, uint64_t address)
{
    return &units[cpu].translation[(address >> PAGE_SHIFT) % REMEMBERED];
}

uint64_t cr3_read(void)
{
    return units[own()].root;
}

void cr3_write(uint64_t value)
{
    uint32_t cpu = own();
    units[cpu].root = value;
    for (uint32_t i = 0; i < REMEMBERED; i++) {
        units[cpu].translation[i].entry = 0;
    }
}

void translation_forget(uint64_t address)
{
    for (uint32_t i = 0; i < REMEMBERED; i++) {
        struct translation *translation = &units[own()].translation[i];
        uint64_t page_bytes = translation->large ? LARGE_BYTES : PAGE_SIZE;
        if (translation->address / page_bytes == address / page_bytes) {
            translation->entry = 0;
        }
    }
}

/* The page's entry with the rights of all levels, as if all pages had 4 KiB; 0: a level is not
 * present. */
static uint64_t walk(uint64_t root, uint64_t address, bool *large)
{
    *large = false;
    uint64_t rights = PTE_WRITE | PTE_USER;
    uint64_t no_execute = 0;
    uint64_t entry = root;
    for (uint32_t level = 4; level > 0; level--) {
        const uint64_t *table = memory_at(entry & PTE_ADDRESS);
        entry = table[address >> (PAGE_SHIFT + 9 * (level - 1)) & (PAGE_TABLE_ENTRIES - 1)];
        if (!(entry & PTE_PRESENT)) {
            return 0;
        }
        rights &= entry;
        no_execute |= entry & PTE_NX;
        if (level == 2 && entry & PTE_LARGE) {
            *large = true;
            entry += ALIGN_DOWN(address % LARGE_BYTES, PAGE_SIZE);
            break;
        }
    }
    return (entry & PTE_ADDRESS) | PTE_PRESENT | rights | no_execute;
}

static bool allows(uint64_t entry, enum right access)
{
    return entry & PTE_USER && !(access == RIGHT_WRITE && !(entry & PTE_WRITE)) &&
           !(access == RIGHT_EXECUTE && entry & PTE_NX);
}

bool machine_access(uint32_t cpu, uint64_t address, enum right access, uint8_t **at,
                    uint64_t *error)
{
    struct translation *known = place(cpu, address);
    bool remembered = known->entry != 0 && known->address >> PAGE_SHIFT == address >> PAGE_SHIFT;
    bool large = known->large;
    uint64_t entry = remembered ? known->entry : walk(units[cpu].root, address, &large);
    if (entry == 0 || !allows(entry, access)) {
        *error = FAULT_USER | (entry != 0 ? FAULT_PRESENT : 0) |
                 (access == RIGHT_WRITE ? FAULT_WRITE : 0) |
                 (access == RIGHT_EXECUTE ? FAULT_FETCH : 0);
        known->entry = remembered ? 0 : known->entry; /* a fault forgets it: SDM 4.10.4.1 */
        return false;
    }
    *known = (struct translation){address, entry, large};
    uint8_t *page = memory_at(entry & PTE_ADDRESS);
    *at = page == NULL ? NULL : page + address % PAGE_SIZE;
    return true;
}

void machine_check_translations(void)
{
    for (uint32_t cpu = 0; cpu < MACHINE_CPUS; cpu++) {
        for (uint32_t i = 0; i < REMEMBERED; i++) {
            const struct translation *known = &units[cpu].translation[i];
            if (known->entry == 0) {
                continue;
            }
            bool large;
            uint64_t entry = walk(units[cpu].root, known->address, &large);
            bool same = (entry & PTE_ADDRESS) == (known->entry & PTE_ADDRESS) &&
                        !(known->entry & ~entry & (PTE_PRESENT | PTE_WRITE | PTE_USER)) &&
                        !(entry & ~known->entry & PTE_NX);
            if (!same) {
                machine_fail("CPU %u remembers %lx as %lx, which is %lx", cpu, known->address,
                             known->entry, entry);
            }
        }
    }
}

void machine_check_unreachable(uint64_t physical)
{
    for (uint32_t cpu = 0; cpu < MACHINE_CPUS; cpu++) {
        if (units[cpu].root == physical) {
            machine_fail("CPU %u's root is freed", cpu);
        }
        for (uint32_t i = 0; i < REMEMBERED; i++) {
            const struct translation *known = &units[cpu].translation[i];
            if (known->entry != 0 && (known->entry & PTE_ADDRESS) == physical) {
                machine_fail("the frame behind %lx is freed; CPU %u still reaches it",
                             known->address, cpu);
            }
        }
    }
}
