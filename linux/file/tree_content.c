/*
 * The content of regular files: the image's, a small block of the heap, or a kernel memory that the
 * application's account pays for and that is mapped into the window as far as it is used.
 *
 * Invariants, under inode.lock:
 *   - what lies beyond the size in a present page or a small block is zero, but for what shared
 *     mappings stored there, which growing wipes;
 *   - `present` tells which pages of the memory exist, so that holes read as zeros without making
 *     pages, and exhaustion is found before a store, as -ENOSPC;
 *   - a file that was ever mapped lies in a memory of CONTENT_BYTES_MAX and stays in it; others
 *     begin in one whose page tables are small.
 */
#include "linux/file/tree_node.h"

#include "abi/container.h"
#include "lib/base/string.h"
#include "lib/oak/kernel.h"
#include "linux/core/errno.h"
#include "linux/core/heap.h"
#include "linux/core/window.h"

#define MEMORY_BYTES_FIRST (2ull << 20)
#define VIEW_BYTES_FIRST   65536ull
#define SMALL_BYTES_FIRST  64ull
#define SECTOR_BYTES       512
#define COPY_PIECE_BYTES   65536ull

/* --- what the tree may use ------------------------------------------------------------------- */

static long charge(struct tree_fs *tree, struct content *content, uint64_t size_bytes)
{
    uint64_t used = __atomic_add_fetch(&tree->used_bytes, size_bytes, __ATOMIC_RELAXED);
    if (tree->limit_bytes != 0 && used > tree->limit_bytes) {
        __atomic_sub_fetch(&tree->used_bytes, size_bytes, __ATOMIC_RELAXED);
        return -ENOSPC;
    }
    content->charged_bytes += size_bytes;
    return 0;
}

static void uncharge(struct tree_fs *tree, struct content *content, uint64_t size_bytes)
{
    content->charged_bytes -= size_bytes;
    __atomic_sub_fetch(&tree->used_bytes, size_bytes, __ATOMIC_RELAXED);
}

static uint64_t power_of_two(uint64_t at_least, uint64_t first)
{
    uint64_t value = first;
    while (value < at_least) {
        value *= 2;
    }
    return value;
}

/* --- memories and views ---------------------------------------------------------------------- */

static void backing_put(struct backing *backing)
{
    if (__atomic_sub_fetch(&backing->references, 1, __ATOMIC_ACQ_REL) == 0) {
        (void)kernel_object_destroy(backing->slot);
        (void)kernel_capability_drop(SLOT_DOMAIN, backing->slot);
        slot_free(backing->slot);
        heap_free(backing);
    }
}

static struct backing *backing_new(uint64_t size_bytes)
{
    struct backing *backing = heap_alloc(sizeof(*backing));
    if (backing == NULL) {
        return NULL;
    }
    backing->references = 1;
    backing->size_bytes = size_bytes;
    backing->slot = slot_alloc();
    if (backing->slot == 0 ||
        kernel_memory_create(CONTAINER_SLOT_APPLICATION, backing->slot, size_bytes) != STATUS_OK) {
        if (backing->slot != 0) {
            slot_free(backing->slot);
        }
        heap_free(backing);
        return NULL;
    }
    return backing;
}

void view_put(struct view *view)
{
    if (view != NULL && __atomic_sub_fetch(&view->references, 1, __ATOMIC_ACQ_REL) == 0) {
        window_unmap_memory(view->address, view->size_bytes);
        backing_put(view->backing);
        heap_free(view);
    }
}

/* Takes over a reference to the backing when it succeeds. */
static struct view *view_new(struct backing *backing, uint64_t reach_bytes)
{
    struct view *view = heap_alloc(sizeof(*view));
    if (view == NULL) {
        return NULL;
    }
    view->references = 1;
    view->backing = backing;
    view->size_bytes = MIN(power_of_two(reach_bytes, VIEW_BYTES_FIRST), backing->size_bytes);
    void *address;
    if (window_map_memory(backing->slot, view->size_bytes, true, &address) != 0) {
        heap_free(view);
        return NULL;
    }
    view->address = address;
    return view;
}

/* Let the view reach that far. */
static long view_extend(struct content *content, uint64_t reach_bytes)
{
    struct view *old = content->view;
    if (reach_bytes <= old->size_bytes) {
        return 0;
    }
    struct view *wider = view_new(old->backing, reach_bytes);
    if (wider == NULL) {
        return -ENOSPC;
    }
    __atomic_fetch_add(&old->backing->references, 1, __ATOMIC_RELAXED);
    content->view = wider;
    view_put(old);
    return 0;
}

/* --- pages ----------------------------------------------------------------------------------- */

static bool page_known(const struct content *content, uint64_t page)
{
    return page < content->present_pages && (content->present[page / 64] >> page % 64 & 1) != 0;
}

static bool page_present(const struct content *content, uint64_t page)
{
    if (page_known(content, page)) {
        return true;
    }
    return content->stores_elsewhere &&
           memory_page_present(content->view->backing->slot, page << PAGE_SHIFT);
}

static long present_extend(struct content *content, uint64_t pages)
{
    if (pages <= content->present_pages) {
        return 0;
    }
    uint64_t capacity = power_of_two(pages, 64);
    uint64_t *wider = heap_alloc(capacity / 8);
    if (wider == NULL) {
        return -ENOMEM;
    }
    if (content->present != NULL) {
        memcpy(wider, content->present, content->present_pages / 8);
        heap_free(content->present);
    }
    content->present = wider;
    content->present_pages = capacity;
    return 0;
}

/* Make the pages [first, end) that are not known be there. */
static long pages_populate(struct tree_fs *tree, struct content *content, uint64_t first,
                           uint64_t end)
{
    long result = present_extend(content, end);
    for (uint64_t page = first; page < end && result == 0;) {
        if (page_known(content, page)) {
            page++;
            continue;
        }
        uint64_t stop = page + 1;
        while (stop < end && !page_known(content, stop)) {
            stop++;
        }
        uint64_t bytes = (stop - page) << PAGE_SHIFT;
        uint32_t slot = content->view->backing->slot;
        result = charge(tree, content, bytes);
        if (result != 0) {
            break;
        }
        if (kernel_memory_populate(slot, page << PAGE_SHIFT, bytes) != STATUS_OK) {
            uncharge(tree, content, bytes);
            if (!content->stores_elsewhere) {
                (void)kernel_memory_discard(slot, page << PAGE_SHIFT, bytes);
            }
            result = -ENOSPC;
            break;
        }
        for (; page < stop; page++) {
            content->present[page / 64] |= 1ull << page % 64;
        }
    }
    return result;
}

/* Drop every page from `first` on. */
static void pages_discard(struct tree_fs *tree, struct content *content, uint64_t first)
{
    uint64_t offset = first << PAGE_SHIFT;
    uint64_t end = content->stores_elsewhere ? content->view->backing->size_bytes
                                             : MIN(content->present_pages << PAGE_SHIFT,
                                                   content->view->backing->size_bytes);
    if (offset < end) {
        (void)kernel_memory_discard(content->view->backing->slot, offset, end - offset);
    }
    uint64_t dropped = 0;
    for (uint64_t page = first; page < content->present_pages;) {
        uint64_t word = content->present[page / 64] >> page % 64;
        if (word == 0) {
            page = ALIGN_UP(page + 1, 64ull);
            continue;
        }
        page += (uint64_t)__builtin_ctzll(word);
        content->present[page / 64] &= ~(1ull << page % 64);
        dropped++;
    }
    uncharge(tree, content, dropped << PAGE_SHIFT);
}

/* Zero the part of the last page that lies beyond the size. */
static void last_page_wipe(struct content *content, uint64_t size_bytes)
{
    uint64_t used = size_bytes % PAGE_SIZE;
    if (used != 0 && page_present(content, size_bytes >> PAGE_SHIFT) &&
        view_extend(content, size_bytes + 1) == 0) {
        memset(content->view->address + size_bytes, 0, PAGE_SIZE - used);
    }
}

/* --- moving between the kinds ---------------------------------------------------------------- */

/* Free what the content holds; what was charged stays in charged_bytes for the caller. */
static void parts_free(struct content *content)
{
    heap_free(content->small);
    heap_free(content->present);
    view_put(content->view);
}

static long copy_from_image(struct node *node, uint8_t *to, uint64_t length_bytes)
{
    for (uint64_t offset = 0; offset < length_bytes; offset += COPY_PIECE_BYTES) {
        uint64_t piece = MIN(COPY_PIECE_BYTES, length_bytes - offset);
        long moved = erofs_read(&node->image, offset, to + offset, piece);
        if (moved != (long)piece) {
            return moved < 0 ? moved : -EIO;
        }
    }
    return 0;
}

/* Fill a fresh memory with the first keep_bytes of what the node has now. */
static long memory_fill(struct node *node, struct content *fresh, uint64_t keep_bytes)
{
    struct content *old = &node->content;
    uint64_t pages = ALIGN_UP(keep_bytes, (uint64_t)PAGE_SIZE) >> PAGE_SHIFT;
    long result = 0;
    switch (old->kind) {
    case CONTENT_IMAGE:
        result = pages_populate(node->tree, fresh, 0, pages);
        return result != 0 ? result : copy_from_image(node, fresh->view->address, keep_bytes);
    case CONTENT_SMALL:
        keep_bytes = MIN(keep_bytes, old->small_bytes);
        if (keep_bytes != 0) {
            result = pages_populate(node->tree, fresh, 0, 1);
            if (result == 0) {
                memcpy(fresh->view->address, old->small, keep_bytes);
            }
        }
        return result;
    case CONTENT_MEMORY:
        for (uint64_t page = 0; page < pages && result == 0; page++) {
            if (page_present(old, page)) {
                result = pages_populate(node->tree, fresh, page, page + 1);
                if (result == 0) {
                    memcpy(fresh->view->address + (page << PAGE_SHIFT),
                           old->view->address + (page << PAGE_SHIFT), PAGE_SIZE);
                }
            }
        }
        return result;
    }
    return -EIO;
}

/* Move the first keep_bytes into a memory of that size at least. */
static long memory_enter(struct node *node, uint64_t memory_bytes, uint64_t keep_bytes)
{
    struct content *old = &node->content;
    if (old->kind == CONTENT_MEMORY && old->view->backing->size_bytes >= memory_bytes) {
        return 0;
    }
    struct content fresh = {.kind = CONTENT_MEMORY};
    struct backing *backing =
        backing_new(MAX(memory_bytes, keep_bytes) <= MEMORY_BYTES_FIRST ? MEMORY_BYTES_FIRST
                                                                        : CONTENT_BYTES_MAX);
    if (backing == NULL) {
        return -ENOSPC;
    }
    fresh.view = view_new(backing, keep_bytes);
    if (fresh.view == NULL) {
        backing_put(backing);
        return -ENOSPC;
    }
    long result = memory_fill(node, &fresh, keep_bytes);
    if (result != 0) {
        uncharge(node->tree, &fresh, fresh.charged_bytes);
        parts_free(&fresh);
        return result;
    }
    uncharge(node->tree, old, old->charged_bytes);
    parts_free(old);
    old->kind = CONTENT_MEMORY;
    old->small = NULL;
    old->small_bytes = 0;
    old->view = fresh.view;
    old->present = fresh.present;
    old->present_pages = fresh.present_pages;
    old->charged_bytes = fresh.charged_bytes;
    return 0;
}

/* Have a small block of that size, with the first keep_bytes of the content in it. */
static long small_enter(struct node *node, uint64_t size_bytes, uint64_t keep_bytes)
{
    struct content *content = &node->content;
    if (content->kind == CONTENT_SMALL && size_bytes <= content->small_bytes) {
        return 0;
    }
    uint64_t capacity = MIN(power_of_two(size_bytes, SMALL_BYTES_FIRST), CONTENT_SMALL_MAX);
    uint8_t *block = heap_alloc(capacity);
    if (block == NULL) {
        return -ENOMEM;
    }
    long result = 0;
    if (content->kind == CONTENT_IMAGE) {
        result = copy_from_image(node, block, keep_bytes);
    } else if (content->small != NULL) {
        memcpy(block, content->small, MIN(keep_bytes, content->small_bytes));
    }
    if (result == 0 && content->charged_bytes == 0) {
        result = charge(node->tree, content, PAGE_SIZE);
    }
    if (result != 0) {
        heap_free(block);
        return result;
    }
    heap_free(content->small);
    content->kind = CONTENT_SMALL;
    content->small = block;
    content->small_bytes = capacity;
    return 0;
}

/* --- the interface --------------------------------------------------------------------------- */

static void blocks_refresh(struct node *node)
{
    if (node->content.kind != CONTENT_IMAGE) {
        node->inode.blocks = node->content.charged_bytes / SECTOR_BYTES;
    }
}

static bool may_be_small(const struct node *node, uint64_t end)
{
    return node->content.kind != CONTENT_MEMORY && end <= CONTENT_SMALL_MAX &&
           node->inode.size_bytes <= CONTENT_SMALL_MAX;
}

void content_free(struct node *node)
{
    uncharge(node->tree, &node->content, node->content.charged_bytes);
    parts_free(&node->content);
}

long content_reserve(struct node *node, uint64_t offset, uint64_t length_bytes, struct view **out)
{
    struct content *content = &node->content;
    uint64_t end = offset + length_bytes;
    uint64_t size = node->inode.size_bytes;
    long result = memory_enter(node, end, size);
    if (result == 0) {
        result = view_extend(content, end);
    }
    if (result == 0 && end > size && content->stores_elsewhere) {
        result = content_resize(node, size); /* wipes what lies beyond */
    }
    if (result == 0) {
        result = pages_populate(node->tree, content, offset >> PAGE_SHIFT,
                                ALIGN_UP(end, (uint64_t)PAGE_SIZE) >> PAGE_SHIFT);
    }
    blocks_refresh(node);
    if (result == 0) {
        __atomic_fetch_add(&content->view->references, 1, __ATOMIC_RELAXED);
        *out = content->view;
    }
    return result;
}

long content_store(struct node *node, uint64_t offset, const void *from, uint64_t length_bytes)
{
    if (may_be_small(node, offset + length_bytes)) {
        long result = small_enter(node, offset + length_bytes, node->inode.size_bytes);
        if (result == 0) {
            memcpy(node->content.small + offset, from, length_bytes);
        }
        blocks_refresh(node);
        return result;
    }
    struct view *view;
    long result = content_reserve(node, offset, length_bytes, &view);
    if (result == 0) {
        memcpy(view->address + offset, from, length_bytes);
        view_put(view);
    }
    return result;
}

void content_zero(struct node *node, uint64_t offset, uint64_t length_bytes)
{
    struct content *content = &node->content;
    uint64_t end = MIN(offset + length_bytes, content->view->size_bytes);
    while (offset < end) {
        uint64_t piece = MIN(end - offset, PAGE_SIZE - offset % PAGE_SIZE);
        if (page_known(content, offset >> PAGE_SHIFT)) {
            memset(content->view->address + offset, 0, piece);
        }
        offset += piece;
    }
}

long content_run(struct node *node, uint64_t offset, uint64_t length_bytes, struct view **out,
                 uint64_t *run_bytes)
{
    struct content *content = &node->content;
    uint64_t end = offset + length_bytes;
    bool present = page_present(content, offset >> PAGE_SHIFT);
    uint64_t stop = ALIGN_DOWN(offset, (uint64_t)PAGE_SIZE) + PAGE_SIZE;
    while (stop < end && page_present(content, stop >> PAGE_SHIFT) == present) {
        stop += PAGE_SIZE;
    }
    stop = MIN(stop, end);
    *out = NULL;
    if (present) {
        long result = view_extend(content, stop);
        if (result != 0) {
            return -ENOMEM;
        }
        __atomic_fetch_add(&content->view->references, 1, __ATOMIC_RELAXED);
        *out = content->view;
    }
    *run_bytes = stop - offset;
    return 0;
}

long content_settle(struct node *node)
{
    long result = memory_enter(node, CONTENT_BYTES_MAX, node->inode.size_bytes);
    blocks_refresh(node);
    return result;
}

/* Wipes what lies beyond the smaller size; the memory itself stays. */
static void memory_resize(struct node *node, uint64_t size_bytes)
{
    struct content *content = &node->content;
    uint64_t old = node->inode.size_bytes;
    if (size_bytes <= old || content->stores_elsewhere) {
        uint64_t keep = MIN(size_bytes, old);
        pages_discard(node->tree, content, ALIGN_UP(keep, (uint64_t)PAGE_SIZE) >> PAGE_SHIFT);
        last_page_wipe(content, keep);
    }
}

long content_resize(struct node *node, uint64_t size_bytes)
{
    struct content *content = &node->content;
    uint64_t old = node->inode.size_bytes;
    uint64_t keep = MIN(old, size_bytes);
    long result = 0;
    if (size_bytes > CONTENT_BYTES_MAX) {
        return -EFBIG;
    }
    if (content->kind == CONTENT_IMAGE && size_bytes == old) {
        return 0;
    }
    if (content->kind != CONTENT_MEMORY && size_bytes <= CONTENT_SMALL_MAX) {
        result = size_bytes == 0 && content->kind == CONTENT_SMALL
                     ? 0
                     : small_enter(node, size_bytes, keep);
        if (result == 0 && content->small_bytes > keep) {
            memset(content->small + keep, 0, content->small_bytes - keep);
        }
    } else {
        result = memory_enter(node, size_bytes, keep);
        if (result == 0) {
            memory_resize(node, size_bytes);
        }
    }
    if (result == 0) {
        node->inode.size_bytes = size_bytes;
        blocks_refresh(node);
    }
    return result;
}

/* --- holes ----------------------------------------------------------------------------------- */

/* Drop the pages [first, end). */
static void range_discard(struct node *node, uint64_t first, uint64_t end)
{
    struct content *content = &node->content;
    uint64_t reach = content->stores_elsewhere ? content->view->backing->size_bytes >> PAGE_SHIFT
                                               : content->present_pages;
    uint64_t dropped = 0;
    end = MIN(end, reach);
    if (first >= end) {
        return;
    }
    (void)kernel_memory_discard(content->view->backing->slot, first << PAGE_SHIFT,
                                (end - first) << PAGE_SHIFT);
    for (uint64_t page = first; page < MIN(end, content->present_pages); page++) {
        if (page % 64 == 0 && content->present[page / 64] == 0) {
            page += 63;
        } else if (page_known(content, page)) {
            content->present[page / 64] &= ~(1ull << page % 64);
            dropped++;
        }
    }
    uncharge(node->tree, content, dropped << PAGE_SHIFT);
}

/* Within one page. */
static long part_zero(struct content *content, uint64_t offset, uint64_t length_bytes)
{
    if (length_bytes == 0 || !page_present(content, offset >> PAGE_SHIFT)) {
        return 0;
    }
    long result = view_extend(content, offset + length_bytes);
    if (result == 0) {
        memset(content->view->address + offset, 0, length_bytes);
    }
    return result;
}

static long memory_punch(struct node *node, uint64_t offset, uint64_t end)
{
    uint64_t first = ALIGN_UP(offset, (uint64_t)PAGE_SIZE);
    uint64_t last = end == node->inode.size_bytes ? ALIGN_UP(end, (uint64_t)PAGE_SIZE)
                                                  : ALIGN_DOWN(end, (uint64_t)PAGE_SIZE);
    if (first > last) {
        return part_zero(&node->content, offset, end - offset);
    }
    long result = part_zero(&node->content, offset, MIN(first, end) - offset);
    if (result == 0 && last < end) {
        result = part_zero(&node->content, last, end - last);
    }
    if (result == 0) {
        range_discard(node, first >> PAGE_SHIFT, last >> PAGE_SHIFT);
    }
    return result;
}

long content_punch(struct node *node, uint64_t offset, uint64_t length_bytes)
{
    struct content *content = &node->content;
    uint64_t size = node->inode.size_bytes;
    if (offset >= size) {
        return 0;
    }
    uint64_t end = offset + MIN(length_bytes, size - offset);
    long result = 0;
    if (content->kind == CONTENT_IMAGE) {
        result = size <= CONTENT_SMALL_MAX ? small_enter(node, size, size)
                                           : memory_enter(node, size, size);
    }
    if (result == 0 && content->kind == CONTENT_SMALL) {
        uint64_t stored = MIN(end, content->small_bytes);
        if (offset < stored) {
            memset(content->small + offset, 0, stored - offset);
        }
    } else if (result == 0) {
        result = memory_punch(node, offset, end);
    }
    blocks_refresh(node);
    return result;
}

uint64_t content_find(const struct node *node, uint64_t offset, bool data)
{
    const struct content *content = &node->content;
    uint64_t size = node->inode.size_bytes;
    /* What others stored by mappings is not looked for: it counts as data. */
    if (content->kind != CONTENT_MEMORY || content->stores_elsewhere) {
        return data ? offset : size;
    }
    uint64_t page = offset >> PAGE_SHIFT;
    for (; page < content->present_pages; page++) {
        uint64_t word = content->present[page / 64];
        if (page % 64 == 0 && word == (data ? 0 : UINT64_MAX)) {
            page += 63;
        } else if (page_known(content, page) == data) {
            break;
        }
    }
    if (data && page >= content->present_pages) {
        return size;
    }
    return MIN(MAX(page << PAGE_SHIFT, offset), size);
}
