/* Region maps: adding, splitting, removing regions and clearing their translations. */
#include "kernel/object/region.h"

#include "kernel/core/cpu.h"
#include "kernel/object/account.h"
#include "kernel/object/domain.h"
#include "kernel/object/region_find.h"
#include "kernel/object/space.h"
#include "kernel/object/thread.h"
#include "kernel/x86_64/shootdown.h"
#include "lib/base/string.h"

#define MAP_RIGHTS       (RIGHT_READ | RIGHT_WRITE | RIGHT_EXECUTE)
#define REGIONS_PER_STEP 32
#define REGION_COST      (CLEAR_PER_STEP / REGIONS_PER_STEP) /* of looking at one */

static int region_compare(const struct tree_node *a, const struct tree_node *b)
{
    const struct region *left = CONTAINER_OF(a, struct region, node);
    const struct region *right = CONTAINER_OF(b, struct region, node);
    return left->start < right->start ? -1 : left->start > right->start;
}

static void map_init(struct region_map *map, struct account *payer)
{
    spin_init(&map->lock, LOCK_REGIONS);
    tree_init(&map->regions, region_compare);
    map->payer = payer;
    map->tables.payer = payer;
}

status_t region_map_init_window(struct region_map *map, struct account *payer)
{
    map_init(map, payer);
    map->window = true;
    map->first_address = WINDOW_BASE;
    map->end_address = WINDOW_BASE + WINDOW_SIZE;
    map->tables.levels = 3;
    map->tables.top = table_new(payer);
    return map->tables.top == NULL ? STATUS_NO_MEMORY : STATUS_OK;
}

void region_map_init_application(struct region_map *map, struct account *payer, uint64_t *top,
                                 uint64_t *twin)
{
    map_init(map, payer);
    map->first_address = PAGE_SIZE;
    map->end_address = APPLICATION_END;
    map->tables.levels = 4;
    map->tables.top = top;
    map->tables.twin = twin;
}

/* The first region that ends above the address; NULL when none does. */
struct region *region_from(const struct region_map *map, uint64_t address)
{
    struct tree_node *node = map->regions.root;
    struct region *best = NULL;
    while (node != NULL) {
        struct region *region = CONTAINER_OF(node, struct region, node);
        if (region->end > address) {
            best = region;
            node = node->left;
        } else {
            node = node->right;
        }
    }
    return best;
}

/* --- links ----------------------------------------------------------------------------------- */

/*
 * A new region needs no visit of the pass in progress: it maps nothing yet. The upper part of a
 * split one, or a copy, is as much visited as what it was made of (`like`).
 */
static status_t link_add(struct region *region, enum link_role role, struct memory *memory,
                         const struct region_link *like)
{
    struct region_link *link = &region->link[role];
    uint64_t offset = role == LINK_PRIVATE ? region->private_offset : region->source_offset;
    uint64_t distance = region->start - offset;
    spin_lock(&memory->regions_lock);
    bool alive = !memory->object.dying;
    if (alive) {
        link->region = region;
        link->memory = memory;
        link->epoch = like != NULL ? like->epoch : memory->epoch;
        /* Visited links of a pass stand behind those it has yet to visit (memory.c). */
        struct list_node *place = like != NULL ? like->in_memory.next : &memory->regions;
        list_insert_before(place, &link->in_memory);
        if (memory->only_map == NULL) {
            memory->only_map = region->map;
            memory->only_distance = distance;
        } else if (memory->only_map != region->map || memory->only_distance != distance) {
            memory->several_places = true;
        }
    }
    spin_unlock(&memory->regions_lock);
    return alive ? STATUS_OK : STATUS_BAD_CAPABILITY;
}

static void links_remove(struct region *region)
{
    for (uint32_t role = 0; role < LINK_ROLES; role++) {
        struct region_link *link = &region->link[role];
        if (link->memory != NULL) {
            spin_lock(&link->memory->regions_lock);
            list_remove(&link->in_memory);
            spin_unlock(&link->memory->regions_lock);
            link->memory = NULL;
        }
    }
}

/* --- regions --------------------------------------------------------------------------------- */

static struct region *region_new(struct region_map *map)
{
    struct region *region = account_alloc(map->payer, sizeof(*region), NULL);
    if (region == NULL) {
        return NULL;
    }
    region->map = map;
    region->has_writable = false;
    region->has_large = false;
    for (uint32_t role = 0; role < LINK_ROLES; role++) {
        region->link[role].memory = NULL;
    }
    return region; /* the caller says the rest */
}

static void region_free(struct region *region)
{
    links_remove(region);
    account_free(region->map->payer, region, sizeof(*region));
}

void region_remove(struct region *region)
{
    tree_remove(&region->map->regions, &region->node);
    region_free(region);
}

status_t region_target_resolve(struct memory *memory, uint64_t offset, uint64_t size_bytes,
                               struct region_target *out)
{
    out->memory = memory;
    out->view = NULL;
    out->offset = offset;
    if (memory == NULL) {
        return STATUS_OK;
    }
    if (offset % PAGE_SIZE != 0 || !range_inside(offset, size_bytes, memory->size_bytes)) {
        return STATUS_OUT_OF_RANGE;
    }
    if (memory->kind == MEMORY_VIEW) {
        struct object *base = handle_object(memory->base, OBJECT_MEMORY);
        if (base == NULL) {
            return STATUS_BAD_CAPABILITY;
        }
        out->memory = object_memory(base);
        out->view = memory;
        out->offset = offset + memory->base_offset;
    }
    return STATUS_OK;
}

status_t region_range_check(const struct region_map *map, uint64_t address, uint64_t size_bytes)
{
    if ((address | size_bytes) % PAGE_SIZE != 0 || size_bytes == 0) {
        return STATUS_INVALID_ARGUMENT;
    }
    uint64_t end = address + size_bytes;
    return end < address || end > map->end_address ? STATUS_OUT_OF_RANGE : STATUS_OK;
}

/* May a region have these rights? No more than its capabilities carried; and see map->window. */
static status_t rights_check(const struct region_map *map, uint32_t rights, uint32_t allowed)
{
    if (map->window && (rights & RIGHT_WRITE) && (rights & RIGHT_EXECUTE)) {
        return STATUS_NOT_PERMITTED;
    }
    return rights & MAP_RIGHTS & ~allowed ? STATUS_NO_RIGHT : STATUS_OK;
}

static status_t request_check(const struct region_map *map, const struct region_request *request)
{
    status_t status = region_range_check(map, request->address, request->size_bytes);
    if (status != STATUS_OK) {
        return status;
    }
    if (request->address < map->first_address) {
        return STATUS_OUT_OF_RANGE;
    }
    if (request->rights & ~(uint32_t)(MAP_RIGHTS | MAP_LARGE) ||
        (request->private.memory == NULL &&
         (request->source.memory == NULL || request->rights & RIGHT_WRITE))) {
        return STATUS_INVALID_ARGUMENT;
    }
    return rights_check(map, request->rights, request->rights_allowed);
}

static status_t region_link_all(struct region *region, const struct region_request *request,
                                const struct region *like)
{
    struct memory *memories[LINK_ROLES] = {request->private.memory, request->source.memory,
                                           request->private.view, request->source.view};
    for (uint32_t role = 0; role < LINK_ROLES; role++) {
        if (memories[role] != NULL) {
            const struct region_link *link = like == NULL ? NULL : &like->link[role];
            bool same = link != NULL && link->memory == memories[role];
            status_t status =
                link_add(region, (enum link_role)role, memories[role], same ? link : NULL);
            if (status != STATUS_OK) {
                return status;
            }
        }
    }
    return STATUS_OK;
}

status_t region_add(struct region_map *map, const struct region_request *request,
                    const struct region *like)
{
    uint64_t end = request->address + request->size_bytes;
    const struct region *next = region_from(map, request->address);
    if (map->dying) {
        return STATUS_BAD_CAPABILITY;
    }
    if (next != NULL && next->start < end) {
        return STATUS_EXISTS;
    }
    struct region *region = region_new(map);
    if (region == NULL) {
        return STATUS_NO_MEMORY;
    }
    region->start = request->address;
    region->end = end;
    region->rights = request->rights;
    region->rights_allowed = request->rights_allowed;
    region->private_offset = request->private.offset;
    region->source_offset = request->source.offset;
    status_t status = region_link_all(region, request, like);
    if (status != STATUS_OK) {
        region_free(region);
        return status;
    }
    tree_insert(&map->regions, &region->node);
    return STATUS_OK;
}

status_t region_map_add(struct region_map *map, const struct region_request *request)
{
    status_t status = request_check(map, request);
    if (status == STATUS_OK) {
        spin_lock(&map->lock);
        status = region_add(map, request, NULL);
        spin_unlock(&map->lock);
    }
    return status;
}

/* Cut a region in two at the address; the new one is the upper part. */
static status_t region_split(struct region *region, uint64_t address)
{
    struct region *upper = region_new(region->map);
    if (upper == NULL) {
        return STATUS_NO_MEMORY;
    }
    memcpy(upper, region, offsetof(struct region, link)); /* but its places in lists */
    upper->start = address;
    upper->private_offset += address - region->start;
    upper->source_offset += address - region->start;
    for (uint32_t role = 0; role < LINK_ROLES; role++) {
        const struct region_link *like = &region->link[role];
        if (like->memory != NULL &&
            link_add(upper, (enum link_role)role, like->memory, like) != STATUS_OK) {
            region_free(upper);
            return STATUS_BAD_CAPABILITY;
        }
    }
    if (address % LARGE_BYTES != 0) {
        region_large_clear(region, address, address + 1);
    }
    __atomic_store_n(&region->end, address, __ATOMIC_RELEASE); /* link_concerned looks */
    tree_insert(&region->map->regions, &upper->node);
    return STATUS_OK;
}

/* --- translations ---------------------------------------------------------------------------- */

static void range_clear(struct region *region, uint64_t start, uint64_t end)
{
    const struct region_map *map = region->map;
    struct shootdown_batch batch = {.count = 0};
    uint64_t next;
    region_large_clear(region, start, end);
    for (uint64_t at = start; at < end; at = next) {
        uint64_t *entry = page_entries(&map->tables, at, end, 1, &next);
        next = MIN(next, end);
        for (; entry != NULL && at < next; at += PAGE_SIZE, entry++) {
            if (*entry & PTE_PRESENT) {
                *entry = 0;
                shootdown_add(&batch, at);
            }
        }
    }
    shootdown_run(&map->loaded, &batch);
}

/* Where the region shows pages of [first_page, end_page) of a memory; false: nowhere. */
static bool pages_shown(const struct region *region, enum link_role role, uint64_t first_page,
                        uint64_t end_page, uint64_t *start, uint64_t *end)
{
    uint64_t offset = role == LINK_PRIVATE  ? region->private_offset
                      : role == LINK_SOURCE ? region->source_offset
                                            : 0;
    uint64_t pages = (region->end - region->start) >> PAGE_SHIFT;
    uint64_t region_first = offset >> PAGE_SHIFT;
    if (role > LINK_SOURCE) {
        /* Through a view: its pages are not numbered as the base's, so all of them. */
        first_page = region_first;
        end_page = region_first + pages;
    }
    uint64_t first = MAX(first_page, region_first);
    uint64_t last = MIN(end_page, region_first + pages);
    *start = region->start + ((first - region_first) << PAGE_SHIFT);
    *end = region->start + ((last - region_first) << PAGE_SHIFT);
    return first < last;
}

void region_clear_pages(struct region *region, enum link_role role, uint64_t first_page,
                        uint64_t end_page)
{
    uint64_t start;
    uint64_t end;
    if (pages_shown(region, role, first_page, end_page, &start, &end)) {
        range_clear(region, start, end);
    }
}

/* Up to `last`, without a look at what each was. Returns the bits that any of them had. */
static uint64_t entries_write_protect(uint64_t *entry, const uint64_t *last)
{
    uint64_t had = 0;
    for (; entry < last; entry++) {
        uint64_t value = *entry;
        had |= value;
        *entry = value & ~PTE_WRITE;
    }
    return had;
}

/* The same, and each that changes is noted; a frame that the kernel uses stays writable. */
static bool entries_write_protect_noted(uint64_t *entry, const uint64_t *last, uint64_t address,
                                        struct shootdown_batch *batch)
{
    bool pinned_stay = false;
    for (; entry < last; entry++, address += PAGE_SIZE) {
        if (!(*entry & PTE_WRITE)) {
            continue;
        }
        if (frame_of_physical(*entry & PTE_ADDRESS)->flags & FRAME_PINNED) {
            pinned_stay = true;
            continue;
        }
        *entry &= ~PTE_WRITE;
        shootdown_add(batch, address);
    }
    return pinned_stay;
}

void region_write_protect(struct region *region, uint64_t first_page, uint64_t end_page)
{
    uint64_t start;
    uint64_t end;
    if (!pages_shown(region, LINK_PRIVATE, first_page, end_page, &start, &end)) {
        return;
    }
    struct shootdown_batch batch = {.count = 0};
    bool pins = !list_empty(&region->link[LINK_PRIVATE].memory->pins);
    bool noted = pins || end - start <= SHOOTDOWN_ADDRESSES * PAGE_SIZE;
    bool writable_stay = start != region->start || end != region->end;
    uint64_t next;
    region_large_clear(region, start, end);
    for (uint64_t at = start; at < end; at = next) {
        uint64_t *entry = page_entries(&region->map->tables, at, end, 1, &next);
        next = MIN(next, end);
        if (entry == NULL) {
            continue;
        }
        const uint64_t *last = entry + ((next - at) >> PAGE_SHIFT);
        if (noted) {
            writable_stay |= entries_write_protect_noted(entry, last, at, &batch);
        } else if (entries_write_protect(entry, last) & PTE_WRITE) {
            batch.count = SHOOTDOWN_ADDRESSES + 1; /* everything */
        }
    }
    region->has_writable = writable_stay;
    shootdown_run(&region->map->loaded, &batch);
}

/* --- calls ----------------------------------------------------------------------------------- */

struct region_map *region_map_of(struct object *object)
{
    return object->type == OBJECT_DOMAIN ? &object_domain(object)->window
                                         : &object_space(object)->map;
}

status_t region_memory_argument(struct call *call, uint64_t slot, uint32_t rights,
                                struct memory **out, uint32_t *out_rights)
{
    *out = NULL;
    *out_rights = 0;
    if (slot == 0) {
        return STATUS_OK;
    }
    struct object *object;
    status_t status =
        domain_find(call->thread->domain, slot, TYPE_MEMORY, rights, &object, out_rights);
    if (status == STATUS_OK) {
        *out = object_memory(object);
    }
    return status;
}

/* What a region is to show of a memory of the caller's: its slot, if it is not 0, and offset. */
static status_t target_argument(struct call *call, uint64_t slot, uint64_t offset,
                                uint64_t size_bytes, uint32_t rights, struct region_target *out,
                                uint32_t *out_rights)
{
    struct memory *memory;
    status_t status = region_memory_argument(call, slot, rights, &memory, out_rights);
    return status == STATUS_OK ? region_target_resolve(memory, offset, size_bytes, out) : status;
}

/* One region, as the words say that follow the half. */
static status_t words_map(struct call *call, const uint64_t *word)
{
    struct region_request request = {
        .address = ALIGN_DOWN(word[0], PAGE_SIZE),
        .size_bytes = word[1],
        .rights = (uint32_t)(word[0] % PAGE_SIZE),
    };
    uint64_t private_slot = word[2] & 0xffffffff;
    uint64_t source_slot = word[2] >> 32;
    /* Private pages over a source are the private memory's: writing needs no right on the source.
     */
    uint32_t execute = request.rights & RIGHT_EXECUTE;
    uint32_t private_rights =
        source_slot == 0 ? (request.rights & MAP_RIGHTS) | RIGHT_READ : RIGHT_READ | RIGHT_WRITE;
    uint32_t private_has;
    uint32_t source_has;
    status_t status = target_argument(call, private_slot, word[3], word[1], private_rights,
                                      &request.private, &private_has);
    if (status == STATUS_OK) {
        status = target_argument(call, source_slot, word[4], word[1], RIGHT_READ | execute,
                                 &request.source, &source_has);
    }
    if (status != STATUS_OK) {
        return status;
    }
    request.rights_allowed = source_slot == 0 ? private_has & MAP_RIGHTS
                                              : (source_has & (RIGHT_READ | RIGHT_EXECUTE)) |
                                                    (private_slot == 0 ? 0 : RIGHT_WRITE);
    return region_map_add(region_map_of(call->object), &request);
}

status_t call_region_map(struct call *call)
{
    uint64_t more = call->argument[1] >> 4 & 15;
    if (more > REGION_MORE_MAX) {
        return STATUS_INVALID_ARGUMENT;
    }
    call->argument[1] &= ~REGION_MORE(15);
    status_t status = words_map(call, &call->argument[1]);
    for (uint64_t i = 0; i < more && status == STATUS_OK; i++) {
        uint64_t words[REGION_WORDS];
        memcpy(words, &call->thread->frame->message[i * REGION_WORDS], sizeof(words));
        status = words_map(call, words);
    }
    return status;
}

static status_t cut_at(struct region_map *map, uint64_t address)
{
    struct region *region = region_from(map, address);
    return region != NULL && region->start < address ? region_split(region, address) : STATUS_OK;
}

/* Cut so that no region crosses `start` or `end`. */
static status_t range_cut(struct region_map *map, uint64_t start, uint64_t end)
{
    status_t status = cut_at(map, start);
    return status == STATUS_OK ? cut_at(map, end) : status;
}

/* Its lower part is unmapped. Passes over its memories read start and offsets under their locks. */
static void region_begin_at(struct region *region, uint64_t start)
{
    struct memory *private = region->link[LINK_PRIVATE].memory;
    struct memory *source = region->link[LINK_SOURCE].memory;
    private = private != NULL ? private : source;
    source = source != NULL ? source : private;
    spin_lock_two(&private->regions_lock, &source->regions_lock);
    region->private_offset += start - region->start;
    region->source_offset += start - region->start;
    region->start = start;
    spin_unlock_two(&private->regions_lock, &source->regions_lock);
}

status_t call_region_unmap(struct call *call)
{
    struct region_map *map = region_map_of(call->object);
    uint64_t start = call->argument[1];
    uint64_t end = start + call->argument[2];
    status_t status = region_range_check(map, start, call->argument[2]);
    if (status != STATUS_OK) {
        return status;
    }
    spin_lock(&map->lock);
    status = range_cut(map, start, end);
    uint64_t cleared_bytes = 0;
    struct region *region;
    while (status == STATUS_OK && (region = region_from(map, start)) != NULL &&
           region->start < end) {
        uint64_t clear_start = region->start;
        uint64_t clear_end = MIN(region->end, clear_start + CLEAR_PER_STEP);
        range_clear(region, clear_start, clear_end);
        cleared_bytes += clear_end - clear_start + REGION_COST;
        if (clear_end == region->end) {
            region_remove(region);
        } else {
            region_begin_at(region, clear_end);
        }
        region_tables_trim(map, clear_start, clear_end);
        if (cleared_bytes >= CLEAR_PER_STEP) {
            status = CALL_RESTART;
        }
    }
    spin_unlock(&map->lock);
    return status;
}

status_t call_region_protect(struct call *call)
{
    struct region_map *map = region_map_of(call->object);
    uint64_t start = call->argument[1];
    uint64_t end = start + call->argument[2];
    uint32_t rights = (uint32_t)call->argument[3];
    status_t status = region_range_check(map, start, call->argument[2]);
    if (status != STATUS_OK) {
        return status;
    }
    if (call->argument[3] & ~(uint64_t)(MAP_RIGHTS | MAP_LARGE)) {
        return STATUS_INVALID_ARGUMENT;
    }
    spin_lock(&map->lock);
    status = range_cut(map, start, end);
    uint64_t cleared_bytes = 0;
    for (struct region *region = region_from(map, start);
         status == STATUS_OK && region != NULL && region->start < end;
         region = region_next(region)) {
        if (cleared_bytes >= CLEAR_PER_STEP) {
            status = thread_go_on(call->thread, region->start, end);
            break;
        }
        status = rights_check(map, rights, region->rights_allowed);
        cleared_bytes += REGION_COST;
        if (status == STATUS_OK && region->rights != rights) {
            region->rights = rights;
            range_clear(region, region->start, region->end);
            cleared_bytes += region->end - region->start;
        }
    }
    spin_unlock(&map->lock);
    return status;
}

struct region *region_next(const struct region *region)
{
    struct tree_node *node = tree_next(&region->node);
    return node == NULL ? NULL : CONTAINER_OF(node, struct region, node);
}

/* --- destruction ----------------------------------------------------------------------------- */

bool region_map_destroy_step(struct region_map *map)
{
    spin_lock(&map->lock);
    map->dying = true;
    uint64_t others = __atomic_load_n(&map->loaded, __ATOMIC_ACQUIRE);
    if (others != 0) {
        /* Some CPU is about to leave these tables; until then they stay. */
        spin_unlock(&map->lock);
        return false;
    }
    for (uint32_t i = 0; i < REGIONS_PER_STEP; i++) {
        struct tree_node *first = tree_first(&map->regions);
        if (first == NULL) {
            break;
        }
        region_remove(CONTAINER_OF(first, struct region, node));
    }
    bool done = tree_first(&map->regions) == NULL &&
                (map->tables.top == NULL || page_tables_free_step(&map->tables));
    if (done && map->window && map->tables.top != NULL) {
        table_free(map->payer, map->tables.top);
    }
    if (done) {
        /* A space's top is its root and goes with it: who destroys it as well must not look again.
         */
        map->tables.top = NULL;
    }
    spin_unlock(&map->lock);
    return done;
}
