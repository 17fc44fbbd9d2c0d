#include "kernel/test/calls/calls.h"

#include "kernel/core/clock.h"
#include "kernel/core/frame.h"
#include "kernel/core/scheduler.h"
#include "kernel/core/start_init.h"
#include "kernel/object/account.h"
#include "kernel/object/domain.h"
#include "kernel/object/memory.h"
#include "kernel/object/platform.h"
#include "kernel/object/space.h"

#define CONTAINERS     3
#define THREADS        2 /* of each */
#define RESIDENT_PAGES 8 /* of each memory */
#define LARGE_OWNER    (CONTAINERS - 1)
#define IMAGE_PAGES    4 /* of what would be the kernel's image, as a memory */
#define RESTARTS_MAX   5000
#define STEPS_MAX      10000
#define RESTART_CYCLES 10000 /* that pass until a call is made again */

/* Init's slots. */
enum {
    SLOT_WAKE = 32, /* the signal that it waits at */
    SLOT_WAKE_IRQ,
    SLOT_CONTAINER = 40, /* and from there on its objects */
};

/* The slots of a container's domain; 0 is none. In init's table they come SLOT_CONTAINER later. */
enum {
    OWN_DOMAIN = 1,
    OWN_ACCOUNT,      /* its domain's and its threads' */
    OWN_APPLICATIONS, /* its spaces' and memories' */
    OWN_CONTAINER,    /* above both */
    OWN_WINDOW,       /* the private memory of its window */
    OWN_THREAD,       /* two of them */
    OWN_SPACE = OWN_THREAD + THREADS,
    OWN_OTHER_SPACE,
    OWN_MEMORY,
    OWN_ENDPOINT,
    OWN_GATE, /* to the next container's endpoint */
    OWN_SIGNAL,
    OWN_SLOTS,
    NEXT_MEMORY = OWN_SLOTS, /* of the next container, to read */
    NEXT_THREAD,             /* to unpark and interrupt */
    NEXT_DOMAIN,             /* the first container only: with every right */
    NEXT_CONTAINER,
    OWN_PLATFORM,
    OWN_IMAGE,
    OWN_LARGE, /* the last container only: a memory with a large page, mapped at WORLD_FAR */
};

_Static_assert(OWN_MEMORY - OWN_DOMAIN == WORLD_VICTIM_MEMORY, "world_victim");

static struct {
    uint32_t wake_vector;
    struct thread *init;
    struct machine_memory memory;
    uint64_t free_bytes;
    uint64_t objects;
    uint64_t used_bytes; /* of the root account */
    uint64_t threads;
    uint32_t chunks;
} world;

static void must(status_t status, const char *what)
{
    if (status != STATUS_OK) {
        machine_fail("%s: status %u", what, status);
    }
}

/* --- init ------------------------------------------------------------------------------------- */

static void give(struct domain *domain, uint32_t slot, struct object *object)
{
    must(domain_reserve(domain, slot), "capability table");
    (void)domain_put(domain, slot, object_handle(object, RIGHTS_ALL));
}

/* As core/start_init.c does it, without a program. */
static void init_make(void)
{
    struct account *account = root_account;
    struct object *window;
    struct object *image;
    struct object *platform;
    struct object *made;
    must(domain_create(account, false, &made), "domain");
    init_domain = object_domain(made);
    must(memory_make(account, MEMORY_NORMAL, WORLD_PAGES * PAGE_SIZE, &window), "memory");
    must(memory_create_boot(account, PAGE_SIZE, IMAGE_PAGES * PAGE_SIZE, &image), "image");
    struct region_request request = {
        .address = WORLD_WINDOW,
        .size_bytes = WORLD_PAGES * PAGE_SIZE,
        .rights = RIGHT_READ | RIGHT_WRITE,
        .rights_allowed = RIGHT_READ | RIGHT_WRITE,
        .private = {.memory = object_memory(window)},
    };
    must(region_map_add(&init_domain->window, &request), "region");
    must(thread_create(account, init_domain, WORLD_WINDOW, BAND_DRIVER, false, &made), "thread");
    world.init = object_thread(made);
    must(object_create(account, OBJECT_PLATFORM, sizeof(struct object), &platform), "platform");
    give(init_domain, SLOT_DOMAIN, &init_domain->object);
    give(init_domain, SLOT_ACCOUNT, &account->object);
    give(init_domain, SLOT_MEMORY, window);
    give(init_domain, INIT_SLOT_PLATFORM, platform);
    give(init_domain, INIT_SLOT_BUNDLE, image);
    thread_enter(world.init, WORLD_WINDOW);
    world.init->state = THREAD_READY;
    scheduler_ready(world.init);
}

static uint32_t init_cpu(void)
{
    for (uint32_t i = 0; i < MACHINE_CPUS; i++) {
        if (machine_state(i) == MACHINE_USER && machine_thread(i) == world.init) {
            return i;
        }
    }
    return MACHINE_CPUS;
}

/* Idle CPUs with something left to do: objects that wait for a barrier, frames to be zeroed. */
static void idle_go_on(void)
{
    for (uint32_t i = 0; i < MACHINE_CPUS; i++) {
        if (machine_state(i) == MACHINE_IDLE && !machine_sleeps(i)) {
            machine_go_on(i, 0);
        }
    }
    machine_settle();
}

/* A call by init, again and again while it must be restarted; false when init waits afterwards. */
static bool init_enter(uint64_t number, const uint64_t *argument, uint32_t count)
{
    struct registers *registers = &world.init->registers;
    uint64_t *place[6] = {&registers->rdi, &registers->rsi, &registers->rdx,
                          &registers->r10, &registers->r8,  &registers->r9};
    registers->rax = number;
    for (uint32_t i = 0; i < 6; i++) {
        *place[i] = i < count ? argument[i] : 0;
    }
    for (uint32_t i = 0; i < RESTARTS_MAX; i++) {
        uint32_t cpu = init_cpu();
        if (cpu == MACHINE_CPUS) {
            machine_fail("init does not run");
        }
        machine_syscall(cpu, false, 0);
        machine_settle();
        if (!world.init->restarted) {
            return init_cpu() != MACHINE_CPUS;
        }
        idle_go_on();
        machine_advance(RESTART_CYCLES);
    }
    machine_fail("init's call %lu never ends", number);
}

#define INIT_CALL(name, ...)                                                                       \
    do {                                                                                           \
        const uint64_t argument_[] = {__VA_ARGS__};                                                \
        (void)init_enter(CALL_##name, argument_, ARRAY_LENGTH(argument_));                         \
        must((status_t)world.init->registers.rax, #name);                                          \
    } while (0)

/* Nothing of init's runs until its interrupt comes. */
static void init_wait(void)
{
    const uint64_t argument[] = {SLOT_WAKE, UINT64_MAX, DEADLINE_NEVER};
    if (init_enter(CALL_signal_wait, argument, ARRAY_LENGTH(argument))) {
        machine_fail("init does not wait");
    }
}

static void init_wake(void)
{
    machine_settle();
    machine_interrupt(0, world.wake_vector, 0);
    machine_settle();
    if (init_cpu() == MACHINE_CPUS || world.init->registers.rax != STATUS_OK) {
        machine_fail("init was not woken at once");
    }
}

/* --- containers ------------------------------------------------------------------------------- */

static uint32_t container_slot(uint32_t container, uint32_t own)
{
    return SLOT_CONTAINER + container * OWN_SLOTS + own;
}

static void copy(uint32_t container, uint32_t there, uint32_t here, uint32_t rights)
{
    INIT_CALL(capabilities_copy, container_slot(container, OWN_DOMAIN),
              CAPABILITY_COPY(there, here, rights), 0, 0, 0, 0);
}

static void accounts_make(uint32_t i)
{
    uint32_t whole = container_slot(i, OWN_CONTAINER);
    uint64_t large_bytes = i == LARGE_OWNER ? LARGE_BYTES + 8 * PAGE_SIZE : 0;
    INIT_CALL(account_create, SLOT_ACCOUNT, whole, 16 * PAGE_SIZE, 140 * PAGE_SIZE + large_bytes,
              6);
    INIT_CALL(account_create, whole, container_slot(i, OWN_ACCOUNT), 8 * PAGE_SIZE, 140 * PAGE_SIZE,
              6);
    INIT_CALL(account_create, whole, container_slot(i, OWN_APPLICATIONS), 0,
              70 * PAGE_SIZE + large_bytes, 4);
}

static void memories_make(uint32_t i)
{
    uint32_t domain = container_slot(i, OWN_DOMAIN);
    uint32_t window = container_slot(i, OWN_WINDOW);
    uint32_t memory = container_slot(i, OWN_MEMORY);
    uint32_t account = container_slot(i, OWN_ACCOUNT);
    uint32_t applications = container_slot(i, OWN_APPLICATIONS);
    uint64_t size_bytes = WORLD_PAGES * PAGE_SIZE;
    INIT_CALL(domain_create, account, domain, i == 2 ? DOMAIN_OPEN : 0, SLOT_NONE, 0);
    INIT_CALL(memory_create, account, window, size_bytes);
    INIT_CALL(memory_create, applications, memory, size_bytes);
    INIT_CALL(region_map, domain, WORLD_WINDOW | RIGHT_READ | RIGHT_WRITE, size_bytes, window, 0,
              0);
    INIT_CALL(memory_populate, window, 4 * PAGE_SIZE, RESIDENT_PAGES * PAGE_SIZE);
    INIT_CALL(memory_populate, memory, 0, RESIDENT_PAGES * PAGE_SIZE);
    INIT_CALL(space_create, applications, container_slot(i, OWN_SPACE), domain);
    INIT_CALL(space_create, applications, container_slot(i, OWN_OTHER_SPACE), domain);
    INIT_CALL(region_map, container_slot(i, OWN_SPACE),
              WORLD_APPLICATION | RIGHT_READ | RIGHT_WRITE | RIGHT_EXECUTE, size_bytes, memory, 0,
              0);
    INIT_CALL(domain_set_entries, domain, WORLD_WINDOW, WORLD_WINDOW);
}

static void large_make(void)
{
    uint32_t space = container_slot(LARGE_OWNER, OWN_SPACE);
    uint32_t memory = container_slot(CONTAINERS, 0);
    INIT_CALL(memory_create, container_slot(LARGE_OWNER, OWN_APPLICATIONS), memory, LARGE_BYTES);
    INIT_CALL(region_map, space, WORLD_FAR | RIGHT_READ | RIGHT_WRITE | MAP_LARGE, LARGE_BYTES,
              memory, 0, 0);
    /* At once: between the steps of a call others would zero frames. */
    struct object *object;
    uint32_t rights;
    must(domain_find(init_domain, space, TYPE_SPACE, 0, &object, &rights), "the space");
    while (region_fault(&object_space(object)->map, WORLD_FAR, RIGHT_WRITE) == CALL_RESTART) {
    }
    copy(LARGE_OWNER, OWN_LARGE, memory, RIGHTS_ALL);
}

static void threads_make(uint32_t i)
{
    for (uint32_t thread = 0; thread < THREADS; thread++) {
        INIT_CALL(thread_create, container_slot(i, OWN_ACCOUNT),
                  container_slot(i, OWN_THREAD) + thread, container_slot(i, OWN_DOMAIN),
                  WORLD_WINDOW + thread * PAGE_SIZE, i == 0 ? BAND_SERVICE : BAND_CONTAINER, 0);
    }
}

static void own_give(uint32_t i)
{
    for (uint32_t own = OWN_DOMAIN; own < OWN_SLOTS; own++) {
        copy(i, own, container_slot(i, own), RIGHTS_ALL);
    }
    uint32_t next = (i + 1) % CONTAINERS;
    copy(i, NEXT_MEMORY, container_slot(next, OWN_MEMORY), RIGHT_READ);
    copy(i, NEXT_THREAD, container_slot(next, OWN_THREAD), RIGHT_READ | RIGHT_WRITE);
    copy(i, OWN_IMAGE, INIT_SLOT_BUNDLE, RIGHT_READ | RIGHT_EXECUTE);
    if (i == 0) {
        copy(i, NEXT_DOMAIN, container_slot(next, OWN_DOMAIN), RIGHTS_ALL);
        copy(i, NEXT_CONTAINER, container_slot(next, OWN_CONTAINER), RIGHTS_ALL);
        copy(i, OWN_PLATFORM, INIT_SLOT_PLATFORM, RIGHTS_ALL & ~RIGHT_DESTROY);
    }
}

static void containers_make(void)
{
    for (uint32_t i = 0; i < CONTAINERS; i++) {
        accounts_make(i);
        memories_make(i);
        threads_make(i);
        if (i == LARGE_OWNER) {
            large_make();
        }
        INIT_CALL(endpoint_create, container_slot(i, OWN_ACCOUNT), container_slot(i, OWN_ENDPOINT));
        INIT_CALL(signal_create, container_slot(i, OWN_ACCOUNT), container_slot(i, OWN_SIGNAL));
    }
    for (uint32_t i = 0; i < CONTAINERS; i++) {
        INIT_CALL(gate_create, container_slot(i, OWN_ACCOUNT), container_slot(i, OWN_GATE),
                  container_slot((i + 1) % CONTAINERS, OWN_ENDPOINT), i);
    }
    for (uint32_t i = 0; i < CONTAINERS; i++) {
        own_give(i);
    }
    for (uint32_t i = 0; i < CONTAINERS; i++) {
        for (uint32_t thread = 0; thread < THREADS; thread++) {
            INIT_CALL(thread_start, container_slot(i, OWN_THREAD) + thread,
                      container_slot(i, OWN_SPACE), WORLD_WINDOW, 0, 0);
        }
    }
}

/* --- begin and end ---------------------------------------------------------------------------- */

static void books_note(void)
{
    world.memory = machine_memory();
    world.free_bytes = frames_free_bytes();
    world.objects = object_count;
    world.used_bytes = root_account->used_bytes;
    world.threads = root_account->threads;
    world.chunks = object_chunk_count;
}

void world_make(void)
{
    arguments_prepare();
    machine_boot();
    init_make();
    machine_start();
    INIT_CALL(signal_create, SLOT_ACCOUNT, SLOT_WAKE);
    INIT_CALL(irq_create, INIT_SLOT_PLATFORM, SLOT_WAKE_IRQ, SLOT_ACCOUNT, IRQ_MSI, SLOT_WAKE, 1);
    world.wake_vector = (uint32_t)world.init->registers.rsi;
    must(domain_reserve(init_domain, container_slot(CONTAINERS, 0)), "capability table");
    books_note();
    containers_make();
    init_wait();
    audit(true);
}

/* A call that may fail: what it works on may be gone. */
static void init_try(uint64_t number, const uint64_t argument[6])
{
    if (!init_enter(number, argument, 6)) {
        machine_fail("init waits in call %lu", number);
    }
}

static void thread_replace(uint32_t i, uint32_t thread)
{
    uint32_t slot = container_slot(i, OWN_THREAD) + thread;
    const uint64_t make[] = {
        container_slot(i, OWN_ACCOUNT),    slot,           container_slot(i, OWN_DOMAIN),
        WORLD_WINDOW + thread * PAGE_SIZE, BAND_CONTAINER, 0};
    const uint64_t start[] = {slot, container_slot(i, OWN_SPACE), WORLD_WINDOW, 0, 0, 0};
    init_try(CALL_thread_create, make);
    init_try(CALL_thread_start, start);
}

void world_stir(const uint8_t record[RECORD_BYTES])
{
    uint32_t i = record[4] % CONTAINERS;
    uint32_t thread = record[5] % THREADS;
    uint64_t slot = container_slot(i, OWN_THREAD) + thread;
    init_wake();
    switch (record[3] % 8) {
    case 0:
        init_try(CALL_thread_interrupt, (const uint64_t[6]){slot, INTERRUPT_NOW});
        break;
    case 1:
        init_try(CALL_signal_raise, (const uint64_t[6]){container_slot(i, OWN_SIGNAL), UINT64_MAX});
        break;
    case 2:
        init_try(CALL_endpoint_restart, (const uint64_t[6]){container_slot(i, OWN_ENDPOINT)});
        break;
    case 3:
        init_try(CALL_object_destroy, (const uint64_t[6]){slot});
        thread_replace(i, thread);
        break;
    default:
        init_try(CALL_thread_unpark, (const uint64_t[6]){slot});
        thread_replace(i, thread);
    }
    init_wait();
}

void world_awake(void)
{
    init_wake();
}

void world_asleep(void)
{
    init_wait();
}

/* Which container the thread is of. */
static uint32_t container_of(const struct thread *thread)
{
    for (uint32_t i = 0; i < CONTAINERS; i++) {
        if ((uint32_t)domain_slot(init_domain, container_slot(i, OWN_DOMAIN)) ==
            (uint32_t)object_handle(&thread->domain->object, RIGHTS_ALL)) {
            return i;
        }
    }
    machine_fail("a thread of no container");
}

uint32_t world_victim(const struct thread *thread, uint32_t number)
{
    return container_slot(container_of(thread), OWN_DOMAIN + number);
}

void world_destroy(uint32_t victim)
{
    init_try(CALL_object_destroy, (const uint64_t[6]){victim});
}

static void all_sleep(void)
{
    for (uint32_t step = 0; step < STEPS_MAX; step++) {
        uint32_t asleep = 0;
        for (uint32_t i = 0; i < MACHINE_CPUS; i++) {
            asleep += machine_sleeps(i);
        }
        if (asleep == MACHINE_CPUS) {
            return;
        }
        idle_go_on();
    }
    machine_fail("a CPU never sleeps, with nothing to do");
}

static void books_compare(void)
{
    memory_release_kept();
    struct machine_memory now = machine_memory();
    uint64_t chunk_bytes =
        (object_chunk_count - world.chunks) * (OBJECT_CHUNK_ENTRIES * sizeof(struct object_entry));
    uint64_t slab_bytes = (now.slabs - world.memory.slabs) * PAGE_SIZE;
    const struct account *root = root_account;
    if (object_count != world.objects || root->used_bytes != world.used_bytes ||
        root->threads != world.threads) {
        machine_fail("%lu objects were %lu, %lu bytes charged were %lu, %lu threads were %lu",
                     object_count, world.objects, root->used_bytes, world.used_bytes, root->threads,
                     world.threads);
    }
    if (now.heap_bytes != world.memory.heap_bytes + chunk_bytes) {
        machine_fail("%lu bytes of the heap in use were %lu", now.heap_bytes,
                     world.memory.heap_bytes);
    }
    if (frames_free_bytes() + slab_bytes != world.free_bytes) {
        machine_fail("%lu bytes free were %lu", frames_free_bytes(), world.free_bytes);
    }
}

void world_end(void)
{
    init_wake();
    for (uint32_t i = 0; i < CONTAINERS; i++) {
        const uint64_t argument[] = {container_slot(i, OWN_CONTAINER)};
        if (!init_enter(CALL_object_destroy, argument, 1)) {
            machine_fail("init waits in a destroy");
        }
        /* Another container may have been there first. */
        status_t status = (status_t)world.init->registers.rax;
        if (status != STATUS_OK && status != STATUS_BAD_CAPABILITY) {
            machine_fail("a container cannot be destroyed: status %u", status);
        }
    }
    init_wait();
    all_sleep();
    books_compare();
}
