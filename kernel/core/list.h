/* Doubly linked circular lists; a node that is in no list points to itself. */
#pragma once

#include "lib/base/types.h"

struct list_node {
    struct list_node *next;
    struct list_node *previous;
};

/* Over the structures of that type whose `member` is in the list; none is taken out meanwhile. */
#define LIST_EACH(type, item, list, member)                                                        \
    for (type *item = CONTAINER_OF((list)->next, type, member);                                    \
         (const uint8_t *)item + offsetof(type, member) != (const uint8_t *)(list);                \
         item = CONTAINER_OF(item->member.next, type, member))

static inline void list_init(struct list_node *node)
{
    node->next = node;
    node->previous = node;
}

static inline bool list_empty(const struct list_node *head)
{
    return head->next == head;
}

static inline void list_insert_before(struct list_node *place, struct list_node *node)
{
    struct list_node *previous = place->previous;
    node->next = place;
    node->previous = previous;
    previous->next = node;
    place->previous = node;
}

static inline void list_append(struct list_node *head, struct list_node *node)
{
    list_insert_before(head, node);
}

/* The node itself is left as it is. */
static inline void list_unlink(struct list_node *node)
{
    struct list_node *next = node->next;
    struct list_node *previous = node->previous;
    previous->next = next;
    next->previous = previous;
}

static inline void list_remove(struct list_node *node)
{
    list_unlink(node);
    list_init(node);
}

/* Everything in one list goes over to another head. */
static inline void list_take_all(struct list_node *to, struct list_node *from)
{
    list_init(to);
    if (!list_empty(from)) {
        list_insert_before(from, to);
        list_remove(from);
    }
}
