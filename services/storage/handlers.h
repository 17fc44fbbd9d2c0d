/*
 * The operations of storage.idl and blob.idl, over the store and the backend. Without a mounted
 * store every operation that needs it answers `trouble`.
 */
#pragma once

#include "abi/blob.service.h"
#include "abi/storage.service.h"

extern const struct storage_handlers storage_handlers;
extern const struct blob_handlers blob_handlers;

/* Why there is no store: CORRUPT, IO_ERROR, NOT_SUPPORTED. Until it is called there is one. */
void handlers_set_trouble(status_t status);

/* The transfer with that cookie is complete. */
void handlers_complete(uint64_t cookie, status_t status);
