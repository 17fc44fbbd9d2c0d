#include "kernel/test/calls/calls.h"

#include "kernel/object/thread.h"

#define RECORD_CALL 3
#define TRIES       40 /* of arguments, until the call does something */
#define PLACES_MAX  4000

static uint32_t random_next(uint64_t *random)
{
    *random = *random * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*random >> 33);
}

/* A CPU that runs a program. */
static uint32_t program_cpu(void)
{
    for (uint32_t cpu = 0; cpu < MACHINE_CPUS; cpu++) {
        if (machine_state(cpu) == MACHINE_USER && machine_thread(cpu)->band != BAND_DRIVER) {
            return cpu;
        }
    }
    machine_fail("no program runs");
}

/* The call, from the world as it was made, with init at hand; up to `slice`. Returns its CPU. */
static uint32_t call_begin(const uint8_t record[RECORD_BYTES], uint32_t slice, uint32_t number,
                           uint32_t *victim)
{
    machine_snapshot_restore();
    world_awake();
    uint32_t cpu = program_cpu();
    struct thread *thread = machine_thread(cpu);
    *victim = world_victim(thread, number);
    arguments_fill(thread, record);
    machine_syscall(cpu, false, slice);
    return cpu;
}

/* Arguments with which it succeeds or waits, if there are such. */
static void record_find(uint8_t record[RECORD_BYTES], uint32_t call, uint64_t seed)
{
    uint64_t random = seed;
    for (uint32_t try = 0; try < TRIES; try++) {
        for (uint32_t i = 0; i < RECORD_BYTES; i++) {
            record[i] = (uint8_t)random_next(&random);
        }
        record[RECORD_CALL] = (uint8_t)call;
        uint32_t victim;
        uint32_t cpu = call_begin(record, 0, 0, &victim);
        if (machine_state(cpu) != MACHINE_USER || machine_thread(cpu)->registers.rax == STATUS_OK) {
            return;
        }
    }
}

void sweep_call(uint32_t call, uint32_t victim_number, uint32_t seed, uint32_t stride)
{
    uint8_t record[RECORD_BYTES];
    record_find(record, call, seed);
    for (uint32_t place = 1 + seed % stride; place < PLACES_MAX; place += stride) {
        uint32_t victim;
        uint32_t cpu = call_begin(record, place, victim_number, &victim);
        bool inside = machine_state(cpu) == MACHINE_INSIDE;
        world_destroy(victim);
        machine_settle();
        machine_check_translations();
        audit(true);
        world_asleep();
        world_end();
        if (!inside) {
            return;
        }
    }
}

void sweep(uint32_t number, uint32_t stride)
{
    sweep_call(number % KERNEL_CALLS, number / KERNEL_CALLS % WORLD_VICTIMS, number, stride);
}
