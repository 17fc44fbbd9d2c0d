#include "kernel/object/account.h"

#include "kernel/core/assert.h"
#include "kernel/core/kmem.h"
#include "kernel/core/scheduler.h"
#include "kernel/core/sealed.h"
#include "kernel/object/signal.h"
#include "lib/base/string.h"

#define CHUNK_BYTES      65536ull
#define OBJECTS_PER_STEP 8
/* Then the object table stays within what is kept for the kernel itself. */
#define PLACE_BYTES_LEAST 1024ull

static union {
    struct account account;
    uint8_t bytes[sizeof(struct account) + CPUS_MAX * BANDS * sizeof(struct thread *)];
} root_memory;
static struct payer root_payer = {.account = &root_memory.account};

struct account *const root_account = &root_memory.account;
static SEALED uint64_t place_bytes; /* by the root's first limit: one may be set later */

static void account_init(struct account *account, struct account *parent)
{
    spin_init(&account->lock, LOCK_ACCOUNT);
    list_init(&account->objects);
    account->parent = parent;
    account->depth = parent == NULL ? 0 : parent->depth + 1;
    account->alert_bytes = UINT64_MAX;
    account_cpu_init(&account->cpu);
}

/* The root may use all frames but a reserve for the kernel's own uncharged parts (slabs, tables).
 */
void account_init_root(void)
{
    struct account *root = root_account;
    account_init(root, NULL);
    root->payer = &root_payer;
    root->limit_bytes = frames_free_bytes() / 32 * 31;
    root->reserved_bytes = root->limit_bytes;
    place_bytes = PLACE_BYTES_LEAST + root->limit_bytes / OBJECTS_MAX;
    root->limit_threads = UINT64_MAX;
    root->object.type = OBJECT_ACCOUNT;
    list_init(&root->object.in_account);
    bool entered = object_enter(&root->object);
    assert(entered);
}

bool account_is_ancestor(const struct account *ancestor, const struct account *account)
{
    while (account != NULL && account != ancestor) {
        account = account->parent;
    }
    return account != NULL;
}

/* --- bytes ----------------------------------------------------------------------------------- */

/* Once each time that the use comes above the mark. The signal comes on the way out of the kernel:
 * its lock is before this one. Under the lock. */
static void alert_check(struct account *account)
{
    if (account->used_bytes > account->alert_bytes && !account->alert_raised) {
        account->alert_raised = scheduler_alert(object_handle(&account->object, 0));
    }
}

void account_alert(struct account *account)
{
    spin_lock(&account->lock);
    handle_t handle = account->alert_signal;
    uint64_t bits = account->alert_bits;
    spin_unlock(&account->lock);
    signal_set(handle, bits);
}

/* Take them from what is reserved already: the usual case. False: more must be reserved, or the
 * limit is reached. Under the lock. */
static inline bool reserved_take(struct account *account, uint64_t bytes)
{
    uint64_t used_bytes = account->used_bytes + bytes;
    if (used_bytes < bytes || used_bytes > MIN(account->reserved_bytes, account->limit_bytes)) {
        return false;
    }
    account->used_bytes = used_bytes;
    account->peak_bytes = MAX(account->peak_bytes, used_bytes);
    alert_check(account);
    return true;
}

static bool reserve(struct account *account, uint64_t bytes);

/* Extend the reservation to `used_bytes` from the parent, in chunks if it can. Under the lock. */
static bool reserve_more(struct account *account, uint64_t used_bytes)
{
    struct account *parent = account->parent;
    if (parent == NULL) {
        return false;
    }
    uint64_t missing = used_bytes - account->reserved_bytes;
    uint64_t wanted =
        MIN(MAX(missing, CHUNK_BYTES), account->limit_bytes - account->reserved_bytes);
    spin_lock_nested(&parent->lock);
    bool got = reserve(parent, wanted);
    if (!got) {
        wanted = missing;
        got = reserve(parent, wanted);
    }
    spin_unlock_nested(&parent->lock);
    if (got) {
        account->reserved_bytes += wanted;
    }
    return got;
}

/* Cover `bytes` more by the reservation, from the parent if need be. Under the account's lock. */
static bool reserve(struct account *account, uint64_t bytes)
{
    /* What slabs hold beside objects is nobody's, and missing in what the root can promise. */
    uint64_t spare_bytes = account->parent == NULL ? kmem_spare_bytes() : 0;
    uint64_t used_bytes = account->used_bytes + bytes;
    if (!range_inside(account->used_bytes, bytes, account->limit_bytes) ||
        !range_inside(used_bytes, spare_bytes, account->limit_bytes)) {
        return false;
    }
    if (used_bytes > account->reserved_bytes && !reserve_more(account, used_bytes)) {
        return false;
    }
    return reserved_take(account, bytes);
}

static inline void unreserve(struct account *account, uint64_t bytes);

/* Give what is reserved beyond `keep_bytes` back to the parent. Under the lock. */
static void reservation_cut(struct account *account, uint64_t keep_bytes)
{
    uint64_t excess = account->reserved_bytes - keep_bytes;
    account->reserved_bytes = keep_bytes;
    spin_lock_nested(&account->parent->lock);
    unreserve(account->parent, excess);
    spin_unlock_nested(&account->parent->lock);
}

/* Give back to the parent what is reserved beyond need by more than two chunks. Under the lock. */
static inline void unreserve(struct account *account, uint64_t bytes)
{
    assert(account->used_bytes >= bytes);
    account->used_bytes -= bytes;
    account->alert_raised = account->alert_raised && account->used_bytes > account->alert_bytes;
    uint64_t keep = MAX(account->used_bytes, account->guarantee_bytes);
    if (account->reserved_bytes > keep + 2 * CHUNK_BYTES && account->parent != NULL) {
        reservation_cut(account, keep + CHUNK_BYTES);
    }
}

/* Under the account's lock. */
static inline status_t charge(struct account *account, enum account_kind kind, uint64_t bytes)
{
    if (account->object.dying) {
        return STATUS_BAD_CAPABILITY;
    }
    if (!reserved_take(account, bytes) && !reserve(account, bytes)) {
        return STATUS_NO_MEMORY;
    }
    account->bytes[kind] += bytes;
    return STATUS_OK;
}

status_t account_charge(struct account *account, enum account_kind kind, uint64_t bytes,
                        struct payer **out)
{
    spin_lock(&account->lock);
    status_t status = charge(account, kind, bytes);
    if (out != NULL) {
        *out = account->payer;
    }
    spin_unlock(&account->lock);
    return status;
}

static inline void uncharge(struct account *account, enum account_kind kind, uint64_t bytes)
{
    assert(account->bytes[kind] >= bytes);
    account->bytes[kind] -= bytes;
    unreserve(account, bytes);
}

void account_uncharge(struct account *account, enum account_kind kind, uint64_t bytes)
{
    spin_lock(&account->lock);
    uncharge(account, kind, bytes);
    spin_unlock(&account->lock);
}

void *account_alloc(struct account *account, size_t size_bytes, struct payer **out)
{
    void *memory = kmem_alloc(size_bytes);
    if (memory != NULL &&
        account_charge(account, ACCOUNT_OBJECTS, kmem_size(size_bytes), out) != STATUS_OK) {
        kmem_free(memory, size_bytes);
        return NULL;
    }
    return memory;
}

void account_free(struct account *account, void *memory, size_t size_bytes)
{
    kmem_free(memory, size_bytes);
    account_uncharge(account, ACCOUNT_OBJECTS, kmem_size(size_bytes));
}

void payer_free(struct payer *payer, void *memory, size_t size_bytes)
{
    kmem_free(memory, size_bytes);
    payer_uncharge(payer, ACCOUNT_OBJECTS, kmem_size(size_bytes));
}

void payer_uncharge(struct payer *payer, enum account_kind kind, uint64_t bytes)
{
    struct account *account = payer->account;
    struct payer *heir = __atomic_load_n(&payer->heir, __ATOMIC_ACQUIRE);
    if (heir == NULL) {
        /* If it is released meanwhile, its memory still stays until this CPU leaves the kernel. */
        spin_lock(&account->lock);
        heir = payer->heir;
        if (heir == NULL) {
            uncharge(account, kind, bytes);
        }
        spin_unlock(&account->lock);
    }
    if (heir != NULL) {
        uint64_t before = __atomic_fetch_sub(&payer->left_bytes, bytes, __ATOMIC_ACQ_REL);
        assert(before >= bytes);
        payer_uncharge(heir, kind, bytes); /* at most ACCOUNT_DEPTH_MAX deep */
        if (before == bytes) {
            payer_free(heir, payer, sizeof(*payer));
        }
    }
}

/* In one piece: every page fault that needs memory comes through here. */
__attribute__((flatten)) struct frame *account_frame_take(struct account *account, bool zeroed)
{
    struct payer *payer;
    if (account_charge(account, ACCOUNT_FRAMES, PAGE_SIZE, &payer) != STATUS_OK) {
        return NULL;
    }
    struct frame *frame = frame_take(zeroed);
    if (frame == NULL) {
        payer_uncharge(payer, ACCOUNT_FRAMES, PAGE_SIZE);
        return NULL;
    }
    frame->payer = payer;
    return frame;
}

bool account_frames_take(struct account *account, struct frame *these, struct frame **frames,
                         uint32_t count)
{
    struct payer *payer;
    if (account_charge(account, ACCOUNT_FRAMES, count * PAGE_SIZE, &payer) != STATUS_OK) {
        return false;
    }
    if (these == NULL ? !frames_take_zeroed(frames, count)
                      : frames_take_adjacent(these, count) == NULL) {
        payer_uncharge(payer, ACCOUNT_FRAMES, count * PAGE_SIZE);
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        frames[i] = these == NULL ? frames[i] : &these[i];
        frames[i]->payer = payer;
    }
    return true;
}

void frame_release(struct frame *frame)
{
    if (frame->flags & FRAME_FOREIGN ||
        __atomic_sub_fetch(&frame->references, 1, __ATOMIC_ACQ_REL) != 0) {
        return;
    }
    struct payer *payer = frame->payer;
    frame_give(frame);
    payer_uncharge(payer, ACCOUNT_FRAMES, PAGE_SIZE);
}

/* --- threads --------------------------------------------------------------------------------- */

void account_uncharge_thread(struct account *account, const struct account *end)
{
    for (struct account *next = account; next != end; next = next->parent) {
        spin_lock(&next->lock);
        next->threads--;
        spin_unlock(&next->lock);
    }
}

status_t account_charge_thread(struct account *account)
{
    for (struct account *next = account; next != NULL; next = next->parent) {
        spin_lock(&next->lock);
        bool room = next->threads < next->limit_threads;
        next->threads += room;
        spin_unlock(&next->lock);
        if (!room) {
            account_uncharge_thread(account, next);
            return STATUS_LIMIT_REACHED;
        }
    }
    return STATUS_OK;
}

/* --- objects --------------------------------------------------------------------------------- */

uint64_t account_place_bytes(void)
{
    return place_bytes;
}

static uint64_t object_cost(const struct object *object)
{
    return kmem_size(object->size_bytes) + account_place_bytes();
}

status_t account_object_new(struct object *object)
{
    struct account *payer = object->payer;
    struct list_node *objects = &payer->objects;
    /* All at once: who destroys the account waits for what is counted here. */
    spin_lock(&payer->lock);
    status_t status = charge(payer, ACCOUNT_OBJECTS, object_cost(object));
    if (status == STATUS_OK) {
        payer->objects_alive++;
        list_insert_before(object->type == OBJECT_THREAD ? objects->next : objects,
                           &object->in_account);
    }
    spin_unlock(&payer->lock);
    return status;
}

void account_unlink_object(struct object *object)
{
    spin_lock(&object->payer->lock);
    list_remove(&object->in_account);
    spin_unlock(&object->payer->lock);
}

void account_object_gone(const struct object *object)
{
    struct account *payer = object->payer;
    spin_lock(&payer->lock);
    uncharge(payer, ACCOUNT_OBJECTS, object_cost(object));
    __atomic_store_n(&payer->objects_alive, payer->objects_alive - 1, __ATOMIC_RELEASE);
    spin_unlock(&payer->lock);
}

/* --- calls ----------------------------------------------------------------------------------- */

/* Reserve what is missing, or give back what is too much now. Under the account's lock. */
static status_t guarantee_set(struct account *account, uint64_t bytes)
{
    /* More than half the number range is never there: cut, so that rounding up cannot overflow. */
    bytes = ALIGN_UP(MIN(bytes, 1ull << 63), PAGE_SIZE);
    if (account->object.dying) {
        return STATUS_BAD_CAPABILITY; /* it may have left the parent's books already */
    }
    if (account->parent == NULL || bytes > account->limit_bytes) {
        return STATUS_INVALID_ARGUMENT;
    }
    if (bytes > account->reserved_bytes && !reserve_more(account, bytes)) {
        return STATUS_NO_MEMORY;
    }
    account->guarantee_bytes = bytes;
    if (account->reserved_bytes > MAX(account->used_bytes, bytes)) {
        reservation_cut(account, MAX(account->used_bytes, bytes));
    }
    return STATUS_OK;
}

/* What a new account has beside its object: its payer record, and what it is guaranteed. */
static status_t account_complete(struct account *account, uint64_t guarantee_bytes)
{
    struct payer *heir;
    struct payer *payer = account_alloc(account->parent, sizeof(*payer), &heir);
    if (payer == NULL) {
        return STATUS_NO_MEMORY;
    }
    *payer = (struct payer){.account = account};
    account->payer = payer;
    spin_lock(&account->lock);
    status_t status = guarantee_set(account, guarantee_bytes);
    spin_unlock(&account->lock);
    return status;
}

status_t call_account_create(struct call *call)
{
    struct account *parent = object_account(call->object);
    if (parent->depth + 1 >= ACCOUNT_DEPTH_MAX) {
        return STATUS_LIMIT_REACHED;
    }
    size_t size_bytes = sizeof(struct account) + cpu_count * BANDS * sizeof(struct thread *);
    status_t status = object_create(parent, OBJECT_ACCOUNT, size_bytes, &call->made);
    if (status != STATUS_OK) {
        return status;
    }
    struct account *account = object_account(call->made);
    account_init(account, parent);
    account->limit_bytes = call->argument[3];
    account->limit_threads = call->argument[4];
    return account_complete(account, call->argument[2]);
}

static status_t account_set(struct call *call, struct account *account)
{
    uint64_t value = call->argument[2];
    switch (call->argument[1]) {
    case ACCOUNT_LIMIT_BYTES:
        if (value < account->guarantee_bytes) {
            return STATUS_INVALID_ARGUMENT;
        }
        account->limit_bytes = value;
        return STATUS_OK;
    case ACCOUNT_LIMIT_THREADS:
        account->limit_threads = value;
        return STATUS_OK;
    case ACCOUNT_GUARANTEE_BYTES:
        return guarantee_set(account, value);
    case ACCOUNT_ALERT_BYTES:
        account->alert_bytes = value;
        account->alert_signal = call->other == NULL ? 0 : object_handle(call->other, 0);
        account->alert_bits = call->argument[4];
        account->alert_raised = false;
        alert_check(account);
        return STATUS_OK;
    case ACCOUNT_CPU_WEIGHT:
        return account_set_weight(account, value);
    case ACCOUNT_CPU_QUOTA:
        account_set_quota(account, value);
        return STATUS_OK;
    case ACCOUNT_CPU_PERIOD:
        return account_set_period(account, value);
    case ACCOUNT_FROZEN:
        return account_set_frozen(account, value);
    default:
        return STATUS_INVALID_ARGUMENT;
    }
}

status_t call_account_set(struct call *call)
{
    struct account *account = object_account(call->object);
    spin_lock(&account->lock);
    status_t status = account->object.dying ? STATUS_BAD_CAPABILITY : account_set(call, account);
    spin_unlock(&account->lock);
    scheduler_yield(); /* other CPUs see a new quota at their next tick or release */
    return status;
}

/* The account whose quota holds this one's threads back first: the nearest, going up, that has one.
 */
static const struct account *held_by(const struct account *account)
{
    for (const struct account *up = account; up != NULL; up = up->parent) {
        if (up->cpu.quota_ns != 0) {
            return up;
        }
    }
    return account;
}

status_t account_read(const struct call *call, void *out)
{
    struct account *account = object_account(call->object);
    const struct account_cpu *cpu = &account->cpu;
    const struct account *held = held_by(account);
    struct account_usage *usage = out;
    *usage = (struct account_usage){
        .application_ns = __atomic_load_n(&cpu->application_ns, __ATOMIC_RELAXED),
        .personality_ns = __atomic_load_n(&cpu->personality_ns, __ATOMIC_RELAXED),
        .throttled_ns = __atomic_load_n(&cpu->throttled_ns, __ATOMIC_RELAXED),
        .cpu_weight = __atomic_load_n(&cpu->activity, __ATOMIC_RELAXED) >> 32,
        .cpu_quota_ns = held->cpu.quota_ns,
        .cpu_period_ns = held->cpu.period_ns,
        .running = scheduler_running(account, account_is_frozen(account)),
    };
    scheduler_add_turns(account, &usage->application_ns, &usage->personality_ns);
    usage->cpu_ns = usage->application_ns + usage->personality_ns;
    spin_lock(&account->lock);
    memcpy(usage->bytes, account->bytes, sizeof(usage->bytes));
    usage->bytes_total = account->used_bytes;
    usage->bytes_peak = account->peak_bytes;
    usage->limit_bytes = account->limit_bytes;
    usage->guarantee_bytes = account->guarantee_bytes;
    usage->threads = account->threads;
    usage->limit_threads = account->limit_threads;
    spin_unlock(&account->lock);
    return STATUS_OK;
}

/* --- destruction ----------------------------------------------------------------------------- */

bool account_end_step(struct object *object)
{
    struct account *account = object_account(object);
    for (uint32_t i = 0; i < OBJECTS_PER_STEP; i++) {
        spin_lock(&account->lock);
        struct list_node *node = account->objects.next;
        spin_unlock(&account->lock);
        if (node == &account->objects) {
            break;
        }
        struct object *first = CONTAINER_OF(node, struct object, in_account);
        if (__atomic_load_n(&first->building, __ATOMIC_ACQUIRE) || !object_destroy_step(first)) {
            return false;
        }
    }
    return __atomic_load_n(&account->objects_alive, __ATOMIC_ACQUIRE) == 0;
}

/* What is still shared with others becomes the parent's. */
void account_release(struct object *object)
{
    struct account *account = object_account(object);
    struct payer *payer = account->payer;
    struct account *parent = account->parent;
    if (payer == NULL) {
        return; /* it was never complete */
    }
    struct payer *heir = parent->payer;
    spin_lock(&account->lock);
    spin_lock_nested(&parent->lock);
    uint64_t shared_bytes = account->used_bytes; /* all else went with the objects */
    payer->left_bytes = shared_bytes;
    assert(account->bytes[ACCOUNT_TABLES] == 0);
    assert(account->bytes[ACCOUNT_FRAMES] + account->bytes[ACCOUNT_OBJECTS] == shared_bytes);
    for (uint32_t kind = 0; kind < ACCOUNT_KINDS; kind++) {
        parent->bytes[kind] += account->bytes[kind];
        account->bytes[kind] = 0;
    }
    unreserve(parent, account->reserved_bytes - shared_bytes);
    account->reserved_bytes = 0;
    account->used_bytes = 0;
    account_cpu_end(account);
    spin_unlock_nested(&parent->lock);
    __atomic_store_n(&payer->heir, heir, __ATOMIC_RELEASE);
    spin_unlock(&account->lock);
    if (shared_bytes == 0) {
        payer_free(heir, payer, sizeof(*payer));
    }
}
