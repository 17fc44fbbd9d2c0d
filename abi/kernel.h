/*
 * What the kernel and its callers share: numbers, the thread's frame, and the structures that calls
 * leave in it. Includes nothing: the includer provides the fixed-width types.
 */
#pragma once

#define STATUS(name, number, meaning) STATUS_##name = number,
enum status {
#include "abi/status.def"
};
#undef STATUS

#define OBJECT(name, number, meaning) OBJECT_##name = number,
enum object_type {
    OBJECT_NONE = 0,
#include "abi/objects.def"
    OBJECT_TYPES,
};
#undef OBJECT

/* Sets of types. */
#define OBJECT(name, number, meaning) TYPE_##name = 1 << (number),
enum object_types {
#include "abi/objects.def"
    TYPE_HALF = TYPE_DOMAIN | TYPE_SPACE, /* what has regions */
    TYPE_ANY = (1 << OBJECT_TYPES) - 1,
    TYPE_NONE = 0,
};
#undef OBJECT

#define RIGHT(name, bit, meaning) RIGHT_##name = 1 << (bit),
enum right {
#include "abi/rights.def"
    RIGHTS_ALL = 0xff,
};
#undef RIGHT

#define KERNEL_CALL(number, name, arguments, results, type, rights, other, makes, shape, meaning)  \
    CALL_##name = number,
enum kernel_call {
#include "abi/syscalls.def"
    KERNEL_CALLS,
};
#undef KERNEL_CALL

/*
 * Of a region, with its rights: where 2 MiB of it lie at a multiple of that, in the address space
 * and in the private memory, they may be one page, backed as a whole at the first touch. A hint:
 * without memory for that, or where pages are there already, it has pages of 4 KiB.
 */
#define MAP_LARGE 8

#define PAGE_SIZE  4096ull
#define PAGE_SHIFT 12

/* Address space. The application has the whole lower half; the window is PML4 slot 256. */
#define APPLICATION_END 0x00007ffffffff000ull
#define WINDOW_BASE     0xffff800000000000ull
#define WINDOW_SIZE     0x0000008000000000ull /* 512 GiB */

#define DEADLINE_NEVER UINT64_MAX

/*
 * A message: up to 64 words in the frame and up to four capabilities.
 * header: bits 0-15 operation or status, 16-22 words, 24-26 capabilities, 32-63 free for the
 * protocol. To send capabilities, put slots into frame->send; to receive them, put empty slots into
 * frame->receive: the kernel fills the first ones (0: do not accept).
 */
#define MESSAGE_WORDS        64
#define MESSAGE_BYTES        (MESSAGE_WORDS * 8)
#define MESSAGE_CAPABILITIES 4
#define MESSAGE_HEADER(operation, words, capabilities)                                             \
    ((uint64_t)(operation) | (uint64_t)(words) << 16 | (uint64_t)(capabilities) << 24)
#define MESSAGE_INTERRUPTIBLE            (1ull << 27) /* gate_call: return INTERRUPTED when interrupted */
#define MESSAGE_OPERATION(header)        ((uint32_t)((header)&0xffff))
#define MESSAGE_WORD_COUNT(header)       ((uint32_t)((header) >> 16 & 0x7f))
#define MESSAGE_CAPABILITY_COUNT(header) ((uint32_t)((header) >> 24 & 7))

/* region_map: how many more regions the message has, each as the words that follow the half. */
#define REGION_WORDS       5
#define REGION_MORE(count) ((uint64_t)(count) << 4)
#define REGION_MORE_MAX    (MESSAGE_WORDS / REGION_WORDS)

/* One word of capabilities_copy. */
#define CAPABILITY_COPY(there, here, rights)                                                       \
    ((uint64_t)(there) | (uint64_t)(here) << 24 | ((uint64_t)(rights)&0xff) << 48)
/* The other way: from the domain's table into the caller's. */
#define CAPABILITY_TAKE(there, here, rights) (CAPABILITY_COPY(there, here, rights) | 1ull << 56)

/* In the last word of the call: so many more stand in the message, at most MESSAGE_WORDS. */
#define CAPABILITY_MORE(count) ((uint64_t)(count) << 57)

/* Why a thread came to its domain's trap entry, in trap_words.cause. */
enum trap_cause {
    TRAP_SYSCALL = 1,    /* the syscall instruction; rcx and r11 are lost by the instruction */
    TRAP_PAGE_FAULT = 2, /* address and error are set */
    TRAP_EXCEPTION = 3,  /* error holds the hardware's error code, vector its number */
    TRAP_INTERRUPT = 4,  /* asked for; address says why: enum interrupt_reason, several at once */
};

/* When thread_interrupt is to act, and what its value means. */
enum interrupt_when {
    INTERRUPT_NOW = 0,           /* no value */
    INTERRUPT_AFTER_TIME = 1,    /* once, when the thread has run for so many nanoseconds in all, in
                                    both modes (thread_usage); UINT64_MAX: never */
    INTERRUPT_ON_PREEMPTION = 2, /* 1: whenever it lost the CPU unasked or comes back on another;
                                    0: no longer */
};
enum interrupt_reason {
    INTERRUPTED_ASKED = 1,
    INTERRUPTED_TIME = 2,
    INTERRUPTED_PREEMPTION = 4,
};

/* What the hardware clobbers on the way in; every other register passes through. */
struct trap_words {
    uint64_t rip;
    uint64_t rsp;
    uint64_t rflags;
    uint64_t rax;
    uint64_t rcx;
    uint64_t r11;
    uint64_t cause;
    uint64_t address; /* page fault: the address; interruption: the reasons */
    uint64_t error;   /* page fault: hardware error code (bit 0 present, 1 write, 4 fetch), and from
                         bit 32 why the kernel could not resolve it (enum status) */
    uint64_t vector;
};

/*
 * One pinned page per thread, mapped in the window. A thread enters the window with RSP at the
 * start of this page, so the stack grows down from it and the personality finds it from RSP.
 */
struct thread_frame {
    struct trap_words application; /* 0x000: application_resume loads these */
    uint64_t reserved[6];
    struct trap_words
        personality; /* 0x080: a fault in personality mode; fault_resume loads these */
    uint64_t reserved_too[6];
    uint64_t message[MESSAGE_WORDS]; /* 0x100 */
    uint32_t send[MESSAGE_CAPABILITIES];
    uint32_t receive[MESSAGE_CAPABILITIES];
    uint8_t own[PAGE_SIZE - 0x320]; /* the kernel never looks at the rest */
};

/* A thread's stack and frame lie in one aligned block: a guard page, the stack, the frame. */
#define THREAD_BLOCK_SIZE   0x8000ull
#define THREAD_FRAME_OFFSET 0x7000ull

/*
 * An interruption (thread_interrupt) stays pending until application_resume delivers it as
 * TRAP_INTERRUPT. While it is pending, thread_park and signal_wait return INTERRUPTED, unless told
 * otherwise; gate_call does only when its header has MESSAGE_INTERRUPTIBLE.
 */
enum park_flags {
    PARK_UNINTERRUPTIBLE = 1, /* for locks: only an unpark or the deadline ends it */
};

enum thread_flags {
    THREAD_COPY_FPU = 1, /* start with the caller's FPU state (fork, clone) */
};

/* Priority bands: a lower one runs only when no higher one can. */
enum thread_band {
    BAND_CONTAINER = 0,
    BAND_SERVICE = 1,
    BAND_DRIVER = 2,
    BANDS,
};

enum domain_flags {
    DOMAIN_OPEN = 1, /* applications see the window: they have their personality's authority */
};

/* A limit below what is used now holds for whatever comes next; nothing is taken away. */
enum account_setting {
    ACCOUNT_LIMIT_BYTES = 0,
    ACCOUNT_LIMIT_THREADS = 1,
    /* Raising it reserves from the parent: NO_MEMORY; above the limit: INVALID_ARGUMENT. What is
     * given back the parent keeps for itself first, as far as its own guarantee reaches. */
    ACCOUNT_GUARANTEE_BYTES = 2,
    ACCOUNT_ALERT_BYTES = 3, /* raise the signal each time the use comes above; UINT64_MAX: never */
    ACCOUNT_CPU_WEIGHT = 4,  /* 1 to 262144, against its siblings' */
    ACCOUNT_CPU_QUOTA = 5,   /* nanoseconds of all CPUs together in each period; 0: no quota */
    ACCOUNT_CPU_PERIOD = 6,  /* nanoseconds, 1 ms to 10 s; 100 ms at first */
    ACCOUNT_FROZEN = 7, /* 1: none of its threads, and its children's, runs any more, wherever it
                           is; account_usage.running is 0 soon. 0: they go on */
};
#define ACCOUNT_WEIGHT_DEFAULT 1024

/* What bytes are charged for. */
enum account_kind {
    ACCOUNT_FRAMES,  /* page frames of memories */
    ACCOUNT_TABLES,  /* page tables */
    ACCOUNT_OBJECTS, /* kernel objects, 1 KiB each for its place in a table, and their parts */
    ACCOUNT_KINDS,
};

/*
 * What object_read tells, and object_write changes; each has its structure, in the frame's message,
 * and is of one type of object. `position` is 0 where nothing else is said.
 */
enum object_state {
    STATE_NONE,
    STATE_ACCOUNT,  /* struct account_usage */
    STATE_DOMAIN,   /* struct domain_report */
    STATE_THREAD,   /* struct thread_usage */
    STATE_PLATFORM, /* struct platform_state */
    STATE_REGION,   /* struct region_state of a domain's window or a space: of the first region that
                       ends above the address `position`; NOT_FOUND: none does */
    STATE_MEMORY,   /* struct memory_state; two words of it are of the page at the offset `position`
                     */
    STATE_PAGES,    /* struct memory_pages of PAGES_OF_STATE pages from the offset `position` on, a
                       multiple of so many pages. Written: those of `written` are clean from now on */
    STATE_PAYER,    /* struct object_payer, of any type */
    STATE_GATE,     /* struct gate_state */
    STATE_SIGNAL,   /* struct signal_state */
    STATE_REGISTERS, /* struct thread_registers of a thread that does not run (freeze its account).
                        Written: of one that was never started; thread_start with entry 0 runs it */
    STATE_FPU,   /* struct thread_fpu: part of the thread's XSAVE area, from the byte `position` on,
                    a multiple of its size; as STATE_REGISTERS. NOT_FOUND: behind the area's end */
    STATE_DEBUG, /* struct thread_debug: a thread's breakpoints. Written: of any, at any time */
    OBJECT_STATES,
};

struct account_usage {
    uint64_t bytes[ACCOUNT_KINDS]; /* this account alone, by kind */
    uint64_t bytes_total;          /* with its children */
    uint64_t bytes_peak;
    uint64_t limit_bytes;
    uint64_t guarantee_bytes;
    uint64_t threads;
    uint64_t limit_threads;
    uint64_t cpu_ns; /* with its children: the sum of the next two */
    uint64_t application_ns;
    uint64_t personality_ns;
    uint64_t throttled_ns; /* that its threads were held back by its quota, of each CPU */
    uint64_t cpu_weight;
    uint64_t cpu_quota_ns; /* its own, or of the nearest account above that has one; 0: none */
    uint64_t cpu_period_ns;
    uint64_t running; /* threads of it or its children that some CPU runs now */
};

struct thread_usage {
    uint64_t application_ns;
    uint64_t personality_ns;
    uint64_t state; /* of the kernel's own; these two mean that it runs or could */
};
#define THREAD_STATE_READY   1
#define THREAD_STATE_RUNNING 2

/*
 * Of one moment only if the thread's account is frozen. A thread that waits in a call is told as if
 * the call were about to be made, so that it is made again; one whose call was received already, as
 * if that had returned RESTARTED. Written, all words but the last three count; flags, bases and
 * addresses must be what a thread can have.
 */
struct thread_registers {
    uint64_t r15, r14, r13, r12, r11, r10, r9, r8;
    uint64_t rbp, rdi, rsi, rdx, rcx, rbx, rax;
    uint64_t rip, rflags, rsp, fs_base, gs_base;
    uint64_t flags; /* enum thread_register_flags */
    uint64_t frame; /* as thread_create had it, and the band */
    uint64_t band;
    uint64_t space; /* object number; 0: none */
};

enum thread_register_flags {
    THREAD_IN_APPLICATION = 1,
    THREAD_IN_FAULT = 2,     /* between the fault entry and fault_resume */
    THREAD_IN_RESTART = 4,   /* its call goes on where it was interrupted */
    THREAD_UNPARKED = 8,     /* its next park ends at once */
    THREAD_INTERRUPTED = 16, /* as by INTERRUPT_NOW */
    THREAD_STARTED = 32,     /* told only */
    THREAD_REGISTER_FLAGS = 63,
};

/*
 * As DR0 to DR3 and DR7 (Intel SDM volume 3, 17.2.4), of addresses of the application. A hit is a
 * TRAP_EXCEPTION with vector 1 whose error is DR6's low 4 bits, and bit 14 for a single step.
 * Accesses by the personality are not told. No ports, no general detection.
 */
struct thread_debug {
    uint64_t address[4];
    uint64_t control;
};

#define THREAD_FPU_BYTES 512
struct thread_fpu {
    uint8_t bytes[THREAD_FPU_BYTES];
};

/* Memories by object number, which capability_read tells as well. */
struct region_state {
    uint64_t start;
    uint64_t end;
    uint64_t rights;
    uint64_t rights_allowed; /* the most that region_protect gives */
    uint64_t private_memory; /* 0: none */
    uint64_t private_offset; /* of start */
    uint64_t source_memory;  /* 0: none */
    uint64_t source_offset;
};

struct memory_state {
    uint64_t size_bytes;
    uint64_t base; /* of a view; 0: it is none */
    uint64_t base_offset;
    uint64_t rights;   /* of a view */
    uint64_t present;  /* 1: the page is there, in a view's base */
    uint64_t physical; /* its address, if it is there and the memory was made for DMA; else 0 */
};

/* A bit for each page. A page is written when it is made, and cleaned by object_write. */
#define PAGES_OF_STATE 512
struct memory_pages {
    uint64_t present[PAGES_OF_STATE / 64];
    uint64_t written[PAGES_OF_STATE / 64]; /* since it was cleaned; only of present ones */
};

struct object_payer {
    uint64_t account; /* object number; 0: the root account has none */
};

struct gate_state {
    uint64_t endpoint; /* object number; 0: it is gone */
    uint64_t badge;
};

struct signal_state {
    uint64_t bits;
};

/* Which fault ended a domain; and its entries. */
struct domain_report {
    struct trap_words fault; /* cause 0: the domain has not ended by a fault */
    uint64_t rbp;            /* the thread's, when it ended: where its calls' frames begin */
    uint64_t trap_entry;
    uint64_t fault_entry;
    uint64_t flags; /* enum domain_flags */
};

#define LOCK(name, meaning) PLATFORM_LOCK_##name,
enum platform_lock {
#include "abi/locks.def"
    PLATFORM_LOCKS,
};
#undef LOCK

struct platform_state {
    uint64_t memory_bytes;       /* all that the kernel manages */
    uint64_t memory_free_bytes;  /* frames nobody owns now */
    uint64_t memory_spare_bytes; /* of the kernel's own frames: kept for objects to come */
    uint64_t objects;            /* kernel objects alive */
    uint64_t cpus;
    uint64_t now_ns;
    uint64_t lock_contended[PLATFORM_LOCKS]; /* how often one was found held */
};

/* What platform_set changes. */
enum platform_setting {
    PLATFORM_WALL_NS = 0, /* the wall clock, to nanoseconds since 1970; needs CONTROL too */
    PLATFORM_TRACE = 1,   /* 1: the trace (abi/trace.h) is written, 0: no longer; needs READ too */
};

#define MEMORY_DMA   UINT64_MAX
#define IRQ_MSI      UINT64_MAX
#define IOPORT_WRITE 0x100

/*
 * The time page, read-only for everyone:
 * monotonic_ns = base_ns + ((rdtsc - base_tsc) * multiplier >> shift), wall_ns = monotonic_ns +
 * wall_offset_ns. Read sequence before and after: odd, or changed, means read again.
 */
struct time_page {
    uint32_t sequence;
    uint32_t shift;
    uint64_t multiplier;
    uint64_t base_tsc;
    uint64_t base_ns;
    uint64_t wall_offset_ns;
    uint64_t tsc_hz;
    uint64_t cpus; /* that run threads */
};

/* Slots that every program finds filled; a program's own begin at SLOT_FIRST. */
enum slot {
    SLOT_NONE = 0,
    SLOT_DOMAIN = 1,  /* its own domain */
    SLOT_ACCOUNT = 2, /* its own account */
    SLOT_LOG = 3,     /* the platform, right WRITE only */
    SLOT_TIME = 4,    /* the time page */
    SLOT_MEMORY = 5,  /* the private memory of its window, indexed by window offset */
    SLOT_THREAD = 6,  /* its first thread */
    SLOT_FIRST = 16,
    SLOT_DYNAMIC = 64, /* slots that the runtime hands out begin here */
    SLOTS = 1 << 17,
};

/* Where the kernel puts what only init gets. */
enum init_slot {
    INIT_SLOT_PLATFORM = SLOT_FIRST, /* every right */
    INIT_SLOT_BUNDLE,                /* the archive of programs, read and execute */
    INIT_SLOT_BOOT,                  /* struct boot_info */
    INIT_SLOT_TRACE,                 /* the rings of abi/trace.h, read */
};

#define BOOT_COMMAND_LINE 2048
struct boot_info {
    uint64_t bundle_bytes;
    uint64_t tsc_at_start; /* TSC at the kernel's first instruction */
    char command_line[BOOT_COMMAND_LINE];
};

/* The bundle: this header at offset 0, then page-aligned files. */
#define BUNDLE_MAGIC 0x656c646e754b616full
#define BUNDLE_NAME  40
struct bundle_entry {
    char name[BUNDLE_NAME];
    uint64_t offset;
    uint64_t size_bytes;
    uint64_t reserved;
};
struct bundle_header {
    uint64_t magic;
    uint64_t count;
    uint64_t reserved[6];
    struct bundle_entry entry[];
};

/*
 * Where things lie in a program's window (offsets from WINDOW_BASE). One private memory covers the
 * window and is indexed by these offsets. The blocks of threads go down from the program, the main
 * thread's first: so the first blocks and a small program share one page table, which is most of
 * what a program that has just started writes to.
 */
#define WINDOW_THREADS_MAX 8192
#define WINDOW_IMAGE       (WINDOW_BASE + 0x10040000ull) /* the program */
#define WINDOW_HEAP        (WINDOW_BASE + 0x11000000ull) /* grows up */
#define WINDOW_MAPS        (WINDOW_BASE + 0x40000000ull) /* other memories, placed by the program */
#define WINDOW_THREAD_BLOCK(number)                                                                \
    (WINDOW_IMAGE - ((uint64_t)(number) + 1) * THREAD_BLOCK_SIZE) /* its guard page */
