#include "kernel/object/memory.h"

#include "kernel/object/account.h"
#include "kernel/object/thread.h"
#include "lib/base/string.h"

#define PAGES_PER_STEP   64
#define FREES_PER_STEP   128
#define DMA_PAGES_MAX    4096
#define MEMORY_BYTES_MAX (1ull << 53)

static bool page_range(uint64_t offset, uint64_t size_bytes, uint64_t limit_bytes)
{
    return (offset | size_bytes) % PAGE_SIZE == 0 && range_inside(offset, size_bytes, limit_bytes);
}

status_t memory_make(struct account *account, enum memory_kind kind, uint64_t size_bytes,
                     struct object **out)
{
    if (size_bytes == 0 || size_bytes % PAGE_SIZE != 0 || size_bytes > MEMORY_BYTES_MAX) {
        return STATUS_INVALID_ARGUMENT;
    }
    status_t status = object_create(account, OBJECT_MEMORY, sizeof(struct memory), out);
    if (status != STATUS_OK) {
        return status;
    }
    struct memory *memory = object_memory(*out);
    spin_init(&memory->lock, LOCK_MEMORY);
    spin_init(&memory->pass_lock, LOCK_MEMORY_PASS);
    spin_init(&memory->regions_lock, LOCK_MEMORY_REGIONS);
    list_init(&memory->pins);
    list_init(&memory->regions);
    memory->kind = kind;
    memory->size_bytes = size_bytes;
    return STATUS_OK;
}

/* Put a frame there, for what was there; the caller's reference is gone in any case. */
static status_t page_put(struct memory *memory, uint64_t page, struct frame *frame)
{
    struct frame *old = NULL;
    status_t status = tree_set(&memory->tree, memory->object.payer, page, frame, &old);
    struct frame *left = status == STATUS_OK ? old : frame;
    if (left != NULL) {
        frame_release(left);
    }
    return status;
}

status_t memory_create_boot(struct account *account, uint64_t physical, uint64_t size_bytes,
                            struct object **out)
{
    status_t status = memory_make(account, MEMORY_NORMAL, size_bytes, out);
    for (uint64_t offset = 0; status == STATUS_OK && offset < size_bytes; offset += PAGE_SIZE) {
        struct frame *frame = frame_of_physical(physical + offset);
        frame->flags = FRAME_FOREIGN;
        frame->references = 1;
        status = page_put(object_memory(*out), offset >> PAGE_SHIFT, frame);
    }
    return status;
}

status_t call_memory_create(struct call *call)
{
    return memory_make(object_account(call->object), MEMORY_NORMAL, call->argument[2], &call->made);
}

/* --- clones ---------------------------------------------------------------------------------- */

/* Frames that the kernel uses stay the original's: the clone gets copies of them. */
static status_t pin_copy(const struct frame *pinned, struct memory *to, uint64_t page)
{
    struct frame *copy = account_frame_take(to->object.payer, false);
    if (copy == NULL) {
        return STATUS_NO_MEMORY;
    }
    memcpy(frame_pointer(copy), frame_pointer(pinned), PAGE_SIZE);
    return page_put(to, page, copy);
}

static status_t pins_copy(struct memory *from, struct memory *to)
{
    status_t status = STATUS_OK;
    LIST_EACH (struct memory_pin, pin, &from->pins, in_memory) {
        status = status == STATUS_OK ? pin_copy(pin->frame, to, pin->page) : status;
    }
    return status;
}

/* The whole tree, node by node as they are written. */
static status_t memory_clone_from(struct memory *from, struct memory *to)
{
    spin_lock(&from->lock);
    node_share(from->tree.root);
    to->tree = from->tree;
    status_t status = pins_copy(from, to);
    spin_unlock(&from->lock);
    memory_write_protect(from, 0, UINT64_MAX >> PAGE_SHIFT);
    return status;
}

status_t call_memory_clone(struct call *call)
{
    struct memory *from = object_memory(call->other);
    if (from->kind != MEMORY_NORMAL) {
        return STATUS_NOT_SUPPORTED;
    }
    status_t status =
        memory_make(object_account(call->object), MEMORY_NORMAL, from->size_bytes, &call->made);
    return status == STATUS_OK ? memory_clone_from(from, object_memory(call->made)) : status;
}

status_t call_memory_view(struct call *call)
{
    struct memory *base = object_memory(call->other);
    if (base->kind == MEMORY_VIEW) {
        return STATUS_NOT_SUPPORTED;
    }
    if (!page_range(call->argument[3], call->argument[4], base->size_bytes)) {
        return STATUS_OUT_OF_RANGE;
    }
    status_t status =
        memory_make(object_account(call->object), MEMORY_VIEW, call->argument[4], &call->made);
    if (status == STATUS_OK) {
        struct memory *view = object_memory(call->made);
        view->base = object_handle(&base->object, 0);
        view->base_offset = call->argument[3];
        view->view_rights = call->other_rights & (uint32_t)call->argument[5];
        call->made_rights = (view->view_rights & (RIGHT_READ | RIGHT_WRITE | RIGHT_EXECUTE)) |
                            RIGHT_CONTROL | RIGHT_DESTROY;
    }
    return status;
}

/* --- pages ----------------------------------------------------------------------------------- */

static status_t pages_check(const struct memory *memory, uint64_t offset, uint64_t size_bytes)
{
    if (!memory_has_tree(memory)) {
        return STATUS_NOT_SUPPORTED;
    }
    return page_range(offset, size_bytes, memory->size_bytes) ? STATUS_OK : STATUS_OUT_OF_RANGE;
}

/* Who destroys a memory empties its tree under the lock, and then never again. Under the lock. */
static status_t may_grow(const struct memory *memory)
{
    return memory->object.dying ? STATUS_BAD_CAPABILITY : STATUS_OK;
}

status_t call_memory_populate(struct call *call)
{
    struct memory *memory = object_memory(call->object);
    uint64_t first = call->argument[1] >> PAGE_SHIFT;
    uint64_t end = first + (call->argument[2] >> PAGE_SHIFT);
    status_t status = pages_check(memory, call->argument[1], call->argument[2]);
    if (status != STATUS_OK) {
        return status;
    }
    uint64_t step_end = MIN(end, first + PAGES_PER_STEP);
    spin_lock(&memory->lock);
    status = may_grow(memory);
    for (uint64_t page = first; page < step_end && status == STATUS_OK; page++) {
        if (tree_find(&memory->tree, page, NULL) == NULL) {
            struct frame *frame = account_frame_take(memory->object.payer, true);
            status = frame == NULL ? STATUS_NO_MEMORY : page_put(memory, page, frame);
        }
    }
    spin_unlock(&memory->lock);
    bool goes_on = status == STATUS_OK && step_end < end;
    return goes_on ? thread_go_on(call->thread, step_end << PAGE_SHIFT, end << PAGE_SHIFT) : status;
}

/* Take up to a step's frames of [first, end) out of the tree. Under the lock. */
static status_t pages_detach(struct memory *memory, uint64_t first, uint64_t end,
                             struct frame **frames, uint64_t *pages, uint32_t *count)
{
    uint64_t page = first;
    *count = 0;
    while (*count < PAGES_PER_STEP &&
           (page = tree_next_present(&memory->tree, page, end)) != UINT64_MAX) {
        const struct frame *frame = tree_find(&memory->tree, page, NULL);
        if (!(frame->flags & FRAME_PINNED)) {
            status_t status =
                tree_set(&memory->tree, memory->object.payer, page, NULL, &frames[*count]);
            if (status != STATUS_OK) {
                return status;
            }
            pages[(*count)++] = page;
        }
        page++;
    }
    if (*count > 0) {
        tree_trim(&memory->tree, pages[0], pages[*count - 1] + 1);
    }
    return STATUS_OK;
}

status_t call_memory_discard(struct call *call)
{
    struct memory *memory = object_memory(call->object);
    uint64_t first = call->argument[1] >> PAGE_SHIFT;
    uint64_t end = first + (call->argument[2] >> PAGE_SHIFT);
    status_t status = pages_check(memory, call->argument[1], call->argument[2]);
    if (status != STATUS_OK) {
        return status;
    }
    struct frame *frames[PAGES_PER_STEP];
    uint64_t pages[PAGES_PER_STEP];
    uint32_t count;
    spin_lock(&memory->lock);
    status = pages_detach(memory, first, end, frames, pages, &count);
    spin_unlock(&memory->lock);
    if (count == 0) {
        return status;
    }
    memory_unmap(memory, pages[0], pages[count - 1] + 1);
    for (uint32_t i = 0; i < count; i++) {
        frame_release(frames[i]);
    }
    if (count < PAGES_PER_STEP) {
        return status;
    }
    /* What others fill behind that meanwhile is theirs. */
    return thread_go_on(call->thread, (pages[count - 1] + 1) << PAGE_SHIFT, end << PAGE_SHIFT);
}

/* A frame changes its payer with its memory; the new one is charged first. */
static status_t frame_repay(struct frame *frame, struct account *to)
{
    struct payer *payer;
    status_t status = account_charge(to, ACCOUNT_FRAMES, PAGE_SIZE, &payer);
    if (status == STATUS_OK) {
        payer_uncharge(frame->payer, ACCOUNT_FRAMES, PAGE_SIZE);
        frame->payer = payer;
    }
    return status;
}

/* One frame from a page of one memory to an absent page of another. Both locks are held. */
static status_t page_move(struct memory *to, uint64_t to_page, struct memory *from,
                          uint64_t from_page, struct frame **moved)
{
    bool exclusive;
    struct frame *old;
    struct frame *frame = tree_find(&from->tree, from_page, &exclusive);
    *moved = NULL;
    if (frame == NULL) {
        return STATUS_OK;
    }
    if (!exclusive || frame->flags & (FRAME_PINNED | FRAME_FOREIGN)) {
        return STATUS_BUSY;
    }
    if (tree_find(&to->tree, to_page, NULL) != NULL) {
        return STATUS_EXISTS;
    }
    /* Make the path first, then pay, then move: nothing is half done when one fails. */
    status_t status = tree_set(&to->tree, to->object.payer, to_page, NULL, &old);
    if (status == STATUS_OK) {
        status = frame_repay(frame, to->object.payer);
    }
    if (status != STATUS_OK) {
        return status;
    }
    (void)tree_set(&from->tree, from->object.payer, from_page, NULL, &old);
    (void)tree_set(&to->tree, to->object.payer, to_page, frame, &old);
    __atomic_fetch_add(&frame->references, 1, __ATOMIC_RELAXED);
    *moved = frame;
    return STATUS_OK;
}

/* The frame, if it is still there, may have been written through the place that it had before. */
static void page_note_written(struct memory *memory, uint64_t page, const struct frame *frame)
{
    bool alone;
    spin_lock(&memory->lock);
    struct node *leaf = tree_leaf(&memory->tree, page, &alone);
    if (leaf != NULL && leaf->slot[page % NODE_SLOTS] == frame) {
        leaf->written |= leaf_bit(page);
    }
    spin_unlock(&memory->lock);
}

status_t call_memory_move(struct call *call)
{
    struct memory *to = object_memory(call->object);
    struct memory *from = object_memory(call->other);
    uint64_t pages = call->argument[4] >> PAGE_SHIFT;
    status_t status = pages_check(to, call->argument[1], call->argument[4]);
    if (status == STATUS_OK) {
        status = pages_check(from, call->argument[3], call->argument[4]);
    }
    if (status != STATUS_OK || from == to || pages > PAGES_PER_STEP) {
        return status != STATUS_OK ? status
               : from == to        ? STATUS_INVALID_ARGUMENT
                                   : STATUS_TOO_LARGE;
    }
    uint64_t from_page = call->argument[3] >> PAGE_SHIFT;
    uint64_t to_page = call->argument[1] >> PAGE_SHIFT;
    struct frame *moved[PAGES_PER_STEP];
    uint64_t count = 0;
    spin_lock_two(&to->lock, &from->lock);
    status = may_grow(to);
    while (count < pages && status == STATUS_OK) {
        status = page_move(to, to_page + count, from, from_page + count, &moved[count]);
        count++;
    }
    tree_trim(&from->tree, from_page, from_page + pages);
    spin_unlock_two(&to->lock, &from->lock);
    /* Nobody can write to a frame through its old place afterwards; until then it must not be
     * freed, whatever becomes of it at its new place. */
    memory_unmap(from, from_page, from_page + pages);
    for (uint64_t i = 0; i < count; i++) {
        if (moved[i] != NULL) {
            page_note_written(to, to_page + i, moved[i]);
            frame_release(moved[i]);
        }
    }
    return status;
}

/* --- devices --------------------------------------------------------------------------------- */

static status_t pinned_fill(struct memory *memory, uint64_t pages)
{
    struct account *account = memory->object.payer;
    struct frame *first = frames_take_adjacent(NULL, pages);
    if (first == NULL) {
        return STATUS_NO_MEMORY;
    }
    status_t status = STATUS_OK;
    for (uint64_t i = 0; i < pages; i++) {
        struct frame *frame = &first[i];
        if (status == STATUS_OK) {
            status = account_charge(account, ACCOUNT_FRAMES, PAGE_SIZE, &frame->payer);
        }
        if (status == STATUS_OK) {
            status = page_put(memory, i, frame);
        } else {
            frame_give(frame);
        }
    }
    return status;
}

/* Device memory is whatever is not RAM: a driver must not reach other programs' frames. */
static bool physical_is_ram(uint64_t physical, uint64_t size_bytes)
{
    for (uint32_t i = 0; i < machine.ram_count; i++) {
        if (physical < machine.ram[i].end && machine.ram[i].start < physical + size_bytes) {
            return true;
        }
    }
    return false;
}

status_t call_memory_create_platform(struct call *call)
{
    uint64_t size_bytes = call->argument[3];
    uint64_t physical = call->argument[4];
    bool pinned = physical == MEMORY_DMA;
    if (pinned && size_bytes > DMA_PAGES_MAX * PAGE_SIZE) {
        return STATUS_INVALID_ARGUMENT;
    }
    if (!pinned &&
        (!page_range(physical, size_bytes, 1ull << 52) || physical_is_ram(physical, size_bytes))) {
        return STATUS_OUT_OF_RANGE;
    }
    status_t status = memory_make(object_account(call->other),
                                  pinned ? MEMORY_PINNED : MEMORY_DEVICE, size_bytes, &call->made);
    if (status == STATUS_OK && pinned) {
        status = pinned_fill(object_memory(call->made), size_bytes >> PAGE_SHIFT);
    } else if (status == STATUS_OK) {
        object_memory(call->made)->device_physical = physical;
    }
    return status;
}

/* --- destruction ----------------------------------------------------------------------------- */

bool memory_end_step(struct object *object)
{
    struct memory *memory = object_memory(object);
    spin_lock(&memory->lock);
    bool pinned = !list_empty(&memory->pins);
    spin_unlock(&memory->lock);
    if (pinned) {
        return false; /* a thread's frame: it goes with the thread */
    }
    if (!memory_mappings_end(memory)) {
        return false;
    }
    /* Looked at under the lock: an account's destroyer may do this at the same time. */
    uint32_t budget = FREES_PER_STEP;
    spin_lock(&memory->lock);
    bool done = memory->tree.root == NULL || node_release(memory->tree.root, &budget);
    if (done) {
        memory->tree.root = NULL;
    }
    spin_unlock(&memory->lock);
    return done;
}
