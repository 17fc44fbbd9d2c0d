#include "kernel/x86_64/features.h"

#include "lib/base/command_line.h"
#include "lib/base/string.h"

#define XCR0_X87    0x01
#define XCR0_SSE    0x02
#define XCR0_AVX    0x04
#define XCR0_AVX512 0xe0

#define AMD_ZEN_2_FAMILY 0x17 /* Zen and Zen 2; Hygon's are 0x18 */

#define NEEDED   true
#define OPTIONAL false

static const struct feature_row {
    const char *name;
    size_t field;
    enum cpu_word word;
    uint32_t bit;
    bool needed;
} rows[] = {
#define FEATURE(name_, word_, bit_, need_)                                                         \
    {#name_, offsetof(struct cpu_features, name_), word_, bit_, need_},
#include "kernel/x86_64/features.def"
#undef FEATURE
};

static const struct feature_row *row_find(const char *name, size_t length)
{
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        if (strlen(rows[i].name) == length && strncmp(rows[i].name, name, length) == 0) {
            return &rows[i];
        }
    }
    return NULL;
}

bool cpu_facts_override(struct cpu_facts *facts, const char *command_line)
{
    const char *next = command_line_find(command_line, "cpu=");
    while (next != NULL && *next != '\0' && *next != ' ') {
        size_t length = 0;
        while (next[length] != '\0' && next[length] != ' ' && next[length] != ',') {
            length++;
        }
        bool set = next[0] == '+';
        const struct feature_row *row =
            set || next[0] == '-' ? row_find(next + 1, length - 1) : NULL;
        if (row == NULL) {
            return false;
        }
        uint64_t bit = 1ull << row->bit;
        facts->word[row->word] = (facts->word[row->word] & ~bit) | (set ? bit : 0);
        next += length;
        next += *next == ',';
    }
    return true;
}

static uint64_t xsave_mask(uint64_t supported)
{
    uint64_t all = XCR0_AVX | XCR0_AVX512;
    bool avx512 = (supported & all) == all;
    return XCR0_X87 | XCR0_SSE | (supported & XCR0_AVX) | (avx512 ? XCR0_AVX512 : 0);
}

static void flaws_decide(const struct cpu_facts *facts, struct cpu_features *out)
{
    bool intel = facts->vendor == CPU_INTEL;
    out->meltdown = intel && !out->rdcl_no;
    bool buffers_tight = out->mds_no && out->taa_no && out->sbdr_ssdp_no && out->fbsdp_no &&
                         out->psdp_no && out->rfds_no;
    out->buffers_clear = out->md_clear && !buffers_tight;
    out->predictor_barrier = out->ibrs_ibpb || out->amd_ibpb;
    out->domain_barrier = out->predictor_barrier || out->buffers_clear;
    bool zen_2 = facts->vendor == CPU_AMD &&
                 (facts->family == AMD_ZEN_2_FAMILY || facts->family == AMD_ZEN_2_FAMILY + 1);
    out->retbleed = zen_2 || (intel && !out->ibrs_all);
}

const char *cpu_features_decide(const struct cpu_facts *facts, struct cpu_features *out)
{
    const char *missing = NULL;
    memset(out, 0, sizeof(*out));
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        bool present = facts->word[rows[i].word] >> rows[i].bit & 1;
        *(bool *)((uint8_t *)out + rows[i].field) = present;
        if (rows[i].needed && !present && missing == NULL) {
            missing = rows[i].name;
        }
    }
    out->xsave_mask = xsave_mask(facts->word[WORD_13_EAX]);
    flaws_decide(facts, out);
    return missing;
}
