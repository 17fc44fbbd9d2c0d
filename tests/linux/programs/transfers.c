/* What no signal cuts short: transfers between processes, and of files, while a timer interrupts.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/time.h>
#include <sys/uio.h>

#include "program.h"

#define BYTES  (8ul << 20)
#define ROUNDS 6

static volatile sig_atomic_t ticks;

static void tick(int number)
{
    (void)number;
    ticks++;
}

static char *memory_make(char filled)
{
    char *memory = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    must(memory != MAP_FAILED, "mmap");
    memset(memory, filled, BYTES);
    return memory;
}

static pid_t other;
static char *here, *there;
static int from, to, other_memory;

static long move_read(void)
{
    struct iovec local = {here, BYTES};
    struct iovec remote = {there, BYTES};
    return process_vm_readv(other, &local, 1, &remote, 1, 0);
}

static long move_write(void)
{
    struct iovec local = {here, BYTES};
    struct iovec remote = {there, BYTES};
    return process_vm_writev(other, &local, 1, &remote, 1, 0);
}

static long move_mem(void)
{
    return pread(other_memory, here, BYTES, (off_t)(uintptr_t)there);
}

static long move_file(void)
{
    return pread(from, here, BYTES, 0);
}

static long move_file_write(void)
{
    return pwrite(to, here, BYTES, 0);
}

/* Each time all of it, though signals came. */
static void whole_say(const char *what, long (*move)(void))
{
    int whole = 0;
    ticks = 0;
    for (int i = 0; i < ROUNDS || (ticks == 0 && i < 1000); i++) {
        long moved = move();
        whole += moved == (long)BYTES;
        if (moved != (long)BYTES) {
            say("%s: %s", what, moved < 0 ? error_name(errno) : "a part");
            return;
        }
    }
    say("%s: whole, interrupted %s", what, ticks > 0 ? "yes" : "no");
}

int main(void)
{
    here = memory_make(1);
    there = memory_make(2);
    from = open("from", O_RDWR | O_CREAT | O_TRUNC, 0600);
    to = open("to", O_RDWR | O_CREAT | O_TRUNC, 0600);
    must(from >= 0 && to >= 0 && write(from, here, BYTES) == (ssize_t)BYTES, "files");
    other = fork();
    if (other == 0) {
        pause();
        _exit(0);
    }
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/mem", other);
    other_memory = open(path, O_RDWR);
    must(other_memory >= 0, "mem");
    struct sigaction action = {.sa_handler = tick};
    must(sigaction(SIGALRM, &action, NULL) == 0, "sigaction");
    struct itimerval often = {{0, 2000}, {0, 2000}};
    must(setitimer(ITIMER_REAL, &often, NULL) == 0, "setitimer");
    whole_say("process_vm_readv", move_read);
    whole_say("process_vm_writev", move_write);
    whole_say("/proc/PID/mem", move_mem);
    whole_say("read", move_file);
    whole_say("write", move_file_write);
    struct itimerval never = {{0, 0}, {0, 0}};
    must(setitimer(ITIMER_REAL, &never, NULL) == 0, "setitimer");
    kill(other, SIGKILL);
    say_status("the other", child_wait(other) >= 0 ? 0 : 1);
    return 0;
}
