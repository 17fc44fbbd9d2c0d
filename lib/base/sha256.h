/* SHA-256 (FIPS 180-4), freestanding, without tables that depend on data. */
#pragma once

#include "lib/base/types.h"

#define SHA256_BYTES 32

struct sha256 {
    uint32_t state[8];
    uint64_t length_bytes;
    uint8_t block[64];
};

void sha256_init(struct sha256 *hash);
void sha256_update(struct sha256 *hash, const void *bytes, size_t length_bytes);
void sha256_final(struct sha256 *hash, uint8_t out[SHA256_BYTES]);

/* All three at once. */
void sha256_of(const void *bytes, size_t length_bytes, uint8_t out[SHA256_BYTES]);
