#include "kernel/x86_64/page_table.h"

#include "kernel/core/assert.h"
#include "kernel/core/frame.h"
#include "kernel/object/account.h"
#include "kernel/x86_64/layout.h"

#define LINE_ENTRIES   8 /* of a table: one bit of its frame's table_lines */
#define FREES_PER_STEP 128
#define LEVELS_MAX     4

/* False: no memory, and nothing is charged. */
static bool tables_take(struct account *payer, struct frame **out, uint32_t count)
{
    if (account_charge(payer, ACCOUNT_TABLES, count * PAGE_SIZE, NULL) != STATUS_OK) {
        return false;
    }
    bool taken = frames_take_zeroed(out, count);
    if (!taken) {
        account_uncharge(payer, ACCOUNT_TABLES, count * PAGE_SIZE);
    }
    return taken;
}

uint64_t *table_new(struct account *payer)
{
    struct frame *frame;
    return tables_take(payer, &frame, 1) ? frame_pointer(frame) : NULL;
}

static struct frame *table_frame(const uint64_t *table)
{
    return frame_of_physical((uint64_t)(uintptr_t)table - DIRECT_MAP);
}

void table_free(struct account *payer, uint64_t *table)
{
    frame_give(table_frame(table));
    account_uncharge(payer, ACCOUNT_TABLES, PAGE_SIZE);
}

static uint32_t entry_number(uint64_t address, uint32_t level)
{
    return (uint32_t)(address >> (PAGE_SHIFT + 9 * (level - 1))) % PAGE_TABLE_ENTRIES;
}

static uint64_t *table_at(uint64_t entry)
{
    return physical_pointer(entry & PTE_ADDRESS);
}

/* The tables on the way to the address, below that one, which is of the level `at`, down to one of
 * `level`: that one, or NULL. */
static uint64_t *tables_make(const struct page_tables *tables, uint64_t *table, uint64_t address,
                             uint32_t at, uint32_t level)
{
    struct frame *fresh[LEVELS_MAX - 1];
    if (!tables_take(tables->payer, fresh, at - level)) {
        return NULL;
    }
    for (; at > level; at--) {
        uint32_t number = entry_number(address, at);
        uint64_t entry = frame_physical(fresh[at - level - 1]) | PTE_PRESENT | PTE_WRITE | PTE_USER;
        table[number] = entry;
        table_frame(table)->table_lines |= 1ull << number / LINE_ENTRIES;
        if (table == tables->top && tables->twin != NULL) {
            tables->twin[number] = entry | PTE_NX;
        }
        table = table_at(entry);
    }
    return table;
}

/* The table of that level which covers the address, or the lowest one above that is there. */
static inline uint64_t *table_find(const struct page_tables *tables, uint64_t address,
                                   uint32_t *level)
{
    uint64_t *table = tables->top;
    uint32_t at = tables->levels;
    for (; at > *level; at--) {
        uint64_t entry = table[entry_number(address, at)];
        if (!(entry & PTE_PRESENT)) {
            break;
        }
        assert_debug(!(entry & PTE_LARGE));
        table = table_at(entry);
    }
    *level = at;
    return table;
}

static inline uint64_t *entry_make(const struct page_tables *tables, uint64_t address,
                                   uint32_t level)
{
    uint32_t at = level;
    uint64_t *table = table_find(tables, address, &at);
    if (at > level) {
        table = tables_make(tables, table, address, at, level);
    }
    return table == NULL ? NULL : &table[entry_number(address, level)];
}

uint64_t *page_entry_make(const struct page_tables *tables, uint64_t address)
{
    return entry_make(tables, address, 1);
}

uint64_t *large_entry_make(const struct page_tables *tables, uint64_t address)
{
    return entry_make(tables, address, LARGE_LEVEL);
}

uint64_t *page_entries(const struct page_tables *tables, uint64_t address, uint64_t end,
                       uint32_t level, uint64_t *next)
{
    uint32_t at = level;
    uint64_t *table = table_find(tables, address, &at);
    uint32_t number = entry_number(address, at);
    uint64_t covered = 1ull << (PAGE_SHIFT + 9 * (at == level ? level : at - 1));
    *next = ALIGN_DOWN(address, covered) + covered;
    if (at == level) {
        return &table[number];
    }
    while (*next < end && ++number < PAGE_TABLE_ENTRIES && !(table[number] & PTE_PRESENT)) {
        *next += covered;
    }
    return NULL;
}

static bool table_is_empty(const uint64_t *table)
{
    for (uint32_t i = 0; i < PAGE_TABLE_ENTRIES; i += LINE_ENTRIES) {
        const uint64_t *line = &table[i];
        if ((line[0] | line[1] | line[2] | line[3] | line[4] | line[5] | line[6] | line[7]) != 0) {
            return false;
        }
    }
    return true;
}

uint64_t *page_table_detach(const struct page_tables *tables, uint64_t address, uint32_t level)
{
    uint64_t next;
    uint64_t *entry = page_entries(tables, address, address, level + 1, &next);
    if (entry == NULL || !(*entry & PTE_PRESENT) || !table_is_empty(table_at(*entry))) {
        return NULL;
    }
    uint64_t *detached = table_at(*entry);
    *entry = 0;
    if (level + 1 == tables->levels && tables->twin != NULL) {
        tables->twin[entry_number(address, tables->levels)] = 0;
    }
    return detached;
}

/* Free every table under this one; stops when the budget is used up. True: all are freed. */
static bool free_level(const struct page_tables *tables, uint64_t *table, uint32_t level,
                       uint32_t *budget)
{
    struct frame *frame = table_frame(table);
    while (level > 1 && frame->table_lines != 0) {
        uint64_t *line = &table[(uint32_t)__builtin_ctzll(frame->table_lines) * LINE_ENTRIES];
        for (uint32_t i = 0; i < LINE_ENTRIES; i++) {
            if ((line[i] & (PTE_PRESENT | PTE_LARGE)) != PTE_PRESENT) {
                continue;
            }
            uint64_t *below = table_at(line[i]);
            if (!free_level(tables, below, level - 1, budget) || *budget == 0) {
                return false;
            }
            (*budget)--;
            line[i] = 0;
            table_free(tables->payer, below);
        }
        frame->table_lines &= frame->table_lines - 1;
    }
    return true;
}

bool page_tables_free_step(const struct page_tables *tables)
{
    uint32_t budget = FREES_PER_STEP;
    /* What others entered into a PML4, its upper half, has no bit. */
    return free_level(tables, tables->top, tables->levels, &budget);
}
