/*
 * Changes of the catalog: commit and remove, and synchronise. One at a time, in the order they
 * came, each a chain of transfers; the call is answered when the change is durable. A change that
 * fails before its header was written leaves everything as it was; one that fails later makes the
 * store read-only until the service is restarted, because which of the two catalogs is on the disk
 * is not known.
 */
#pragma once

#include "services/storage/store.h"

#define UPDATE_COOKIE BACKEND_FETCHES

/* All return STATUS_DEFERRED when the call with that token will be answered later. */

/* Make a reservation a blob: its top tree block must give the name. CORRUPT. A blob of that name
 * that is there already is fine: the reservation is released. */
MUST_USE status_t update_commit(struct reservation *reservation, uint64_t data_bytes,
                                const uint8_t name[BLOB_HASH_SIZE], uint64_t token);

/* NOT_FOUND; BUSY while somebody has it open. */
MUST_USE status_t update_remove(const uint8_t name[BLOB_HASH_SIZE], uint64_t token);

/* Answered when everything before is durable. */
MUST_USE status_t update_synchronise(uint64_t token);

/* The transfer with UPDATE_COOKIE is complete. */
void update_complete(status_t status);
