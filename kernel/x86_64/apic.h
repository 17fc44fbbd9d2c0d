/* The local APIC (xAPIC or x2APIC) and the IOAPICs: interrupts between CPUs, timer, devices. */
#pragma once

#include "lib/base/types.h"

/* Vectors above the exceptions. */
enum vector {
    VECTOR_DEVICE_FIRST = 48,
    VECTOR_DEVICE_LAST = 239,
    VECTOR_TIMER = 240,
    VECTOR_KICK = 241,
    VECTOR_SPURIOUS = 255,
    VECTOR_MASKED = 0x10000, /* none: an input of the local APIC or an IOAPIC is masked */
};

void apic_init(bool first);
uint32_t apic_id(void);
void apic_end_of_interrupt(void);

/* A non-maskable interrupt to every other processor; in the end of the machine only. */
void apic_stop_others(void);

/* Start the processor at TRAMPOLINE: INIT, then start-up interrupts. */
void apic_start_cpu(uint32_t apic_id);

/* Back to waiting for a start, wherever it is. */
void apic_park_cpu(uint32_t apic_id);

/* Measure the timer against the TSC; first CPU, once. */
void apic_timer_calibrate(void);

/* Interrupt this CPU when its TSC is that, or at once. */
void apic_timer_set(uint64_t tsc_now, uint64_t tsc_deadline);

/* All inputs masked. Returns how many interrupts it has; 0 when there are too many IOAPICs. */
uint32_t ioapic_add(uint64_t physical, uint32_t first_interrupt);

/* Route a global interrupt, edge triggered, active high. OUT_OF_RANGE without such an input. */
status_t ioapic_route(uint64_t interrupt, uint32_t vector, uint32_t apic_id_to);
