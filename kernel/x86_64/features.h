/*
 * What this machine's CPUs can do and which flaws they have. One table (features.def) says where
 * each feature is found; what follows from them is decided by a function of facts alone, so that
 * tests can make up any CPU. docs/decisions/008-cpu-flaws.md says why.
 */
#pragma once

#include "lib/base/types.h"

enum cpu_word {
    WORD_1_ECX,
    WORD_1_EDX,
    WORD_7_EBX,
    WORD_7_ECX,
    WORD_7_EDX,
    WORD_13_EAX,
    WORD_13_1_EAX,
    WORD_80000001_EDX,
    WORD_80000008_EBX,
    WORD_80000021_EAX,
    WORD_ARCH_CAPABILITIES,
    CPU_WORDS,
};

enum cpu_vendor {
    CPU_OTHER,
    CPU_INTEL,
    CPU_AMD, /* and Hygon */
};

/* As the CPU tells them; a leaf that it does not have is 0. */
struct cpu_facts {
    enum cpu_vendor vendor;
    uint32_t family;
    uint64_t word[CPU_WORDS];
};

/* Filled from the first CPU; every other must match. */
struct cpu_features {
#define FEATURE(name, word, bit, need) bool name;
#include "kernel/x86_64/features.def"
#undef FEATURE
    uint64_t xsave_mask;  /* XCR0 */
    uint32_t xsave_bytes; /* of an area with that mask */

    bool meltdown;          /* user code can read what it can address: Oak does not start */
    bool retbleed;          /* returns in the kernel can be led astray, and nothing is done */
    bool predictor_barrier; /* IBPB when another domain runs */
    bool buffers_clear;     /* VERW when another domain runs */
    bool domain_barrier;    /* one of the two */
};
extern struct cpu_features cpu_features;

/* Ask the calling CPU. */
void cpu_facts_read(struct cpu_facts *out);

/*
 * Change facts as the command line's word "cpu=" says: +name and -name, separated by commas. False
 * when it names a feature that is not in the table.
 */
bool cpu_facts_override(struct cpu_facts *facts, const char *command_line);

/* Returns the name of a needed feature that is missing, or NULL. All but xsave_bytes is filled. */
const char *cpu_features_decide(const struct cpu_facts *facts, struct cpu_features *out);
