/*
 * Spaces: the application half of an address space, and the page-table roots that join it with its
 * domain's window. A sealed domain's space has two roots: the application's has no window; in the
 * personality's the application half does not execute.
 */
#pragma once

#include "kernel/core/call.h"
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

static inline struct space *object_space(struct object *object)
{
    return CONTAINER_OF(object, struct space, object);
}

/* A thread goes in; false when the space is dying. */
bool space_thread_entered(struct space *space);
void space_thread_left(struct space *space);
bool space_has_threads(const struct space *space);

/* A root with the window and no application half. */
status_t space_root_create(struct account *payer, struct region_map *window, uint64_t *root);
void space_root_free(struct account *payer, uint64_t root);

/* Also ends the threads that are in it. */
bool space_destroy_step(struct object *object);
