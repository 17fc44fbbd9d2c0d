/*
 * The radix tree of a memory: nodes of 64 slots, leaves hold frames. A node says which pages it
 * covers, and none is made that would have one slot in use: a page far from all others costs a leaf
 * and the node above both, not a path of nodes. Nodes and frames are counted; a node with more than
 * one reference, and everything below it, is shared with a clone and never changed: whoever writes
 * copies the path first.
 */
#pragma once

#include "kernel/core/frame.h"

struct account;
struct payer;

#define NODE_SLOTS 64
#define NODE_BITS  6

struct node {
    uint32_t references; /* atomic */
    uint32_t level;      /* 0: slots are frames; else nodes of lower levels */
    uint64_t first;      /* the first of the 64^(level + 1) pages that it covers */
    struct payer *payer;
    uint64_t present; /* bit per slot that is not NULL */
    uint64_t written; /* of a leaf, bit per slot: it changed since it was cleaned. Only then may its
                         page be mapped writable */
    void *slot[NODE_SLOTS];
};
_Static_assert(NODE_SLOTS == 64, "a bit of one word for each slot");

struct memory_tree {
    struct node *root;
};

/*
 * The frame at that page, or NULL. exclusive, unless NULL: no clone shares it (a pin does not
 * count).
 */
struct frame *tree_find(const struct memory_tree *tree, uint64_t page, bool *exclusive);

/* The leaf that holds the page's slot; NULL: it and all 64 pages of it are absent. alone: as
 * exclusive, for the nodes down to it. */
struct node *tree_leaf(const struct memory_tree *tree, uint64_t page, bool *alone);

/* Is that frame, of a leaf that is the tree's alone, nobody else's? A pin does not count. */
bool frame_is_exclusive(const struct frame *frame);

static inline uint64_t leaf_bit(uint64_t page)
{
    return 1ull << page % NODE_SLOTS;
}

/* Put a frame into a leaf that is the tree's alone; the frame that was there, or NULL. */
static inline struct frame *leaf_put(struct node *leaf, uint64_t page, struct frame *frame)
{
    struct frame *old = leaf->slot[page % NODE_SLOTS];
    leaf->slot[page % NODE_SLOTS] = frame;
    leaf->present |= leaf_bit(page);
    leaf->written |= leaf_bit(page);
    return old;
}

/* The leaf with that page's slot, made or copied so that this tree alone has it; NULL: no memory.
 */
struct node *tree_leaf_own(struct memory_tree *tree, struct account *account, uint64_t page);

/*
 * Put a frame (or NULL) where there was `old`; the tree takes over the caller's reference and the
 * old one's is the caller's. NO_MEMORY leaves all as it was.
 */
status_t tree_set(struct memory_tree *tree, struct account *account, uint64_t page,
                  struct frame *frame, struct frame **old);

/* Free the nodes with pages of [first, end) that hold nothing any more and no clone shares. */
void tree_trim(struct memory_tree *tree, uint64_t first, uint64_t end);

/* The first present page at or after `page` and before `end`; UINT64_MAX: none. */
uint64_t tree_next_present(const struct memory_tree *tree, uint64_t page, uint64_t end);

/* Drop a reference on a node; the last one drops those below. Bounded by *budget frees; true: done.
 */
bool node_release(struct node *node, uint32_t *budget);

static inline void node_share(struct node *node)
{
    if (node != NULL) {
        __atomic_fetch_add(&node->references, 1, __ATOMIC_RELAXED);
    }
}
