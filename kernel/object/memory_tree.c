#include "kernel/object/memory_tree.h"

#include "kernel/object/account.h"
#include "lib/base/string.h"

static uint32_t slot_number(uint64_t page, uint32_t level)
{
    return (uint32_t)(page >> (NODE_BITS * level)) % NODE_SLOTS;
}

/* The first page of what a node of that level with this page in it covers. */
static uint64_t node_base(uint64_t page, uint32_t level)
{
    return page & UINT64_MAX << (NODE_BITS * (level + 1));
}

static bool node_covers(const struct node *node, uint64_t page)
{
    return node_base(page, node->level) == node->first;
}

bool frame_is_exclusive(const struct frame *frame)
{
    uint32_t pins = frame->flags & FRAME_PINNED ? 1 : 0;
    uint32_t references = __atomic_load_n(&frame->references, __ATOMIC_RELAXED);
    /* References on the kernel image's frames are not counted down. */
    return references == 1 + pins && !(frame->flags & FRAME_FOREIGN);
}

struct frame *tree_find(const struct memory_tree *tree, uint64_t page, bool *exclusive)
{
    bool alone;
    const struct node *leaf = tree_leaf(tree, page, &alone);
    struct frame *frame = leaf == NULL ? NULL : leaf->slot[page % NODE_SLOTS];
    if (exclusive != NULL) {
        *exclusive = frame != NULL && alone && frame_is_exclusive(frame);
    }
    return frame;
}

struct node *tree_leaf(const struct memory_tree *tree, uint64_t page, bool *alone)
{
    struct node *node = tree->root;
    *alone = true;
    while (node != NULL && node_covers(node, page)) {
        *alone = *alone && __atomic_load_n(&node->references, __ATOMIC_RELAXED) == 1;
        if (node->level == 0) {
            return node;
        }
        node = node->slot[slot_number(page, node->level)];
    }
    return NULL;
}

static struct node *node_new(struct account *account, uint64_t page, uint32_t level)
{
    struct payer *payer;
    struct node *node = account_alloc(account, sizeof(*node), &payer);
    if (node == NULL) {
        return NULL;
    }
    memset(node, 0, sizeof(*node));
    node->references = 1;
    node->level = level;
    node->first = node_base(page, level);
    node->payer = payer;
    return node;
}

static void node_free(struct node *node)
{
    payer_free(node->payer, node, sizeof(*node));
}

/* A copy of a shared node that shares everything below; the caller's reference moves to the copy.
 */
static struct node *node_copy(struct account *account, struct node *node)
{
    struct node *copy = node_new(account, node->first, node->level);
    if (copy == NULL) {
        return NULL;
    }
    copy->present = node->present;
    copy->written = node->written;
    for (uint64_t left = node->present; left != 0; left &= left - 1) {
        uint32_t i = (uint32_t)__builtin_ctzll(left);
        void *below = node->slot[i];
        copy->slot[i] = below;
        if (node->level > 0) {
            node_share(below);
        } else {
            __atomic_fetch_add(&((struct frame *)below)->references, 1, __ATOMIC_RELAXED);
        }
    }
    uint32_t budget = UINT32_MAX;
    (void)node_release(node, &budget);
    return copy;
}

static void node_put(struct node *node, uint64_t page, void *below)
{
    uint32_t i = slot_number(page, node->level);
    node->slot[i] = below;
    node->present |= 1ull << i;
}

/* The lowest node that covers both that node, which comes under it, and the page. */
static struct node *node_above(struct account *account, struct node *node, uint64_t page)
{
    uint32_t differs = 63 - (uint32_t)__builtin_clzll(node->first ^ page);
    struct node *above = node_new(account, page, differs / NODE_BITS);
    if (above != NULL) {
        node_put(above, node->first, node);
    }
    return above;
}

/* What stands in that node's place once only this tree has it and it covers the page. */
static struct node *node_own(struct account *account, struct node *node, uint64_t page)
{
    if (node == NULL) {
        return node_new(account, page, 0);
    }
    if (!node_covers(node, page)) {
        return node_above(account, node, page);
    }
    bool shared = __atomic_load_n(&node->references, __ATOMIC_ACQUIRE) != 1;
    return shared ? node_copy(account, node) : node;
}

struct node *tree_leaf_own(struct memory_tree *tree, struct account *account, uint64_t page)
{
    struct node *node = node_own(account, tree->root, page);
    tree->root = node != NULL ? node : tree->root;
    while (node != NULL && node->level > 0) {
        struct node *below = node->slot[slot_number(page, node->level)];
        below = node_own(account, below, page);
        if (below != NULL) {
            node_put(node, page, below);
        }
        node = below;
    }
    return node;
}

status_t tree_set(struct memory_tree *tree, struct account *account, uint64_t page,
                  struct frame *frame, struct frame **old)
{
    struct node *leaf = tree_leaf_own(tree, account, page);
    if (leaf == NULL) {
        return STATUS_NO_MEMORY;
    }
    *old = leaf_put(leaf, page, frame);
    if (frame == NULL) {
        leaf->present &= ~leaf_bit(page);
    }
    return STATUS_OK;
}

/* The page behind the last one that the node covers. */
static uint64_t node_end(const struct node *node)
{
    return node->first + (1ull << (NODE_BITS * (node->level + 1)));
}

/* True: the node itself holds nothing. Nobody else shares it. */
static bool node_trim(struct node *node, uint64_t first, uint64_t end)
{
    for (uint64_t left = node->level == 0 ? 0 : node->present; left != 0; left &= left - 1) {
        uint32_t i = (uint32_t)__builtin_ctzll(left);
        struct node *below = node->slot[i];
        bool concerned = below->first < end && node_end(below) > first &&
                         __atomic_load_n(&below->references, __ATOMIC_ACQUIRE) == 1;
        if (concerned && node_trim(below, first, end)) {
            node_free(below);
            node->slot[i] = NULL;
            node->present &= ~(1ull << i);
        }
    }
    return node->present == 0;
}

void tree_trim(struct memory_tree *tree, uint64_t first, uint64_t end)
{
    struct node *root = tree->root;
    if (root != NULL && __atomic_load_n(&root->references, __ATOMIC_ACQUIRE) == 1 &&
        node_trim(root, first, end)) {
        node_free(root);
        tree->root = NULL;
    }
}

static uint64_t next_in_node(const struct node *node, uint64_t page, uint64_t end)
{
    uint64_t first = page > node->first ? (page - node->first) >> (NODE_BITS * node->level) : 0;
    uint64_t left = first < NODE_SLOTS ? node->present & UINT64_MAX << first : 0;
    for (; left != 0; left &= left - 1) {
        uint32_t i = (uint32_t)__builtin_ctzll(left);
        if (node->level == 0) {
            return node->first + i < end ? node->first + i : UINT64_MAX;
        }
        const struct node *below = node->slot[i];
        if (below->first >= end) {
            break;
        }
        uint64_t found = next_in_node(below, page, end);
        if (found != UINT64_MAX) {
            return found;
        }
    }
    return UINT64_MAX;
}

uint64_t tree_next_present(const struct memory_tree *tree, uint64_t page, uint64_t end)
{
    return tree->root == NULL ? UINT64_MAX : next_in_node(tree->root, page, end);
}

bool node_release(struct node *node, uint32_t *budget)
{
    if (__atomic_load_n(&node->references, __ATOMIC_ACQUIRE) != 1 &&
        __atomic_sub_fetch(&node->references, 1, __ATOMIC_ACQ_REL) != 0) {
        return true;
    }
    /* Ours alone now, and it stays so: only a holder of a reference can share it. */
    __atomic_store_n(&node->references, 1, __ATOMIC_RELAXED);
    while (node->present != 0) {
        uint32_t i = (uint32_t)__builtin_ctzll(node->present);
        void *below = node->slot[i];
        if (*budget == 0) {
            return false;
        }
        if (node->level == 0) {
            (*budget)--;
            frame_release(below);
        } else if (!node_release(below, budget)) {
            return false;
        }
        node->slot[i] = NULL;
        node->present &= node->present - 1;
    }
    if (*budget == 0) {
        return false;
    }
    (*budget)--;
    node_free(node);
    return true;
}
