#include "kernel/test/calls/calls.h"

#include "kernel/x86_64/apic.h"
#include "lib/base/string.h"

/* Of a record. */
#define RECORD_CPU    0
#define RECORD_SLICE  1
#define RECORD_EVENT  2
#define RECORD_ACCESS 4

#define EVENTS      16
#define SLICE_FIRST 176 /* from this byte on the CPU stops on its way through the kernel */
#define SHORT_FIRST 224 /* from this byte on the kernel runs short of memory */
#define DEEP_EVERY  32
#define TIME_MAX    10000000000ull /* cycles that pass at once */

/* The first events are kernel calls. */
enum event {
    EVENT_RESUME = 9,
    EVENT_ACCESS = 10, /* and the next two */
    EVENT_EXCEPTION = 13,
    EVENT_INTERRUPT = 14,
    EVENT_TIME = 15,
};

/* A program reads, writes or runs some place, again after each fault that was resolved. */
static void access(uint32_t cpu, const uint8_t *record, uint32_t slice)
{
    static const enum right accesses[] = {RIGHT_READ, RIGHT_WRITE, RIGHT_WRITE, RIGHT_EXECUTE};
    const struct thread *thread = machine_thread(cpu);
    enum right access = accesses[record[RECORD_ACCESS + 1] % ARRAY_LENGTH(accesses)];
    bool application = record[RECORD_ACCESS + 2] % 4 != 0;
    uint64_t address = arguments_address(application, record[RECORD_ACCESS]);
    if (record[RECORD_ACCESS + 2] % 32 == 1) {
        memcpy(&address, record + RECORD_BYTES - sizeof(address), sizeof(address));
        address = (uint64_t)((int64_t)(address << 16) >> 16); /* others do not get that far */
    }
    uint8_t *at;
    uint64_t error;
    if (!machine_access(cpu, address, access, &at, &error)) {
        machine_page_fault(cpu, address, error, slice);
        if (machine_state(cpu) != MACHINE_USER || machine_thread(cpu) != thread ||
            !machine_access(cpu, address, access, &at, &error)) {
            return;
        }
    }
    uint64_t *word = at == NULL ? NULL : (uint64_t *)(void *)(at - (uintptr_t)at % sizeof(*word));
    if (word != NULL && machine_stale(*word)) {
        machine_fail("a program sees at %lx what another one left", address);
    }
    if (word != NULL && access == RIGHT_WRITE) {
        *word = arguments_word(record);
    }
}

/* The call again that returned RESTART; a program can keep from that, but seldom does. */
static bool goes_on(const struct thread *thread, const uint8_t *record)
{
    return thread->restarted && thread->mode == MODE_PERSONALITY && record[RECORD_EVENT] < 240;
}

/* Back to the application, or from the fault entry: a second fault there would end the domain. */
static void resume(uint32_t cpu, const uint8_t *record, uint32_t slice)
{
    struct thread *thread = machine_thread(cpu);
    arguments_fill(thread, record);
    thread->registers.rax = thread->in_fault ? CALL_fault_resume : CALL_application_resume;
    machine_syscall(cpu, false, slice);
}

static bool may_fault(const struct thread *thread, const uint8_t *record)
{
    return thread->mode == MODE_APPLICATION || !thread->in_fault ||
           record[RECORD_BYTES - 1] % 16 == 0;
}

static void program_step(uint32_t cpu, const uint8_t *record, uint32_t slice)
{
    struct thread *thread = machine_thread(cpu);
    uint32_t event = record[RECORD_EVENT] % EVENTS;
    if (goes_on(thread, record)) {
        machine_syscall(cpu, false, slice);
    } else if (event == EVENT_RESUME || (event > EVENT_RESUME && !may_fault(thread, record))) {
        resume(cpu, record, slice);
    } else if (event == EVENT_EXCEPTION) {
        machine_exception(cpu, record[RECORD_ACCESS] % 4 == 0 ? 3 : 13, slice);
    } else if (event >= EVENT_ACCESS && event < EVENT_EXCEPTION) {
        access(cpu, record, slice);
    } else {
        arguments_note(thread);
        arguments_fill(thread, record);
        machine_syscall(cpu, record[RECORD_CPU] & 0x20, slice);
    }
}

static void interrupt(uint32_t cpu, const uint8_t *record, uint32_t slice)
{
    uint32_t vector = VECTOR_DEVICE_FIRST + 1 + record[RECORD_ACCESS] % 4; /* init's comes before */
    machine_interrupt(cpu, record[RECORD_ACCESS] >= 128 ? VECTOR_TIMER : vector, slice);
}

static void time_pass(const uint8_t *record)
{
    uint64_t next = machine_next_timer();
    if (next > machine_now() && next - machine_now() < TIME_MAX && record[RECORD_ACCESS] % 2 == 0) {
        machine_advance(next - machine_now());
    } else {
        machine_advance(1000ull << record[RECORD_ACCESS] % 16);
    }
}

static bool quiet(void)
{
    for (uint32_t i = 0; i < MACHINE_CPUS; i++) {
        if (machine_state(i) == MACHINE_INSIDE) {
            return false;
        }
    }
    return true;
}

/* Up to about what a whole call passes; 0: to its end. */
static uint32_t slice_of(uint8_t byte)
{
    uint32_t number = byte < SLICE_FIRST ? 0 : byte - SLICE_FIRST + 1u;
    return (number * number + 7) / 8;
}

static void step(const uint8_t *record)
{
    uint32_t cpu = record[RECORD_CPU] % MACHINE_CPUS;
    uint32_t slice = slice_of(record[RECORD_SLICE]);
    uint32_t event = record[RECORD_EVENT] % EVENTS;
    if (event == EVENT_TIME) {
        time_pass(record);
    }
    machine_fail_allocation(record[RECORD_CPU] >= SHORT_FIRST ? 1 + record[RECORD_BYTES - 2] % 8u
                                                              : 0);
    if (!(record[RECORD_CPU] & 0x40)) {
        machine_deliver();
    }
    if (machine_state(cpu) == MACHINE_INSIDE) {
        machine_go_on(cpu, slice);
    } else if (event == EVENT_INTERRUPT) {
        interrupt(cpu, record, slice);
    } else if (machine_state(cpu) == MACHINE_USER && event != EVENT_TIME) {
        program_step(cpu, record, slice);
    } else if (machine_state(cpu) == MACHINE_IDLE && !machine_sleeps(cpu)) {
        machine_go_on(cpu, slice);
    } else if (machine_sleeps(cpu) && quiet()) {
        machine_fail_allocation(0);
        world_stir(record);
    }
    machine_fail_allocation(0);
}

void play(const uint8_t *input, size_t length_bytes)
{
    uint32_t count = 0;
    for (; length_bytes >= RECORD_BYTES; input += RECORD_BYTES, length_bytes -= RECORD_BYTES) {
        step(input);
        if (quiet()) {
            machine_check_translations();
            audit(++count % DEEP_EVERY == 0);
        }
    }
    machine_settle();
    machine_check_translations();
    audit(true);
    world_end();
}
