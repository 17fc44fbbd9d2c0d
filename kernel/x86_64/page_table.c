#include "kernel/x86_64/page_table.h"

#include "kernel/core/frame.h"
#include "kernel/object/account.h"
#include "kernel/x86_64/layout.h"

#define TABLE_ENTRIES  512
#define FREES_PER_STEP 128

uint64_t *table_new(struct account *payer)
{
    if (account_charge(payer, ACCOUNT_TABLES, PAGE_SIZE) != STATUS_OK) {
        return NULL;
    }
    struct frame *frame = frame_take(true);
    if (frame == NULL) {
        account_uncharge(payer, ACCOUNT_TABLES, PAGE_SIZE);
        return NULL;
    }
    return frame_pointer(frame);
}

void table_free(struct account *payer, uint64_t *table)
{
    frame_give(frame_of_physical((uint64_t)(uintptr_t)table - DIRECT_MAP));
    account_uncharge(payer, ACCOUNT_TABLES, PAGE_SIZE);
}

static uint32_t entry_number(uint64_t address, uint32_t level)
{
    return (uint32_t)(address >> (PAGE_SHIFT + 9 * (level - 1))) % TABLE_ENTRIES;
}

static uint64_t *table_at(uint64_t entry)
{
    return physical_pointer(entry & PTE_ADDRESS);
}

static uint64_t *table_make(const struct page_tables *tables, uint64_t *table, uint32_t number)
{
    uint64_t *fresh = table_new(tables->payer);
    if (fresh == NULL) {
        return NULL;
    }
    uint64_t entry = ((uint64_t)(uintptr_t)fresh - DIRECT_MAP) | PTE_PRESENT | PTE_WRITE | PTE_USER;
    table[number] = entry;
    if (table == tables->top && tables->twin != NULL) {
        tables->twin[number] = entry | PTE_NX;
    }
    return fresh;
}

uint64_t *page_entry(const struct page_tables *tables, uint64_t address, bool make)
{
    uint64_t *table = tables->top;
    for (uint32_t level = tables->levels; level > 1; level--) {
        uint32_t number = entry_number(address, level);
        if (table[number] & PTE_PRESENT) {
            table = table_at(table[number]);
        } else {
            table = make ? table_make(tables, table, number) : NULL;
            if (table == NULL) {
                return NULL;
            }
        }
    }
    return &table[entry_number(address, 1)];
}

static void visit_level(uint64_t *table, uint32_t level, uint64_t start, uint64_t end,
                        page_visit visit, void *context)
{
    uint64_t span = 1ull << (PAGE_SHIFT + 9 * (level - 1));
    uint64_t address = start;
    while (address < end) {
        uint64_t next = MIN(ALIGN_DOWN(address, span) + span, end);
        uint64_t *entry = &table[entry_number(address, level)];
        if (*entry & PTE_PRESENT) {
            if (level == 1) {
                visit(context, address, entry);
            } else {
                visit_level(table_at(*entry), level - 1, address, next, visit, context);
            }
        }
        if (next <= address) {
            break; /* the last span of the address space */
        }
        address = next;
    }
}

void page_entries_visit(const struct page_tables *tables, uint64_t start, uint64_t end,
                        page_visit visit, void *context)
{
    visit_level(tables->top, tables->levels, start, end, visit, context);
}

/* A line of entries; most of a table is empty. */
#define LINE_ENTRIES 8

static bool line_empty(const uint64_t *line)
{
    return (line[0] | line[1] | line[2] | line[3] | line[4] | line[5] | line[6] | line[7]) == 0;
}

/* Free every table under this one; stops when the budget is used up. True: all are freed. */
static bool free_level(const struct page_tables *tables, uint64_t *table, uint32_t level,
                       uint32_t first, uint32_t last, uint32_t *budget)
{
    for (uint32_t number = first; number < last && level > 1; number++) {
        while (number % LINE_ENTRIES == 0 && number < last && line_empty(&table[number])) {
            number += LINE_ENTRIES;
        }
        if (number >= last || !(table[number] & PTE_PRESENT)) {
            continue;
        }
        uint64_t *below = table_at(table[number]);
        if (!free_level(tables, below, level - 1, 0, TABLE_ENTRIES, budget)) {
            return false;
        }
        if (*budget == 0) {
            return false;
        }
        (*budget)--;
        table[number] = 0;
        table_free(tables->payer, below);
    }
    return true;
}

bool page_tables_free_step(const struct page_tables *tables)
{
    uint32_t budget = FREES_PER_STEP;
    /* Of a PML4 only the application's half is ours. */
    uint32_t last = tables->levels == 4 ? WINDOW_SLOT : TABLE_ENTRIES;
    return free_level(tables, tables->top, tables->levels, 0, last, &budget);
}
