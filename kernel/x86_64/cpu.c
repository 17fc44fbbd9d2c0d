/*
 * Each CPU has its own GDT and TSS; the IDT is one for all. Intel SDM volume 3, chapters 2, 3, 6,
 * 13; volume 4 for the MSRs.
 */
#include "kernel/x86_64/cpu.h"

#include "kernel/core/assert.h"
#include "kernel/core/log.h"
#include "kernel/core/sealed.h"
#include "kernel/x86_64/layout.h"
#include "kernel/x86_64/stacks.h"

#define MSR_SPEC_CTRL         0x48
#define MSR_PRED_CMD          0x49
#define MSR_ARCH_CAPABILITIES 0x10a
#define MSR_EFER              0xc0000080
#define MSR_STAR              0xc0000081
#define MSR_LSTAR             0xc0000082
#define MSR_FMASK             0xc0000084
#define MSR_GS_BASE           0xc0000101
#define MSR_KERNEL_GS_BASE    0xc0000102

#define EFER_SCE       0x001
#define EFER_NXE       0x800
#define EFER_AUTO_IBRS (1u << 21)

#define SPEC_CTRL_IBRS 1
#define PRED_CMD_IBPB  1

#define CR4_OSFXSR     (1ull << 9)
#define CR4_OSXMMEXCPT (1ull << 10)
#define CR4_MCE        (1ull << 6)
#define CR4_UMIP       (1ull << 11)
#define CR4_FSGSBASE   (1ull << 16)
#define CR4_OSXSAVE    (1ull << 18)
#define CR4_SMEP       (1ull << 20)
#define CR4_SMAP       (1ull << 21)

/* Flags that the syscall instruction clears: everything but the reserved bit. */
#define FMASK 0x3f7fd5

struct interrupt_gate {
    uint16_t offset_low;
    uint16_t selector;
    uint8_t ist;
    uint8_t type;
    uint16_t offset_middle;
    uint32_t offset_high;
    uint32_t reserved;
};

#define GDT_ENTRIES  8
#define RDRAND_TRIES 16

SEALED struct cpu_features cpu_features;

static SEALED uint64_t gdts[CPUS_MAX][GDT_ENTRIES];
static SEALED struct interrupt_gate idt[256];

extern uint64_t trap_entries[256];
extern char syscall_entry[];
extern char syscall_entry_traced[];

/* --- features -------------------------------------------------------------------------------- */

static struct cpuid_result leaf(uint32_t number, uint32_t subleaf)
{
    uint32_t last = cpuid(number & 0x80000000, 0).eax;
    return number <= last ? cpuid(number, subleaf) : (struct cpuid_result){0};
}

static enum cpu_vendor vendor_read(void)
{
    uint32_t begin = cpuid(0, 0).ebx;
    return begin == 0x756e6547                          ? CPU_INTEL /* Genu */
           : begin == 0x68747541 || begin == 0x6f677948 ? CPU_AMD   /* Auth, Hygo */
                                                        : CPU_OTHER;
}

void cpu_facts_read(struct cpu_facts *out)
{
    struct cpuid_result basic = leaf(1, 0);
    struct cpuid_result extended = leaf(7, 0);
    *out = (struct cpu_facts){.vendor = vendor_read()};
    out->family = (basic.eax >> 8 & 15) + (basic.eax >> 20 & 0xff);
    out->word[WORD_1_ECX] = basic.ecx;
    out->word[WORD_1_EDX] = basic.edx;
    out->word[WORD_7_EBX] = extended.ebx;
    out->word[WORD_7_ECX] = extended.ecx;
    out->word[WORD_7_EDX] = extended.edx;
    out->word[WORD_13_EAX] = leaf(13, 0).eax;
    out->word[WORD_13_1_EAX] = leaf(13, 1).eax;
    out->word[WORD_80000001_EDX] = leaf(0x80000001, 0).edx;
    out->word[WORD_80000008_EBX] = leaf(0x80000008, 0).ebx;
    out->word[WORD_80000021_EAX] = leaf(0x80000021, 0).eax;
    if (extended.edx & 1u << 29) {
        out->word[WORD_ARCH_CAPABILITIES] = msr_read(MSR_ARCH_CAPABILITIES);
    }
}

void cpu_features_read(const char *command_line)
{
    struct cpu_facts facts;
    cpu_facts_read(&facts);
    if (!cpu_facts_override(&facts, command_line)) {
        panic(__FILE__, __LINE__, "the command line's cpu= names no feature that Oak knows");
    }
    const char *missing = cpu_features_decide(&facts, &cpu_features);
    if (missing != NULL) {
        log_line("oak: this CPU lacks %s", missing);
        panic(__FILE__, __LINE__, "this CPU lacks a feature that Oak needs");
    }
    if (cpu_features.meltdown) {
        panic(__FILE__, __LINE__,
              "this CPU has the flaw Meltdown; cpu=+rdcl_no on the command line denies that");
    }
    if (cpu_features.retbleed) {
        log_line("oak: this CPU may be open to retbleed (docs/security.md)");
    }
}

/* --- tables ---------------------------------------------------------------------------------- */

static void idt_init(void)
{
    static const uint8_t fault_stack[256] = {
        [1] = FAULT_STACK_DEBUG,
        [2] = FAULT_STACK_NMI,
        [8] = FAULT_STACK_DOUBLE_FAULT,
        [18] = FAULT_STACK_MACHINE_CHECK,
    };
    for (uint32_t vector = 0; vector < 256; vector++) {
        idt[vector] = (struct interrupt_gate){
            .offset_low = (uint16_t)trap_entries[vector],
            .selector = KERNEL_CODE,
            .ist = fault_stack[vector],
            .type = vector == 3 || vector == 4 ? 0xee : 0x8e, /* int3 and into are the user's */
            .offset_middle = (uint16_t)(trap_entries[vector] >> 16),
            .offset_high = (uint32_t)(trap_entries[vector] >> 32),
        };
    }
}

/* Every descriptor is marked as accessed already: nothing writes to a GDT once it is loaded. */
static void tables_load(struct cpu *cpu)
{
    uint64_t *gdt = gdts[cpu->number];
    uint64_t tss = (uint64_t)&cpu->tss;
    cpu->tss.io_map_base = sizeof(struct tss);
    gdt[KERNEL_CODE / 8] = 0x00af9b000000ffff;
    gdt[KERNEL_DATA / 8] = 0x00cf93000000ffff;
    gdt[USER_DATA / 8] = 0x00cff3000000ffff;
    gdt[USER_CODE / 8] = 0x00affb000000ffff;
    gdt[TSS_SELECTOR / 8] = (sizeof(struct tss) - 1) | (tss & 0xffffff) << 16 | 0x89ull << 40 |
                            (tss >> 24 & 0xff) << 56;
    gdt[TSS_SELECTOR / 8 + 1] = tss >> 32;

    struct table_pointer gdt_pointer = {sizeof(gdts[0]) - 1, (uint64_t)gdt};
    __asm__ volatile("lgdt %0" : : "m"(gdt_pointer) : "memory");
    /* CS holds KERNEL_CODE since boot.S, whose descriptor says the same. */
    __asm__ volatile("movl %0, %%ss\n\t"
                     "movl %1, %%ds\n\t"
                     "movl %1, %%es\n\t"
                     "movl %1, %%fs\n\t"
                     "movl %1, %%gs\n\t"
                     :
                     : "r"(KERNEL_DATA), "r"(0));
    __asm__ volatile("ltr %0" : : "r"((uint16_t)TSS_SELECTOR));
}

static void registers_init(void)
{
    uint64_t cr4 = cr4_read() | CR4_GLOBAL_PAGES | CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_FSGSBASE |
                   CR4_OSXSAVE | CR4_SMEP | CR4_SMAP;
    cr4 |= cpu_features.umip ? CR4_UMIP : 0;
    cr4 |= cpu_features.machine_check ? CR4_MCE : 0;
    cr4_write(cr4);
    /* No EM, no TS; MP and NE. */
    cr0_write((cr0_read() & ~0xcull) | CR0_WRITE_PROTECT | 0x22);
    __asm__ volatile("xsetbv"
                     :
                     : "c"(0), "a"((uint32_t)cpu_features.xsave_mask),
                       "d"((uint32_t)(cpu_features.xsave_mask >> 32)));
    cpu_features.xsave_bytes = cpuid(13, 0).ebx;

    uint64_t efer = msr_read(MSR_EFER) | EFER_SCE | EFER_NXE;
    msr_write(MSR_EFER, efer | (cpu_features.auto_ibrs ? EFER_AUTO_IBRS : 0));
    msr_write(MSR_STAR, (uint64_t)KERNEL_CODE << 32 | (uint64_t)(KERNEL_DATA | 3) << 48);
    cpu_set_syscall_entry(false);
    msr_write(MSR_FMASK, FMASK);
    msr_write(MSR_KERNEL_GS_BASE, 0);
    if (cpu_features.ibrs_all && cpu_features.ibrs_ibpb) {
        msr_write(MSR_SPEC_CTRL, SPEC_CTRL_IBRS);
    }
}

void cpu_set_current(struct cpu *cpu)
{
    cpu->self = cpu;
    msr_write(MSR_GS_BASE, (uint64_t)cpu);
}

void cpu_init(struct cpu *cpu)
{
    if (cpu->number == 0) {
        idt_init();
    }
    tables_load(cpu);
    cpu_set_current(cpu); /* loading a null selector cleared it */
    /* From here on an NMI finds its stack and its CPU. */
    struct table_pointer idt_pointer = {sizeof(idt) - 1, (uint64_t)idt};
    __asm__ volatile("lidt %0" : : "m"(idt_pointer) : "memory");
    registers_init();
    cpu->root_loaded = cr3_read();
}

void cpu_set_syscall_entry(bool traced)
{
    cpu_current()->traced = traced;
    msr_write(MSR_LSTAR, (uint64_t)(traced ? syscall_entry_traced : syscall_entry));
}

__attribute__((noinline)) void cpu_domain_barrier(struct cpu *cpu, uint64_t domain)
{
    if (cpu->last_domain == domain) {
        return;
    }
    cpu->last_domain = domain;
    if (cpu_features.predictor_barrier) {
        msr_write(MSR_PRED_CMD, PRED_CMD_IBPB);
    }
    if (cpu_features.buffers_clear) {
        uint16_t selector = KERNEL_DATA;
        __asm__ volatile("verw %0" : : "m"(selector) : "cc");
    }
}

uint64_t cpu_random(void)
{
    uint64_t value = 0;
    for (uint32_t i = 0; cpu_features.rdrand && i < RDRAND_TRIES && !rdrand(&value); i++) {
    }
    return (value ^ tsc_read()) * 0x9e3779b97f4a7c15ull; /* spreads the TSC's few random bits */
}
