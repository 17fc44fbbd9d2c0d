/* Memory is mapped, shared, protected, moved and given back as on Linux. */
#include <setjmp.h>
#include <sys/auxv.h>
#include <sys/resource.h>
#include <sys/uio.h>

#include "tests/linux/programs/program.h"

#define FIXED_NOREPLACE (MAP_PRIVATE | MAP_ANONYMOUS | 0x100000)
#define ANONYMOUS       (MAP_PRIVATE | MAP_ANONYMOUS)
#define READ_WRITE      (PROT_READ | PROT_WRITE)

static sigjmp_buf fault_jump;
static volatile bool jump_ready;
static volatile int fault_code;
static volatile uintptr_t fault_address;

static void fault(int number, siginfo_t *info, void *context)
{
    (void)context;
    if (!jump_ready) {
        say("failed: %s that is not the test's", signal_name(number));
        _exit(97);
    }
    jump_ready = false;
    fault_code = info->si_code;
    fault_address = (uintptr_t)info->si_addr;
    siglongjmp(fault_jump, number);
}

/* What touching a byte does: "readable", "writable", or the fault. */
static const char *touch(char *at, bool write)
{
    static char text[64];
    int number = sigsetjmp(fault_jump, 1);
    jump_ready = true;
    if (number == 0) {
        volatile char *byte = at;
        if (write) {
            *byte = *byte;
        } else {
            (void)*byte;
        }
        jump_ready = false;
        return write ? "writable" : "readable";
    }
    snprintf(text, sizeof(text), "%s code %d%s", signal_name(number), fault_code,
             fault_address == (uintptr_t)at ? "" : " at a wrong address");
    return text;
}

static char *map(size_t bytes, int protection, int flags, int file)
{
    char *at = mmap(NULL, bytes, protection, flags, file, 0);
    must(at != MAP_FAILED, "mmap");
    return at;
}

static void say_map(const char *what, void *at)
{
    if (at == MAP_FAILED) {
        say("%s: %s", what, error_name(errno));
    } else {
        say("%s: mapped%s", what, (uintptr_t)at % PAGE_BYTES == 0 ? "" : " askew");
    }
}

static bool all_zero(const char *at, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        if (at[i] != 0) {
            return false;
        }
    }
    return true;
}

/* --- Anonymous memory --- */

static void anonymous_check(void)
{
    char *private = map(PAGE_BYTES, READ_WRITE, ANONYMOUS, -1);
    char *shared = map(PAGE_BYTES, READ_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1);
    say("anonymous: zero %d %d", all_zero(private, PAGE_BYTES), all_zero(shared, PAGE_BYTES));
    strcpy(private, "parent");
    strcpy(shared, "parent");
    pid_t pid = fork();
    if (pid == 0) {
        say("anonymous: child sees %s, %s", private, shared);
        strcpy(private, "child");
        strcpy(shared, "child");
        _exit(0);
    }
    child_wait(pid);
    say("anonymous: parent sees %s, %s", private, shared);
    munmap(private, PAGE_BYTES);
    say("unmapped: %s", touch(private, false));
    munmap(shared, PAGE_BYTES);
}

/* Three generations, each with pages of its own over what it inherited. */
static void generations_check(void)
{
    enum {
        PAGES = 64
    };
    char *pages = map(PAGES * PAGE_BYTES, READ_WRITE, ANONYMOUS, -1);
    for (int i = 0; i < PAGES; i++) {
        pages[i * PAGE_BYTES] = 'a';
    }
    int level = 0, sums[4] = {0};
    pid_t pids[4] = {0};
    while (level < 3) {
        pids[level] = fork();
        if (pids[level] != 0) {
            break;
        }
        level++;
        for (int i = level; i < PAGES; i += level + 1) {
            pages[i * PAGE_BYTES] = (char)('a' + level);
        }
    }
    if (level < 3) {
        child_wait(pids[level]);
    }
    for (int i = 0; i < PAGES; i++) {
        sums[pages[i * PAGE_BYTES] - 'a']++;
    }
    say("generation %d: %d %d %d %d pages", level, sums[0], sums[1], sums[2], sums[3]);
    if (level > 0) {
        _exit(0);
    }
    munmap(pages, PAGES * PAGE_BYTES);
}

static void large_check(void)
{
    size_t bytes = (size_t)64 << 30;
    char *at = map(bytes, READ_WRITE, ANONYMOUS | MAP_NORESERVE, -1);
    for (size_t i = 0; i < bytes; i += bytes / 16) {
        at[i] = 1;
    }
    int sum = 0;
    for (size_t i = 0; i < bytes; i += bytes / 16) {
        sum += at[i];
    }
    say("large and sparse: %d pages kept", sum);
    say_result("large: munmap", munmap(at, bytes));
}

/* --- Protection and holes --- */

static void protection_check(void)
{
    char *at = map(4 * PAGE_BYTES, READ_WRITE, ANONYMOUS, -1);
    memset(at, 'x', 4 * PAGE_BYTES);
    must(mprotect(at + PAGE_BYTES, PAGE_BYTES, PROT_READ) == 0, "mprotect");
    must(mprotect(at + 2 * PAGE_BYTES, PAGE_BYTES, PROT_NONE) == 0, "mprotect");
    static const char *const names[] = {"writable page", "PROT_READ page", "PROT_NONE page",
                                        "last page"};
    for (int i = 0; i < 4; i++) {
        say("%s: read %s", names[i], touch(at + i * PAGE_BYTES + 7, false));
        say("%s: write %s", names[i], touch(at + i * PAGE_BYTES + 7, true));
    }
    must(mprotect(at, 4 * PAGE_BYTES, READ_WRITE) == 0, "mprotect");
    say("protected and back: %s, content %c%c%c%c", touch(at + 2 * PAGE_BYTES, true), at[0],
        at[PAGE_BYTES], at[2 * PAGE_BYTES], at[3 * PAGE_BYTES]);
    must(munmap(at + PAGE_BYTES, 2 * PAGE_BYTES) == 0, "munmap");
    for (int i = 0; i < 4; i++) {
        say("hole: page %d %s", i, touch(at + i * PAGE_BYTES, false));
    }
    say_result("mprotect over a hole", mprotect(at, 4 * PAGE_BYTES, PROT_READ));
    say("mprotect over a hole: the page before it: %s", touch(at, true));
    say_result("munmap over a hole", munmap(at, 4 * PAGE_BYTES));
    say_result("munmap of nothing", munmap(at, 4 * PAGE_BYTES));
    say_result("munmap askew", munmap(at + 1, PAGE_BYTES));
    say_result("munmap of no bytes", munmap(at, 0));
    say_result("mprotect askew", syscall(SYS_mprotect, at + 1, PAGE_BYTES, PROT_READ));
    say_result("mprotect of nothing", mprotect(at, PAGE_BYTES, PROT_READ));
}

static void execute_check(void)
{
    static const unsigned char code[] = {0xb8, 0x2a, 0, 0, 0, 0xc3}; /* mov $42, %eax; ret */
    char *at = map(PAGE_BYTES, READ_WRITE, ANONYMOUS, -1);
    memcpy(at, code, sizeof(code));
    int number = sigsetjmp(fault_jump, 1);
    jump_ready = true;
    if (number == 0) {
        ((int (*)(void))(uintptr_t)at)();
        jump_ready = false;
        say("code in data: runs");
    } else {
        say("code in data: %s code %d", signal_name(number), fault_code);
    }
    must(mprotect(at, PAGE_BYTES, PROT_READ | PROT_EXEC) == 0, "mprotect");
    say("code after mprotect: %d", ((int (*)(void))(uintptr_t)at)());
    must(mprotect(at, PAGE_BYTES, PROT_READ | PROT_WRITE | PROT_EXEC) == 0, "mprotect");
    at[1] = 43;
    say("code changed in place: %d", ((int (*)(void))(uintptr_t)at)());
    munmap(at, PAGE_BYTES);
}

static void fixed_check(void)
{
    char *at = map(3 * PAGE_BYTES, READ_WRITE, ANONYMOUS, -1);
    memset(at, 'o', 3 * PAGE_BYTES);
    char *middle = at + PAGE_BYTES;
    say_map("MAP_FIXED_NOREPLACE over a mapping",
            mmap(middle, PAGE_BYTES, READ_WRITE, FIXED_NOREPLACE, -1, 0));
    say_map("MAP_FIXED over a mapping",
            mmap(middle, PAGE_BYTES, READ_WRITE, ANONYMOUS | MAP_FIXED, -1, 0));
    say("MAP_FIXED: new page zero %d, others %c %c", all_zero(middle, PAGE_BYTES), at[0],
        at[2 * PAGE_BYTES]);
    munmap(middle, PAGE_BYTES);
    void *again = mmap(middle, PAGE_BYTES, READ_WRITE, FIXED_NOREPLACE, -1, 0);
    say("MAP_FIXED_NOREPLACE in a hole: %s", again == middle ? "there" : "elsewhere");
    void *hint = mmap(middle, PAGE_BYTES, READ_WRITE, ANONYMOUS, -1, 0);
    say("hint that is taken: %s", hint == middle ? "replaced" : "elsewhere");
    munmap(hint, PAGE_BYTES);
    munmap(at, 3 * PAGE_BYTES);
    say("hint that is free: %s",
        mmap(at, PAGE_BYTES, READ_WRITE, ANONYMOUS, -1, 0) == at ? "there" : "elsewhere");
    munmap(at, PAGE_BYTES);
}

static void errors_check(void)
{
    say_map("mmap of no bytes", mmap(NULL, 0, PROT_READ, ANONYMOUS, -1, 0));
    say_map("mmap of all bytes", mmap(NULL, SIZE_MAX, PROT_READ, ANONYMOUS, -1, 0));
    say_map("mmap neither private nor shared",
            mmap(NULL, PAGE_BYTES, PROT_READ, MAP_ANONYMOUS, -1, 0));
    say_map("mmap of a bad descriptor", mmap(NULL, PAGE_BYTES, PROT_READ, MAP_PRIVATE, -1, 0));
    say_map("mmap at an offset askew",
            (void *)syscall(SYS_mmap, NULL, PAGE_BYTES, PROT_READ, ANONYMOUS, -1, 100));
    say_map("mmap fixed askew",
            mmap((void *)0x10001, PAGE_BYTES, PROT_READ, ANONYMOUS | MAP_FIXED, -1, 0));
    say_map("mmap fixed beyond user memory",
            mmap((void *)0x7ffffffff000, 2 * PAGE_BYTES, PROT_READ, ANONYMOUS | MAP_FIXED, -1, 0));
    int ends[2];
    must(pipe(ends) == 0, "pipe");
    say_map("mmap of a pipe", mmap(NULL, PAGE_BYTES, PROT_READ, MAP_PRIVATE, ends[0], 0));
    close(ends[0]);
    close(ends[1]);
    int file = open("file", O_WRONLY | O_CREAT | O_TRUNC, 0644);
    say_map("mmap of a write-only file", mmap(NULL, PAGE_BYTES, PROT_READ, MAP_PRIVATE, file, 0));
    close(file);
    file = open("file", O_RDONLY);
    say_map("mmap shared writable of a read-only file",
            mmap(NULL, PAGE_BYTES, READ_WRITE, MAP_SHARED, file, 0));
    void *at = mmap(NULL, PAGE_BYTES, PROT_READ, MAP_SHARED, file, 0);
    say_map("mmap shared readable of a read-only file", at);
    say_result("mprotect of it to writable", mprotect(at, PAGE_BYTES, READ_WRITE));
    munmap(at, PAGE_BYTES);
    say_map("mmap private writable of a read-only file",
            mmap(NULL, PAGE_BYTES, READ_WRITE, MAP_PRIVATE, file, 0));
    close(file);
    file = open(".", O_RDONLY);
    say_map("mmap of a directory", mmap(NULL, PAGE_BYTES, PROT_READ, MAP_PRIVATE, file, 0));
    close(file);
}

/* --- Files --- */

static void file_check(void)
{
    int file = open("file", O_RDWR | O_CREAT | O_TRUNC, 0644);
    must(file >= 0 && ftruncate(file, 3 * PAGE_BYTES + 100) == 0, "file");
    must(pwrite(file, "first", 5, 0) == 5 && pwrite(file, "last", 4, 3 * PAGE_BYTES) == 4, "write");
    char *shared = map(4 * PAGE_BYTES, READ_WRITE, MAP_SHARED, file);
    char *private = map(4 * PAGE_BYTES, READ_WRITE, MAP_PRIVATE, file);
    char *twice = map(4 * PAGE_BYTES, PROT_READ, MAP_SHARED, file);
    close(file);
    file = open("file", O_RDWR);
    say("file: %s, %s; end %s, rest zero %d", shared, private, shared + 3 * PAGE_BYTES,
        all_zero(shared + 3 * PAGE_BYTES + 100, PAGE_BYTES - 100));
    strcpy(shared, "FIRST");
    char text[16] = {0};
    must(pread(file, text, 5, 0) == 5, "pread");
    say("shared write: read gives %s, another mapping %s, private %s", text, twice, private);
    strcpy(private, "mine");
    must(pread(file, text, 5, 0) == 5, "pread");
    say("private write: read gives %s, shared %s", text, shared);
    must(pwrite(file, "third", 5, 0) == 5, "pwrite");
    say("write: shared %s, private %s", shared, private);
    must(pwrite(file, "page", 4, PAGE_BYTES) == 4, "pwrite");
    say("write to a page not yet touched: shared %s, private %s", shared + PAGE_BYTES,
        private + PAGE_BYTES);
    pid_t pid = fork();
    if (pid == 0) {
        strcpy(shared + 2 * PAGE_BYTES, "child");
        strcpy(private + 2 * PAGE_BYTES, "CHILD");
        _exit(0);
    }
    child_wait(pid);
    say("child's writes: shared [%s], private [%s]", shared + 2 * PAGE_BYTES,
        private + 2 * PAGE_BYTES);
    say_result("msync", msync(shared, 4 * PAGE_BYTES, MS_SYNC));
    must(ftruncate(file, PAGE_BYTES + 2) == 0, "ftruncate");
    say("truncated: first page %s, second %s", touch(shared, true),
        touch(shared + PAGE_BYTES, true));
    say("truncated: third page %s", touch(shared + 2 * PAGE_BYTES, false));
    say("truncated: private third page %s", touch(private + 2 * PAGE_BYTES, false));
    say("truncated: rest of the page zero %d", all_zero(shared + PAGE_BYTES + 2, PAGE_BYTES - 2));
    must(ftruncate(file, 4 * PAGE_BYTES) == 0, "ftruncate");
    say("grown: third page %s, zero %d", touch(shared + 2 * PAGE_BYTES, true),
        all_zero(shared + 2 * PAGE_BYTES, 2 * PAGE_BYTES));
    unlink("file");
    close(file);
    say("unlinked and closed: %s", shared);
    munmap(shared, 4 * PAGE_BYTES);
    munmap(private, 4 * PAGE_BYTES);
    munmap(twice, 4 * PAGE_BYTES);
}

/* A read into a mapping of the same file, and a call with memory that is not there. */
static void call_memory_check(void)
{
    file_write("file", "0123456789");
    int file = open("file", O_RDWR);
    char *shared = map(PAGE_BYTES, READ_WRITE, MAP_SHARED, file);
    say_result("read into a mapping of the file", pread(file, shared + 2, 5, 4));
    say("read into a mapping of the file: %.10s", shared);
    say_result("write from a mapping of the file", pwrite(file, shared, 4, 6));
    say("write from a mapping of the file: %.10s", shared);
    munmap(shared, PAGE_BYTES);
    char *at = map(2 * PAGE_BYTES, READ_WRITE, ANONYMOUS, -1);
    must(munmap(at + PAGE_BYTES, PAGE_BYTES) == 0, "munmap");
    say_result("read into nothing", pread(file, at + PAGE_BYTES, 10, 0));
    say_result("write from nothing", pwrite(file, at + PAGE_BYTES, 10, 0));
    must(mprotect(at, PAGE_BYTES, PROT_READ) == 0, "mprotect");
    say_result("read into a read-only page", pread(file, at, 10, 0));
    say_result("write from beyond user memory", pwrite(file, (void *)0xffff800000000000, 10, 0));
    say_result("a path in nothing", open(at + PAGE_BYTES, O_RDONLY));
    munmap(at, PAGE_BYTES);
    close(file);
}

/* --- Moving and giving back --- */

static void remap_check(void)
{
    char *at = map(4 * PAGE_BYTES, READ_WRITE, ANONYMOUS, -1);
    for (int i = 0; i < 4; i++) {
        at[i * PAGE_BYTES] = (char)('a' + i);
    }
    say("mremap to fewer pages: %s",
        mremap(at, 4 * PAGE_BYTES, 2 * PAGE_BYTES, 0) == at ? "in place" : "moved");
    say("mremap to fewer pages: third %s", touch(at + 2 * PAGE_BYTES, false));
    char *wall = mmap(at + 2 * PAGE_BYTES, PAGE_BYTES, PROT_READ, FIXED_NOREPLACE, -1, 0);
    must(wall == at + 2 * PAGE_BYTES, "wall");
    say_map("mremap against a wall", mremap(at, 2 * PAGE_BYTES, 3 * PAGE_BYTES, 0));
    char *moved = mremap(at, 2 * PAGE_BYTES, 8 * PAGE_BYTES, MREMAP_MAYMOVE);
    say_map("mremap MAYMOVE", moved);
    if (moved == MAP_FAILED) {
        return;
    }
    say("mremap MAYMOVE: content %c%c, the rest zero %d, the old place %s", moved[0],
        moved[PAGE_BYTES], all_zero(moved + 2 * PAGE_BYTES, 6 * PAGE_BYTES), touch(at, false));
    char *target = map(8 * PAGE_BYTES, READ_WRITE, ANONYMOUS, -1);
    target[0] = 't';
    char *fixed =
        mremap(moved, 8 * PAGE_BYTES, 8 * PAGE_BYTES, MREMAP_MAYMOVE | MREMAP_FIXED, target);
    say("mremap FIXED: %s, content %c%c", fixed == target ? "there" : "elsewhere", target[0],
        target[PAGE_BYTES]);
    /* What lies behind the vDSO is the kernel's own. */
    char *vdso = (char *)getauxval(AT_SYSINFO_EHDR);
    say_map("mremap of the vDSO to much more", mremap(vdso, PAGE_BYTES, 16 << 20, MREMAP_MAYMOVE));
    say_map("mremap of nothing", mremap(moved, PAGE_BYTES, 2 * PAGE_BYTES, MREMAP_MAYMOVE));
    say_map("mremap to no bytes", mremap(target, PAGE_BYTES, 0, MREMAP_MAYMOVE));
    munmap(target, 8 * PAGE_BYTES);
    munmap(wall, PAGE_BYTES);
}

static void advise_check(void)
{
    char *at = map(4 * PAGE_BYTES, READ_WRITE, ANONYMOUS, -1);
    memset(at, 'x', 4 * PAGE_BYTES);
    say_result("madvise DONTNEED", madvise(at + PAGE_BYTES, 2 * PAGE_BYTES, MADV_DONTNEED));
    say("madvise DONTNEED: %c, zero %d, %c", at[0], all_zero(at + PAGE_BYTES, 2 * PAGE_BYTES),
        at[3 * PAGE_BYTES]);
    pid_t pid = fork();
    if (pid == 0) {
        madvise(at, 4 * PAGE_BYTES, MADV_DONTNEED);
        _exit(all_zero(at, 4 * PAGE_BYTES));
    }
    say_status("madvise DONTNEED in a child: zero", child_wait(pid));
    say("madvise DONTNEED in a child: parent has %c", at[0]);
    say_result("madvise askew", madvise(at + 1, PAGE_BYTES, MADV_DONTNEED));
    say_result("madvise of a wrong kind", madvise(at, PAGE_BYTES, 9999));
    must(munmap(at + PAGE_BYTES, PAGE_BYTES) == 0, "munmap");
    say_result("madvise over a hole", madvise(at, 4 * PAGE_BYTES, MADV_DONTNEED));
    say_result("madvise NORMAL", madvise(at, PAGE_BYTES, MADV_NORMAL));
    munmap(at, 4 * PAGE_BYTES);
    file_write("file", "content");
    int file = open("file", O_RDWR);
    at = map(PAGE_BYTES, READ_WRITE, MAP_PRIVATE, file);
    strcpy(at, "CHANGED");
    madvise(at, PAGE_BYTES, MADV_DONTNEED);
    say("madvise DONTNEED of a private file page: %s", at);
    munmap(at, PAGE_BYTES);
    close(file);
}

static void resident_check(void)
{
    char *at = map(4 * PAGE_BYTES, READ_WRITE, ANONYMOUS, -1);
    at[0] = 1;
    at[2 * PAGE_BYTES] = 1;
    unsigned char pages[4];
    say_result("mincore", mincore(at, 4 * PAGE_BYTES, pages));
    say("mincore: %d %d %d %d", pages[0] & 1, pages[1] & 1, pages[2] & 1, pages[3] & 1);
    munmap(at, 4 * PAGE_BYTES);
    say_result("mincore of nothing", mincore(at, 4 * PAGE_BYTES, pages));
}

/* --- The break and the stack --- */

static char *break_set(char *to)
{
    return (char *)syscall(SYS_brk, to);
}

static void break_check(void)
{
    char *start = break_set(NULL);
    say("brk: up %s", break_set(start + 3 * PAGE_BYTES) == start + 3 * PAGE_BYTES ? "done" : "no");
    say("brk: new memory zero %d", all_zero(start, 3 * PAGE_BYTES));
    memset(start, 'x', 3 * PAGE_BYTES);
    say("brk: down %s", break_set(start + PAGE_BYTES) == start + PAGE_BYTES ? "done" : "no");
    say("brk: what was given back %s", touch(start + 2 * PAGE_BYTES, false));
    break_set(start + 3 * PAGE_BYTES);
    say("brk: up again, zero %d, the first page %c", all_zero(start + PAGE_BYTES, 2 * PAGE_BYTES),
        start[0]);
    say("brk: to nothing %s", break_set((char *)PAGE_BYTES) == start + 3 * PAGE_BYTES
                                  ? "leaves it where it is"
                                  : "moves it");
    say("brk: too far %s", break_set((char *)0x7fffffff0000) == start + 3 * PAGE_BYTES
                               ? "leaves it where it is"
                               : "moves it");
    break_set(start);
}

static int __attribute__((noinline)) dig(int levels)
{
    volatile char room[4096];
    room[0] = (char)levels;
    room[4095] = 1;
    return levels == 0 ? room[4095] : dig(levels - 1) + room[4095];
}

static int dig_run(void *argument)
{
    static char stack[16384];
    stack_t alternate = {.ss_sp = stack, .ss_size = sizeof(stack)};
    signal(SIGSEGV, SIG_DFL);
    sigaltstack(&alternate, NULL);
    return dig(*(int *)argument) > 0 ? 0 : 1;
}

static void overflow_handler(int number)
{
    _exit(number == SIGSEGV ? 66 : 67);
}

static void stack_check(void)
{
    int deep = 1500, too_deep = 4000;
    struct rlimit limit;
    must(getrlimit(RLIMIT_STACK, &limit) == 0, "getrlimit");
    say("stack: limit %llu", (unsigned long long)limit.rlim_cur);
    say_status("stack of 6 MiB", child_run(dig_run, &deep));
    say_status("stack of 16 MiB", child_run(dig_run, &too_deep));
    pid_t pid = fork();
    if (pid == 0) {
        static char stack[16384];
        stack_t alternate = {.ss_sp = stack, .ss_size = sizeof(stack)};
        sigaltstack(&alternate, NULL);
        struct sigaction action = {.sa_handler = overflow_handler, .sa_flags = SA_ONSTACK};
        sigaction(SIGSEGV, &action, NULL);
        _exit(dig(4000) > 0 ? 0 : 1);
    }
    say_status("stack overflow with a handler", child_wait(pid));
}

static void vector_check(void)
{
    char first[] = "abc", second[] = "defg", target[8] = {0};
    pid_t pid = getpid();
    struct iovec local = {target, 7}, remote[2] = {{first, 3}, {second, 4}};
    say_result("process_vm_readv", process_vm_readv(pid, &local, 1, remote, 2, 0));
    say("process_vm_readv: %s", target);
}

int main(void)
{
    /* A stack limit of the test's own. */
    struct rlimit limit = {8 << 20, 8 << 20};
    must(setrlimit(RLIMIT_STACK, &limit) == 0, "setrlimit");
    struct sigaction action = {.sa_sigaction = fault, .sa_flags = SA_SIGINFO};
    sigaction(SIGSEGV, &action, NULL);
    sigaction(SIGBUS, &action, NULL);
    anonymous_check();
    generations_check();
    large_check();
    protection_check();
    execute_check();
    fixed_check();
    errors_check();
    file_check();
    call_memory_check();
    remap_check();
    advise_check();
    resident_check();
    break_check();
    stack_check();
    vector_check();
    return 0;
}
