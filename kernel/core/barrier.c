#include "kernel/core/barrier.h"

#include "kernel/core/kmem.h"
#include "kernel/object/account.h"
#include "kernel/object/domain.h"

/*
 * Per CPU: objects that came since the last snapshot, and objects that wait for the CPUs of the
 * snapshot, each linked to the next by the node of the payer's list, which it has left.
 */
struct deferred {
    struct list_node *arrived;
    struct list_node *waiting;
    uint64_t entries[CPUS_MAX]; /* odd: this CPU must move on first */
};

static struct deferred deferred[CPUS_MAX];

void barrier_defer(struct object *object)
{
    struct cpu *cpu = cpu_current();
    object->in_account.next = deferred[cpu->number].arrived;
    deferred[cpu->number].arrived = &object->in_account;
    cpu->deferred++;
}

static void snapshot(struct deferred *own)
{
    /* The unlinking stores come before the loads of the counts; pairs with the entry's lock inc. */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    for (uint32_t i = 0; i < cpu_count; i++) {
        own->entries[i] = __atomic_load_n(&cpus[i]->kernel_entries, __ATOMIC_ACQUIRE);
    }
    own->entries[cpu_current()->number] = 0;
}

static bool snapshot_passed(struct deferred *own)
{
    for (uint32_t i = 0; i < cpu_count; i++) {
        if ((own->entries[i] & 1) &&
            __atomic_load_n(&cpus[i]->kernel_entries, __ATOMIC_ACQUIRE) == own->entries[i]) {
            return false;
        }
    }
    return true;
}

static void free_all(struct list_node *next)
{
    while (next != NULL) {
        struct object *object = CONTAINER_OF(next, struct object, in_account);
        next = next->next;
        cpu_current()->deferred--;
        if (object->type == OBJECT_DOMAIN) {
            domain_table_free(object_domain(object));
        }
        account_object_gone(object);
        kmem_free(object, object->size_bytes);
    }
}

bool barrier_poll(void)
{
    struct deferred *own = &deferred[cpu_current()->number];
    for (;;) {
        if (own->waiting != NULL && !snapshot_passed(own)) {
            return false;
        }
        free_all(own->waiting);
        own->waiting = own->arrived;
        own->arrived = NULL;
        if (own->waiting == NULL) {
            return true;
        }
        snapshot(own);
    }
}
