/* All that there is of something: tasks, descriptors, pipes, areas, files, signals. Whoever asks is
 * refused or ended; afterwards everything is there again. */
#include "tests/linux/attack/attack.h"

#include <sys/stat.h>

static int thread_wait(void *argument)
{
    (void)argument;
    for (;;) {
        pause();
    }
    return 0;
}

static void threads_many(uint64_t limit)
{
    static uint8_t stack[4096] __attribute__((aligned(16)));
    for (uint64_t i = 0; i < limit; i++) {
        if (clone(thread_wait, stack + sizeof(stack),
                  CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD, NULL) < 0) {
            break;
        }
    }
    _exit(0);
}

/* The children live until the group is killed. */
static void processes_many(uint64_t limit)
{
    setpgid(0, 0);
    for (uint64_t i = 0; i < limit; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            for (;;) {
                pause();
            }
        }
        if (pid < 0) {
            break;
        }
    }
    kill(0, SIGKILL);
}

static void pipes_many(uint64_t processes)
{
    static uint8_t bytes[65536];
    setpgid(0, 0);
    for (uint64_t i = 0; i < processes; i++) {
        if (fork() != 0) {
            continue;
        }
        int ends[2];
        while (pipe2(ends, O_NONBLOCK) == 0) {
            while (write(ends[1], bytes, sizeof(bytes)) > 0) {
            }
        }
        for (;;) {
            pause();
        }
    }
    sleep_ms(4000);
    kill(0, SIGKILL);
}

static void areas_many(uint64_t limit)
{
    for (uint64_t i = 0; i < limit; i++) {
        if (mmap(NULL, PAGE_BYTES, i % 2 ? PROT_READ : PROT_READ | PROT_WRITE,
                 (i % 3 ? MAP_PRIVATE : MAP_SHARED) | MAP_ANONYMOUS, -1, 0) == MAP_FAILED) {
            break;
        }
    }
    if (fork() == 0) {
        _exit(0);
    }
    wait(NULL);
}

static void files_many(uint64_t limit)
{
    char name[64];
    mkdir("/tmp/many", 0700);
    for (uint64_t i = 0; i < limit; i++) {
        snprintf(name, sizeof(name), "/tmp/many/%llu", (unsigned long long)i);
        int descriptor = open(name, O_CREAT | O_WRONLY, 0600);
        if (descriptor < 0 || ftruncate(descriptor, 1l << 40) != 0 ||
            write(descriptor, name, 60) < 0 || close(descriptor) != 0) {
            break;
        }
    }
    for (uint64_t i = 0; i < limit; i++) {
        snprintf(name, sizeof(name), "/tmp/many/%llu", (unsigned long long)i);
        if (unlink(name) != 0) {
            break;
        }
    }
}

static void signals_many(uint64_t limit)
{
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
    for (uint64_t i = 0; i < limit; i++) {
        kill(getpid(), (int)(32 + i % 32));
        syscall(SYS_tkill, syscall(SYS_gettid), 33 + i % 31);
    }
    sigprocmask(SIG_UNBLOCK, &all, NULL);
}

/* Numbers of processes come round, but for one that still names a session without its leader. */
static void numbers_again(uint64_t count)
{
    pid_t leader = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
    if (leader == 0) {
        setsid();
        if (syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0) == 0) {
            pause();
        }
        _exit(0);
    }
    waitpid(leader, NULL, 0);
    for (uint64_t i = 0; i < count; i++) {
        pid_t pid = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
        if (pid == 0) {
            _exit(3);
        }
        int status;
        if (pid <= 1 || pid == leader || waitpid(pid, &status, 0) != pid || status != 3 << 8) {
            _exit(99);
        }
    }
    if (kill(-leader, SIGKILL) != 0) {
        _exit(99);
    }
}

int main(void)
{
    attack("signals_many", signals_many, 20000, 5000);
    attack_that_ends("numbers_again", numbers_again, 34000, 180000);
    attack_that_ends("threads_many", threads_many, 3000, 60000);
    attack("threads_many", threads_many, 4000, 100);
    attack("processes_many", processes_many, 400, 30000);
    attack("areas_many", areas_many, 10000, 30000);
    attack("files_many", files_many, 5000, 30000);
    attack("pipes_many", pipes_many, 8, 30000);
    sleep_ms(500);
    attack_that_ends("threads_many", threads_many, 20, 5000);
    return attacks_result();
}
