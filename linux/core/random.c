/*
 * ChaCha20 (RFC 8439, section 2.3) as a generator that overwrites its key with the first half of
 * each request's first block, so that what was given out cannot be computed from what is in memory
 * later. The seed is the CPU's RDRAND, and the TSC, where there is no RDRAND alone: docs/limits.md.
 */
#include "linux/core/random.h"

#include "lib/base/processor.h"
#include "lib/base/string.h"
#include "linux/core/lock.h"

#define KEY_WORDS   8
#define BLOCK_WORDS 16
#define ROUNDS      10
#define TRIES       32

static struct {
    struct mutex lock;
    bool hardware; /* the CPU has RDRAND */
    bool seeded;
    uint32_t key[KEY_WORDS];
} generator;

static uint32_t rotate(uint32_t value, int bits)
{
    return value << bits | value >> (32 - bits);
}

/* RFC 8439, section 2.1; inlined, the words stay in registers as far as there are any. */
static inline __attribute__((always_inline)) void quarter_round(uint32_t *a, uint32_t *b,
                                                                uint32_t *c, uint32_t *d)
{
    *a += *b;
    *d = rotate(*d ^ *a, 16);
    *c += *d;
    *b = rotate(*b ^ *c, 12);
    *a += *b;
    *d = rotate(*d ^ *a, 8);
    *c += *d;
    *b = rotate(*b ^ *c, 7);
}

static void block_make(const uint32_t *key, uint32_t counter, uint32_t *out)
{
    const uint32_t start[BLOCK_WORDS] = {
        0x61707865, 0x3320646e, 0x79622d32, 0x6b206574, key[0],  key[1], key[2], key[3],
        key[4],     key[5],     key[6],     key[7],     counter, 0,      0,      0};
    uint32_t x[BLOCK_WORDS];
    memcpy(x, start, sizeof(start));
    for (int i = 0; i < ROUNDS; i++) {
        quarter_round(&x[0], &x[4], &x[8], &x[12]);
        quarter_round(&x[1], &x[5], &x[9], &x[13]);
        quarter_round(&x[2], &x[6], &x[10], &x[14]);
        quarter_round(&x[3], &x[7], &x[11], &x[15]);
        quarter_round(&x[0], &x[5], &x[10], &x[15]);
        quarter_round(&x[1], &x[6], &x[11], &x[12]);
        quarter_round(&x[2], &x[7], &x[8], &x[13]);
        quarter_round(&x[3], &x[4], &x[9], &x[14]);
    }
    for (int i = 0; i < BLOCK_WORDS; i++) {
        out[i] = x[i] + start[i];
    }
    memset(x, 0, sizeof(x));
}

void random_prepare(void)
{
    generator.hardware = cpuid(1, 0).ecx >> 30 & 1;
}

static uint64_t hardware_word(void)
{
    uint64_t word = 0;
    for (int i = 0; i < TRIES && !rdrand(&word); i++) {
    }
    return word;
}

static uint64_t seed_word(void)
{
    return tsc_read() * 0x9e3779b97f4a7c15ull ^ (generator.hardware ? hardware_word() : 0);
}

void random_words(uint64_t *to, uint32_t count)
{
    if (!generator.hardware) {
        random_bytes(to, count * sizeof(*to));
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        to[i] = seed_word();
    }
}

static void seed(void)
{
    for (uint32_t i = 0; i < KEY_WORDS; i += 2) {
        uint64_t word = seed_word();
        generator.key[i] = (uint32_t)word;
        generator.key[i + 1] = (uint32_t)(word >> 32);
    }
    generator.seeded = true;
}

void random_bytes(void *to, size_t length_bytes)
{
    uint32_t key[KEY_WORDS];
    uint32_t block[BLOCK_WORDS];
    uint8_t *next = to;
    mutex_lock(&generator.lock);
    if (!generator.seeded) {
        seed();
    }
    memcpy(key, generator.key, sizeof(key));
    block_make(key, 0, block);
    memcpy(generator.key, block, sizeof(generator.key));
    mutex_unlock(&generator.lock);
    /* What is left of the first block, then more of them. */
    size_t part = MIN(length_bytes, sizeof(block) - sizeof(key));
    memcpy(next, block + KEY_WORDS, part);
    for (uint32_t counter = 1; length_bytes > part; counter++) {
        next += part;
        length_bytes -= part;
        part = MIN(length_bytes, sizeof(block));
        block_make(key, counter, block);
        memcpy(next, block, part);
    }
    memset(key, 0, sizeof(key));
    memset(block, 0, sizeof(block));
}
