/* Resource limits that are enforced where the resource is given out: RLIMIT_FSIZE, _AS, _DATA,
 * _NOFILE; and files that become shorter and longer while they are mapped. */
#include <setjmp.h>
#include <sys/resource.h>
#include <sys/uio.h>

#include "tests/linux/programs/program.h"

static void limit_set(int resource, rlim_t soft)
{
    struct rlimit limit;
    must(getrlimit(resource, &limit) == 0, "getrlimit");
    limit.rlim_cur = soft;
    must(setrlimit(resource, &limit) == 0, "setrlimit");
}

/* --- the size of files ------------------------------------------------------------------------ */

static volatile sig_atomic_t signals;

static void signal_count(int number)
{
    (void)number;
    signals++;
}

static void file_size_say(const char *what, long result)
{
    say_result(what, result);
    say("  SIGXFSZ: %d", (int)signals);
    signals = 0;
}

static int file_size_check(void *unused)
{
    (void)unused;
    static char bytes[3000];
    struct sigaction action = {.sa_handler = signal_count};
    sigaction(SIGXFSZ, &action, NULL);
    int file = open("file", O_RDWR | O_CREAT | O_TRUNC, 0644);
    must(file >= 0, "open");
    limit_set(RLIMIT_FSIZE, 5000);
    file_size_say("write within the limit", write(file, bytes, sizeof(bytes)));
    file_size_say("write across it", write(file, bytes, sizeof(bytes)));
    file_size_say("write at it", write(file, bytes, 1));
    file_size_say("write of nothing at it", write(file, bytes, 0));
    file_size_say("pwrite behind it", pwrite(file, bytes, 1, 6000));
    file_size_say("pwrite before it", pwrite(file, bytes, 10, 100));
    file_size_say("ftruncate to it", ftruncate(file, 5000));
    file_size_say("ftruncate beyond it", ftruncate(file, 5001));
    file_size_say("truncate beyond it", truncate("file", 5001));
    file_size_say("fallocate beyond it", posix_fallocate(file, 0, 6000) == EFBIG);
    struct iovec vector[2] = {{bytes, 10}, {bytes, 10}};
    must(lseek(file, 4995, SEEK_SET) == 4995, "lseek");
    file_size_say("writev across it", writev(file, vector, 2));
    limit_set(RLIMIT_FSIZE, 1000);
    file_size_say("ftruncate to less, above a lower limit", ftruncate(file, 2000));
    int ends[2];
    must(pipe(ends) == 0, "pipe");
    file_size_say("a pipe has no such limit", write(ends[1], bytes, sizeof(bytes)));
    signal(SIGXFSZ, SIG_DFL);
    (void)!write(file, bytes, 1);
    return 0;
}

/* --- address space ---------------------------------------------------------------------------- */

static void *map_try(size_t bytes, int protection, int flags)
{
    return mmap(NULL, bytes, protection, flags | MAP_ANONYMOUS, -1, 0);
}

static void map_say(const char *what, void *place)
{
    say("%s: %s", what, place == MAP_FAILED ? error_name(errno) : "done");
}

static int address_space_check(void *argument)
{
    (void)argument;
    const size_t mib = 1 << 20;
    limit_set(RLIMIT_AS, 64 * mib);
    map_say("100 MiB of 64", map_try(100 * mib, PROT_READ | PROT_WRITE, MAP_PRIVATE));
    map_say("100 MiB without access", map_try(100 * mib, PROT_NONE, MAP_PRIVATE));
    map_say("100 MiB shared", map_try(100 * mib, PROT_READ | PROT_WRITE, MAP_SHARED));
    void *some = map_try(32 * mib, PROT_READ | PROT_WRITE, MAP_PRIVATE);
    map_say("32 MiB", some);
    map_say("another 32 MiB", map_try(32 * mib, PROT_READ | PROT_WRITE, MAP_PRIVATE));
    map_say("32 MiB in their place", mmap(some, 32 * mib, PROT_READ | PROT_WRITE,
                                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
    map_say("mremap to more", mremap(some, 32 * mib, 70 * mib, MREMAP_MAYMOVE));
    say("malloc of 100 MiB: %s", malloc(100 * mib) == NULL ? "nothing" : "memory");
    munmap(some, 32 * mib);
    map_say("32 MiB again", map_try(32 * mib, PROT_READ | PROT_WRITE, MAP_PRIVATE));
    return 0;
}

static int data_check(void *argument)
{
    (void)argument;
    const size_t mib = 1 << 20;
    limit_set(RLIMIT_DATA, 64 * mib);
    map_say("100 MiB of 64", map_try(100 * mib, PROT_READ | PROT_WRITE, MAP_PRIVATE));
    void *reserved = map_try(100 * mib, PROT_NONE, MAP_PRIVATE);
    map_say("100 MiB without access", reserved);
    say_result("  made writable", mprotect(reserved, 100 * mib, PROT_READ | PROT_WRITE));
    say_result("  a part of it", mprotect(reserved, 10 * mib, PROT_READ | PROT_WRITE));
    map_say("100 MiB shared", map_try(100 * mib, PROT_READ | PROT_WRITE, MAP_SHARED));
    map_say("100 MiB to read", map_try(100 * mib, PROT_READ, MAP_PRIVATE));
    char *end = (char *)syscall(SYS_brk, 0);
    say("brk of 80 MiB: %s", (char *)syscall(SYS_brk, end + 80 * mib) == end ? "refused" : "done");
    say("brk of 8 MiB: %s", (char *)syscall(SYS_brk, end + 8 * mib) == end ? "refused" : "done");
    return 0;
}

/* --- the stack ---------------------------------------------------------------------------------
 */

static __attribute__((noinline)) int deep(int kib)
{
    volatile char frame[1024];
    frame[0] = (char)kib;
    return kib == 0 ? 0 : deep(kib - 1) + (frame[0] != (char)kib);
}

static int stack_run(void *argument)
{
    limit_set(RLIMIT_STACK, *(rlim_t *)argument);
    execl("/proc/self/exe", "limits", "deep", NULL);
    return 1;
}

static void stack_check(void)
{
    rlim_t small = 2 << 20, large = 32 << 20;
    say_status("4 MiB deep with a stack of 2 MiB", child_run(stack_run, &small));
    say_status("4 MiB deep with a stack of 32 MiB", child_run(stack_run, &large));
}

static int descriptors_check(void *argument)
{
    (void)argument;
    limit_set(RLIMIT_NOFILE, 20);
    int count = 0;
    while (dup(1) >= 0) {
        count++;
    }
    say("dup: %s", error_name(errno));
    say("more than ten: %d", count > 10);
    say_result("dup2 to the limit", dup2(1, 20));
    say_result("dup2 below it", dup2(1, 19));
    say_result("fcntl from the limit on", fcntl(1, F_DUPFD, 20));
    say_result("open", open("/dev/null", O_RDONLY));
    int ends[2];
    say_result("pipe", pipe(ends));
    return 0;
}

/* --- files that change under their mappings ----------------------------------------------------
 */

static sigjmp_buf fault_return;
static volatile int fault_signal, fault_code;

static void fault_handler(int number, siginfo_t *info, void *context)
{
    (void)context;
    fault_signal = number;
    fault_code = info->si_code;
    siglongjmp(fault_return, 1);
}

static const char *touch(volatile char *place, bool write)
{
    static char text[64];
    if (sigsetjmp(fault_return, 1) != 0) {
        snprintf(text, sizeof(text), "%s code %d", signal_name(fault_signal), fault_code);
        return text;
    }
    char value = *place;
    if (write) {
        *place = value;
    }
    snprintf(text, sizeof(text), "%d", value);
    return text;
}

static void mapped_check(void)
{
    struct sigaction action = {.sa_sigaction = fault_handler, .sa_flags = SA_SIGINFO};
    sigaction(SIGBUS, &action, NULL);
    sigaction(SIGSEGV, &action, NULL);
    int file = open("mapped", O_RDWR | O_CREAT | O_TRUNC, 0644);
    char *shared = mmap(NULL, 8 * PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    char *private = mmap(NULL, 8 * PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 0);
    must(shared != MAP_FAILED && private != MAP_FAILED, "mmap");
    say("an empty file: shared %s", touch(shared, false));
    say("an empty file: private %s", touch(private, true));
    must(ftruncate(file, 4 * PAGE_BYTES) == 0, "ftruncate");
    say("grown: shared %s", touch(shared + 3 * PAGE_BYTES, true));
    say("grown: private %s", touch(private + 3 * PAGE_BYTES, true));
    say("grown: behind the end %s", touch(shared + 4 * PAGE_BYTES, false));
    memset(shared, 's', 4 * PAGE_BYTES);
    memset(private, 'p', 4 * PAGE_BYTES);
    int gate[2];
    must(pipe(gate) == 0, "pipe");
    pid_t pid = fork();
    if (pid == 0) {
        close(gate[1]);
        must(byte_receive(gate[0]), "gate");
        say("another process, cut: shared %s", touch(shared + 2 * PAGE_BYTES, true));
        say("another process, cut: private %s", touch(private + 2 * PAGE_BYTES, true));
        say("another process, kept: %s", touch(private, true));
        _exit(0);
    }
    must(ftruncate(file, PAGE_BYTES + 10) == 0, "ftruncate");
    byte_send(gate[1]);
    child_wait(pid);
    say("cut: shared %s", touch(shared + 2 * PAGE_BYTES, false));
    say("cut: private %s", touch(private + 2 * PAGE_BYTES, false));
    say("cut: read gives %zd", pread(file, (char[8]){0}, 8, PAGE_BYTES + 5));
    say_result("cut: write from there", write(1, shared + 2 * PAGE_BYTES, 1));
    must(ftruncate(file, 3 * PAGE_BYTES) == 0, "ftruncate");
    say("grown again: shared %s", touch(shared + 2 * PAGE_BYTES, true));
    say("grown again: private %s", touch(private + 2 * PAGE_BYTES, true));
    say("grown again: the first page %s", touch(private, false));
    strcpy(shared + 2 * PAGE_BYTES, "again");
    char text[8] = "";
    must(pread(file, text, 5, 2 * PAGE_BYTES) == 5, "pread");
    say("grown again: read gives %s", text);
    must(pwrite(file, "written", 7, 5 * PAGE_BYTES) == 7, "pwrite");
    say("grown by a write: %.7s", shared + 5 * PAGE_BYTES);
    close(open("mapped", O_WRONLY | O_TRUNC));
    say("emptied by open: %s", touch(shared, false));
    close(file);
}

/* Directories that are gone lead up as far as there is one. */
static void removed_check(void)
{
    must(mkdir("a", 0755) == 0 && mkdir("a/b", 0755) == 0 && mkdir("a/b/c", 0755) == 0, "mkdir");
    file_write("here", "x");
    must(chdir("a/b/c") == 0, "chdir");
    must(rmdir("../c") == 0 && rmdir("../../b") == 0 && rmdir("../../../a") == 0, "rmdir");
    char path[PATH_MAX];
    say("getcwd: %s", getcwd(path, sizeof(path)) == NULL ? error_name(errno) : "a path");
    say_result("stat ..", access("..", F_OK));
    say_result("create in ..", open("../file", O_CREAT | O_WRONLY, 0644));
    say_result("mkdir here", mkdir("new", 0755));
    say_result("stat of what is above", access("../../../here", F_OK));
    say_result("chdir up", chdir("../../.."));
    say_result("and it is there", access("here", F_OK));
}

/* Through a pipe: where this program writes to may be a file, of any size. */
static void file_size_run(void)
{
    int ends[2];
    must(pipe(ends) == 0, "pipe");
    pid_t pid = fork();
    if (pid == 0) {
        dup2(ends[1], STDOUT_FILENO);
        close(ends[0]);
        close(ends[1]);
        _exit(file_size_check(NULL));
    }
    close(ends[1]);
    char text[1024];
    ssize_t length;
    while ((length = read(ends[0], text, sizeof(text))) > 0) {
        must(write(STDOUT_FILENO, text, (size_t)length) == length, "write");
    }
    say_status("file size", child_wait(pid));
}

int main(int count, char **arguments)
{
    (void)arguments;
    if (count > 1) {
        return deep(4096);
    }
    umask(022);
    file_size_run();
    say_status("address space", child_run(address_space_check, NULL));
    say_status("data", child_run(data_check, NULL));
    say_status("descriptors", child_run(descriptors_check, NULL));
    stack_check();
    mapped_check();
    removed_check();
    return 0;
}
