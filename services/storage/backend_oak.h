/* What main.c needs of the backend on Oak beside backend.h. */
#pragma once

#include "lib/base/types.h"

/* Bring up the disk of the grant at STORAGE_SLOT_DEVICE. */
MUST_USE status_t backend_start(void);

/* The bits of STORAGE_SLOT_SIGNAL that the disk raises; backend_interrupt acknowledges them. */
uint64_t backend_signal_bits(void);
void backend_interrupt(void);

/* The next complete transfer and how it went. NOT_FOUND: none now; IO_ERROR: the disk is broken. */
MUST_USE status_t backend_take(uint64_t *out_cookie, status_t *out_status);
