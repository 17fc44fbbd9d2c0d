/*
 * Which slots of this program's capability table are free, from SLOT_DYNAMIC on. The kernel fills
 * and empties the slots; this remembers who may use which number. Single-threaded: the services'
 * event loops; whoever has threads puts a lock around it.
 */
#pragma once

#include "lib/base/types.h"

/* An empty slot for the caller; LIMIT_REACHED when all are taken. */
MUST_USE status_t slot_allocate(uint32_t *out);

/* Give back a slot that is empty, or that a failed call left empty. SLOT_NONE is ignored. */
void slot_free(uint32_t slot);

/* Drop the capability in the slot (the object lives on elsewhere), then give the slot back. */
void slot_release(uint32_t slot);

/* Destroy the object in the slot, then as slot_release. A failed destroy is not reported. */
void slot_destroy(uint32_t slot);

/* A second capability to the same object with at most these rights, in a new slot. */
MUST_USE status_t slot_copy(uint32_t slot, uint32_t rights, uint32_t *out);
