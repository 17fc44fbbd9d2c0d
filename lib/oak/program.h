/*
 * The start of a program, both ways: what the runtime calls in this one, and how this one starts
 * another from the bundle.
 *
 * A program is an ELF64 executable linked by lib/oak/program.ld. It is loaded into a new domain
 * whose window looks like this: the image's read-only segments mapped straight from the bundle
 * (shared by everyone), its writable segments as the private memory over the bundle (copied when
 * written), .bss and the first thread's block as zero pages of the private memory. Nothing is
 * copied. The program finds the standard slots of abi/kernel.h filled, and those the caller lists.
 */
#pragma once

#include "lib/base/types.h"

/* Every program defines this; when it returns, its first thread ends. */
void program_main(uint64_t argument);

/* The bundle as this program sees it. The memory needs READ, and EXECUTE to load from it. */
struct bundle {
    uint32_t memory;
    const struct bundle_header *header; /* mapped for as long as the program lives */
    uint64_t size_bytes;
};

/* Map and check the header of a bundle. CORRUPT when it is none. */
MUST_USE status_t bundle_open(uint32_t memory, uint64_t size_bytes, struct bundle *out);

/* Where a file lies in the bundle's memory. NOT_FOUND. */
MUST_USE status_t bundle_find(const struct bundle *bundle, const char *name, uint64_t *out_offset,
                              uint64_t *out_size_bytes);

/* One more capability for the new program. */
struct program_capability {
    uint32_t slot_there; /* from SLOT_FIRST on */
    uint32_t slot_here;
    uint32_t rights; /* mask; RIGHTS_ALL gives what we have */
};

struct program_specification {
    const struct bundle *bundle;
    const char *name;

    /* The new account is made in `account` (right PAY). Its limits as in account_create. */
    uint32_t account;
    uint64_t guarantee_bytes;
    uint64_t limit_bytes;
    uint64_t limit_threads;

    enum thread_band band;
    uint32_t domain_flags;  /* enum domain_flags */
    uint64_t private_bytes; /* size of SLOT_MEMORY; 0: up to WINDOW_MAPS. It must reach as far as
                               the program maps it */
    uint64_t argument;

    /* Rights on itself that the program gets with SLOT_DOMAIN and SLOT_ACCOUNT. 0: the usual
     * (domain: READ CONTROL; account: READ PAY), which lets it map, install and create. */
    uint32_t domain_rights;
    uint32_t account_rights;

    const struct program_capability *capabilities;
    size_t capability_count;

    uint32_t watch_signal; /* or SLOT_NONE: gets watch_bits when the program ends by a fault */
    uint64_t watch_bits;
};

/* The caller's slots for the new objects, with all rights. */
struct program {
    uint32_t account;
    uint32_t domain;
    uint32_t memory;
    uint32_t thread;
    uint64_t entry;
    uint64_t argument;
};

/*
 * Do everything but the start. On failure nothing is left behind. Errors: NOT_FOUND (no such
 * file), CORRUPT (not such an executable), and those of the kernel calls.
 */
MUST_USE status_t program_load(const struct program_specification *specification,
                               struct program *out);
MUST_USE status_t program_start(const struct program *program);

/* Destroy the account and with it everything that the program had; give back the slots. */
void program_destroy(struct program *program);
