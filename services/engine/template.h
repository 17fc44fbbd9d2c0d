/*
 * The template: a personality that ran its initialisation once and was then frozen. Every container
 * starts as a copy-on-write clone of its window.
 *
 * It is the bundle's program `linux` in a domain and an account of its own. What it is given is the
 * usual (abi/kernel.h) and a gate with ENGINE_BADGE_TEMPLATE, over which it says that it is ready;
 * that call is never answered: its thread is destroyed, and with it the call. It has no secrets and
 * no authority that a clone could inherit, because a clone gets the memory and the regions, not the
 * table.
 */
#pragma once

#include "abi/container.idl.h"
#include "lib/base/types.h"
#include "lib/oak/program.h"
#include "lib/oak/service.h"

#define TEMPLATE_PROGRAM "linux"

/* What a clone is made of. */
struct template_image {
    uint32_t domain;  /* its regions are copied */
    uint32_t memory;  /* its window's, cloned */
    uint64_t entry;   /* where a clone's first thread starts, without an argument */
    uint64_t frame;   /* that thread's */
    uint64_t written; /* what a clone writes to at once */
    uint64_t written_bytes;
};

enum template_state {
    TEMPLATE_STARTING,
    TEMPLATE_READY,
    TEMPLATE_FAILED, /* it could not be loaded, or faulted: no container can start */
};

/* Load and run it. On failure the state is FAILED. Its domain's end raises `fault_bits`. */
void template_start(const struct bundle *bundle, uint64_t fault_bits);

/* template_ready (abi/container.idl) came over the template's gate. */
MUST_USE status_t template_freeze(const struct container_template_ready_request *request);

/* Its fault bits were raised. */
void template_faulted(void);

enum template_state template_state(void);

/* The personality's function at an address of its window, and how far in it that is; NULL: unknown.
 */
const char *template_function(uint64_t address, uint64_t *out_offset);

/* NULL unless it is READY. */
const struct template_image *template_get(void);
