/*
 * A machine made of C on which the kernel's own code runs on the host, under the sanitizers:
 *
 *   machine.c    CPUs: entering and leaving the kernel, interrupts, timers, idling
 *   fiber.c      the stacks they run on
 *   devices.c    the few devices and instructions that only have to be there
 *   mmu.c        page tables as the CPUs read them, with translations that they remember
 *   memory.c     physical memory; what is free is poisoned
 *   snapshot.c   the whole state at one moment, to begin again from there
 *
 * User programs do not run: their part is played by whoever drives the machine. It has one host
 * thread. A CPU that is in the kernel goes on until it leaves it, or until it has passed the begin
 * or the end of so and so many functions (a *slice*): then another CPU may go on in between. So
 * every interleaving that a run finds is found again by the same input.
 */
#pragma once

#include "kernel/core/cpu.h"
#include "kernel/object/thread.h"

#define MACHINE_CPUS   3
#define MACHINE_FRAMES (512 + 640) /* of RAM: a large page, and what is for all others */

/* Where what would be the kernel's image ends, and where RAM is. */
#define MACHINE_IMAGE_END 0x10000ull
#define MACHINE_RAM_START 0x200000ull
#define MACHINE_RAM_END   (MACHINE_RAM_START + MACHINE_FRAMES * PAGE_SIZE)

/* Say what is wrong with the kernel, and stop. */
__attribute__((noreturn, format(printf, 1, 2))) void machine_fail(const char *format, ...);

/* --- CPUs ------------------------------------------------------------------------------------ */

enum machine_state {
    MACHINE_OFF,
    MACHINE_USER,   /* its current thread runs */
    MACHINE_IDLE,   /* no thread; interrupts are on */
    MACHINE_INSIDE, /* in the kernel */
};

enum machine_state machine_state(uint32_t cpu);
/* Idle, and sleeping: it has nothing left to do. */
bool machine_sleeps(uint32_t cpu);
/* The thread that runs on the CPU, which is in the state USER. */
struct thread *machine_thread(uint32_t cpu);

/* Physical memory, clock, CPUs and the root account: a kernel just before its first program. */
void machine_boot(void);
/* Let every CPU look for a thread to run. */
void machine_start(void);

/*
 * The ways into the kernel from a CPU that runs a thread. `slice` 0: until it has left it again.
 * machine_syscall takes the thread's registers as they are, by the entry that `traced` says.
 */
void machine_syscall(uint32_t cpu, bool traced, uint32_t slice);
void machine_page_fault(uint32_t cpu, uint64_t address, uint64_t error, uint32_t slice);
void machine_exception(uint32_t cpu, uint32_t vector, uint32_t slice);
/* This one also comes to idle CPUs. */
void machine_interrupt(uint32_t cpu, uint32_t vector, uint32_t slice);
/* A CPU that is in the kernel, or idle but not asleep, goes on. */
void machine_go_on(uint32_t cpu, uint32_t slice);

/* Deliver kicks, and timers that are due, to CPUs that are not in the kernel. */
void machine_deliver(void);
/* Let every CPU leave the kernel and take its interrupts. */
void machine_settle(void);

uint64_t machine_now(void); /* the TSC; 1 GHz */
void machine_advance(uint64_t cycles);
/* When the next timer of any CPU is due; 0: none is set. */
uint64_t machine_next_timer(void);

/* --- user programs' memory -------------------------------------------------------------------- */

/*
 * A user program on that CPU accesses an address. True: *at is where the byte lies, NULL for device
 * memory. False: it faults with that error code.
 */
bool machine_access(uint32_t cpu, uint64_t address, enum right access, uint8_t **at,
                    uint64_t *error);

/* Every remembered translation is one that the page tables still allow. Nobody is in the kernel. */
void machine_check_translations(void);

/* For memory.c: nobody may be able to reach a frame that is given back. */
void machine_check_unreachable(uint64_t physical);

/* What frames hold after they were given back, and parts of the heap when they are handed out. */
#define MACHINE_STALE 0xdeaddeaddeaddeadull
#define MACHINE_FRESH 0xa5a5a5a5a5a5a5a5ull

/* No program must ever see that. */
static inline bool machine_stale(uint64_t word)
{
    return word == MACHINE_STALE || word == MACHINE_FRESH;
}

/* --- physical memory -------------------------------------------------------------------------- */

struct machine_memory {
    uint64_t frames_used; /* of RAM, slabs among them */
    uint64_t slabs;
    uint64_t heap_bytes; /* in use, by the sizes that are charged */
};
struct machine_memory machine_memory(void);

/* The allocation with that number from now on fails, of a frame or in the heap; 0: none does. */
void machine_fail_allocation(uint32_t number);

/* For the others of this folder. */
void memory_boot(void);
void memory_poison_free(void);
void *memory_at(uint64_t physical);
/* Give the kernel back what is kept aside so that its use is noticed. */
void memory_release_kept(void);

/* --- the state at one moment ------------------------------------------------------------------ */

/* Every CPU runs a thread. */
void machine_snapshot_take(void);
void machine_snapshot_restore(void);

/* --- fibers ----------------------------------------------------------------------------------- */

struct fiber {
    uint8_t *stack;
    uint8_t *place; /* its stack pointer while it does not run */
    void *fake_stack;
    void (*run)(void);
};

#define FIBER_STACK_BYTES 0x20000

/* A stack, once; then begin `run` on it from the top as often as wanted. */
void fiber_make(struct fiber *fiber);
void fiber_begin(struct fiber *fiber, void (*run)(void));
void fiber_go_on(struct fiber *fiber);
/* From the fiber back to who let it run. `ended`: it will begin anew. */
void fiber_leave(struct fiber *fiber, bool ended);
