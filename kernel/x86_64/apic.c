/*
 * Local APIC and IOAPIC. Intel SDM volume 3, chapter 11; 82093AA data sheet.
 */
#include "kernel/x86_64/apic.h"

#include "kernel/core/assert.h"
#include "kernel/core/clock.h"
#include "kernel/core/lock.h"
#include "kernel/core/sealed.h"
#include "kernel/x86_64/cpu.h"
#include "kernel/x86_64/kernel_map.h"
#include "kernel/x86_64/layout.h"

#define MSR_APIC_BASE    0x1b
#define MSR_TSC_DEADLINE 0x6e0
#define MSR_X2APIC       0x800
#define APIC_PHYSICAL    0xfee00000ull

/* Register numbers; xAPIC offset is number * 16. */
#define APIC_ID          0x02
#define APIC_EOI         0x0b
#define APIC_SPURIOUS    0x0f
#define APIC_COMMAND     0x30
#define APIC_COMMAND_TOP 0x31
#define APIC_TIMER       0x32
#define APIC_LINT0       0x35
#define APIC_LINT1       0x36
#define APIC_INITIAL     0x38
#define APIC_CURRENT     0x39
#define APIC_DIVIDE      0x3e

#define TIMER_TSC_DEADLINE (2u << 17)

#define COMMAND_NMI       (4u << 8)
#define COMMAND_INIT      (5u << 8)
#define COMMAND_ASSERT    (1u << 14)
#define COMMAND_TO_OTHERS (3u << 18)

#define PIC1_MASK 0x21
#define PIC2_MASK 0xa1

#define IOAPICS_MAX 8

struct ioapic {
    volatile uint32_t *registers;
    uint32_t first;
    uint32_t inputs;
};

static SEALED volatile uint32_t *apic_registers;
static SEALED uint64_t timer_per_tsc_shift32; /* timer ticks per TSC cycle, 32.32 */
static SEALED struct ioapic ioapics[IOAPICS_MAX];
static SEALED uint32_t ioapic_count;
static struct spinlock ioapic_lock = {.lock_class = LOCK_PLATFORM};

static uint32_t apic_read(uint32_t number)
{
    if (cpu_features.x2apic) {
        return (uint32_t)msr_read(MSR_X2APIC + number);
    }
    return apic_registers[number * 4];
}

static void apic_write(uint32_t number, uint32_t value)
{
    if (cpu_features.x2apic) {
        msr_write(MSR_X2APIC + number, value);
    } else {
        apic_registers[number * 4] = value;
    }
}

void apic_init(bool first)
{
    port_write8(PIC1_MASK, 0xff); /* the old interrupt controllers: silent, and nobody hears them */
    port_write8(PIC2_MASK, 0xff);
    uint64_t base = msr_read(MSR_APIC_BASE) | 1u << 11;
    msr_write(MSR_APIC_BASE, base);
    if (cpu_features.x2apic) {
        msr_write(MSR_APIC_BASE, base | 1u << 10);
    } else if (first) {
        apic_registers = device_map(APIC_PHYSICAL);
    }
    apic_write(APIC_SPURIOUS, 0x100 | VECTOR_SPURIOUS);
    apic_write(APIC_LINT0, VECTOR_MASKED); /* where those come in */
    apic_write(APIC_LINT1, COMMAND_NMI);   /* where machines connect their NMI button */
    if (cpu_features.tsc_deadline) {
        apic_write(APIC_TIMER, VECTOR_TIMER | TIMER_TSC_DEADLINE);
    } else {
        apic_write(APIC_DIVIDE, 0xb); /* by 1 */
        apic_write(APIC_TIMER, VECTOR_TIMER);
    }
}

uint32_t apic_id(void)
{
    return cpu_features.x2apic ? apic_read(APIC_ID) : apic_read(APIC_ID) >> 24;
}

void apic_end_of_interrupt(void)
{
    apic_write(APIC_EOI, 0);
}

static void command_write(uint32_t apic_id_to, uint32_t command)
{
    if (cpu_features.x2apic) {
        msr_write(MSR_X2APIC + APIC_COMMAND, (uint64_t)apic_id_to << 32 | command);
        return;
    }
    apic_write(APIC_COMMAND_TOP, apic_id_to << 24);
    apic_write(APIC_COMMAND, command);
    while (apic_read(APIC_COMMAND) & 1u << 12) {
        cpu_pause();
    }
}

void cpu_kick(uint32_t number)
{
    /* In x2APIC mode the MSR write does not order earlier stores (SDM 11.12.3). */
    __asm__ volatile("mfence" : : : "memory");
    command_write(cpus[number]->apic_id, COMMAND_ASSERT | VECTOR_KICK);
}

void apic_stop_others(void)
{
    command_write(0, COMMAND_TO_OTHERS | COMMAND_ASSERT | COMMAND_NMI);
}

void apic_park_cpu(uint32_t apic_id_to)
{
    command_write(apic_id_to, COMMAND_ASSERT | COMMAND_INIT);
}

void apic_start_cpu(uint32_t apic_id_to)
{
    apic_park_cpu(apic_id_to);
    clock_spin_ns(10000);
    command_write(apic_id_to, 0x4600 | TRAMPOLINE >> 12);
    clock_spin_ns(10000);
    command_write(apic_id_to, 0x4600 | TRAMPOLINE >> 12);
}

void apic_timer_calibrate(void)
{
    if (cpu_features.tsc_deadline) {
        return;
    }
    apic_write(APIC_INITIAL, UINT32_MAX); /* interrupts are off, and its end is seconds away */
    uint64_t tsc_start = tsc_read();
    clock_spin_ns(1000000);
    uint64_t ticks = UINT32_MAX - apic_read(APIC_CURRENT);
    uint64_t cycles = tsc_read() - tsc_start;
    apic_write(APIC_INITIAL, 0);
    assert(ticks > 0 && cycles > 0);
    timer_per_tsc_shift32 = (ticks << 32) / cycles;
}

void apic_timer_set(uint64_t tsc_now, uint64_t tsc_deadline)
{
    if (cpu_features.tsc_deadline) {
        msr_write(MSR_TSC_DEADLINE, tsc_deadline);
        return;
    }
    uint64_t cycles = tsc_deadline > tsc_now ? tsc_deadline - tsc_now : 0;
    uint128_t ticks = (uint128_t)cycles * timer_per_tsc_shift32 >> 32;
    apic_write(APIC_INITIAL, (uint32_t)MIN(MAX(ticks, 1u), UINT32_MAX));
}

static void ioapic_write(const struct ioapic *ioapic, uint32_t number, uint32_t value)
{
    ioapic->registers[0] = number;
    ioapic->registers[4] = value;
}

uint32_t ioapic_add(uint64_t physical, uint32_t first_interrupt)
{
    if (ioapic_count == IOAPICS_MAX) {
        return 0;
    }
    struct ioapic *ioapic = &ioapics[ioapic_count++];
    ioapic->registers = device_map(physical);
    ioapic->first = first_interrupt;
    ioapic->registers[0] = 1; /* version, and the last input's number */
    ioapic->inputs = (ioapic->registers[4] >> 16 & 0xff) + 1;
    for (uint32_t input = 0; input < ioapic->inputs; input++) {
        ioapic_write(ioapic, 0x10 + input * 2, VECTOR_MASKED);
    }
    return ioapic->inputs;
}

status_t ioapic_route(uint64_t interrupt, uint32_t vector, uint32_t apic_id_to)
{
    for (const struct ioapic *ioapic = ioapics; ioapic < &ioapics[ioapic_count]; ioapic++) {
        uint64_t input = interrupt - ioapic->first;
        if (input < ioapic->inputs) {
            spin_lock(&ioapic_lock);
            ioapic_write(ioapic, 0x10 + (uint32_t)input * 2 + 1, apic_id_to << 24);
            ioapic_write(ioapic, 0x10 + (uint32_t)input * 2, vector);
            spin_unlock(&ioapic_lock);
            return STATUS_OK;
        }
    }
    return STATUS_OUT_OF_RANGE;
}
