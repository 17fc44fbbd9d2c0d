/*
 * Passes over the regions that map a memory: what changes in its tree is taken out of every page
 * table, or write-protected there, before anything else happens to a frame.
 */
#include "kernel/core/cpu.h"
#include "kernel/object/memory.h"
#include "kernel/object/region.h"

#define REGIONS_PER_STEP 64

static enum link_role role_of(const struct region_link *link)
{
    return (enum link_role)(link - link->region->link);
}

/* One visit of every mapping of a range of pages. */
struct pass {
    uint64_t epoch;
    uint64_t first_page;
    uint64_t end_page;
};

/*
 * May the link's region map a page of the range? Read without the map's lock, but under the list's:
 * a region's start and offsets change under that too, and when its end shrinks, the link of what
 * was cut off is in the list before.
 */
static bool link_concerned(const struct region_link *link, const struct pass *pass)
{
    const struct region *region = link->region;
    enum link_role role = role_of(link);
    if (role > LINK_SOURCE) {
        return true; /* through a view: its pages are numbered otherwise */
    }
    uint64_t offset = role == LINK_PRIVATE ? region->private_offset : region->source_offset;
    uint64_t end = __atomic_load_n(&region->end, __ATOMIC_ACQUIRE);
    uint64_t first_page = offset >> PAGE_SHIFT;
    return first_page < pass->end_page &&
           first_page + ((end - region->start) >> PAGE_SHIFT) > pass->first_page;
}

/*
 * The next link that the pass has yet to visit, with its map's lock held; NULL when all are
 * visited. Visited links, and those that do not concern the pass, go to the list's end: the rest
 * stands before them, so a pass looks at each link once, however many there are.
 */
static struct region_link *link_take(struct memory *memory, const struct pass *pass)
{
    for (;;) {
        bool waits = false;
        spin_lock(&memory->regions_lock);
        struct list_node *node = memory->regions.next;
        while (node != &memory->regions) {
            struct region_link *link = CONTAINER_OF(node, struct region_link, in_memory);
            if (link->epoch >= pass->epoch) {
                break;
            }
            node = node->next;
            bool concerned = link_concerned(link, pass);
            if (concerned && !spin_try_lock(&link->region->map->lock)) {
                waits = true;
                continue;
            }
            link->epoch = pass->epoch;
            list_remove(&link->in_memory);
            list_append(&memory->regions, &link->in_memory);
            if (concerned) {
                spin_unlock(&memory->regions_lock);
                return link;
            }
        }
        spin_unlock(&memory->regions_lock);
        if (!waits) {
            return NULL;
        }
        cpu_serve_requests();
    }
}

static uint64_t epoch_next(struct memory *memory)
{
    return __atomic_add_fetch(&memory->epoch, 1, __ATOMIC_ACQ_REL);
}

/* Over every mapping of the pages: it goes, or becomes read-only. */
static void pass_run(struct memory *memory, uint64_t first_page, uint64_t end_page, bool protect)
{
    spin_lock(&memory->pass_lock);
    const struct pass pass = {epoch_next(memory), first_page, end_page};
    struct region_link *link;
    while ((link = link_take(memory, &pass)) != NULL) {
        struct region_map *map = link->region->map;
        if (!protect) {
            region_clear_pages(link->region, role_of(link), first_page, end_page);
        } else if (role_of(link) == LINK_PRIVATE && link->region->has_writable) {
            region_write_protect(link->region, first_page, end_page);
        }
        spin_unlock(&map->lock);
    }
    spin_unlock(&memory->pass_lock);
}

void memory_unmap(struct memory *memory, uint64_t first_page, uint64_t end_page)
{
    pass_run(memory, first_page, end_page, false);
}

void memory_write_protect(struct memory *memory, uint64_t first_page, uint64_t end_page)
{
    pass_run(memory, first_page, end_page, true);
}

/* Remove up to a step's regions that map it. */
static void mappings_end(struct memory *memory)
{
    spin_lock(&memory->pass_lock);
    const struct pass pass = {epoch_next(memory), 0, UINT64_MAX};
    uint64_t cleared_bytes = 0;
    for (uint32_t i = 0; i < REGIONS_PER_STEP && cleared_bytes < CLEAR_PER_STEP; i++) {
        struct region_link *link = link_take(memory, &pass);
        if (link == NULL) {
            break;
        }
        struct region_map *map = link->region->map;
        cleared_bytes += link->region->end - link->region->start;
        region_clear_pages(link->region, role_of(link), 0, UINT64_MAX >> PAGE_SHIFT);
        region_remove(link->region);
        spin_unlock(&map->lock);
    }
    spin_unlock(&memory->pass_lock);
}

/* Under the lock: whoever made a region of it before it was dying has linked it. */
static bool is_mapped(struct memory *memory)
{
    spin_lock(&memory->regions_lock);
    bool mapped = !list_empty(&memory->regions);
    spin_unlock(&memory->regions_lock);
    return mapped;
}

bool memory_mappings_end(struct memory *memory)
{
    if (!is_mapped(memory)) {
        return true;
    }
    mappings_end(memory);
    return !is_mapped(memory);
}
