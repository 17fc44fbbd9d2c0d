/*
 * The table: a count, then that many pairs in the order of addresses (offset from the text's start,
 * offset of the name from the table's start), then the names. It is missing when an image is linked
 * for the first time, which is when the addresses become known; that one never runs.
 */
#include "kernel/core/symbols.h"

struct symbol {
    uint32_t place;
    uint32_t name;
};

struct symbol_table {
    uint64_t count;
    struct symbol symbol[];
};

extern char kernel_text_start[];
extern char kernel_text_end[];
extern const char symbols_start[];

const char *symbol_find(uint64_t address, uint64_t *offset)
{
    *offset = 0;
    if (address < (uint64_t)kernel_text_start || address >= (uint64_t)kernel_text_end) {
        return NULL;
    }
    const struct symbol_table *table = (const struct symbol_table *)(const void *)symbols_start;
    uint64_t place = address - (uint64_t)kernel_text_start;
    const struct symbol *found = NULL;
    for (uint64_t i = 0; i < table->count && table->symbol[i].place <= place; i++) {
        found = &table->symbol[i];
    }
    if (found == NULL) {
        return NULL;
    }
    *offset = place - found->place;
    return symbols_start + found->name;
}
