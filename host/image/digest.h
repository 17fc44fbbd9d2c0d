/* SHA-256 digests as images write them (sha256:...), by libcrypto, which is fast. */
#pragma once

#include "lib/base/types.h"

#define DIGEST_BYTES       32
#define DIGEST_TEXT_BYTES  72 /* "sha256:", 64 digits, zero */
#define DIGEST_PREFIX_TEXT "sha256:"

struct digest {
    uint8_t bytes[DIGEST_BYTES];
};

struct hasher;

struct hasher *hasher_new(void);
void hasher_free(struct hasher *hasher);
void hasher_update(struct hasher *hasher, const void *bytes, size_t length_bytes);
/* The hasher begins anew afterwards. */
void hasher_final(struct hasher *hasher, struct digest *out);

void digest_of(const void *bytes, size_t length_bytes, struct digest *out);
bool digest_equal(const struct digest *a, const struct digest *b);

/* "sha256:" and 64 lower-case hexadecimal digits, nothing else. */
MUST_USE bool digest_parse(const char *text, struct digest *out);
/* 64 lower-case hexadecimal digits at the start of text. */
MUST_USE bool digest_parse_hexadecimal(const char *text, struct digest *out);
void digest_text(const struct digest *digest, char out[DIGEST_TEXT_BYTES]);
