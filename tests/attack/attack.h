/* The attacks, each a set of refusals that must hold, on the harness of the kernel's tests. */
#pragma once

#include "tests/kernel/harness.h"

void attack_rights(void);
void attack_addresses(void);
void attack_resume(void);
void attack_isolation(void);
void attack_state(void);
void attack_random(void);

/* What user code may have of RFLAGS: arithmetic, TF, IF, DF, RF, AC, ID, and bit 1. */
#define FLAGS_ALLOWED 0x250fd7ull

/* xorshift: the same attacks in every run. */
static inline uint64_t random_next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}
