/* A tracer reads and changes registers and memory, and steps, as on Linux. */
#include <sys/prctl.h>

#include "tests/linux/programs/tracing.h"

#define FLAG_TRAP 0x100ul

/* asm/prctl.h */
#define ARCH_SET_GS 0x1001
#define ARCH_GET_FS 0x1003
#define ARCH_GET_GS 0x1004

#define PTRACE_ARCH_PRCTL 30

static void word_say(const char *what, pid_t pid, unsigned long address)
{
    unsigned long word = 0;
    long result = trace(PTRACE_PEEKDATA, pid, address, (unsigned long)&word);
    if (result != 0) {
        say_result(what, result);
    } else {
        say("%s: %lx", what, word);
    }
}

/* --- general registers --- */

/* Loads what the tracer is to see, and shows what it has made of it. */
struct loaded {
    unsigned long word[14];
};

static void exchange(struct loaded *words)
{
    __asm__ volatile("movq %0, %%rdi\n\t"
                     "subq $128, %%rsp\n\t"
                     "pushq %%rbp\n\t"
                     "pushq %%rdi\n\t"
                     "movq 0(%%rdi), %%rax\n\t"
                     "movq 8(%%rdi), %%rbx\n\t"
                     "movq 16(%%rdi), %%rcx\n\t"
                     "movq 24(%%rdi), %%rdx\n\t"
                     "movq 32(%%rdi), %%rsi\n\t"
                     "movq 48(%%rdi), %%r8\n\t"
                     "movq 56(%%rdi), %%r9\n\t"
                     "movq 64(%%rdi), %%r10\n\t"
                     "movq 72(%%rdi), %%r11\n\t"
                     "movq 80(%%rdi), %%r12\n\t"
                     "movq 88(%%rdi), %%r13\n\t"
                     "movq 96(%%rdi), %%r14\n\t"
                     "movq 104(%%rdi), %%r15\n\t"
                     "int3\n\t"
                     "popq %%rdi\n\t"
                     "popq %%rbp\n\t"
                     "addq $128, %%rsp\n\t"
                     "movq %%rax, 0(%%rdi)\n\t"
                     "movq %%rbx, 8(%%rdi)\n\t"
                     "movq %%rcx, 16(%%rdi)\n\t"
                     "movq %%rdx, 24(%%rdi)\n\t"
                     "movq %%rsi, 32(%%rdi)\n\t"
                     "movq %%r8, 48(%%rdi)\n\t"
                     "movq %%r9, 56(%%rdi)\n\t"
                     "movq %%r10, 64(%%rdi)\n\t"
                     "movq %%r11, 72(%%rdi)\n\t"
                     "movq %%r12, 80(%%rdi)\n\t"
                     "movq %%r13, 88(%%rdi)\n\t"
                     "movq %%r14, 96(%%rdi)\n\t"
                     "movq %%r15, 104(%%rdi)\n\t"
                     :
                     : "r"(words)
                     : "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12",
                       "r13", "r14", "r15", "memory");
}

static int exchanges(void *argument)
{
    (void)argument;
    struct loaded words;
    for (int i = 0; i < 14; i++) {
        words.word[i] = 0x1000ul + (unsigned long)i;
    }
    exchange(&words);
    for (int i = 0; i < 14; i++) {
        if (i != 5 && words.word[i] != 0x2000ul + (unsigned long)i) {
            return 100 + i;
        }
    }
    return 12;
}

static void register_check(void)
{
    pid_t pid = traced_child(exchanges, NULL);
    resume(PTRACE_CONT, pid, 0);
    stop_say("int3", pid);
    siginfo_t info;
    trace(PTRACE_GETSIGINFO, pid, 0, (unsigned long)&info);
    say("  code %x, address %p", info.si_code, info.si_addr);
    struct user_regs_struct registers = registers_get(pid);
    say("  %lx %lx %lx %lx %lx %lx %lx %lx %lx %lx %lx %lx %lx", registers.rax, registers.rbx,
        registers.rcx, registers.rdx, registers.rsi, registers.r8, registers.r9, registers.r10,
        registers.r11, registers.r12, registers.r13, registers.r14, registers.r15);
    say("  cs %lx ss %lx ds %lx es %lx fs %lx gs %lx, call %ld", registers.cs, registers.ss,
        registers.ds, registers.es, registers.fs, registers.gs, (long)registers.orig_rax);
    registers.rax = 0x2000;
    registers.rbx = 0x2001;
    registers.rcx = 0x2002;
    registers.rdx = 0x2003;
    registers.rsi = 0x2004;
    registers.r8 = 0x2006;
    registers.r9 = 0x2007;
    registers.r10 = 0x2008;
    registers.r11 = 0x2009;
    registers.r12 = 0x200a;
    registers.r13 = 0x200b;
    registers.r14 = 0x200c;
    registers.r15 = 0x200d;
    registers_set(pid, &registers);
    struct iovec vector = {&registers, sizeof(registers)};
    memset(&registers, 0, sizeof(registers));
    say_result("  GETREGSET", trace(PTRACE_GETREGSET, pid, NT_PRSTATUS, (unsigned long)&vector));
    say("  %zu bytes, r15 %lx, rax %lx", vector.iov_len, registers.r15, registers.rax);
    vector.iov_len = 20;
    say_result("  GETREGSET of 20 bytes",
               trace(PTRACE_GETREGSET, pid, NT_PRSTATUS, (unsigned long)&vector));
    vector.iov_len = 8;
    registers.r15 = 0x200e;
    say_result("  SETREGSET of 8 bytes",
               trace(PTRACE_SETREGSET, pid, NT_PRSTATUS, (unsigned long)&vector));
    unsigned long word = 0;
    trace(PTRACE_PEEKUSER, pid, 0, (unsigned long)&word);
    say("  r15 %lx", word);
    say_result("  POKEUSER", trace(PTRACE_POKEUSER, pid, 0, 0x200d));
    vector.iov_len = 4096;
    say_result("  a set that does not exist",
               trace(PTRACE_GETREGSET, pid, 0x7777, (unsigned long)&vector));
    resume(PTRACE_CONT, pid, 0);
    stop_say("  then", pid);
}

/* --- the FPU --- */

static int floats(void *argument)
{
    (void)argument;
    double values[2] = {1.5, 2.5};
    double out[2];
    __asm__ volatile("movupd %1, %%xmm7\n\tint3\n\tmovupd %%xmm7, %0"
                     : "=m"(out)
                     : "m"(values)
                     : "xmm7");
    if (out[0] != 8.0 || out[1] != 2.5) {
        return 1;
    }
    __asm__ volatile("movupd %1, %%xmm7\n\tint3\n\tmovupd %%xmm7, %0"
                     : "=m"(out)
                     : "m"(values)
                     : "xmm7");
    return out[0] == 9.0 && out[1] == 2.5 ? 13 : 2;
}

static void fpu_check(void)
{
    pid_t pid = traced_child(floats, NULL);
    struct user_fpregs_struct fpu;
    double value;
    resume(PTRACE_CONT, pid, 0);
    stop_say("FPU", pid);
    say_result("  GETFPREGS", trace(PTRACE_GETFPREGS, pid, 0, (unsigned long)&fpu));
    memcpy(&value, (char *)fpu.xmm_space + 7 * 16, 8);
    say("  xmm7 %d halves, mxcsr %x, cwd %x", (int)(value * 2), fpu.mxcsr, fpu.cwd);
    value = 8.0;
    memcpy((char *)fpu.xmm_space + 7 * 16, &value, 8);
    say_result("  SETFPREGS", trace(PTRACE_SETFPREGS, pid, 0, (unsigned long)&fpu));
    fpu.mxcsr = 0xffffffff;
    say_result("  with a wrong MXCSR", trace(PTRACE_SETFPREGS, pid, 0, (unsigned long)&fpu));
    resume(PTRACE_CONT, pid, 0);
    stop_say("  again", pid);
    static char area[16384];
    struct iovec vector = {area, sizeof(area)};
    say_result("  XSTATE", trace(PTRACE_GETREGSET, pid, NT_X86_XSTATE, (unsigned long)&vector));
    uint64_t features;
    memcpy(&features, area + 464, 8);
    memcpy(&value, area + 160 + 7 * 16, 8);
    say("  x87 and SSE %d, more than a header %d, xmm7 %d halves", (int)(features & 3),
        vector.iov_len >= 576, (int)(value * 2));
    value = 9.0;
    memcpy(area + 160 + 7 * 16, &value, 8);
    say_result("  write", trace(PTRACE_SETREGSET, pid, NT_X86_XSTATE, (unsigned long)&vector));
    area[512 + 16] = 1;
    say_result("  with a wrong header",
               trace(PTRACE_SETREGSET, pid, NT_X86_XSTATE, (unsigned long)&vector));
    area[512 + 16] = 0;
    area[512 + 7] = (char)0x80;
    say_result("  with a wrong feature",
               trace(PTRACE_SETREGSET, pid, NT_X86_XSTATE, (unsigned long)&vector));
    vector.iov_len = 512;
    say_result("  in part", trace(PTRACE_SETREGSET, pid, NT_X86_XSTATE, (unsigned long)&vector));
    vector.iov_len = 256;
    say_result("  FXSAVE's in part",
               trace(PTRACE_SETREGSET, pid, NT_PRFPREG, (unsigned long)&vector));
    resume(PTRACE_CONT, pid, 0);
    stop_say("  then", pid);
}

/* --- what cannot be --- */

static int stays(void *argument)
{
    (void)argument;
    for (;;) {
        pause();
    }
    return 0;
}

static void poke_say(const char *what, pid_t pid, size_t offset, unsigned long word)
{
    say_result(what, trace(PTRACE_POKEUSER, pid, offset, word));
}

#define POKE(field, word)                                                                          \
    poke_say(#field " " #word, pid, offsetof(struct user_regs_struct, field), word)

static void runs_say(const char *what, struct user_regs_struct registers, pid_t pid)
{
    registers_set(pid, &registers);
    resume(PTRACE_CONT, pid, 0);
    stop_say(what, pid);
    siginfo_t info;
    memset(&info, 0, sizeof(info));
    trace(PTRACE_GETSIGINFO, pid, 0, (unsigned long)&info);
    struct user_regs_struct now = registers_get(pid);
    say("  code %x, rip %s", info.si_code, now.rip == registers.rip ? "as set" : "elsewhere");
}

static void wrong_check(void)
{
    pid_t pid = traced_child(stays, NULL);
    struct user_regs_struct registers = registers_get(pid);
    POKE(cs, 0);
    POKE(cs, 0x10);
    POKE(ss, 0);
    POKE(ss, 0x18);
    POKE(fs_base, 0x8000000000000000ul);
    POKE(fs_base, 0xffff800000000000ul);
    POKE(gs_base, 0x7ffffffff000ul);
    POKE(gs_base, 0x10000);
    POKE(eflags, ~0ul);
    struct user_regs_struct now = registers_get(pid);
    say("flags that may be set: %lx, gs base %lx", now.eflags & ~0x210000ul & ~0x4000ul,
        now.gs_base);
    poke_say("POKEUSER unaligned", pid, 4, 0);
    poke_say("POKEUSER behind the end", pid, sizeof(struct user), 0);
    unsigned long word = 99;
    say_result("PEEKUSER unaligned", trace(PTRACE_PEEKUSER, pid, 4, (unsigned long)&word));
    say_result("PEEKUSER behind the end",
               trace(PTRACE_PEEKUSER, pid, sizeof(struct user), (unsigned long)&word));
    for (int i = 0; i < 8; i++) {
        size_t offset = offsetof(struct user, u_debugreg[0]) + (size_t)i * 8;
        word = 99;
        long result = trace(PTRACE_PEEKUSER, pid, offset, (unsigned long)&word);
        say("debug register %d: %ld, %s", i, result,
            i == 6      ? ""
            : word == 0 ? "nothing"
                        : "something");
    }
    poke_say("DR7 0", pid, offsetof(struct user, u_debugreg[7]), 0);
    poke_say("DR4", pid, offsetof(struct user, u_debugreg[4]), 0);
    registers.orig_rax = (unsigned long)-1;
    struct user_regs_struct wrong = registers;
    wrong.rip = 0xffff800000001000ul;
    runs_say("rip of the window", wrong, pid);
    wrong.rip = 0x8000000000000000ul;
    runs_say("rip that cannot be", wrong, pid);
    wrong.rip = 0x7fffffffffff;
    runs_say("rip at the end", wrong, pid);
    wrong.rip = 0x10;
    runs_say("rip of nothing", wrong, pid);
    wrong.rip = 0x10;
    wrong.rsp = 0xffff900000000000ul;
    wrong.eflags = ~0ul;
    runs_say("rsp of nobody, all flags", wrong, pid);
    kill(pid, SIGKILL);
    stop_say("  killed", pid);
}

static int base_holder(void *argument)
{
    (void)argument;
    unsigned long before;
    syscall(SYS_arch_prctl, ARCH_SET_GS, 0x12345000ul);
    __asm__ volatile("int3");
    syscall(SYS_arch_prctl, ARCH_GET_GS, &before);
    return before == 0x23456000ul ? 14 : 15;
}

static void base_check(void)
{
    pid_t pid = traced_child(base_holder, NULL);
    resume(PTRACE_CONT, pid, 0);
    stop_say("bases", pid);
    unsigned long base = 0;
    say_result("  ARCH_GET_GS", trace(PTRACE_ARCH_PRCTL, pid, (unsigned long)&base, ARCH_GET_GS));
    say("  %lx, %s", base,
        registers_get(pid).gs_base == base ? "as the registers say" : "unlike the registers");
    say_result("  ARCH_GET_FS", trace(PTRACE_ARCH_PRCTL, pid, (unsigned long)&base, ARCH_GET_FS));
    say("  %s",
        registers_get(pid).fs_base == base ? "as the registers say" : "unlike the registers");
    say_result("  ARCH_SET_GS", trace(PTRACE_ARCH_PRCTL, pid, 0x23456000, ARCH_SET_GS));
    say_result("  ARCH_SET_GS too far", trace(PTRACE_ARCH_PRCTL, pid, ~0ul, ARCH_SET_GS));
    resume(PTRACE_CONT, pid, 0);
    stop_say("  then", pid);
}

/* --- memory --- */

static unsigned long words[2] = {0x1122334455667788ul, 0x99aabbccddeeff00ul};
static const unsigned long constant[2] = {77, 88};

static __attribute__((noinline)) int adds(int number)
{
    return number + 1;
}

struct places {
    char *unreadable;
    char *shared;
    char *shared_constant;
    char *boundary; /* its second page does not exist */
};

static struct places places;

static int shows(void *argument)
{
    (void)argument;
    __asm__ volatile("int3");
    int (*volatile function)(int) = adds;
    int first = function(3);
    return words[0] == 5 && constant[0] == 6 && places.shared[0] == 7 ? 20 + first : 19;
}

static char *map(int protection, int flags, size_t bytes)
{
    char *place = mmap(NULL, bytes, protection, flags | MAP_ANONYMOUS, -1, 0);
    must(place != MAP_FAILED, "mmap");
    return place;
}

static void memory_check(void)
{
    places.unreadable = map(PROT_READ | PROT_WRITE, MAP_PRIVATE, PAGE_BYTES);
    strcpy(places.unreadable, "secret");
    mprotect(places.unreadable, PAGE_BYTES, PROT_NONE);
    places.shared = map(PROT_READ | PROT_WRITE, MAP_SHARED, PAGE_BYTES);
    places.shared_constant = map(PROT_READ, MAP_SHARED, PAGE_BYTES);
    places.boundary = map(PROT_READ | PROT_WRITE, MAP_PRIVATE, 2 * PAGE_BYTES);
    munmap(places.boundary + PAGE_BYTES, PAGE_BYTES);
    pid_t pid = traced_child(shows, NULL);
    resume(PTRACE_CONT, pid, 0);
    stop_say("memory", pid);
    word_say("  a word", pid, (unsigned long)words);
    word_say("  an unaligned one", pid, (unsigned long)words + 4);
    word_say("  of nothing", pid, 0);
    word_say("  of the window", pid, 0xffff800000000000ul);
    word_say("  of no address", pid, 0x8000000000000000ul);
    word_say("  over the end", pid, (unsigned long)places.boundary + PAGE_BYTES - 4);
    unsigned long word;
    trace(PTRACE_PEEKTEXT, pid, (unsigned long)places.unreadable, (unsigned long)&word);
    say("  without a right: %.6s", (char *)&word);
    trace(PTRACE_PEEKTEXT, pid, (unsigned long)(uintptr_t)adds, (unsigned long)&word);
    say("  code: %s", memcmp(&word, (const void *)(uintptr_t)adds, 8) == 0 ? "the same" : "other");
    unsigned long breakpoint = (word & ~0xfful) | 0xcc;
    say_result("  POKEDATA", trace(PTRACE_POKEDATA, pid, (unsigned long)words, 5));
    say_result("  a constant", trace(PTRACE_POKEDATA, pid, (unsigned long)constant, 6));
    say_result("  shared", trace(PTRACE_POKEDATA, pid, (unsigned long)places.shared, 7));
    say_result("  shared, read only",
               trace(PTRACE_POKEDATA, pid, (unsigned long)places.shared_constant, 7));
    say_result("  of nothing", trace(PTRACE_POKEDATA, pid, 0, 7));
    say_result("  of the window", trace(PTRACE_POKEDATA, pid, 0xffff800000000000ul, 7));
    say_result("  a breakpoint",
               trace(PTRACE_POKETEXT, pid, (unsigned long)(uintptr_t)adds, breakpoint));
    say("  ours: %lx %lx, code the same %d", words[0], constant[0],
        memcmp(&word, (const void *)(uintptr_t)adds, 8) == 0);
    resume(PTRACE_CONT, pid, 0);
    stop_say("  hit", pid);
    struct user_regs_struct registers = registers_get(pid);
    say("  behind the breakpoint: %d, argument %ld",
        registers.rip == (unsigned long)(uintptr_t)adds + 1, (long)registers.rdi);
    registers.rip--;
    registers_set(pid, &registers);
    say_result("  taken out", trace(PTRACE_POKETEXT, pid, (unsigned long)(uintptr_t)adds, word));
    resume(PTRACE_SINGLESTEP, pid, 0);
    stop_say("  step", pid);
    resume(PTRACE_CONT, pid, 0);
    stop_say("  then", pid);
}

static void file_check(void)
{
    pid_t pid = traced_child(shows, NULL);
    resume(PTRACE_CONT, pid, 0);
    stop_say("/proc/PID/mem", pid);
    char path[64];
    unsigned long word = 0;
    snprintf(path, sizeof(path), "/proc/%d/mem", (int)pid);
    int file = open(path, O_RDWR);
    say_result("  open", file < 0 ? -1 : 0);
    say_result("  read", pread(file, &word, 8, (off_t)(uintptr_t)words));
    say("  %lx", word);
    say_result("  read of nothing", pread(file, &word, 8, 0));
    char two[PAGE_BYTES + 8];
    say_result("  read over the end",
               pread(file, two, sizeof(two), (off_t)(uintptr_t)places.boundary));
    word = 6;
    say_result("  write of a constant", pwrite(file, &word, 8, (off_t)(uintptr_t)constant));
    word = 0;
    say_result("  read again", pread(file, &word, 8, (off_t)(uintptr_t)constant));
    say("  %ld", (long)word);
    struct iovec here = {&word, 8};
    struct iovec there = {words, 8};
    say_result("  process_vm_readv", syscall(SYS_process_vm_readv, pid, &here, 1, &there, 1, 0));
    there.iov_base = (void *)(uintptr_t)constant;
    say_result("  process_vm_writev of a constant",
               syscall(SYS_process_vm_writev, pid, &here, 1, &there, 1, 0));
    snprintf(path, sizeof(path), "/proc/%d/auxv", (int)pid);
    int auxv = open(path, O_RDONLY);
    unsigned long pair[2] = {0, 0};
    bool page_size = false;
    while (read(auxv, pair, 16) == 16 && pair[0] != 0) {
        page_size = page_size || (pair[0] == 6 && pair[1] == PAGE_BYTES);
    }
    say("  auxv tells the size of pages: %d", page_size);
    close(auxv);
    kill(pid, SIGKILL);
    stop_say("  killed", pid);
    say_result("  read of who has ended", pread(file, &word, 8, (off_t)(uintptr_t)words));
    close(file);
    int own = open("/proc/self/mem", O_RDWR);
    word = 66;
    say_result("  our own constant", pwrite(own, &word, 8, (off_t)(uintptr_t)constant));
    say("  %ld", (long)*(const volatile unsigned long *)constant);
    close(own);
}

/* --- steps --- */

static volatile int handled;

static void on_signal(int number)
{
    handled = number;
}

static int steps(void *argument)
{
    (void)argument;
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGUSR1, &action, NULL);
    __asm__ volatile("int3\n\t"
                     "nop\n\t"
                     "nop\n\t"
                     "movl $39, %%eax\n\t"
                     "syscall\n\t"
                     "nop\n\t"
                     "nop\n\t"
                     "pushfq\n\t"
                     "popq %%rax\n\t"
                     "nop\n\t"
                     :
                     :
                     : "rax", "rcx", "r11", "memory");
    return handled == SIGUSR1 ? 15 : 16;
}

static void step_check(void)
{
    pid_t pid = traced_child(steps, NULL);
    resume(PTRACE_CONT, pid, 0);
    stop_say("steps", pid);
    unsigned long start = registers_get(pid).rip;
    for (int i = 0; i < 6; i++) {
        resume(PTRACE_SINGLESTEP, pid, 0);
        int status = stop_wait(pid);
        siginfo_t info;
        trace(PTRACE_GETSIGINFO, pid, 0, (unsigned long)&info);
        struct user_regs_struct registers = registers_get(pid);
        say("  %s at %ld, code %d, address %s, trap flag %d", signal_name(WSTOPSIG(status)),
            (long)(registers.rip - start), info.si_code,
            (unsigned long)info.si_addr == registers.rip ? "rip" : "other",
            (registers.eflags & FLAG_TRAP) != 0);
    }
    kill(pid, SIGUSR1);
    resume(PTRACE_SINGLESTEP, pid, 0);
    stop_say("  a signal", pid);
    resume(PTRACE_SINGLESTEP, pid, SIGUSR1);
    stop_say("  into the handler", pid);
    struct user_regs_struct registers = registers_get(pid);
    say("  its first instruction %d, argument %ld, trap flag %d",
        registers.rip == (unsigned long)(uintptr_t)on_signal, (long)registers.rdi,
        (registers.eflags & FLAG_TRAP) != 0);
    resume(PTRACE_CONT, pid, 0);
    stop_say("  then", pid);
}

/* A program's own trap flag is a signal of its own. */
static int traps(void *argument)
{
    (void)argument;
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGTRAP, &action, NULL);
    __asm__ volatile("pushfq\n\t"
                     "orq $0x100, (%%rsp)\n\t"
                     "popfq\n\t"
                     "nop\n\t"
                     "pushfq\n\t"
                     "andq $~0x100, (%%rsp)\n\t"
                     "popfq\n\t"
                     :
                     :
                     : "memory", "cc");
    return handled == SIGTRAP ? 17 : 18;
}

static void own_trap_check(void)
{
    say_status("a program's own trap flag", child_run(traps, NULL));
}

/* The tracer's end leaves no trap flag behind. */
static int counts(void *argument)
{
    (void)argument;
    volatile unsigned long sum = 0;
    for (unsigned long i = 0; i < 200000; i++) {
        sum += i;
    }
    return 21;
}

static void abandoned_step_check(void)
{
    int gate;
    pid_t pid = waiting_child(counts, NULL, &gate);
    pid_t tracer = fork();
    if (tracer == 0) {
        must(trace(PTRACE_SEIZE, pid, 0, 0) == 0, "SEIZE");
        must(trace(PTRACE_INTERRUPT, pid, 0, 0) == 0, "INTERRUPT");
        stop_wait(pid);
        close(gate);
        for (int i = 0; i < 300; i++) {
            resume(PTRACE_SINGLESTEP, pid, 0);
            if (i < 299) {
                must(WIFSTOPPED(stop_wait(pid)), "a step");
            }
        }
        _exit(0);
    }
    close(gate);
    child_wait(tracer);
    int status = child_wait(pid);
    say("the tracer ended in a step: %s", WIFEXITED(status) ? "code" : "signal");
}

int main(void)
{
    register_check();
    fpu_check();
    wrong_check();
    base_check();
    memory_check();
    file_check();
    step_check();
    own_trap_check();
    abandoned_step_check();
    return 0;
}
