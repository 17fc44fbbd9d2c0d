/*
 * One domain against another's memory: through every call with every slot, by addresses, in frames
 * that were somebody else's, and in what registers and messages carry.
 */
#include "tests/attack/attack.h"

#include "lib/base/string.h"
#include "lib/oak/slots.h"

#define DONE_SLOT 20
#define GOOD      2
#define BAD       4
#define SECRET    0x5ec2e75ec2e75ec2ull

/* --- frames ---------------------------------------------------------------------------------- */

#define SECRET_BYTES (16ull << 20)

static void attack_old_frames(void)
{
    uint32_t account = account_new(2 * SECRET_BYTES, 0);
    uint32_t memory = memory_new(account, SECRET_BYTES);
    volatile uint64_t *here = (volatile uint64_t *)window_map_all(memory, SECRET_BYTES);
    for (uint64_t i = 0; i < SECRET_BYTES / 8; i += 8) {
        here[i] = SECRET;
    }
    must(kernel_object_destroy(account), "destroy");
    account = account_new(3 * SECRET_BYTES, 0);
    uint32_t populated = memory_new(account, SECRET_BYTES);
    uint32_t touched = memory_new(account, SECRET_BYTES);
    must(kernel_memory_populate(populated, 0, SECRET_BYTES), "populate");
    const volatile uint64_t *one = (volatile uint64_t *)window_map_all(populated, SECRET_BYTES);
    const volatile uint64_t *two = (volatile uint64_t *)window_map_all(touched, SECRET_BYTES);
    uint64_t found = 0;
    for (uint64_t i = 0; i < SECRET_BYTES / 8; i++) {
        found |= one[i] | two[i];
    }
    ok(found == 0, "frames of a dead account are zeros, populated or touched");
    destroy(account);
    uint32_t dma = slot_new();
    must(kernel_memory_create_platform(INIT_SLOT_PLATFORM, dma, SLOT_ACCOUNT, 256 * PAGE_SIZE,
                                       MEMORY_DMA),
         "dma");
    const volatile uint64_t *device = (volatile uint64_t *)window_map_all(dma, 256 * PAGE_SIZE);
    for (uint64_t i = 0; i < 256 * PAGE_SIZE / 8; i++) {
        found |= device[i];
    }
    ok(found == 0, "so are frames for devices");
    destroy(dma);
}

/* --- slots ----------------------------------------------------------------------------------- */

static uint64_t secret_place;

/* With nothing but what every program gets, everything that another domain might have. */
static bool child_attack(void)
{
    struct kernel_results results;
    bool held = true;
    for (uint64_t slot = 7; slot < 3000; slot++) {
        if (slot == DONE_SLOT) {
            continue;
        }
        for (uint64_t number = 2; number < KERNEL_CALLS; number++) {
            bool by_slot = number != CALL_thread_set_space && number != CALL_thread_park &&
                           number != CALL_thread_yield;
            if (by_slot &&
                kernel_call_6(number, slot, 30, 0, 0, 0, 0, &results) != STATUS_BAD_CAPABILITY) {
                held = false;
            }
        }
        held = held &&
               kernel_capability_copy(SLOT_DOMAIN, 31, slot, RIGHTS_ALL) == STATUS_BAD_CAPABILITY;
        held = held && kernel_region_map(SLOT_DOMAIN, WINDOW_MAPS | RIGHT_READ, PAGE_SIZE, slot, 0,
                                         0) == STATUS_BAD_CAPABILITY;
        held = held && kernel_region_map(SLOT_DOMAIN, WINDOW_MAPS | RIGHT_READ, PAGE_SIZE,
                                         slot << 32, 0, 0) == STATUS_BAD_CAPABILITY;
    }
    return held;
}

static void role_thief(uint64_t argument)
{
    (void)argument;
    harness_entries_set(SLOT_DOMAIN);
    bool held = child_attack();
    const uint64_t places[] = {secret_place, WINDOW_BASE + 0x2000000000ull, 0xffffc00000000000ull,
                               0xffffc00010000000ull, 0xffffffff80100000ull};
    for (size_t i = 0; i < ARRAY_LENGTH(places); i++) {
        held = held && !probe(places[i], PROBE_READ) && !probe(places[i], PROBE_WRITE);
    }
    /* What it may have is not more than it was given. */
    held = held && kernel_platform_set(SLOT_LOG, PLATFORM_TRACE, 1) == STATUS_NO_RIGHT;
    held = held && kernel_object_destroy(SLOT_LOG) == STATUS_NO_RIGHT;
    held = held && kernel_object_destroy(SLOT_TIME) == STATUS_NO_RIGHT;
    held = held && kernel_memory_discard(SLOT_TIME, 0, PAGE_SIZE) == STATUS_NO_RIGHT;
    held = held && kernel_account_set(SLOT_ACCOUNT, ACCOUNT_LIMIT_BYTES, 1ull << 40, 0, 0) ==
                       STATUS_NO_RIGHT;
    held = held && kernel_object_destroy(SLOT_ACCOUNT) == STATUS_NO_RIGHT;
    (void)kernel_signal_raise(DONE_SLOT, held ? GOOD : BAD);
}

static void attack_slots(void)
{
    uint32_t memory = memory_new(SLOT_ACCOUNT, 4 * PAGE_SIZE);
    volatile uint64_t *here = (volatile uint64_t *)window_map_all(memory, 4 * PAGE_SIZE);
    here[0] = SECRET;
    struct child child;
    child_load(&child, 8 << 20, (uint64_t)role_thief, 0);
    must(kernel_capability_copy(child.program.domain, DONE_SLOT, child.signal, RIGHT_WRITE),
         "copy");
    must(program_start(&child.program), "start");
    struct kernel_results bits = {{0}};
    (void)kernel_signal_wait(child.signal, 1 | GOOD | BAD, clock_now_ns() + 20 * SECOND_NS, &bits);
    ok(bits.value[0] == GOOD, "a domain reaches nothing through slots that it was not given");
    ok(here[0] == SECRET, "and its victim's memory is as it was");
    child_destroy(&child);
    destroy(memory);
}

/* --- registers and messages ------------------------------------------------------------------ */

static bool is_kernel_address(uint64_t value)
{
    return value >= WINDOW_BASE + WINDOW_SIZE && value < 0xffffffffffff0000ull;
}

static void attack_registers(void)
{
    bool clean = true;
    uint32_t empty = slot_new();
    for (uint64_t number = 2; number < KERNEL_CALLS; number++) {
        uint64_t a = empty;
        uint64_t b = 0;
        uint64_t c = 0;
        uint64_t rcx;
        uint64_t r11;
        uint64_t status = number;
        if (number == CALL_thread_yield || number == CALL_thread_park) {
            continue;
        }
        register uint64_t r8 __asm__("r8") = 0;
        register uint64_t r9 __asm__("r9") = 0;
        register uint64_t r10 __asm__("r10") = 0;
        __asm__ volatile("syscall\nmov %%rcx, %3\nmov %%r11, %4"
                         : "+a"(status), "+D"(a), "+S"(b), "=&r"(rcx), "=&r"(r11), "+d"(c),
                           "+r"(r8), "+r"(r9), "+r"(r10)
                         :
                         : "rcx", "r11", "memory", "cc");
        clean =
            clean && !is_kernel_address(r8) && !is_kernel_address(r9) && !is_kernel_address(r10);
        clean = clean && !is_kernel_address(status) && !is_kernel_address(a) &&
                !is_kernel_address(b) && !is_kernel_address(c) && !is_kernel_address(rcx) &&
                r11 < 1 << 22;
    }
    ok(clean, "no register that a call loses comes back with an address of the kernel");
    slot_free(empty);
    struct memory_state state;
    uint32_t memory = memory_new(SLOT_ACCOUNT, PAGE_SIZE);
    must(kernel_memory_populate(memory, 0, PAGE_SIZE), "populate");
    must(object_state(memory, STATE_MEMORY, &state, sizeof(state)), "state");
    ok(state.present == 1 && state.physical == 0,
       "the physical address of an ordinary frame is nobody's business");
    destroy(memory);
}

static uint32_t endpoint;

static void echo(struct worker *worker)
{
    struct thread_frame *frame = thread_frame_self();
    memset(frame->message, 0x5e, sizeof(frame->message)); /* ours, and not for the caller */
    struct kernel_results call;
    if (kernel_endpoint_receive(endpoint, 0, DEADLINE_NEVER, &call) == STATUS_OK) {
        worker->argument = kernel_endpoint_reply(endpoint, call.value[2], MESSAGE_HEADER(0, 2, 0));
    }
}

static void attack_messages(void)
{
    endpoint = slot_new();
    uint32_t gate = slot_new();
    must(kernel_endpoint_create(SLOT_ACCOUNT, endpoint), "endpoint");
    must(kernel_gate_create(SLOT_ACCOUNT, gate, endpoint, 1), "gate");
    struct worker worker = {0};
    worker_start(&worker, echo, SLOT_NONE);
    struct thread_frame *frame = thread_frame_self();
    memset(frame->message, 0, sizeof(frame->message));
    struct kernel_results reply;
    must(kernel_gate_call(gate, MESSAGE_HEADER(1, 0, 0), DEADLINE_NEVER, &reply), "call");
    bool clean = frame->message[0] != 0 && frame->message[1] != 0;
    for (uint32_t i = 2; i < MESSAGE_WORDS; i++) {
        clean = clean && frame->message[i] == 0;
    }
    ok(clean, "a message carries the words that its header says, and no more of the sender's");
    worker_join(&worker);
    destroy(gate);
    destroy(endpoint);
}

/* --- a slot that changes during the call ----------------------------------------------------- */

#define SWAP_ROUNDS 20000
#define READ_ONLY   'r'
#define OWN         'o'

struct swap {
    uint32_t slot;
    uint32_t read_only; /* another's memory, for reading */
    uint32_t own;       /* ours, with every right */
    uint32_t stop;
};

static void swapper(struct worker *worker)
{
    struct swap *swap = worker->context;
    while (!__atomic_load_n(&swap->stop, __ATOMIC_ACQUIRE)) {
        (void)kernel_capability_drop(SLOT_DOMAIN, swap->slot);
        (void)kernel_capability_copy(SLOT_DOMAIN, swap->slot, swap->read_only, RIGHTS_ALL);
        (void)kernel_capability_drop(SLOT_DOMAIN, swap->slot);
        (void)kernel_capability_copy(SLOT_DOMAIN, swap->slot, swap->own, RIGHTS_ALL);
    }
}

/* What was mapped for writing is ours. */
static bool swap_round(const struct swap *swap, uint32_t view, uint64_t place)
{
    const uint64_t read_write = RIGHT_READ | RIGHT_WRITE;
    bool held = true;
    if (kernel_memory_view(SLOT_ACCOUNT, view, swap->slot, 0, PAGE_SIZE, RIGHTS_ALL) == STATUS_OK) {
        if (kernel_region_map(SLOT_DOMAIN, place | read_write, PAGE_SIZE, view, 0, 0) ==
            STATUS_OK) {
            held = *(volatile uint8_t *)place == OWN;
        }
        must(kernel_object_destroy(view), "destroy");
    }
    if (kernel_region_map(SLOT_DOMAIN, place | RIGHT_READ, PAGE_SIZE, swap->slot, 0, 0) ==
        STATUS_OK) {
        if (kernel_region_protect(SLOT_DOMAIN, place, PAGE_SIZE, read_write) == STATUS_OK) {
            held = held && *(volatile uint8_t *)place == OWN;
        }
        must(kernel_region_unmap(SLOT_DOMAIN, place, PAGE_SIZE), "unmap");
    }
    return held;
}

static void attack_changing_slot(void)
{
    uint32_t others = memory_new(SLOT_ACCOUNT, PAGE_SIZE);
    struct swap swap = {
        .slot = slot_new(), .read_only = slot_new(), .own = memory_new(SLOT_ACCOUNT, PAGE_SIZE)};
    window_map_all(others, PAGE_SIZE)[0] = READ_ONLY;
    window_map_all(swap.own, PAGE_SIZE)[0] = OWN;
    must(kernel_capability_copy(SLOT_DOMAIN, swap.read_only, others, RIGHT_READ), "copy");
    struct worker worker = {.context = &swap};
    worker_start(&worker, swapper, SLOT_NONE);
    uint32_t view = slot_new();
    uint64_t place = window_place(PAGE_SIZE);
    bool held = true;
    for (uint32_t i = 0; i < SWAP_ROUNDS && held; i++) {
        held = swap_round(&swap, view, place);
    }
    __atomic_store_n(&swap.stop, 1, __ATOMIC_RELEASE);
    worker_join(&worker);
    ok(held,
       "rights come from the capability that named the object, however fast the slot changes");
    slot_release(swap.slot);
    slot_release(swap.read_only);
    destroy(swap.own);
    destroy(others);
}

void attack_isolation(void)
{
    log_line("# isolation");
    secret_place = window_place(0);
    attack_old_frames();
    attack_slots();
    attack_registers();
    attack_messages();
    attack_changing_slot();
}
