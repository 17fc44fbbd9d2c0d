/*
 * Page tables of one half of an address space. 4-level paging, pages of 4 KiB and of 2 MiB (those
 * are region_large.c's). Intel SDM volume 3, chapter 4. Tables are charged to the half's payer.
 * Every function runs under the half's lock and flushes nothing: the caller collects what others
 * may have cached (shootdown.h).
 */
#pragma once

#include "lib/base/types.h"

struct account;

#define PTE_PRESENT  (1ull << 0)
#define PTE_WRITE    (1ull << 1)
#define PTE_USER     (1ull << 2)
#define PTE_THROUGH  (1ull << 3)
#define PTE_UNCACHED (1ull << 4)
#define PTE_LARGE    (1ull << 7)
#define PTE_GLOBAL   (1ull << 8)
#define PTE_NX       (1ull << 63)
#define PTE_ADDRESS  0x000ffffffffff000ull

#define PAGE_TABLE_ENTRIES 512
#define LARGE_LEVEL        2                                /* whose entries may have PTE_LARGE */
#define LARGE_BYTES        (PAGE_TABLE_ENTRIES * PAGE_SIZE) /* of an entry with PTE_LARGE */

/* The top table of a half, and how many levels lie under it. */
struct page_tables {
    uint64_t *top;   /* by kernel address */
    uint64_t *twin;  /* a second top that has every entry too, not executable; or NULL */
    uint32_t levels; /* 4: top is a PML4; 3: top is a PDPT */
    struct account *payer;
};

/* A zeroed table, charged; NULL: no memory. */
uint64_t *table_new(struct account *payer);
void table_free(struct account *payer, uint64_t *table);

/* The entry for that address, of a page or of a large one, with all tables above it; NULL: no
 * memory.
 */
uint64_t *page_entry_make(const struct page_tables *tables, uint64_t address);
uint64_t *large_entry_make(const struct page_tables *tables, uint64_t address);

/* How many pages from the address on have their entries behind this one in the same table. */
static inline uint64_t page_entries_left(uint64_t address)
{
    return PAGE_TABLE_ENTRIES - (address >> PAGE_SHIFT) % PAGE_TABLE_ENTRIES;
}

/*
 * The entry for that address in its table of that level (1: of pages), and in *next where that
 * table ends: the entries up to there lie behind one another. NULL: there is no such table; *next
 * is where the next one may be, or an address from `end` on.
 */
uint64_t *page_entries(const struct page_tables *tables, uint64_t address, uint64_t end,
                       uint32_t level, uint64_t *next);

/*
 * Take the table of that level (1: of pages) which covers the address out of the tree, if there is
 * one and nothing in it; NULL otherwise. Other CPUs may still hold its place in the tree in their
 * caches: it is freed after a shootdown of any address that it covers (SDM volume 3, 4.10.4.1).
 */
uint64_t *page_table_detach(const struct page_tables *tables, uint64_t address, uint32_t level);

/* Free tables below the top, at most a step's worth; true when none is left. Nothing is loaded. */
bool page_tables_free_step(const struct page_tables *tables);
