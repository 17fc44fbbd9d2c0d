/* Many processes that come and go, speak through pipes and share memory lose nothing. */
#include <pthread.h>

#include "tests/linux/programs/program.h"

#define FAMILIES 4
#define CHILDREN 50
#define WORDS    512

/* A child checks what it inherited, changes it, and answers with a number that only it can know. */
static int child_work(int family, int child, const unsigned *inherited, int answer)
{
    static unsigned own[WORDS];
    for (unsigned i = 0; i < WORDS; i++) {
        if (inherited[i] != (unsigned)family * 1000003u + i) {
            return 1;
        }
        own[i] = inherited[i] * (unsigned)(child + 1);
    }
    unsigned sum = 0;
    for (unsigned i = 0; i < WORDS; i++) {
        sum += own[i];
    }
    char name[32];
    snprintf(name, sizeof(name), "f%d-%d", family, child);
    int file = open(name, O_RDWR | O_CREAT | O_EXCL, 0600);
    unsigned back = 0;
    if (file < 0 || write(file, &sum, sizeof(sum)) != sizeof(sum) ||
        pread(file, &back, sizeof(back), 0) != sizeof(back) || back != sum || unlink(name) != 0) {
        return 2;
    }
    close(file);
    return write(answer, &sum, sizeof(sum)) == sizeof(sum) ? 10 + child : 3;
}

static unsigned expected(int family, int child)
{
    unsigned sum = 0;
    for (unsigned i = 0; i < WORDS; i++) {
        sum += ((unsigned)family * 1000003u + i) * (unsigned)(child + 1);
    }
    return sum;
}

static int family_run(int family)
{
    unsigned *memory = mmap(NULL, WORDS * sizeof(unsigned), PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    must(memory != MAP_FAILED, "mmap");
    for (unsigned i = 0; i < WORDS; i++) {
        memory[i] = (unsigned)family * 1000003u + i;
    }
    int good = 0;
    for (int first = 0; first < CHILDREN; first += 5) {
        pid_t pids[5];
        int answers[5];
        for (int i = 0; i < 5; i++) {
            int ends[2];
            must(pipe(ends) == 0, "pipe");
            pids[i] = fork();
            must(pids[i] >= 0, "fork");
            if (pids[i] == 0) {
                close(ends[0]);
                _exit(child_work(family, first + i, memory, ends[1]));
            }
            close(ends[1]);
            answers[i] = ends[0];
        }
        for (int i = 0; i < 5; i++) {
            unsigned answer = 0;
            ssize_t count = read(answers[i], &answer, sizeof(answer));
            int status = child_wait(pids[i]);
            good += count == sizeof(answer) && answer == expected(family, first + i) &&
                    WIFEXITED(status) && WEXITSTATUS(status) == 10 + first + i;
            close(answers[i]);
        }
    }
    return good;
}

static void families_check(void)
{
    pid_t pids[FAMILIES];
    for (int i = 0; i < FAMILIES; i++) {
        pids[i] = fork();
        must(pids[i] >= 0, "fork");
        if (pids[i] == 0) {
            _exit(family_run(i + 1));
        }
    }
    for (int i = 0; i < FAMILIES; i++) {
        int status = child_wait(pids[i]);
        say("family %d: %d children right", i, WIFEXITED(status) ? WEXITSTATUS(status) : -1);
    }
}

static void exec_check(void)
{
    int good = 0;
    for (int i = 0; i < 40; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            char number[8];
            snprintf(number, sizeof(number), "%d", i);
            execl("/proc/self/exe", "stress", number, NULL);
            _exit(255);
        }
        int status = child_wait(pid);
        good += WIFEXITED(status) && WEXITSTATUS(status) == i;
    }
    say("exec: %d of 40", good);
}

/* A chain of processes, each the parent of the next. */
static void chain_check(void)
{
    int ends[2];
    must(pipe(ends) == 0, "pipe");
    int level = 0;
    pid_t pid;
    while (level < 30 && (pid = fork()) == 0) {
        level++;
    }
    if (level > 0) {
        unsigned char byte = (unsigned char)level;
        must(write(ends[1], &byte, 1) == 1, "write");
        int code = 1;
        if (level < 30) {
            code += WEXITSTATUS(child_wait(pid));
        }
        _exit(code);
    }
    int status = child_wait(pid), sum = 0;
    close(ends[1]);
    unsigned char byte;
    while (read(ends[0], &byte, 1) == 1) {
        sum += byte;
    }
    close(ends[0]);
    say("chain: %d levels, sum %d", WEXITSTATUS(status), sum);
}

/* Threads that map, touch and unmap while another forks. */
static volatile bool stop;
static volatile int map_failures;

static void *map_loop(void *argument)
{
    unsigned seed = (unsigned)(long)argument;
    while (!stop) {
        size_t bytes = (1 + seed % 16) * PAGE_BYTES;
        seed = seed * 1664525 + 1013904223;
        char *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (at == MAP_FAILED) {
            map_failures++;
            continue;
        }
        for (size_t i = 0; i < bytes; i += PAGE_BYTES) {
            map_failures += at[i] != 0;
            at[i] = (char)seed;
        }
        munmap(at, bytes);
    }
    return NULL;
}

static void map_check(void)
{
    pthread_t threads[3];
    for (long i = 0; i < 3; i++) {
        must(pthread_create(&threads[i], NULL, map_loop, (void *)(i + 1)) == 0, "thread");
    }
    int good = 0;
    for (int i = 0; i < 40; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            static volatile char bytes[16 * PAGE_BYTES];
            for (size_t k = 0; k < sizeof(bytes); k += PAGE_BYTES) {
                bytes[k] = 1;
            }
            _exit(i);
        }
        good += WEXITSTATUS(child_wait(pid)) == i;
    }
    stop = true;
    for (int i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
    }
    say("fork while threads map: %d of 40, %d failures", good, map_failures);
}

/* Two processes play ping-pong. */
static void ping_check(void)
{
    int there[2], back[2];
    must(pipe(there) == 0 && pipe(back) == 0, "pipe");
    pid_t pid = fork();
    if (pid == 0) {
        close(there[1]);
        int value;
        while (read(there[0], &value, sizeof(value)) == sizeof(value)) {
            value++;
            must(write(back[1], &value, sizeof(value)) == sizeof(value), "write");
        }
        _exit(0);
    }
    int value = 0;
    for (int i = 0; i < 1000; i++) {
        must(write(there[1], &value, sizeof(value)) == sizeof(value) &&
                 read(back[0], &value, sizeof(value)) == sizeof(value),
             "ping");
    }
    close(there[1]);
    say_status("ping", child_wait(pid));
    say("ping: %d", value);
}

int main(int count, char **arguments)
{
    if (count > 1) {
        return atoi(arguments[1]);
    }
    families_check();
    exec_check();
    chain_check();
    map_check();
    ping_check();
    say_result("children left", wait(NULL));
    return 0;
}
