/* Every feature and every flaw, decided for CPUs that are made up. */
#include "kernel/x86_64/features.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/test/check.h"

/* A CPU with everything that is needed and nothing else. */
static struct cpu_facts plain(enum cpu_vendor vendor, uint32_t family)
{
    struct cpu_facts facts = {.vendor = vendor, .family = family};
    CHECK(cpu_facts_override(&facts, "cpu=+xsave,+xsaveopt,+fsgsbase,+smep,+smap,+syscall,+nx"));
    return facts;
}

static struct cpu_features decide(enum cpu_vendor vendor, uint32_t family, const char *line)
{
    struct cpu_facts facts = plain(vendor, family);
    struct cpu_features features;
    CHECK(cpu_facts_override(&facts, line));
    CHECK(cpu_features_decide(&facts, &features) == NULL);
    return features;
}

static void check_every_row(void)
{
#define NEEDED   true
#define OPTIONAL false
#define FEATURE(name_, word_, bit_, need_)                                                         \
    {                                                                                              \
        struct cpu_facts facts = plain(CPU_OTHER, 0);                                              \
        struct cpu_features features;                                                              \
        facts.word[word_] &= ~(1ull << (bit_));                                                    \
        const char *missing = cpu_features_decide(&facts, &features);                              \
        CHECK(!features.name_);                                                                    \
        CHECK((missing != NULL) == (need_));                                                       \
        CHECK(missing == NULL || strcmp(missing, #name_) == 0);                                    \
        CHECK(cpu_facts_override(&facts, "console=x cpu=+" #name_ " more"));                       \
        CHECK(facts.word[word_] >> (bit_)&1);                                                      \
        CHECK(cpu_features_decide(&facts, &features) == NULL);                                     \
        CHECK(features.name_);                                                                     \
        CHECK(cpu_facts_override(&facts, "cpu=-" #name_));                                         \
        CHECK(!(facts.word[word_] >> (bit_)&1));                                                   \
    }
#include "kernel/x86_64/features.def"
#undef FEATURE
}

static void check_overrides(void)
{
    struct cpu_facts facts = {0};
    CHECK(cpu_facts_override(&facts, ""));
    CHECK(cpu_facts_override(&facts, "xcpu=+nonsense"));
    CHECK(cpu_facts_override(&facts, "cpu="));
    CHECK(facts.word[WORD_1_ECX] == 0);
    CHECK(!cpu_facts_override(&facts, "cpu=+nonsense"));
    CHECK(!cpu_facts_override(&facts, "cpu=x2apic"));
    CHECK(!cpu_facts_override(&facts, "cpu=+x2api"));
    CHECK(!cpu_facts_override(&facts, "cpu=+x2apic,"
                                      "+"));
    CHECK(!cpu_facts_override(&facts, "cpu=+x2apic,,-umip"));
}

static void check_flaws(void)
{
    CHECK(decide(CPU_INTEL, 6, "").meltdown);
    CHECK(!decide(CPU_INTEL, 6, "cpu=+rdcl_no").meltdown);
    CHECK(!decide(CPU_AMD, 0x19, "").meltdown);
    CHECK(!decide(CPU_OTHER, 6, "").meltdown);

    CHECK(decide(CPU_INTEL, 6, "cpu=+rdcl_no").retbleed);
    CHECK(!decide(CPU_INTEL, 6, "cpu=+rdcl_no,+ibrs_all").retbleed);
    CHECK(decide(CPU_AMD, 0x17, "").retbleed);
    CHECK(decide(CPU_AMD, 0x18, "").retbleed);
    CHECK(!decide(CPU_AMD, 0x19, "").retbleed);

    struct cpu_features none = decide(
        CPU_INTEL, 6, "cpu=+mds_no,+taa_no,+sbdr_ssdp_no,+fbsdp_no,+psdp_no,+rfds_no,+md_clear");
    CHECK(!none.buffers_clear && !none.predictor_barrier && !none.domain_barrier);
    CHECK(decide(CPU_INTEL, 6, "cpu=+mds_no,+md_clear").buffers_clear); /* TAA, and others */
    struct cpu_features buffers = decide(CPU_INTEL, 6, "cpu=+md_clear");
    CHECK(buffers.buffers_clear && !buffers.predictor_barrier && buffers.domain_barrier);
    struct cpu_features intel = decide(CPU_INTEL, 6, "cpu=+ibrs_ibpb");
    CHECK(!intel.buffers_clear && intel.predictor_barrier && intel.domain_barrier);
    struct cpu_features amd = decide(CPU_AMD, 0x19, "cpu=+amd_ibpb");
    CHECK(!amd.buffers_clear && amd.predictor_barrier && amd.domain_barrier);
}

static void check_xsave(void)
{
    static const uint64_t masks[][2] = {{0, 3},    {3, 3},    {7, 7},       {0xe7, 0xe7},
                                        {0x67, 7}, {0xe3, 3}, {0x2e7, 0xe7}};
    for (size_t i = 0; i < sizeof(masks) / sizeof(masks[0]); i++) {
        struct cpu_facts facts = plain(CPU_OTHER, 0);
        struct cpu_features features;
        facts.word[WORD_13_EAX] = masks[i][0];
        CHECK(cpu_features_decide(&facts, &features) == NULL);
        CHECK(features.xsave_mask == masks[i][1]);
    }
}

int main(void)
{
    check_every_row();
    check_overrides();
    check_flaws();
    check_xsave();
    return 0;
}
