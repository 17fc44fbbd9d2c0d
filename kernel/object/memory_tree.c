#include "kernel/object/memory_tree.h"

#include "kernel/core/assert.h"
#include "kernel/core/kmem.h"
#include "kernel/object/account.h"
#include "lib/base/string.h"

uint32_t tree_levels_for(uint64_t pages)
{
    uint32_t levels = 1;
    while (levels < 9 && pages > 1ull << (NODE_BITS * levels)) {
        levels++;
    }
    return levels;
}

static uint32_t slot_number(uint64_t page, uint32_t level)
{
    return (uint32_t)(page >> (NODE_BITS * level)) % NODE_SLOTS;
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
    const struct node *node = tree->root;
    bool alone = true;
    for (uint32_t level = tree->levels; level-- > 0 && node != NULL;) {
        alone = alone && __atomic_load_n(&node->references, __ATOMIC_RELAXED) == 1;
        void *slot = node->slot[slot_number(page, level)];
        if (level == 0) {
            struct frame *frame = slot;
            if (frame != NULL) {
                *exclusive = alone && frame_is_exclusive(frame);
            }
            return frame;
        }
        node = slot;
    }
    return NULL;
}

struct node *tree_leaf(const struct memory_tree *tree, uint64_t page, bool *alone)
{
    struct node *node = tree->root;
    *alone = true;
    for (uint32_t level = tree->levels; node != NULL; node = node->slot[slot_number(page, level)]) {
        *alone = *alone && __atomic_load_n(&node->references, __ATOMIC_RELAXED) == 1;
        if (--level == 0) {
            break;
        }
    }
    return node;
}

static struct node *node_new(struct account *account, uint32_t level)
{
    struct payer *payer;
    uint64_t bytes = kmem_size(sizeof(struct node));
    if (payer_charge(account, ACCOUNT_OBJECTS, bytes, &payer) != STATUS_OK) {
        return NULL;
    }
    struct node *node = kmem_alloc(sizeof(*node));
    if (node == NULL) {
        payer_uncharge(payer, ACCOUNT_OBJECTS, bytes);
        return NULL;
    }
    memset(node, 0, sizeof(*node));
    node->references = 1;
    node->level = level;
    node->payer = payer;
    return node;
}

static void node_free(struct node *node)
{
    struct payer *payer = node->payer;
    kmem_free(node, sizeof(*node));
    payer_uncharge(payer, ACCOUNT_OBJECTS, kmem_size(sizeof(*node)));
}

/* A copy of a shared node that shares everything below; the caller's reference moves to the copy.
 */
static struct node *node_copy(struct account *account, struct node *node)
{
    struct node *copy = node_new(account, node->level);
    if (copy == NULL) {
        return NULL;
    }
    copy->present = node->present;
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

/* Make *place a node of that level that only this tree has. */
static bool node_own(struct account *account, void **place, uint32_t level)
{
    struct node *node = *place;
    if (node == NULL) {
        node = node_new(account, level);
    } else if (__atomic_load_n(&node->references, __ATOMIC_ACQUIRE) != 1) {
        node = node_copy(account, node);
    }
    if (node != NULL) {
        *place = node;
    }
    return node != NULL;
}

struct node *tree_leaf_own(struct memory_tree *tree, struct account *account, uint64_t page)
{
    void *root = tree->root;
    void **place = &root;
    struct node *node = NULL;
    for (uint32_t level = tree->levels; level-- > 0;) {
        bool owned = node_own(account, place, level);
        tree->root = root;
        if (!owned) {
            return NULL;
        }
        if (node != NULL) {
            node->present |= 1ull << slot_number(page, level + 1);
        }
        node = *place;
        place = &node->slot[slot_number(page, level)];
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
    void **place = &leaf->slot[slot_number(page, 0)];
    *old = *place;
    *place = frame;
    uint64_t bit = 1ull << slot_number(page, 0);
    leaf->present = frame != NULL ? leaf->present | bit : leaf->present & ~bit;
    return STATUS_OK;
}

/* True: the node itself holds nothing. It begins with page `base`, and nobody else shares it. */
static bool node_trim(struct node *node, uint64_t base, uint64_t first, uint64_t end)
{
    uint64_t span = 1ull << (NODE_BITS * node->level);
    for (uint64_t left = node->level == 0 ? 0 : node->present; left != 0; left &= left - 1) {
        uint32_t i = (uint32_t)__builtin_ctzll(left);
        uint64_t start = base + i * span;
        struct node *below = node->slot[i];
        bool concerned = start < end && start + span > first &&
                         __atomic_load_n(&below->references, __ATOMIC_ACQUIRE) == 1;
        if (concerned && node_trim(below, start, first, end)) {
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
        node_trim(root, 0, first, end)) {
        node_free(root);
        tree->root = NULL;
    }
}

static uint64_t next_in_node(const struct node *node, uint64_t base, uint64_t page, uint64_t end)
{
    uint64_t span = 1ull << (NODE_BITS * node->level);
    uint64_t first = page > base ? (page - base) / span : 0;
    uint64_t left = first < NODE_SLOTS ? node->present & UINT64_MAX << first : 0;
    for (; left != 0; left &= left - 1) {
        uint32_t i = (uint32_t)__builtin_ctzll(left);
        uint64_t start = base + i * span;
        if (start >= end) {
            break;
        }
        if (node->level == 0) {
            return start;
        }
        uint64_t found = next_in_node(node->slot[i], start, page, end);
        if (found != UINT64_MAX) {
            return found;
        }
    }
    return UINT64_MAX;
}

uint64_t tree_next_present(const struct memory_tree *tree, uint64_t page, uint64_t end)
{
    return tree->root == NULL ? UINT64_MAX : next_in_node(tree->root, 0, page, end);
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
