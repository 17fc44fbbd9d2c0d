#include "kernel/object/space.h"

#include "kernel/core/assert.h"
#include "kernel/object/account.h"
#include "kernel/object/domain.h"
#include "kernel/object/thread.h"
#include "kernel/x86_64/kernel_map.h"
#include "kernel/x86_64/layout.h"
#include "kernel/x86_64/memory_map.h"

static uint64_t table_physical(const uint64_t *table)
{
    return (uint64_t)(uintptr_t)table - DIRECT_MAP;
}

static void kernel_entries_copy(uint64_t *root)
{
    const uint64_t *kernel_root = physical_pointer(kernel_root_physical);
    root[DIRECT_MAP_SLOT] = kernel_root[DIRECT_MAP_SLOT];
    root[DEVICE_SLOT] = kernel_root[DEVICE_SLOT];
    root[IMAGE_SLOT] = kernel_root[IMAGE_SLOT];
}

static void window_enter(uint64_t *root, const struct region_map *window)
{
    root[WINDOW_SLOT] = table_physical(window->tables.top) | PTE_PRESENT | PTE_WRITE | PTE_USER;
}

status_t space_root_create(struct account *payer, struct region_map *window, uint64_t *root)
{
    uint64_t *table = table_new(payer);
    if (table == NULL) {
        return STATUS_NO_MEMORY;
    }
    kernel_entries_copy(table);
    window_enter(table, window);
    *root = table_physical(table);
    return STATUS_OK;
}

void space_root_free(struct account *payer, uint64_t root)
{
    table_free(payer, physical_pointer(root));
}

bool space_thread_entered(struct space *space)
{
    __atomic_fetch_add(&space->threads, 1, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&space->object.dying, __ATOMIC_SEQ_CST)) {
        space_thread_left(space);
        return false;
    }
    return true;
}

void space_thread_left(struct space *space)
{
    __atomic_fetch_sub(&space->threads, 1, __ATOMIC_SEQ_CST);
}

bool space_has_threads(const struct space *space)
{
    return __atomic_load_n(&space->threads, __ATOMIC_SEQ_CST) != 0;
}

static status_t space_roots_make(struct space *space, struct account *payer, struct domain *domain)
{
    uint64_t *application = table_new(payer);
    uint64_t *personality = domain->open ? application : table_new(payer);
    if (application == NULL || personality == NULL) {
        if (application != NULL) {
            table_free(payer, application);
        }
        if (personality != NULL && personality != application) {
            table_free(payer, personality);
        }
        return STATUS_NO_MEMORY;
    }
    kernel_entries_copy(application);
    kernel_entries_copy(personality);
    window_enter(personality, &domain->window);
    space->root_application = table_physical(application);
    space->root_personality = table_physical(personality);
    region_map_init_application(&space->map, payer, application, domain->open ? NULL : personality);
    return STATUS_OK;
}

static status_t space_make(struct account *payer, struct domain *domain, struct object **out)
{
    struct object *object;
    status_t status = object_create(payer, OBJECT_SPACE, sizeof(struct space), &object);
    if (status != STATUS_OK) {
        return status;
    }
    struct space *space = object_space(object);
    list_init(&space->in_domain);
    status = space_roots_make(space, payer, domain);
    if (status != STATUS_OK) {
        (void)object_begin_destroy(object);
        object_free(object);
        return status;
    }
    spin_lock(&domain->lock);
    bool alive = !domain->object.dying;
    if (alive) {
        space->domain = domain;
        list_append(&domain->spaces, &space->in_domain);
    }
    spin_unlock(&domain->lock);
    if (!alive) {
        while (!space_destroy_step(object)) {
        }
        return STATUS_BAD_CAPABILITY;
    }
    *out = object;
    return STATUS_OK;
}

status_t call_space_create(struct call *call)
{
    return space_make(object_account(call->object), object_domain(call->other), &call->made);
}

/* Some thread that is in the space. */
static struct thread *thread_inside(struct space *space)
{
    struct thread *found = NULL;
    spin_lock(&space->domain->lock);
    for (struct list_node *node = space->domain->threads.next;
         node != &space->domain->threads && found == NULL; node = node->next) {
        struct thread *thread = CONTAINER_OF(node, struct thread, in_domain);
        if (thread->space == space) {
            found = thread;
        }
    }
    spin_unlock(&space->domain->lock);
    return found;
}

bool space_destroy_step(struct object *object)
{
    struct space *space = object_space(object);
    (void)object_begin_destroy(object);
    if (space_has_threads(space)) {
        struct thread *thread = thread_inside(space);
        if (thread != NULL) {
            (void)thread_destroy_step(thread);
        }
        return false;
    }
    if (!region_map_destroy_step(&space->map)) {
        return false;
    }
    if (!object_claim_free(object)) {
        return true;
    }
    if (space->domain != NULL) {
        spin_lock(&space->domain->lock);
        list_remove(&space->in_domain);
        spin_unlock(&space->domain->lock);
    }
    struct account *payer = object->payer;
    table_free(payer, physical_pointer(space->root_application));
    if (space->root_personality != space->root_application) {
        table_free(payer, physical_pointer(space->root_personality));
    }
    object_free(object);
    return true;
}
