/*
 * ChaCha20 (RFC 8439, section 2.3) as a generator that overwrites its key with the first half of
 * each request's first block, so that what was given out cannot be computed from what is in memory
 * later. The seed is the CPU's RDRAND, and the TSC, where there is no RDRAND alone: docs/limits.md.
 */
#include "linux/core/random.h"

#include "lib/base/string.h"
#include "linux/core/lock.h"

#define KEY_WORDS   8
#define BLOCK_WORDS 16
#define ROUNDS      10
#define TRIES       32

static struct {
    struct mutex lock;
    bool seeded;
    uint32_t key[KEY_WORDS];
} generator;

static uint32_t rotate(uint32_t value, int bits)
{
    return value << bits | value >> (32 - bits);
}

static void quarter_round(uint32_t *x, int a, int b, int c, int d)
{
    x[a] += x[b];
    x[d] = rotate(x[d] ^ x[a], 16);
    x[c] += x[d];
    x[b] = rotate(x[b] ^ x[c], 12);
    x[a] += x[b];
    x[d] = rotate(x[d] ^ x[a], 8);
    x[c] += x[d];
    x[b] = rotate(x[b] ^ x[c], 7);
}

static void block_make(const uint32_t *key, uint32_t counter, uint32_t *out)
{
    const uint32_t start[BLOCK_WORDS] = {
        0x61707865, 0x3320646e, 0x79622d32, 0x6b206574, key[0],  key[1], key[2], key[3],
        key[4],     key[5],     key[6],     key[7],     counter, 0,      0,      0};
    memcpy(out, start, sizeof(start));
    for (int i = 0; i < ROUNDS; i++) {
        quarter_round(out, 0, 4, 8, 12);
        quarter_round(out, 1, 5, 9, 13);
        quarter_round(out, 2, 6, 10, 14);
        quarter_round(out, 3, 7, 11, 15);
        quarter_round(out, 0, 5, 10, 15);
        quarter_round(out, 1, 6, 11, 12);
        quarter_round(out, 2, 7, 8, 13);
        quarter_round(out, 3, 4, 9, 14);
    }
    for (int i = 0; i < BLOCK_WORDS; i++) {
        out[i] += start[i];
    }
}

static bool has_rdrand(void)
{
    uint32_t eax = 1;
    uint32_t ebx;
    uint32_t ecx = 0;
    uint32_t edx;
    __asm__ volatile("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
    return ecx >> 30 & 1;
}

static uint64_t hardware_word(void)
{
    uint64_t word = 0;
    for (int i = 0; i < TRIES; i++) {
        uint8_t good;
        __asm__ volatile("rdrand %0; setc %1" : "=r"(word), "=qm"(good) : : "cc");
        if (good) {
            break;
        }
    }
    return word;
}

static uint64_t time_word(void)
{
    uint32_t low;
    uint32_t high;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return (uint64_t)high << 32 | low;
}

static void seed(void)
{
    bool hardware = has_rdrand();
    for (uint32_t i = 0; i < KEY_WORDS; i += 2) {
        uint64_t word = time_word() * 0x9e3779b97f4a7c15ull;
        word ^= hardware ? hardware_word() : 0;
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
