/*
 * The kernel's own half of every root: direct map, image, device registers, stacks. Nothing in it
 * is writable and executable, and what never changes after the start has no writable mapping at
 * all: text, read-only data, and the sealed variables (core/sealed.h), these tables among them.
 */
#pragma once

#include "lib/base/types.h"

/* Where the image's parts lie; kernel.ld. */
extern char kernel_text_start[];
extern char kernel_text_end[];
extern char kernel_data_start[];
extern char kernel_end[];

/* The kernel's root table, whose upper slots every other root copies. */
extern uint64_t kernel_root_physical;

/* Build the final tables and load them: direct map of all RAM, image with its real rights. */
void kernel_map_init(void);

/* Map a page of device registers for the kernel itself, uncached. While booting only. */
void *device_map(uint64_t physical);

/* Map a page of the stacks' area, writable. While booting only. */
void stack_page_map(uint64_t address, uint64_t physical);

/* Is that page of the stacks' area mapped? False for every other address. */
bool stack_page_mapped(uint64_t address);

/* Make sealed variables read-only. Every CPU then calls kernel_map_flush. */
void kernel_map_seal(void);

/* Forget this CPU's cached translations, global ones too. */
void kernel_map_flush(void);
