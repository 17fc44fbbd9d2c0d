/*
 * Descriptor tables, control registers and CPU features. Each CPU has its own GDT, TSS and fatal
 * stack; the IDT is one for all. Intel SDM volume 3, chapters 2, 3, 6, 13.
 */
#include "kernel/x86_64/cpu.h"

#include "kernel/core/assert.h"
#include "kernel/core/frame.h"
#include "kernel/core/kmem.h"
#include "kernel/x86_64/asm.h"
#include "kernel/x86_64/layout.h"
#include "lib/base/string.h"

#define MSR_EFER           0xc0000080
#define MSR_STAR           0xc0000081
#define MSR_LSTAR          0xc0000082
#define MSR_FMASK          0xc0000084
#define MSR_GS_BASE        0xc0000101
#define MSR_KERNEL_GS_BASE 0xc0000102

#define EFER_SCE 0x001
#define EFER_NXE 0x800

#define CR4_OSFXSR     (1ull << 9)
#define CR4_OSXMMEXCPT (1ull << 10)
#define CR4_PGE        (1ull << 7)
#define CR4_UMIP       (1ull << 11)
#define CR4_FSGSBASE   (1ull << 16)
#define CR4_OSXSAVE    (1ull << 18)
#define CR4_SMEP       (1ull << 20)
#define CR4_SMAP       (1ull << 21)

#define XCR0_X87    0x01
#define XCR0_SSE    0x02
#define XCR0_AVX    0x04
#define XCR0_AVX512 0xe0

#define FATAL_STACK_BYTES 4096

/* Flags that the syscall instruction clears: everything but the reserved bit. */
#define FMASK 0x3f7fd5

struct tss {
    uint32_t reserved0;
    uint64_t rsp[3];
    uint64_t reserved1;
    uint64_t ist[7];
    uint64_t reserved2;
    uint16_t reserved3;
    uint16_t io_map_base;
} __attribute__((packed));

struct table_pointer {
    uint16_t limit;
    uint64_t base;
} __attribute__((packed));

struct interrupt_gate {
    uint16_t offset_low;
    uint16_t selector;
    uint8_t ist;
    uint8_t type;
    uint16_t offset_middle;
    uint32_t offset_high;
    uint32_t reserved;
};

struct cpu_tables {
    uint64_t gdt[8];
    struct tss tss;
    uint8_t fatal_stack[FATAL_STACK_BYTES] __attribute__((aligned(16)));
};

struct cpu_features cpu_features;

static struct cpu_tables tables[CPUS_MAX];
static struct interrupt_gate idt[256];

extern uint64_t trap_stubs[256];
extern char syscall_entry[];
extern char fatal_2[];
extern char fatal_8[];
extern char fatal_18[];

static void need(bool present, const char *what)
{
    if (!present) {
        panic("this CPU lacks a feature that Oak needs", 0, what);
    }
}

void cpu_features_read(void)
{
    struct cpuid_result basic = cpuid(1, 0);
    struct cpuid_result extended = cpuid(7, 0);
    struct cpuid_result amd = cpuid(0x80000001, 0);
    need(basic.ecx & 1u << 26, "XSAVE");
    need(extended.ebx & 1u << 0, "FSGSBASE");
    need(extended.ebx & 1u << 7, "SMEP");
    need(extended.ebx & 1u << 20, "SMAP");
    need(amd.edx & 1u << 20, "NX");
    need(amd.edx & 1u << 11, "SYSCALL");
    cpu_features.x2apic = basic.ecx & 1u << 21;
    cpu_features.tsc_deadline = basic.ecx & 1u << 24;
    cpu_features.umip = extended.ecx & 1u << 2;
    cpu_features.gigabyte_pages = amd.edx & 1u << 26;
    struct cpuid_result xsave = cpuid(13, 0);
    cpu_features.xsaveopt = cpuid(13, 1).eax & 1u;
    cpu_features.xsave_mask = XCR0_X87 | XCR0_SSE;
    if (xsave.eax & XCR0_AVX) {
        cpu_features.xsave_mask |= XCR0_AVX;
        if ((xsave.eax & XCR0_AVX512) == XCR0_AVX512) {
            cpu_features.xsave_mask |= XCR0_AVX512;
        }
    }
}

static void gate_set(uint32_t vector, uint64_t address, uint8_t ist)
{
    idt[vector] = (struct interrupt_gate){
        .offset_low = (uint16_t)address,
        .selector = KERNEL_CODE,
        .ist = ist,
        .type = vector == 3 || vector == 4 ? 0xee : 0x8e, /* int3 and into are the user's to use */
        .offset_middle = (uint16_t)(address >> 16),
        .offset_high = (uint32_t)(address >> 32),
    };
}

static void idt_init(void)
{
    for (uint32_t vector = 0; vector < 256; vector++) {
        gate_set(vector, trap_stubs[vector], 0);
    }
    gate_set(2, (uint64_t)fatal_2, 1);
    gate_set(8, (uint64_t)fatal_8, 1);
    gate_set(18, (uint64_t)fatal_18, 1);
}

static void tables_load(struct cpu *cpu)
{
    struct cpu_tables *own = &tables[cpu->number];
    uint64_t tss = (uint64_t)&own->tss;
    cpu->tss = &own->tss;
    memset(&own->tss, 0, sizeof(own->tss));
    own->tss.io_map_base = sizeof(own->tss);
    /* The fatal entries find their CPU at the top of the stack: GS may be anything then. */
    uint64_t *top = (uint64_t *)(void *)(own->fatal_stack + FATAL_STACK_BYTES - 16);
    top[0] = (uint64_t)cpu;
    own->tss.ist[0] = (uint64_t)top;
    own->gdt[0] = 0;
    own->gdt[KERNEL_CODE / 8] = 0x00af9a000000ffff;
    own->gdt[KERNEL_DATA / 8] = 0x00cf92000000ffff;
    own->gdt[USER_DATA / 8] = 0x00cff2000000ffff;
    own->gdt[USER_CODE / 8] = 0x00affa000000ffff;
    own->gdt[TSS_SELECTOR / 8] = (sizeof(struct tss) - 1) | (tss & 0xffffff) << 16 | 0x89ull << 40 |
                                 (tss >> 24 & 0xff) << 56;
    own->gdt[TSS_SELECTOR / 8 + 1] = tss >> 32;

    struct table_pointer gdt_pointer = {sizeof(own->gdt) - 1, (uint64_t)own->gdt};
    struct table_pointer idt_pointer = {sizeof(idt) - 1, (uint64_t)idt};
    __asm__ volatile("lgdt %0" : : "m"(gdt_pointer));
    __asm__ volatile("lidt %0" : : "m"(idt_pointer));
    __asm__ volatile("pushq %0\n\t"
                     "leaq 1f(%%rip), %%rax\n\t"
                     "pushq %%rax\n\t"
                     "lretq\n"
                     "1:\n\t"
                     "movl %1, %%eax\n\t"
                     "movw %%ax, %%ss\n\t"
                     "xorl %%eax, %%eax\n\t"
                     "movw %%ax, %%ds\n\t"
                     "movw %%ax, %%es\n\t"
                     "movw %%ax, %%fs\n\t"
                     "movw %%ax, %%gs\n\t"
                     :
                     : "i"((uint64_t)KERNEL_CODE), "i"(KERNEL_DATA)
                     : "rax", "memory");
    __asm__ volatile("ltr %0" : : "r"((uint16_t)TSS_SELECTOR));
}

static void registers_init(struct cpu *cpu)
{
    uint64_t cr4 = cr4_read() | CR4_PGE | CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_FSGSBASE | CR4_OSXSAVE |
                   CR4_SMEP | CR4_SMAP;
    if (cpu_features.umip) {
        cr4 |= CR4_UMIP;
    }
    cr4_write(cr4);
    uint64_t cr0;
    __asm__ volatile("mov %%cr0, %0" : "=r"(cr0));
    cr0 = (cr0 & ~0xcull) | 0x22; /* no EM, no TS; MP... NE */
    __asm__ volatile("mov %0, %%cr0" : : "r"(cr0));
    __asm__ volatile("xsetbv"
                     :
                     : "c"(0), "a"((uint32_t)cpu_features.xsave_mask),
                       "d"((uint32_t)(cpu_features.xsave_mask >> 32)));
    cpu_features.xsave_bytes = cpuid(13, 0).ebx;

    msr_write(MSR_EFER, msr_read(MSR_EFER) | EFER_SCE | EFER_NXE);
    msr_write(MSR_STAR, (uint64_t)KERNEL_CODE << 32 | (uint64_t)(KERNEL_DATA | 3) << 48);
    msr_write(MSR_LSTAR, (uint64_t)syscall_entry);
    msr_write(MSR_FMASK, FMASK);
    msr_write(MSR_GS_BASE, (uint64_t)cpu);
    msr_write(MSR_KERNEL_GS_BASE, 0);
}

void cpu_init(struct cpu *cpu)
{
    if (cpu->number == 0) {
        idt_init();
    }
    cpu->self = cpu;
    tables_load(cpu);
    registers_init(cpu);
    cpu->root_loaded = cr3_read();
}

void cpu_set_trap_stack(struct cpu *cpu, uint64_t end)
{
    cpu->tss->rsp[0] = end;
}

void fpu_init_area(void *area)
{
    uint32_t mxcsr = 0x1f80;
    memcpy((uint8_t *)area + 24, &mxcsr, sizeof(mxcsr));
}
