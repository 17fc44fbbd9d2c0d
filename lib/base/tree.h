/*
 * Ordered intrusive trees (treaps): every operation takes logarithmic expected time whatever the
 * order of the keys, because the shape follows random priorities. No allocation, no lock.
 */
#pragma once

#include "lib/base/types.h"

struct tree_node {
    struct tree_node *parent;
    struct tree_node *left;
    struct tree_node *right;
    uint64_t priority;
};

/* Negative, zero or positive as a comes before b, is the same, or comes after. */
typedef int (*tree_compare)(const struct tree_node *a, const struct tree_node *b);

struct tree {
    struct tree_node *root;
    tree_compare compare;
    uint64_t random; /* never 0, where a tree is not made by tree_init */
};

void tree_init(struct tree *tree, tree_compare compare);

/* No two nodes of a tree compare as the same. */
void tree_insert(struct tree *tree, struct tree_node *node);
void tree_remove(struct tree *tree, struct tree_node *node);

struct tree_node *tree_first(const struct tree *tree);
struct tree_node *tree_last(const struct tree *tree);
struct tree_node *tree_next(const struct tree_node *node);
struct tree_node *tree_previous(const struct tree_node *node);
