#include "kernel/object/space.h"

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

uint64_t space_root_new(struct account *payer, const struct region_map *window)
{
    const uint64_t *kernel_root = physical_pointer(kernel_root_physical);
    uint64_t *root = table_new(payer);
    if (root == NULL) {
        return 0;
    }
    root[DIRECT_MAP_SLOT] = kernel_root[DIRECT_MAP_SLOT];
    root[DEVICE_SLOT] = kernel_root[DEVICE_SLOT];
    root[IMAGE_SLOT] = kernel_root[IMAGE_SLOT];
    if (window != NULL) {
        root[WINDOW_SLOT] = table_physical(window->tables.top) | PTE_PRESENT | PTE_WRITE | PTE_USER;
    }
    return table_physical(root);
}

void space_root_free(struct account *payer, uint64_t root)
{
    if (root != 0) {
        table_free(payer, physical_pointer(root));
    }
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

/* The roots, and the regions over them. An open domain's space has one root for both modes. */
static status_t roots_make(struct space *space, struct account *payer, struct domain *domain)
{
    space->root_personality = space_root_new(payer, &domain->window);
    space->root_application = domain->open ? space->root_personality : space_root_new(payer, NULL);
    if (space->root_application == 0 || space->root_personality == 0) {
        return STATUS_NO_MEMORY;
    }
    region_map_init_application(&space->map, payer, physical_pointer(space->root_application),
                                domain->open ? NULL : physical_pointer(space->root_personality));
    return STATUS_OK;
}

/* Into the domain's list, unless the domain is dying. */
static status_t domain_join(struct space *space, struct domain *domain)
{
    spin_lock(&domain->lock);
    bool alive = !domain->object.dying;
    if (alive) {
        space->domain = domain;
        list_append(&domain->spaces, &space->in_domain);
    }
    spin_unlock(&domain->lock);
    return alive ? STATUS_OK : STATUS_BAD_CAPABILITY;
}

status_t call_space_create(struct call *call)
{
    struct account *payer = object_account(call->object);
    struct domain *domain = object_domain(call->other);
    status_t status = object_create(payer, OBJECT_SPACE, sizeof(struct space), &call->made);
    if (status != STATUS_OK) {
        return status;
    }
    struct space *space = object_space(call->made);
    list_init(&space->in_domain);
    status = roots_make(space, payer, domain);
    if (status == STATUS_OK) {
        status = domain_join(space, domain);
    }
    return status;
}

/* Some thread that is in the space. */
static struct thread *thread_inside(struct space *space)
{
    struct thread *found = NULL;
    spin_lock(&space->domain->lock);
    LIST_EACH (struct thread, thread, &space->domain->threads, in_domain) {
        if (thread->space == space) {
            found = thread;
            break;
        }
    }
    spin_unlock(&space->domain->lock);
    return found;
}

bool space_end_step(struct object *object)
{
    struct space *space = object_space(object);
    if (space_has_threads(space)) {
        struct thread *thread = thread_inside(space);
        if (thread != NULL) {
            (void)object_destroy_step(&thread->object);
        }
        return false;
    }
    return region_map_destroy_step(&space->map);
}

void space_release(struct object *object)
{
    struct space *space = object_space(object);
    if (space->domain != NULL) {
        spin_lock(&space->domain->lock);
        list_remove(&space->in_domain);
        spin_unlock(&space->domain->lock);
    }
    space_root_free(object->payer, space->root_application);
    if (space->root_personality != space->root_application) {
        space_root_free(object->payer, space->root_personality);
    }
}
