/*
 * The trace: what happens on each CPU, for whom init gives it to. A memory of one ring
 * after the other, one per CPU, read-only. Each ring is written by its own CPU: the count
 * first, then the event. Read while the trace is off, or read `written` again afterwards and trust
 * only the events since that minus TRACE_RING_EVENTS, but for the last two, which may be half
 * written. Includes nothing.
 */
#pragma once

#define TRACE_RING_BYTES  0x20000
#define TRACE_RING_EVENTS 4095

/* thread: number of the running thread's object, 0 when idle. */
enum trace_kind {
    TRACE_SWITCH = 1,      /* thread runs from now on; word: its domain's number, 0 */
    TRACE_CALL = 2,        /* detail: number of the kernel call; word: the first two arguments */
    TRACE_SYSTEM_CALL = 3, /* of the application; detail: RAX; word: RDI, RSI */
    TRACE_TRAP = 4,        /* exception or interrupt of user code; detail: vector; word: RIP, 0 */
    TRACE_FAULT = 5,       /* page fault of user code; detail: enum status, OK: resolved; word:
                              address, RIP */
    TRACE_WAKE = 6,        /* word: the thread that is ready now, the CPU that will run it */
    TRACE_SHOOTDOWN = 7,   /* word: bit per CPU that must answer, pages (33: all) */
    TRACE_NMI = 8,
};

struct trace_event {
    uint64_t tsc;
    uint32_t thread;
    uint16_t kind; /* enum trace_kind */
    uint16_t detail;
    uint64_t word[2];
};

struct trace_ring {
    uint64_t written; /* events ever; the next goes to that modulo TRACE_RING_EVENTS */
    uint64_t reserved[3];
    struct trace_event event[TRACE_RING_EVENTS];
};
