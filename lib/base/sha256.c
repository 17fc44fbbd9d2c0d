#include "lib/base/sha256.h"

#include "lib/base/string.h"

/* FIPS 180-4, section 4.2.2. */
static const uint32_t round_constant[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static inline uint32_t rotate(uint32_t value, unsigned int by)
{
    return value >> by | value << (32 - by);
}

static inline uint32_t load_big_endian(const uint8_t *from)
{
    uint32_t value;
    memcpy(&value, from, sizeof(value));
    return __builtin_bswap32(value);
}

static void schedule(uint32_t words[64], const uint8_t *block)
{
    for (int i = 0; i < 16; i++) {
        words[i] = load_big_endian(block + 4 * i);
    }
    for (int i = 16; i < 64; i++) {
        uint32_t a = words[i - 15];
        uint32_t b = words[i - 2];
        uint32_t s0 = rotate(a, 7) ^ rotate(a, 18) ^ a >> 3;
        uint32_t s1 = rotate(b, 17) ^ rotate(b, 19) ^ b >> 10;
        words[i] = words[i - 16] + s0 + words[i - 7] + s1;
    }
}

/* One round: of the eight words only two change; the caller's next round names them shifted by one
 * instead of moving all of them. */
static inline __attribute__((always_inline)) void round_do(uint32_t a, uint32_t b, uint32_t c,
                                                           uint32_t *d, uint32_t e, uint32_t f,
                                                           uint32_t g, uint32_t *h, uint32_t input)
{
    uint32_t s1 = rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25);
    uint32_t s0 = rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22);
    uint32_t sum = *h + s1 + (g ^ (e & (f ^ g))) + input;
    *d += sum;
    *h = sum + s0 + ((a & b) | (c & (a | b)));
}

static void compress(uint32_t state[8], const uint8_t *block)
{
    uint32_t words[64];
    schedule(words, block);
    uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
    uint32_t e = state[4], f = state[5], g = state[6], h = state[7];
    for (int i = 0; i < 64; i += 8) {
        const uint32_t *constant = &round_constant[i];
        const uint32_t *word = &words[i];
        round_do(a, b, c, &d, e, f, g, &h, constant[0] + word[0]);
        round_do(h, a, b, &c, d, e, f, &g, constant[1] + word[1]);
        round_do(g, h, a, &b, c, d, e, &f, constant[2] + word[2]);
        round_do(f, g, h, &a, b, c, d, &e, constant[3] + word[3]);
        round_do(e, f, g, &h, a, b, c, &d, constant[4] + word[4]);
        round_do(d, e, f, &g, h, a, b, &c, constant[5] + word[5]);
        round_do(c, d, e, &f, g, h, a, &b, constant[6] + word[6]);
        round_do(b, c, d, &e, f, g, h, &a, constant[7] + word[7]);
    }
    const uint32_t sum[8] = {a, b, c, d, e, f, g, h};
    for (int i = 0; i < 8; i++) {
        state[i] += sum[i];
    }
}

void sha256_init(struct sha256 *hash)
{
    *hash = (struct sha256){.state = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f,
                                      0x9b05688c, 0x1f83d9ab, 0x5be0cd19}};
}

void sha256_update(struct sha256 *hash, const void *bytes, size_t length_bytes)
{
    const uint8_t *next = bytes;
    size_t held = hash->length_bytes % sizeof(hash->block);
    hash->length_bytes += length_bytes;
    if (held > 0) {
        size_t part = MIN(length_bytes, sizeof(hash->block) - held);
        memcpy(hash->block + held, next, part);
        next += part;
        length_bytes -= part;
        if (held + part < sizeof(hash->block)) {
            return;
        }
        compress(hash->state, hash->block);
    }
    for (; length_bytes >= sizeof(hash->block); length_bytes -= sizeof(hash->block)) {
        compress(hash->state, next);
        next += sizeof(hash->block);
    }
    if (length_bytes > 0) {
        memcpy(hash->block, next, length_bytes);
    }
}

void sha256_final(struct sha256 *hash, uint8_t out[SHA256_BYTES])
{
    uint64_t bits = __builtin_bswap64(hash->length_bytes * 8);
    size_t held = hash->length_bytes % sizeof(hash->block);
    hash->block[held++] = 0x80;
    if (held > sizeof(hash->block) - sizeof(bits)) {
        memset(hash->block + held, 0, sizeof(hash->block) - held);
        compress(hash->state, hash->block);
        held = 0;
    }
    memset(hash->block + held, 0, sizeof(hash->block) - sizeof(bits) - held);
    memcpy(hash->block + sizeof(hash->block) - sizeof(bits), &bits, sizeof(bits));
    compress(hash->state, hash->block);
    for (int i = 0; i < 8; i++) {
        uint32_t word = __builtin_bswap32(hash->state[i]);
        memcpy(out + 4 * i, &word, sizeof(word));
    }
}

void sha256_of(const void *bytes, size_t length_bytes, uint8_t out[SHA256_BYTES])
{
    struct sha256 hash;
    sha256_init(&hash);
    sha256_update(&hash, bytes, length_bytes);
    sha256_final(&hash, out);
}
