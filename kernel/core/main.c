/*
 * From the boot code to the first user thread: machine, memory, CPUs, then init with the first
 * capabilities. After that the kernel only reacts.
 */
#include "kernel/core/assert.h"
#include "kernel/core/clock.h"
#include "kernel/core/frame.h"
#include "kernel/core/log.h"
#include "kernel/core/scheduler.h"
#include "kernel/core/sealed.h"
#include "kernel/core/start_init.h"
#include "kernel/object/account.h"
#include "kernel/x86_64/apic.h"
#include "kernel/x86_64/cpu.h"
#include "kernel/x86_64/kernel_map.h"
#include "kernel/x86_64/memory_map.h"
#include "kernel/x86_64/stacks.h"
#include "lib/base/string.h"

#define CPU_START_TIMEOUT_NS 1000000000ull

SEALED struct cpu *cpus[CPUS_MAX];
SEALED uint32_t cpu_count;

static struct cpu boot_cpu;
static struct cpu other_cpus[CPUS_MAX - 1];
static uint32_t sealed; /* the others may go on */
static SEALED uint64_t start_tsc;

/* What gcc's stack protector puts between a function's variables and its return address. */
SEALED uint64_t __stack_chk_guard;
__attribute__((noreturn)) void __stack_chk_fail(void);

extern char kernel_physical_end[];
extern char trampoline_start[];
extern char trampoline_end[];

/* Where a starting processor finds its stack; the boot code reads it. */
uint64_t trampoline_stack;
static struct cpu *trampoline_cpu; /* NULL: it is there; atomic */

void kernel_main(uint64_t start_info_physical, uint64_t tsc_at_start);
void cpu_main(void);

static void cpu_prepare(struct cpu *cpu, uint32_t number, uint32_t id)
{
    cpu->number = number;
    cpu->apic_id = id;
    cpu->kernel_entries = 1;
    cpus[number] = cpu;
    scheduler_init(cpu);
}

/* Bring up one processor and wait until it says that it is there. */
static bool cpu_start(struct cpu *cpu)
{
    stacks_make(cpu);
    trampoline_stack = cpu->stack_top;
    __atomic_store_n(&trampoline_cpu, cpu, __ATOMIC_RELEASE);
    apic_start_cpu(cpu->apic_id);
    uint64_t give_up_ns = clock_now_ns() + CPU_START_TIMEOUT_NS;
    while (__atomic_load_n(&trampoline_cpu, __ATOMIC_ACQUIRE) != NULL) {
        if (clock_now_ns() > give_up_ns) {
            apic_park_cpu(cpu->apic_id); /* too late: the next one's stack stands there soon */
            return false;
        }
        cpu_pause();
    }
    return true;
}

static void cpus_start(void)
{
    memcpy(physical_pointer(TRAMPOLINE), physical_pointer((uint64_t)trampoline_start),
           (size_t)(trampoline_end - trampoline_start));
    for (uint32_t i = 0; i < machine.cpu_count; i++) {
        uint32_t id = machine.cpu_apic_id[i];
        if (id == boot_cpu.apic_id || cpu_count == CPUS_MAX) {
            continue;
        }
        struct cpu *cpu = &other_cpus[cpu_count - 1];
        cpu_prepare(cpu, cpu_count, id);
        if (cpu_start(cpu)) {
            cpu_count++;
        } else {
            log_line("oak: processor %u does not answer and stays unused", id);
        }
    }
}

void cpu_main(void)
{
    cpu_init(trampoline_cpu);
    apic_init(false);
    __atomic_store_n(&trampoline_cpu, NULL, __ATOMIC_RELEASE);
    while (!__atomic_load_n(&sealed, __ATOMIC_ACQUIRE)) {
        cpu_pause();
    }
    kernel_map_flush();
    scheduler_leave();
}

/* On the first CPU's own stack; everything that is needed for a panic works. */
static void machine_start(void)
{
    apic_init(true);
    boot_cpu.apic_id = apic_id();
    clock_init();
    machine_find_cpus();
    apic_timer_calibrate();
    cpus_start();
    clock_page->cpus = cpu_count;
    log_line("oak: %u processors, %lu MiB", cpu_count, machine.ram_bytes >> 20);
    account_init_root();
    start_init(start_tsc);
    kernel_map_seal();
    kernel_map_flush();
    __atomic_store_n(&sealed, 1, __ATOMIC_RELEASE);
    scheduler_leave();
}

/* Does not return, so nothing compares its own canary with the new one. */
void kernel_main(uint64_t start_info_physical, uint64_t tsc_at_start)
{
    start_tsc = tsc_at_start;
    cpu_set_current(&boot_cpu);
    log_init();
    cpu_prepare(&boot_cpu, 0, 0);
    cpu_count = 1;
    machine_read(start_info_physical);
    cpu_features_read(machine.command_line);
    kernel_map_init();
    frames_init(ALIGN_UP((uint64_t)kernel_physical_end, PAGE_SIZE));
    stacks_make(&boot_cpu);
    cpu_init(&boot_cpu);
    __stack_chk_guard = cpu_random() & ~0xffull; /* a string never runs over the zero byte */
    stack_run(boot_cpu.stack_top, machine_start);
}

void __stack_chk_fail(void)
{
    panic(__FILE__, __LINE__, "a function wrote past its variables: its canary is dead");
}
