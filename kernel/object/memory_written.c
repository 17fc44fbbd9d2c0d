/*
 * Which pages of a memory were written since they were cleaned: a bit in the leaves of its tree
 * (memory_tree.h), set when a page is made or first written. A page whose bit is clear is mapped
 * read-only, so that the next write is noticed (region_fault.c).
 */
#include "kernel/object/account.h"
#include "kernel/object/memory.h"

/* The first of the pages that a struct memory_pages at that offset tells of. */
static status_t state_page(const struct memory *memory, uint64_t offset, uint64_t *out)
{
    if (!memory_has_tree(memory)) {
        return STATUS_NOT_SUPPORTED;
    }
    *out = offset >> PAGE_SHIFT;
    bool inside = offset % (PAGES_OF_STATE * PAGE_SIZE) == 0 && offset < memory->size_bytes;
    return inside ? STATUS_OK : STATUS_OUT_OF_RANGE;
}

status_t memory_read_pages(const struct call *call, void *out)
{
    struct memory *memory = object_memory(call->object);
    struct memory_pages *pages = out;
    uint64_t first;
    status_t status = state_page(memory, call->argument[3], &first);
    if (status != STATUS_OK) {
        return status;
    }
    spin_lock(&memory->lock);
    for (uint32_t i = 0; i < PAGES_OF_STATE / NODE_SLOTS; i++) {
        bool alone;
        const struct node *leaf = tree_leaf(&memory->tree, first + i * NODE_SLOTS, &alone);
        pages->present[i] = leaf == NULL ? 0 : leaf->present;
        pages->written[i] = leaf == NULL ? 0 : leaf->written & leaf->present;
    }
    spin_unlock(&memory->lock);
    return STATUS_OK;
}

/* The slots of a leaf whose frames the kernel writes to without a mapping. */
static uint64_t leaf_pinned(const struct node *leaf)
{
    uint64_t pinned = 0;
    for (uint64_t left = leaf->present; left != 0; left &= left - 1) {
        const struct frame *frame = leaf->slot[__builtin_ctzll(left)];
        pinned |= frame->flags & FRAME_PINNED ? left & -left : 0;
    }
    return pinned;
}

/* Take the bits of one leaf away. Under the lock. */
static status_t leaf_clean(struct memory *memory, uint64_t page, uint64_t bits)
{
    bool alone;
    struct node *leaf = tree_leaf(&memory->tree, page, &alone);
    if (leaf == NULL || !(leaf->written & bits)) {
        return STATUS_OK;
    }
    leaf = alone ? leaf : tree_leaf_own(&memory->tree, memory->object.payer, page);
    if (leaf == NULL) {
        return STATUS_NO_MEMORY;
    }
    leaf->written &= ~(bits & ~leaf_pinned(leaf));
    return STATUS_OK;
}

status_t memory_clean_pages(const struct call *call, void *in)
{
    struct memory *memory = object_memory(call->object);
    const struct memory_pages *pages = in;
    uint64_t first;
    status_t status = state_page(memory, call->argument[3], &first);
    if (status != STATUS_OK || memory->kind == MEMORY_PINNED) {
        return status != STATUS_OK ? status : STATUS_NOT_SUPPORTED; /* devices write to it */
    }
    spin_lock(&memory->lock);
    /* Who destroys it empties the tree under the lock, and then never again. */
    status = memory->object.dying ? STATUS_BAD_CAPABILITY : STATUS_OK;
    for (uint32_t i = 0; i < PAGES_OF_STATE / NODE_SLOTS && status == STATUS_OK; i++) {
        status = leaf_clean(memory, first + i * NODE_SLOTS, pages->written[i]);
    }
    spin_unlock(&memory->lock);
    memory_write_protect(memory, first, first + PAGES_OF_STATE);
    return status;
}
