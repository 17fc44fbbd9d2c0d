/*
 * The region is cut into chunks of a page. A chunk is free, a slab of equal small blocks, or part
 * of a run of chunks that is one large block. Pages are backed when blocks first reach into them,
 * so a run wastes addresses only.
 *
 * Invariants: chunks[] says what each chunk is, in memory of its own that no block overlaps; a free
 * chunk reads as zero; a slab is in its class's partial list exactly when it has a free block;
 * a slab's blocks that were never used lie at and above `fresh`, and those that read as zero,
 * because nobody has used their memory since the chunk was free, at and above `clean`.
 */
#include "lib/oak/heap_core.h"

#include "lib/base/string.h"

/* Words of chunks[]: kind in the low byte, but for bodies the length in chunks above. */
#define CHUNK_FREE         0u
#define CHUNK_SLAB         1u
#define CHUNK_HEAD         2u
#define CHUNK_BODY         3u
#define CHUNK_GAP          4u
#define CHUNK_KIND(word)   ((word)&0xff)
#define CHUNK_LENGTH(word) ((word) >> 8)

#define SLAB_HEADER_BYTES 64
#define SMALL_MAX         2016

/* Multiples of 16, the large ones chosen so that little of a slab is left over. Few: each class
 * that a small program uses costs it a page. */
static const uint16_t class_bytes[HEAP_CLASSES] = {32, 64, 128, 256, 512, 1008, SMALL_MAX};

/* A freed small block: the mark makes a double free worth looking for. */
struct free_block {
    struct free_block *next;
    uint64_t mark;
};

#define FREE_MARK(block) (0x6672656564626c6bull ^ (uint64_t)(uintptr_t)(block))

struct heap_slab {
    struct heap_slab *next;  /* partial list */
    struct heap_slab **link; /* what points at us, NULL when not in the list */
    struct free_block *free;
    uint32_t class;
    uint32_t live;
    uint32_t fresh; /* index of the first block never used */
    uint32_t clean;
    uint32_t capacity;
};
_Static_assert(sizeof(struct heap_slab) <= SLAB_HEADER_BYTES, "header fits");

static uint8_t *chunk_address(const struct heap_core *heap, uint32_t chunk)
{
    return heap->base + chunk * HEAP_CHUNK_BYTES + (chunk >= heap->gap_chunk ? heap->gap_bytes : 0);
}

/* How far into the heap the address lies; UINT64_MAX: it lies in the gap. */
static uint64_t offset_of(const struct heap_core *heap, const void *address)
{
    uint64_t offset = (uint64_t)((const uint8_t *)address - heap->base);
    uint64_t gap = heap->gap_chunk * HEAP_CHUNK_BYTES;
    if (offset < gap) {
        return offset;
    }
    return offset - gap < heap->gap_bytes ? UINT64_MAX : offset - heap->gap_bytes;
}

static uint32_t chunk_of(const struct heap_core *heap, const void *address)
{
    return (uint32_t)(offset_of(heap, address) / HEAP_CHUNK_BYTES);
}

/* A run of `length` free chunks, first fit; chunk_count when there is none. */
static uint32_t chunks_find(const struct heap_core *heap, uint32_t length)
{
    uint32_t found = 0;
    uint32_t chunk = heap->search_from;
    while (chunk < heap->chunk_count && found < length) {
        uint32_t word = heap->chunks[chunk];
        if (CHUNK_KIND(word) == CHUNK_FREE) {
            found++;
            chunk++;
        } else {
            found = 0;
            chunk += MAX(CHUNK_LENGTH(word), 1u);
        }
    }
    return found == length ? chunk - length : heap->chunk_count;
}

static void *chunks_take(struct heap_core *heap, uint32_t length, uint32_t kind)
{
    uint32_t first = chunks_find(heap, length);
    if (first == heap->chunk_count) {
        return NULL;
    }
    heap->chunks[first] = kind | length << 8;
    for (uint32_t i = 1; i < length; i++) {
        heap->chunks[first + i] = CHUNK_BODY;
    }
    if (length == 1 || first == heap->search_from) {
        heap->search_from = first + length;
    }
    return chunk_address(heap, first);
}

static void chunks_give(struct heap_core *heap, uint32_t first, uint32_t length)
{
    heap->discard(chunk_address(heap, first), length * HEAP_CHUNK_BYTES);
    for (uint32_t i = 0; i < length; i++) {
        heap->chunks[first + i] = CHUNK_FREE;
    }
    heap->search_from = MIN(heap->search_from, first);
}

/* Back the pages that begin in [start, start + size_bytes); those before it are. */
static bool pages_back(const struct heap_core *heap, const void *start, size_t size_bytes)
{
    uint64_t first = ALIGN_UP((uint64_t)(uintptr_t)start, PAGE_SIZE);
    uint64_t end = ALIGN_UP((uint64_t)(uintptr_t)start + size_bytes, PAGE_SIZE);
    return heap->back == NULL || first == end || heap->back((void *)(uintptr_t)first, end - first);
}

static void partial_insert(struct heap_core *heap, struct heap_slab *slab)
{
    struct heap_slab **head = &heap->partial[slab->class];
    slab->next = *head;
    slab->link = head;
    if (slab->next != NULL) {
        slab->next->link = &slab->next;
    }
    *head = slab;
}

static void partial_remove(struct heap_slab *slab)
{
    *slab->link = slab->next;
    if (slab->next != NULL) {
        slab->next->link = slab->link;
    }
    slab->link = NULL;
}

/* Powers of two up to 512; the two classes above are a little smaller. */
static uint32_t class_of(size_t size_bytes)
{
    if (size_bytes > class_bytes[HEAP_CLASSES - 2]) {
        return HEAP_CLASSES - 1;
    }
    if (size_bytes > 512) {
        return HEAP_CLASSES - 2;
    }
    return size_bytes <= 32 ? 0 : 64 - 5 - (uint32_t)__builtin_clzll(size_bytes - 1);
}

static struct heap_slab *slab_create(struct heap_core *heap, uint32_t class)
{
    struct heap_slab *slab = chunks_take(heap, 1, CHUNK_SLAB);
    if (slab == NULL) {
        return NULL;
    }
    if (!pages_back(heap, slab, HEAP_CHUNK_BYTES)) {
        chunks_give(heap, chunk_of(heap, slab), 1);
        return NULL;
    }
    slab->class = class;
    slab->capacity = (uint32_t)((HEAP_CHUNK_BYTES - SLAB_HEADER_BYTES) / class_bytes[class]);
    partial_insert(heap, slab);
    return slab;
}

static void *small_allocate(struct heap_core *heap, size_t size_bytes, bool zeroed)
{
    uint32_t class = class_of(size_bytes);
    struct heap_slab *slab = heap->partial[class];
    if (slab == NULL) {
        slab = slab_create(heap, class);
        if (slab == NULL) {
            return NULL;
        }
    }
    void *block = slab->free;
    if (block != NULL) {
        slab->free = slab->free->next;
    } else {
        block = (uint8_t *)slab + SLAB_HEADER_BYTES + slab->fresh * class_bytes[class];
        zeroed = zeroed && slab->fresh < slab->clean;
        slab->fresh++;
        slab->clean = MAX(slab->clean, slab->fresh);
    }
    slab->live++;
    if (slab->live == slab->capacity) {
        partial_remove(slab);
    }
    if (zeroed) {
        memset(block, 0, size_bytes);
    }
    return block;
}

static bool is_in_free_list(const struct heap_slab *slab, const void *block)
{
    for (const struct free_block *next = slab->free; next != NULL; next = next->next) {
        if (next == block) {
            return true;
        }
    }
    return false;
}

/* An empty slab that stays is as if it were new. */
static void slab_renew(struct heap_slab *slab)
{
    slab->free = NULL;
    slab->fresh = 0;
}

static void small_free(struct heap_core *heap, struct heap_slab *slab, void *block)
{
    uint64_t offset = (uint64_t)((uint8_t *)block - (uint8_t *)slab);
    uint64_t size_bytes = class_bytes[slab->class];
    struct free_block *free = block;
    if (offset < SLAB_HEADER_BYTES || (offset - SLAB_HEADER_BYTES) % size_bytes != 0 ||
        (offset - SLAB_HEADER_BYTES) / size_bytes >= slab->fresh ||
        (free->mark == FREE_MARK(block) && is_in_free_list(slab, block))) {
        heap->corrupt(block);
    }
    free->next = slab->free;
    free->mark = FREE_MARK(block);
    slab->free = free;
    if (slab->live == slab->capacity) {
        partial_insert(heap, slab);
    }
    slab->live--;
    /* Keep the last empty slab of a class, or one block's coming and going would map and unmap. */
    bool alone = slab->next == NULL && slab->link == &heap->partial[slab->class];
    if (slab->live == 0 && !alone) {
        partial_remove(slab);
        chunks_give(heap, chunk_of(heap, slab), 1);
    } else if (slab->live == 0) {
        slab_renew(slab);
    }
}

/* The chunk that a live block begins in; reports every address that cannot be one. */
static uint32_t block_chunk(struct heap_core *heap, const void *block)
{
    uint64_t offset = offset_of(heap, block); /* from below the heap it wraps */
    uint64_t chunk = offset / HEAP_CHUNK_BYTES;
    if (chunk >= heap->chunk_count) {
        heap->corrupt(block);
    }
    uint32_t kind = CHUNK_KIND(heap->chunks[chunk]);
    if (kind != CHUNK_SLAB && (kind != CHUNK_HEAD || offset % HEAP_CHUNK_BYTES != 0)) {
        heap->corrupt(block);
    }
    return (uint32_t)chunk;
}

void *heap_core_allocate(struct heap_core *heap, size_t size_bytes, bool zeroed)
{
    if (size_bytes <= SMALL_MAX) {
        return small_allocate(heap, size_bytes, zeroed);
    }
    if (size_bytes > heap->chunk_count * HEAP_CHUNK_BYTES) {
        return NULL;
    }
    uint32_t length = (uint32_t)((size_bytes + HEAP_CHUNK_BYTES - 1) / HEAP_CHUNK_BYTES);
    uint8_t *block = chunks_take(heap, length, CHUNK_HEAD);
    if (block != NULL && !pages_back(heap, block, size_bytes)) {
        chunks_give(heap, chunk_of(heap, block), length);
        return NULL;
    }
    return block;
}

static size_t block_bytes(struct heap_core *heap, const void *block)
{
    uint32_t chunk = block_chunk(heap, block);
    uint32_t word = heap->chunks[chunk];
    if (CHUNK_KIND(word) == CHUNK_SLAB) {
        return class_bytes[((const struct heap_slab *)chunk_address(heap, chunk))->class];
    }
    return CHUNK_LENGTH(word) * HEAP_CHUNK_BYTES;
}

void *heap_core_resize(struct heap_core *heap, void *block, size_t size_bytes)
{
    if (block == NULL) {
        return heap_core_allocate(heap, size_bytes, false);
    }
    size_t old_bytes = block_bytes(heap, block);
    bool in_place = size_bytes <= old_bytes && size_bytes > old_bytes / 2;
    /* A large block may have been asked for with less than its run holds. */
    if (old_bytes > SMALL_MAX && !pages_back(heap, block, MIN(old_bytes, size_bytes))) {
        return NULL;
    }
    if (in_place) {
        return block;
    }
    void *moved = heap_core_allocate(heap, size_bytes, false);
    if (moved == NULL) {
        return NULL;
    }
    memcpy(moved, block, MIN(old_bytes, size_bytes));
    heap_core_free(heap, block);
    return moved;
}

void heap_core_free(struct heap_core *heap, void *block)
{
    if (block == NULL) {
        return;
    }
    uint32_t chunk = block_chunk(heap, block);
    uint32_t word = heap->chunks[chunk];
    if (CHUNK_KIND(word) == CHUNK_SLAB) {
        small_free(heap, (struct heap_slab *)(void *)chunk_address(heap, chunk), block);
    } else {
        chunks_give(heap, chunk, CHUNK_LENGTH(word));
    }
}

void heap_core_seal(struct heap_core *heap)
{
    for (uint32_t class = 0; class < HEAP_CLASSES; class ++) {
        while (heap->partial[class] != NULL) {
            struct heap_slab *slab = heap->partial[class];
            partial_remove(slab);
            slab->capacity = slab->live; /* full, until one of its blocks is freed */
            if (slab->live == 0) {
                chunks_give(heap, chunk_of(heap, slab), 1);
            }
        }
    }
}

/* The first chunk behind the gap is nobody's: no run goes across. */
void heap_core_keep(struct heap_core *heap)
{
    heap->chunks[heap->gap_chunk] = CHUNK_GAP | 1 << 8;
    heap->search_from = heap->gap_chunk + 1;
}

void heap_core_release(struct heap_core *heap)
{
    heap->search_from = 0;
}
