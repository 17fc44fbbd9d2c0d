/*
 * What the kernel's tests stand on: TAP lines, slots, further threads whose blocks are used again,
 * child domains made of this same program, the books of accounts and machine, probes that survive a
 * fault, and an application that is run like a function.
 *
 * Threads: `ok` may be called by any thread, the rest of the runtime by the first one only.
 */
#pragma once

#include "lib/base/types.h"
#include "lib/oak/clock.h"
#include "lib/oak/kernel.h"
#include "lib/oak/log.h"
#include "lib/oak/program.h"

#define MILLISECOND_NS 1000000ull
#define SECOND_NS      1000000000ull

/* --- TAP ------------------------------------------------------------------------------------- */

void ok(bool good, const char *what);
/* The status is the wanted one; a failure names both. */
void ok_status(status_t got, status_t wanted, const char *what);
/* Preparation that cannot fail in a sound kernel: otherwise the run ends. */
void must(status_t status, const char *what);
void tap_end(void);

/* --- slots and books ------------------------------------------------------------------------- */

uint32_t slot_new(void);
/* Destroy, drop, give the slot back; the destroy must succeed. */
void destroy(uint32_t slot);

struct account_usage account_books(uint32_t account);
struct platform_state machine_books(void);
/* Wait until the machine has this much free memory and these objects again; false: it never does.
 */
bool machine_is_as(const struct platform_state *before);

uint32_t memory_new(uint32_t account, uint64_t size_bytes);
uint32_t account_new(uint64_t limit_bytes, uint64_t limit_threads);
/* A place in the window for that many bytes, never given out again; nothing is mapped there. */
uint64_t window_place(uint64_t size_bytes);
/* Map all of a memory into the window, readable and writable. */
volatile uint8_t *window_map_all(uint32_t memory, uint64_t size_bytes);

/* --- threads --------------------------------------------------------------------------------- */

struct worker {
    void (*run)(struct worker *worker);
    void *context;
    uint64_t argument;
    uint32_t slot; /* the thread */
    uint32_t block;
    uint32_t done;
};

/*
 * In two steps: what the first writes into the window may be cloned with it before the second makes
 * the thread, in that copy's domain.
 */
void worker_prepare(struct worker *worker, void (*run)(struct worker *worker));
void worker_begin(struct worker *worker, uint32_t domain, uint32_t space, uint32_t account,
                  enum thread_band band);
/* Start worker->run(worker) in a thread of its own, in that space or none. */
void worker_start_in(struct worker *worker, void (*run)(struct worker *), uint32_t space,
                     uint32_t account, enum thread_band band);
/* The same with this account, as a service. */
void worker_start(struct worker *worker, void (*run)(struct worker *), uint32_t space);
/* Wait until run returned, and take everything back. */
void worker_join(struct worker *worker);
/* Destroy the thread wherever it is, and take everything back. Returns what the destroy said. */
status_t worker_kill(struct worker *worker);
void pause_ns(uint64_t ns);
void wait_for(const uint32_t *word, uint32_t value);

/* --- options --------------------------------------------------------------------------------- */

/* The decimal number behind `key` on the kernel's command line, or the other one without it. */
uint64_t boot_number(const char *key, uint64_t otherwise);

/* --- children: this program again, in a domain of its own ------------------------------------ */

/* What a child runs instead of the tests when program_main's argument is not zero. */
typedef void (*role_t)(uint64_t argument);

struct child {
    struct program program;
    uint32_t signal; /* raised with 1 when it ends by a fault */
};

/* Load, without a start. Further capabilities go in by kernel_capability_copy. */
void child_load(struct child *child, uint64_t limit_bytes, uint64_t argument, uint32_t flags);
struct domain_report child_report(const struct child *child);
void child_destroy(struct child *child);

/* --- probes ---------------------------------------------------------------------------------- */

enum probe {
    PROBE_READ,
    PROBE_WRITE,
    PROBE_EXECUTE,
};

/* Try it in personality mode; false when it faulted. */
bool probe(uint64_t address, enum probe kind);

/* --- the application ------------------------------------------------------------------------- */

/* In the caller's own frame, from byte 0x800. The order is known to harness.S. */
struct application {
    uint64_t saved_rsp;
    uint64_t rbx, rdx, rsi, rdi, rbp, r8, r9, r10, r12, r13, r14, r15;
    uint64_t probe_rip; /* a probe's address of execution */
    uint64_t faults;    /* faults of probes */
};
#define APPLICATION_OFFSET 0x800

struct application *application_self(void);
/*
 * Resume the application of the calling thread; returns at its next trap, whose words are in the
 * frame. The registers that the trap words do not hold are those of application_self().
 */
const struct trap_words *application_run(void);
/* The same from these words, with cause `cause` set first (TRAP_SYSCALL takes the fast path). */
const struct trap_words *application_run_at(uint64_t rip, uint64_t rsp, uint64_t cause);
/* Send all traps and faults of a domain to the harness: for every domain that uses the above. */
void harness_entries_set(uint32_t domain);

#define APPLICATION_CODE  0x400000ull
#define APPLICATION_STACK 0x7fff0000ull /* its end */
#define APPLICATION_DATA  0x500000ull

/*
 * A space of the domain with a page of code (readable, writable, executable) at APPLICATION_CODE,
 * one of data at APPLICATION_DATA and one of stack below APPLICATION_STACK, all in a memory indexed
 * by address. The code is written through *code.
 */
struct application_space {
    uint32_t space;
    uint32_t memory;
    volatile uint8_t *code;
    volatile uint8_t *data;
};
void application_space_make(struct application_space *out, uint32_t account, uint32_t domain);
void application_space_end(struct application_space *space);
void code_put(struct application_space *space, const void *code, size_t length);

/* --- suites ---------------------------------------------------------------------------------- */

void test_account(void);
void test_domain(void);
void test_memory(void);
void test_region(void);
void test_large(void);
void test_thread(void);
void test_application(void);
void test_endpoint(void);
void test_signal(void);
void test_space(void);
void test_shortage(void);
void test_sharing(void);
void test_quota(void);
void test_trace(void);
void test_domain_clone(void);
