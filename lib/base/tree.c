#include "lib/base/tree.h"

void tree_init(struct tree *tree, tree_compare compare)
{
    tree->root = NULL;
    tree->compare = compare;
    tree->random = (uintptr_t)tree | 1;
}

/* xorshift64*: good enough that nobody can order keys against it without seeing its state. */
static uint64_t random_next(struct tree *tree)
{
    tree->random ^= tree->random >> 12;
    tree->random ^= tree->random << 25;
    tree->random ^= tree->random >> 27;
    return tree->random * 2685821657736338717ull;
}

static void child_replace(struct tree *tree, struct tree_node *parent, struct tree_node *old,
                          struct tree_node *new)
{
    if (parent == NULL) {
        tree->root = new;
    } else if (parent->left == old) {
        parent->left = new;
    } else {
        parent->right = new;
    }
    if (new != NULL) {
        new->parent = parent;
    }
}

/* Lift a node over its parent; the order stays. */
static void rotate_up(struct tree *tree, struct tree_node *node)
{
    struct tree_node *parent = node->parent;
    child_replace(tree, parent->parent, parent, node);
    struct tree_node *moved;
    if (parent->left == node) {
        moved = node->right;
        parent->left = moved;
        node->right = parent;
    } else {
        moved = node->left;
        parent->right = moved;
        node->left = parent;
    }
    if (moved != NULL) {
        moved->parent = parent;
    }
    parent->parent = node;
}

void tree_insert(struct tree *tree, struct tree_node *node)
{
    struct tree_node *parent = NULL;
    struct tree_node **place = &tree->root;
    while (*place != NULL) {
        parent = *place;
        place = tree->compare(node, parent) < 0 ? &parent->left : &parent->right;
    }
    node->parent = parent;
    node->left = NULL;
    node->right = NULL;
    node->priority = random_next(tree);
    *place = node;
    while (node->parent != NULL && node->parent->priority < node->priority) {
        rotate_up(tree, node);
    }
}

void tree_remove(struct tree *tree, struct tree_node *node)
{
    while (node->left != NULL && node->right != NULL) {
        rotate_up(tree, node->left->priority > node->right->priority ? node->left : node->right);
    }
    child_replace(tree, node->parent, node, node->left != NULL ? node->left : node->right);
    node->parent = NULL;
    node->left = NULL;
    node->right = NULL;
}

static struct tree_node *leftmost(struct tree_node *node)
{
    while (node != NULL && node->left != NULL) {
        node = node->left;
    }
    return node;
}

static struct tree_node *rightmost(struct tree_node *node)
{
    while (node != NULL && node->right != NULL) {
        node = node->right;
    }
    return node;
}

struct tree_node *tree_first(const struct tree *tree)
{
    return leftmost(tree->root);
}

struct tree_node *tree_last(const struct tree *tree)
{
    return rightmost(tree->root);
}

struct tree_node *tree_next(const struct tree_node *node)
{
    if (node->right != NULL) {
        return leftmost(node->right);
    }
    while (node->parent != NULL && node->parent->right == node) {
        node = node->parent;
    }
    return node->parent;
}

struct tree_node *tree_previous(const struct tree_node *node)
{
    if (node->left != NULL) {
        return rightmost(node->left);
    }
    while (node->parent != NULL && node->parent->left == node) {
        node = node->parent;
    }
    return node->parent;
}
