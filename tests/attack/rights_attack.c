/*
 * Every call of abi/syscalls.def with forged slots, with objects of every other type, and with a
 * capability that has every right but the one it needs: BAD_CAPABILITY, WRONG_TYPE, NO_RIGHT. Then
 * the same for the capabilities that come as later arguments.
 */
#include "tests/attack/attack.h"

#include "lib/oak/slots.h"

#define RIGHT_0 0

#define KERNEL_CALL(number, name_, arguments, results, type_, right_, other, makes, shape,         \
                    meaning)                                                                       \
    {#name_, number, TYPE_##type_, RIGHT_##right_},
static const struct {
    const char *name;
    uint32_t number;
    uint32_t type;
    uint32_t right;
} calls[] = {
#include "abi/syscalls.def"
};
#undef KERNEL_CALL

/* One object of each type, by type. */
static uint32_t objects[OBJECT_TYPES];

static void objects_make(void)
{
    struct kernel_results results;
    for (uint32_t type = 1; type < OBJECT_TYPES; type++) {
        objects[type] = slot_new();
    }
    must(kernel_account_create(SLOT_ACCOUNT, objects[OBJECT_ACCOUNT], 0, 1 << 20, 4), "account");
    must(kernel_domain_create(SLOT_ACCOUNT, objects[OBJECT_DOMAIN], 0, SLOT_NONE, 0), "domain");
    must(kernel_space_create(SLOT_ACCOUNT, objects[OBJECT_SPACE], objects[OBJECT_DOMAIN]), "space");
    must(kernel_memory_create(SLOT_ACCOUNT, objects[OBJECT_MEMORY], 4 * PAGE_SIZE), "memory");
    must(kernel_endpoint_create(SLOT_ACCOUNT, objects[OBJECT_ENDPOINT]), "endpoint");
    must(kernel_gate_create(SLOT_ACCOUNT, objects[OBJECT_GATE], objects[OBJECT_ENDPOINT], 1),
         "gate");
    must(kernel_signal_create(SLOT_ACCOUNT, objects[OBJECT_SIGNAL]), "signal");
    must(kernel_irq_create(INIT_SLOT_PLATFORM, objects[OBJECT_IRQ], SLOT_ACCOUNT, IRQ_MSI,
                           objects[OBJECT_SIGNAL], 1, &results),
         "irq");
    must(kernel_ioport_create(INIT_SLOT_PLATFORM, objects[OBJECT_IOPORT], SLOT_ACCOUNT, 0x80, 1),
         "ioport");
    must(kernel_capability_copy(SLOT_DOMAIN, objects[OBJECT_PLATFORM], INIT_SLOT_PLATFORM,
                                RIGHTS_ALL),
         "platform");
    uint64_t place = window_place(PAGE_SIZE);
    must(kernel_region_map(SLOT_DOMAIN, place | RIGHT_READ | RIGHT_WRITE, PAGE_SIZE,
                           memory_new(SLOT_ACCOUNT, PAGE_SIZE), 0, 0),
         "frame");
    must(kernel_thread_create(SLOT_ACCOUNT, objects[OBJECT_THREAD], SLOT_DOMAIN, place, 0, 0),
         "thread");
}

static status_t call_with(uint32_t number, uint64_t slot)
{
    struct kernel_results results;
    return kernel_call_6(number, slot, 0, 0, 0, 0, 0, &results);
}

/* `wanted` is a set: enum object_types. */
static bool takes(uint32_t wanted, uint32_t type)
{
    return wanted >> type & 1;
}

static void report(const char *what, const char *name, status_t status)
{
    log_line("# %s %s: %s", what, name, status_name(status));
}

static bool forged_slots(const char *name, uint32_t number)
{
    uint32_t empty = slot_new();
    uint32_t stale = slot_new();
    must(kernel_signal_create(SLOT_ACCOUNT, stale), "signal");
    must(kernel_object_destroy(stale), "destroy");
    const uint64_t slots[] = {0,
                              empty,
                              stale,
                              SLOTS,
                              SLOTS - 1,
                              UINT32_MAX,
                              UINT64_MAX,
                              1ull << 32 | SLOT_DOMAIN,
                              1ull << 63 | SLOT_ACCOUNT,
                              0xffffffff80000000ull,
                              WINDOW_BASE};
    bool refused = true;
    for (size_t i = 0; i < ARRAY_LENGTH(slots); i++) {
        status_t status = call_with(number, slots[i]);
        if (status != STATUS_BAD_CAPABILITY) {
            report("forged slot", name, status);
            refused = false;
        }
    }
    slot_release(stale);
    slot_free(empty);
    return refused;
}

static bool wrong_types(const char *name, uint32_t number, uint32_t wanted)
{
    bool refused = true;
    for (uint32_t type = 1; type < OBJECT_TYPES; type++) {
        status_t status =
            takes(wanted, type) ? STATUS_WRONG_TYPE : call_with(number, objects[type]);
        if (status != STATUS_WRONG_TYPE) {
            report("wrong type", name, status);
            refused = false;
        }
    }
    return refused;
}

static bool missing_right(const char *name, uint32_t number, uint32_t wanted, uint32_t right)
{
    bool refused = true;
    for (uint32_t type = 1; type < OBJECT_TYPES; type++) {
        if (!takes(wanted, type)) {
            continue;
        }
        uint32_t weak = slot_new();
        must(kernel_capability_copy(SLOT_DOMAIN, weak, objects[type], RIGHTS_ALL & ~right), "copy");
        status_t status = call_with(number, weak);
        if (status != STATUS_NO_RIGHT) {
            report("missing right", name, status);
            refused = false;
        }
        slot_release(weak);
    }
    return refused;
}

static void attack_first_argument(void)
{
    bool forged = true;
    bool types = true;
    bool rights = true;
    for (size_t i = 0; i < ARRAY_LENGTH(calls); i++) {
        if (calls[i].type == TYPE_NONE) {
            continue;
        }
        forged = forged_slots(calls[i].name, calls[i].number) && forged;
        types = wrong_types(calls[i].name, calls[i].number, calls[i].type) && types;
        rights =
            missing_right(calls[i].name, calls[i].number, calls[i].type, calls[i].right) && rights;
    }
    ok(forged, "no call takes a slot that is empty, stale, or outside the table");
    ok(types, "no call takes an object of another type");
    ok(rights, "no call works without its right");
    ok(forged_slots("object_destroy", CALL_object_destroy), "nor is such a slot destroyed");
    ok(missing_right("object_destroy", CALL_object_destroy, TYPE_ANY, RIGHT_DESTROY),
       "nor any object without that right");
}

/* A call whose argument `place` must be of that type with that right; the others are good. */
struct later_argument {
    const char *name;
    uint32_t number;
    uint32_t place;
    uint32_t type;
    uint32_t right;
    uint64_t argument[6];
};

static status_t call_later(const struct later_argument *attack, uint64_t slot)
{
    uint64_t a[6];
    for (uint32_t i = 0; i < 6; i++) {
        a[i] = attack->argument[i];
    }
    a[attack->place] = slot;
    struct kernel_results results;
    return kernel_call_6(attack->number, a[0], a[1], a[2], a[3], a[4], a[5], &results);
}

static bool later_argument(const struct later_argument *attack)
{
    bool refused = true;
    for (uint32_t type = 1; type < OBJECT_TYPES; type++) {
        status_t status = STATUS_WRONG_TYPE;
        if (!takes(attack->type, type)) {
            status = call_later(attack, objects[type]);
        }
        refused = refused && status == STATUS_WRONG_TYPE;
        if (status != STATUS_WRONG_TYPE) {
            report("wrong later type", attack->name, status);
        }
    }
    static const uint64_t forged[] = {SLOTS, SLOTS - 1, UINT64_MAX, 1ull << 40 | SLOT_DOMAIN};
    for (size_t i = 0; i < ARRAY_LENGTH(forged); i++) {
        status_t status = call_later(attack, forged[i]);
        refused = refused && status == STATUS_BAD_CAPABILITY;
        if (status != STATUS_BAD_CAPABILITY) {
            report("forged later slot", attack->name, status);
        }
    }
    if (attack->right != 0) {
        uint32_t weak = slot_new();
        uint32_t type =
            attack->type == TYPE_HALF ? OBJECT_SPACE : (uint32_t)__builtin_ctz(attack->type);
        must(kernel_capability_copy(SLOT_DOMAIN, weak, objects[type], RIGHTS_ALL & ~attack->right),
             "copy");
        status_t status = call_later(attack, weak);
        refused = refused && status == STATUS_NO_RIGHT;
        if (status != STATUS_NO_RIGHT) {
            report("missing later right", attack->name, status);
        }
        slot_release(weak);
    }
    return refused;
}

static void attack_later_arguments(void)
{
    uint64_t fresh = slot_new();
    uint64_t account = SLOT_ACCOUNT;
    uint64_t platform = INIT_SLOT_PLATFORM;
    uint64_t signal = objects[OBJECT_SIGNAL];
    uint64_t memory = objects[OBJECT_MEMORY];
#define ATTACK(name, place, type, right, ...)                                                      \
    {                                                                                              \
#name, CALL_##name, place, TYPE_##type, right,                                             \
        {                                                                                          \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }
    const struct later_argument attacks[] = {
        ATTACK(gate_create, 2, ENDPOINT, RIGHT_CALL, account, fresh, 0, 1),
        ATTACK(domain_create, 3, SIGNAL, RIGHT_WRITE, account, fresh, 0, 0, 1),
        ATTACK(space_create, 2, DOMAIN, RIGHT_CONTROL, account, fresh, 0),
        ATTACK(memory_clone, 2, MEMORY, RIGHT_READ, account, fresh, 0, 0, PAGE_SIZE),
        ATTACK(memory_clone, 2, MEMORY, RIGHT_CONTROL, account, fresh, 0, 0, PAGE_SIZE),
        ATTACK(memory_view, 2, MEMORY, 0, account, fresh, 0, 0, PAGE_SIZE, RIGHTS_ALL),
        ATTACK(memory_move, 2, MEMORY, RIGHT_CONTROL, memory, 0, 0, 0, PAGE_SIZE),
        ATTACK(memory_create_platform, 2, ACCOUNT, RIGHT_PAY, platform, fresh, 0, PAGE_SIZE,
               MEMORY_DMA),
        ATTACK(thread_create, 2, DOMAIN, RIGHT_CONTROL, account, fresh, 0, WINDOW_HEAP, 0, 0),
        ATTACK(thread_start, 1, SPACE, RIGHT_CONTROL, objects[OBJECT_THREAD], 0, WINDOW_IMAGE, 0),
        ATTACK(thread_set_space, 0, SPACE, RIGHT_CONTROL, 0),
        ATTACK(irq_create, 2, ACCOUNT, RIGHT_PAY, platform, fresh, 0, IRQ_MSI, signal, 1),
        ATTACK(irq_create, 4, SIGNAL, RIGHT_WRITE, platform, fresh, account, IRQ_MSI, 0, 1),
        ATTACK(ioport_create, 2, ACCOUNT, RIGHT_PAY, platform, fresh, 0, 0x80, 1),
        ATTACK(endpoint_receive, 1, SIGNAL, RIGHT_READ, objects[OBJECT_ENDPOINT], 0, 0),
        ATTACK(endpoint_reply_receive, 3, SIGNAL, RIGHT_READ, objects[OBJECT_ENDPOINT], 0, 0, 0),
        ATTACK(regions_copy, 1, HALF, RIGHT_CONTROL, objects[OBJECT_SPACE], 0, memory, memory),
        ATTACK(regions_copy, 2, MEMORY, RIGHT_READ, objects[OBJECT_SPACE], objects[OBJECT_SPACE], 0,
               memory),
        ATTACK(regions_copy, 2, MEMORY, RIGHT_WRITE, objects[OBJECT_SPACE], objects[OBJECT_SPACE],
               0, memory),
    };
#undef ATTACK
    bool refused = true;
    for (size_t i = 0; i < ARRAY_LENGTH(attacks); i++) {
        refused = later_argument(&attacks[i]) && refused;
    }
    ok(refused, "later arguments are checked for slot, type and right as well");
    struct kernel_results results;
    must(kernel_capability_read(SLOT_DOMAIN, fresh, &results), "read");
    ok(results.value[0] == 0, "and none of the refused calls made anything");
    slot_free((uint32_t)fresh);
}

/* What a call must never do to the slot where its object goes. */
static void attack_destinations(void)
{
    static const uint64_t bad[] = {0, SLOTS, UINT64_MAX, 1ull << 32 | 1000, WINDOW_BASE};
    const struct {
        uint32_t number;
        uint64_t argument[6]; /* the second is the slot */
    } makers[] = {
        {CALL_endpoint_create, {SLOT_ACCOUNT}},
        {CALL_signal_create, {SLOT_ACCOUNT}},
        {CALL_gate_create, {SLOT_ACCOUNT, 0, objects[OBJECT_ENDPOINT]}},
        {CALL_account_create, {SLOT_ACCOUNT, 0, 0, PAGE_SIZE, 0}},
        {CALL_domain_create, {SLOT_ACCOUNT}},
        {CALL_space_create, {SLOT_ACCOUNT, 0, objects[OBJECT_DOMAIN]}},
        {CALL_memory_create, {SLOT_ACCOUNT, 0, PAGE_SIZE}},
        {CALL_memory_clone, {SLOT_ACCOUNT, 0, objects[OBJECT_MEMORY], 0, PAGE_SIZE}},
        {CALL_memory_view, {SLOT_ACCOUNT, 0, objects[OBJECT_MEMORY], 0, PAGE_SIZE, 0}},
        {CALL_memory_create_platform, {INIT_SLOT_PLATFORM, 0, SLOT_ACCOUNT, PAGE_SIZE, MEMORY_DMA}},
        {CALL_thread_create, {SLOT_ACCOUNT, 0, SLOT_DOMAIN, WINDOW_HEAP, 0, 0}},
        {CALL_irq_create,
         {INIT_SLOT_PLATFORM, 0, SLOT_ACCOUNT, IRQ_MSI, objects[OBJECT_SIGNAL], 1}},
        {CALL_ioport_create, {INIT_SLOT_PLATFORM, 0, SLOT_ACCOUNT, 0x80, 1}},
    };
    struct platform_state before = machine_books();
    bool refused = true;
    for (size_t i = 0; i < ARRAY_LENGTH(makers); i++) {
        const uint64_t *a = makers[i].argument;
        struct kernel_results results;
        for (size_t j = 0; j < ARRAY_LENGTH(bad); j++) {
            refused = refused && kernel_call_6(makers[i].number, a[0], bad[j], a[2], a[3], a[4],
                                               a[5], &results) == STATUS_OUT_OF_RANGE;
        }
        refused = refused && kernel_call_6(makers[i].number, a[0], SLOT_LOG, a[2], a[3], a[4], a[5],
                                           &results) == STATUS_SLOT_USED;
    }
    ok(refused, "no object is made into a slot that does not exist or is used");
    ok(machine_books().objects == before.objects, "nor without one");
}

void attack_rights(void)
{
    log_line("# rights");
    objects_make();
    attack_first_argument();
    attack_later_arguments();
    attack_destinations();
}
