/* Registers, contexts and stacks that no program has: sigreturn, signal frames, flags, segments. */
#include "tests/linux/attack/attack.h"

#include <ucontext.h>

#define WINDOW_GUESS 0x00007fff80000000ul

static const uint64_t addresses[] = {
    0,
    1,
    8,
    0xfff,
    0x1000,
    0x7ffffffff000,
    0x7fffffffefff,
    0x7ffffffffff8,
    0x7fffffffffff,
    0x800000000000,
    0x800000000001,
    0x800000001000,
    0x800040000000,
    0xffff7fffffffffff,
    0xffff800000000000,
    0xffff800000001000,
    0xffffffff80000000,
    0xffffffffffffffff,
    0xfffffffffffffff8,
    0x7fffffffffffffff,
    0x8000000000000000,
    0x00010000deadbeef,
    0x0000400000000000,
    0x00007f0000000000,
};

/* --- sigreturn ---------------------------------------------------------------------------------
 */

/* What sigreturn finds at RSP: a frame without its return address. */
struct frame {
    ucontext_t context; /* musl's begins as the system's */
    uint8_t more[4096];
};
static struct frame frame __attribute__((aligned(64)));
static uint8_t area[8192] __attribute__((aligned(64)));

static void sigreturn_from(const void *place)
{
    __asm__ volatile("movq %0, %%rsp\n\tmovl $15, %%eax\n\tsyscall\n\tud2" : : "r"(place) : "rax");
    __builtin_unreachable();
}

static void good_place(void)
{
    _exit(0);
}

static void frame_make(void)
{
    static uint8_t stack[65536] __attribute__((aligned(16)));
    memset(&frame, 0, sizeof(frame));
    greg_t *registers = frame.context.uc_mcontext.gregs;
    registers[REG_RIP] = (greg_t)good_place;
    registers[REG_RSP] = (greg_t)(stack + sizeof(stack) - 8);
    registers[REG_EFL] = 0x202;
    registers[REG_CSGSFS] = 0x33;
}

static void sigreturn_rip(uint64_t address)
{
    frame_make();
    frame.context.uc_mcontext.gregs[REG_RIP] = (greg_t)address;
    sigreturn_from(&frame.context);
}

static void sigreturn_rsp(uint64_t address)
{
    frame_make();
    frame.context.uc_mcontext.gregs[REG_RSP] = (greg_t)address;
    sigreturn_from(&frame.context);
}

static void sigreturn_flags(uint64_t flags)
{
    frame_make();
    frame.context.uc_mcontext.gregs[REG_EFL] = (greg_t)flags;
    sigreturn_from(&frame.context);
}

static void sigreturn_segments(uint64_t value)
{
    frame_make();
    frame.context.uc_mcontext.gregs[REG_CSGSFS] = (greg_t)value;
    sigreturn_from(&frame.context);
}

static void sigreturn_place(uint64_t address)
{
    sigreturn_from((void *)address);
}

static void sigreturn_fpu(uint64_t address)
{
    frame_make();
    frame.context.uc_mcontext.fpregs = (void *)address;
    sigreturn_from(&frame.context);
}

/* An XSAVE area with one of its 64-bit words set to nonsense, the rest as the processor saved it.
 */
static void sigreturn_area(uint64_t which)
{
    frame_make();
    uint64_t *words = (uint64_t *)(void *)area;
    uint32_t low = which % 3 == 0 ? 0xffffffff : 7;
    __asm__ volatile("xsave64 (%0)" : : "r"(area), "a"(low), "d"(0) : "memory");
    if (which < 140) {
        words[which] = which % 2 ? UINT64_MAX : random_next();
    } else {
        for (uint64_t i = 0; i < which - 138; i++) {
            words[(i == 0 ? 64 + which % 8 : random_next() % 512)] = random_next();
        }
    }
    frame.context.uc_mcontext.fpregs = (void *)area;
    sigreturn_from(&frame.context);
}

static void sigreturn_random(uint64_t seed)
{
    random_seed(seed);
    frame_make();
    uint64_t *words = (uint64_t *)(void *)&frame;
    for (int i = 0; i < 40; i++) {
        words[i] = random_next() % 3 == 0 ? addresses[random_next() % ARRAY_LENGTH(addresses)]
                                          : random_next();
    }
    frame.context.uc_mcontext.fpregs = seed % 2 ? NULL : (void *)area;
    sigreturn_from(&frame.context);
}

/* --- signal stacks -----------------------------------------------------------------------------
 */

static void handler(int number)
{
    (void)number;
    syscall(SYS_getppid);
}

static void altstack_at(uint64_t index)
{
    uint64_t address = addresses[index / 4];
    static const uint64_t sizes[4] = {2048, 65536, UINT64_MAX, 1ul << 63};
    struct {
        uint64_t base;
        uint32_t flags, pad;
        uint64_t size;
    } stack = {address, 0, 0, sizes[index % 4]};
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_ONSTACK};
    sigaction(SIGUSR1, &action, NULL);
    syscall(SYS_sigaltstack, &stack, NULL);
    syscall(SYS_kill, syscall(SYS_getpid), SIGUSR1);
    syscall(SYS_getppid);
}

static void signal_at_rsp(uint64_t index)
{
    struct sigaction action = {.sa_handler = handler};
    sigaction(SIGUSR1, &action, NULL);
    uint64_t address = addresses[index];
    uint64_t pid = (uint64_t)syscall(SYS_getpid);
    __asm__ volatile("movq %0, %%rsp\n\tmovl $62, %%eax\n\tsyscall\n\tmovl $60, %%eax\n\tsyscall"
                     :
                     : "r"(address), "D"(pid), "S"((uint64_t)SIGUSR1)
                     : "rax", "rcx", "r11");
}

static void handler_at(uint64_t index)
{
    uint64_t action[4] = {addresses[index], 0x04000000,
                          addresses[(index + 7) % ARRAY_LENGTH(addresses)], UINT64_MAX};
    syscall(SYS_rt_sigaction, SIGUSR1, action, NULL, 8);
    syscall(SYS_kill, syscall(SYS_getpid), SIGUSR1);
}

/* A handler whose own frame faults, again and again. */
static void segv_in_segv(uint64_t index)
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_NODEFER};
    sigaction(SIGSEGV, &action, NULL);
    sigaction(SIGBUS, &action, NULL);
    __asm__ volatile("movq %0, %%rsp\n\tpushq $1\n\tpushq $2" : : "r"(addresses[index]));
    _exit(0);
}

/* --- flags and segments in the middle of calls --------------------------------------------------
 */

static void flags_at_call(uint64_t flags)
{
    uint8_t buffer[256];
    signal(SIGTRAP, handler);
    signal(SIGBUS, handler);
    for (int i = 0; i < 20; i++) {
        long result = 39;
        __asm__ volatile("pushq %2\n\tpopfq\n\tsyscall\n\tcld\n\tpushq $0x202\n\tpopfq"
                         : "+a"(result)
                         : "D"(buffer), "r"(flags), "S"(buffer + 128), "d"(64)
                         : "rcx", "r11", "memory", "cc");
        int fd = open("/proc/self/stat", O_RDONLY);
        long got = SYS_read;
        __asm__ volatile("pushq %3\n\tpopfq\n\tsyscall\n\tpushq $0x202\n\tpopfq"
                         : "+a"(got)
                         : "D"((uint64_t)fd), "S"(buffer), "r"(flags), "d"(200ul)
                         : "rcx", "r11", "memory", "cc");
        close(fd);
    }
}

/* Faults and exceptions with the flags set: the personality is entered by them too. */
static void flags_at_fault(uint64_t flags)
{
    void *page = mmap(NULL, PAGE_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    signal(SIGTRAP, handler);
    __asm__ volatile("pushq %1\n\tpopfq\n\tmovb $1, (%0)" : : "r"(page), "r"(flags) : "memory");
}

static void segment_bases(uint64_t index)
{
    uint64_t address = addresses[index];
    syscall(SYS_arch_prctl, 0x1001, address);
    syscall(SYS_arch_prctl, 0x1004, &address);
    syscall(SYS_arch_prctl, 0x1003, address);
    syscall(SYS_arch_prctl, 0x1004, address);
    __asm__ volatile("movl $0x1002, %%edi\n\tmovl $158, %%eax\n\tsyscall\n\tmovl $57, %%eax\n\t"
                     "syscall\n\tmovl $231, %%eax\n\txorl %%edi, %%edi\n\tsyscall"
                     :
                     : "S"(address)
                     : "rax", "rdi", "rcx", "r11");
}

static void segment_bases_direct(uint64_t index)
{
    __asm__ volatile("wrgsbase %0\n\twrfsbase %0\n\tmovl $39, %%eax\n\tsyscall\n\t"
                     "movl $231, %%eax\n\txorl %%edi, %%edi\n\tsyscall"
                     :
                     : "r"(addresses[index])
                     : "rax", "rdi", "rcx", "r11");
}

static void selectors(uint64_t selector)
{
    __asm__ volatile("movw %w0, %%ds\n\tmovw %w0, %%es\n\tmovw %w0, %%fs\n\tmovw %w0, %%gs"
                     :
                     : "r"(selector));
    __asm__ volatile(
        "movl $39, %%eax\n\tsyscall\n\tmovl $231, %%eax\n\txorl %%edi, %%edi\n\tsyscall"
        :
        :
        : "rax", "rdi", "rcx", "r11");
}

/* A call instruction at the very end of the half that is the application's. */
static void call_at_the_end(uint64_t index)
{
    static const uint8_t code[] = {0xb8, 39, 0, 0, 0, 0x0f, 0x05};
    uint64_t page = index == 0 ? APPLICATION_LAST - PAGE_BYTES : APPLICATION_LAST;
    uint8_t *place = mmap((void *)page, PAGE_BYTES, PROT_READ | PROT_WRITE | PROT_EXEC,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    if (place == MAP_FAILED) {
        return;
    }
    memcpy(place + PAGE_BYTES - sizeof(code), code, sizeof(code));
    ((void (*)(void))(uintptr_t)(place + PAGE_BYTES - sizeof(code)))();
}

/* Exceptions of every kind that a program can raise. */
static void exceptions(uint64_t which)
{
    static uint8_t misaligned[64] __attribute__((aligned(16)));
    switch (which) {
    case 0:
        __asm__ volatile("int3");
        break;
    case 1:
        __asm__ volatile("ud2");
        break;
    case 2:
        __asm__ volatile("int $0x80");
        break;
    case 3:
        __asm__ volatile("int $1");
        break;
    case 4:
        __asm__ volatile("int $8");
        break;
    case 5:
        __asm__ volatile("int $14");
        break;
    case 6:
        __asm__ volatile("int $255");
        break;
    case 7:
        __asm__ volatile("hlt");
        break;
    case 8:
        __asm__ volatile("sysenter");
        break;
    case 9:
        __asm__ volatile("movaps %%xmm0, (%0)" : : "r"(misaligned + 1));
        break;
    case 10:
        __asm__ volatile("xorl %%ecx, %%ecx\n\tdivl %%ecx" : : : "rax", "rcx", "rdx");
        break;
    case 11: {
        uint32_t control = 0;
        __asm__ volatile("ldmxcsr %0\n\txorps %%xmm0, %%xmm0\n\tdivps %%xmm0, %%xmm0"
                         :
                         : "m"(control));
        break;
    }
    case 12:
        __asm__ volatile("movq $0x800000000000, %%rax\n\tmovb (%%rax), %%al" : : : "rax");
        break;
    case 13:
        __asm__ volatile("movq $0x800000000000, %%rax\n\tjmp *%%rax" : : : "rax");
        break;
    case 14:
        __asm__ volatile(".byte 0xf1");
        break;
    case 15:
        __asm__ volatile("lcall *(%0)" : : "r"(misaligned));
        break;
    case 16:
        __asm__ volatile("int $2");
        break;
    case 17:
        __asm__ volatile("pushq $0\n\tpopfq\n\tsyscall" : : "a"(-1l) : "rcx", "r11");
        break;
    case 18:
        __asm__ volatile("rdmsr");
        break;
    case 19:
        __asm__ volatile("xgetbv\n\txsetbv" : : "c"(0) : "rax", "rdx");
        break;
    case 20:
        __asm__ volatile("wrpkru" : : "a"(-1), "c"(0), "d"(0));
        break;
    default:
        __asm__ volatile("cli");
        break;
    }
    syscall(SYS_getppid);
}

int main(void)
{
    for (uint64_t i = 0; i < ARRAY_LENGTH(addresses); i++) {
        attack("sigreturn_rip", sigreturn_rip, addresses[i], 300);
        attack("sigreturn_rsp", sigreturn_rsp, addresses[i], 300);
        attack("sigreturn_place", sigreturn_place, addresses[i], 300);
        attack("sigreturn_fpu", sigreturn_fpu, addresses[i], 300);
        attack("signal_at_rsp", signal_at_rsp, i, 300);
        attack("handler_at", handler_at, i, 300);
        attack("segv_in_segv", segv_in_segv, i, 300);
        attack("segment_bases", segment_bases, i, 300);
        attack("segment_bases_direct", segment_bases_direct, i, 300);
    }
    for (uint64_t i = 0; i < ARRAY_LENGTH(addresses) * 4; i++) {
        attack("altstack_at", altstack_at, i, 300);
    }
    for (int bit = 0; bit < 64; bit++) {
        attack("sigreturn_flags", sigreturn_flags, 1ul << bit | 0x202, 300);
    }
    attack("sigreturn_flags", sigreturn_flags, 0, 300);
    attack("sigreturn_flags", sigreturn_flags, UINT64_MAX, 300);
    for (uint64_t selector = 0; selector < 0x80; selector += 5) {
        attack("sigreturn_segments", sigreturn_segments, selector * 0x0001000100010001ul, 300);
        attack("selectors", selectors, selector, 300);
    }
    for (uint64_t i = 0; i<240; i += i> 60 && i < 75 ? 1 : 3) {
        attack("sigreturn_area", sigreturn_area, i, 300);
    }
    for (uint64_t seed = 1; seed < 60; seed++) {
        attack("sigreturn_random", sigreturn_random, seed, 200);
    }
    static const uint64_t flags[] = {0x602,    0x302,   0x40202,  0x4202,
                                     0x200202, 0x10202, 0x247fd7, 0x2};
    for (uint64_t i = 0; i < ARRAY_LENGTH(flags); i++) {
        attack("flags_at_call", flags_at_call, flags[i], 2000);
        attack("flags_at_fault", flags_at_fault, flags[i], 300);
    }
    for (uint64_t i = 0; i < 22; i++) {
        attack("exceptions", exceptions, i, 300);
    }
    attack("call_at_the_end", call_at_the_end, 0, 300);
    attack("call_at_the_end", call_at_the_end, 1, 300);
    return attacks_result();
}
