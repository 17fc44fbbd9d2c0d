/*
 * Spaces: the application half of an address space, and the page-table roots that join it with its
 * domain's window. A sealed domain's space has two roots: the application's has no window; in the
 * personality's the application half does not execute.
 */
#pragma once

#include "kernel/object/region.h"

struct domain;

struct space {
    struct object object;
    struct domain *domain;
    struct list_node in_domain;
    struct region_map map;
    uint64_t root_application; /* physical */
    uint64_t root_personality;
    uint64_t threads; /* in it; atomic */
};

OBJECT_AS(space)

/* A thread goes in; false when the space is dying. */
bool space_thread_entered(struct space *space);
void space_thread_left(struct space *space);
bool space_has_threads(const struct space *space);

/* A root with that window, or none, and no application half; its physical address, 0: no memory. */
uint64_t space_root_new(struct account *payer, const struct region_map *window);
void space_root_free(struct account *payer, uint64_t root);

/* Ends the threads that are in it, too. */
bool space_end_step(struct object *object);
void space_release(struct object *object);
