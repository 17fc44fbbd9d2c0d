/*
 * object_write with registers and FPU areas that no thread can have: what the kernel would load for
 * it on the way out is refused or made harmless, and what has run is not changed any more.
 */
#include "tests/attack/attack.h"

#include "lib/oak/slots.h"

static uint32_t thread;
static uint64_t frame;
static uint32_t ran;

static status_t write_registers(const struct thread_registers *registers)
{
    return object_change(thread, STATE_REGISTERS, 0, registers, sizeof(*registers));
}

static void thread_make(void)
{
    thread = slot_new();
    must(kernel_thread_create(SLOT_ACCOUNT, thread, SLOT_DOMAIN, frame, BAND_SERVICE, 0), "thread");
}

static void attack_places(void)
{
    static const uint64_t places[] = {
        0,
        1,
        APPLICATION_END - 1,
        APPLICATION_END,
        0x0000800000000000ull,
        0x8000000000000000ull,
        WINDOW_BASE - 1,
        WINDOW_BASE,
        WINDOW_BASE + WINDOW_SIZE - 1,
        WINDOW_BASE + WINDOW_SIZE,
        0xffffffff80100000ull,
        UINT64_MAX,
    };
    bool right = true;
    for (size_t i = 0; i < ARRAY_LENGTH(places); i++) {
        uint64_t place = places[i];
        bool canonical = place < 1ull << 47 || place >= 0ull - (1ull << 47);
        struct thread_registers registers = {.rip = place, .flags = THREAD_IN_APPLICATION};
        right = right && (write_registers(&registers) == STATUS_OK) == (place < APPLICATION_END);
        registers.flags = 0;
        right = right &&
                (write_registers(&registers) == STATUS_OK) == (place - WINDOW_BASE < WINDOW_SIZE);
        registers.rip = WINDOW_BASE;
        registers.fs_base = place;
        right = right && (write_registers(&registers) == STATUS_OK) == canonical;
        registers.fs_base = 0;
        registers.gs_base = place;
        right = right && (write_registers(&registers) == STATUS_OK) == canonical;
    }
    ok(right, "a thread is put only where its mode may be, with bases that the CPU takes");
    struct thread_registers registers = {.rip = WINDOW_BASE, .flags = 1ull << 40};
    ok_status(write_registers(&registers), STATUS_INVALID_ARGUMENT, "unknown flags are refused");
    registers.flags = 0;
    registers.rflags = UINT64_MAX;
    must(write_registers(&registers), "write");
    must(object_state(thread, STATE_REGISTERS, &registers, sizeof(registers)), "read");
    ok(registers.rflags == FLAGS_ALLOWED, "RFLAGS keeps what is a user's, and that alone");
    registers = (struct thread_registers){.rip = 1, .flags = THREAD_IN_APPLICATION};
    must(write_registers(&registers), "write");
    ok_status(kernel_thread_start(thread, SLOT_NONE, 0, 0, 0), STATUS_BAD_STATE,
              "an application without a space is not started");
}

static __attribute__((used)) void victim_main(void)
{
    __asm__ volatile("fninit\n\taddps %xmm0, %xmm1");
    __atomic_store_n(&ran, 1, __ATOMIC_RELEASE);
    for (;;) {
        (void)kernel_thread_park(DEADLINE_NEVER, PARK_UNINTERRUPTIBLE);
    }
}

static __attribute__((naked)) void victim_entry(void)
{
    __asm__("call victim_main\n"
            "ud2");
}

/* Every bit of the area set: header, MXCSR, what is reserved. */
static void attack_fpu(void)
{
    struct thread_fpu fpu;
    memset(&fpu, 0xff, sizeof(fpu));
    uint64_t position = 0;
    while (object_change(thread, STATE_FPU, position, &fpu, sizeof(fpu)) == STATUS_OK) {
        position += sizeof(fpu);
    }
    ok(position > 512 && position < 1 << 16, "an FPU area is written part by part");
    ok_status(object_change(thread, STATE_FPU, 8, &fpu, sizeof(fpu)), STATUS_NOT_FOUND,
              "not between parts");
    ok_status(object_change(thread, STATE_FPU, UINT64_MAX - 511, &fpu, sizeof(fpu)),
              STATUS_NOT_FOUND, "and not far behind it");
    must(kernel_thread_start(thread, SLOT_NONE, (uint64_t)victim_entry, 0, 0), "start");
    wait_for(&ran, 1);
    ok(true, "a thread with every bit of it set runs, and hurts nobody");
    struct thread_registers registers = {.rip = WINDOW_BASE};
    ok_status(write_registers(&registers), STATUS_BAD_STATE, "who has run is not written any more");
    ok_status(object_change(thread, STATE_FPU, 0, &fpu, sizeof(fpu)), STATUS_BAD_STATE,
              "nor is its FPU area");
    uint32_t weak = slot_new();
    must(kernel_capability_copy(SLOT_DOMAIN, weak, thread, RIGHTS_ALL & ~RIGHT_CONTROL), "copy");
    ok_status(object_change(weak, STATE_FPU, 0, &fpu, sizeof(fpu)), STATUS_NO_RIGHT,
              "without CONTROL nobody writes at all");
    slot_release(weak);
}

void attack_state(void)
{
    log_line("# states");
    uint32_t memory = memory_new(SLOT_ACCOUNT, THREAD_BLOCK_SIZE);
    uint64_t block = ALIGN_UP(window_place(2 * THREAD_BLOCK_SIZE), THREAD_BLOCK_SIZE);
    must(kernel_region_map(SLOT_DOMAIN, block | RIGHT_READ | RIGHT_WRITE, THREAD_BLOCK_SIZE, memory,
                           0, 0),
         "block");
    frame = block + THREAD_FRAME_OFFSET;
    thread_make();
    attack_places();
    destroy(thread);
    thread_make();
    attack_fpu();
    destroy(thread);
    destroy(memory);
}
