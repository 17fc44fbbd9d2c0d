/*
 * stopwatch insns|ns NAME OPERATIONS COMMAND...: runs a command some times, each in a new folder,
 * and prints "bench: NAME VALUE": what the quickest took from fork to wait, for one of so many
 * operations. The units are those of micro.
 */
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PASSES 3

extern char **environ;

static uint64_t now(bool wall_time)
{
    if (wall_time) {
        struct timespec time;
        clock_gettime(CLOCK_MONOTONIC, &time);
        return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
    }
    uint32_t low;
    uint32_t high;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high) : : "memory");
    return (uint64_t)high << 32 | low;
}

static bool pass_run(char **command, const posix_spawn_file_actions_t *actions)
{
    pid_t child;
    int status;
    return posix_spawnp(&child, command[0], actions, NULL, command, environ) == 0 &&
           waitpid(child, &status, 0) == child && status == 0;
}

int main(int count, char **arguments)
{
    if (count < 5) {
        return 2;
    }
    bool wall_time = strcmp(arguments[1], "ns") == 0;
    uint64_t operations = strtoull(arguments[3], NULL, 10);
    uint64_t least = UINT64_MAX;
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", 1, 0);
    for (int pass = 0; pass < PASSES; pass++) {
        char folder[] = "/tmp/stopwatch.XXXXXX";
        if (mkdtemp(folder) == NULL || chdir(folder) != 0) {
            return 1;
        }
        /* Whoever shows what was printed, and what is done ahead, has its time here. */
        usleep(50000);
        uint64_t start = now(wall_time);
        if (!pass_run(arguments + 4, &actions)) {
            fprintf(stderr, "stopwatch: %s failed\n", arguments[2]);
            return 1;
        }
        uint64_t took = now(wall_time) - start;
        least = took < least ? took : least;
    }
    printf("bench: %s %llu\n", arguments[2], (unsigned long long)(least / operations));
    return 0;
}
