/*
 * What the attacking programs share. Each attack runs in a process of its own: whatever becomes of
 * that is well, as long as it can be ended and the rest of the container goes on.
 */
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ARRAY_LENGTH(array) (sizeof(array) / sizeof((array)[0]))
#define PAGE_BYTES          4096ul
#define APPLICATION_LAST    0x00007ffffffff000ul

/*
 * Run FUNCTION(ARGUMENT) in a child for at most that long, then kill it. Prints a line when the
 * child cannot be killed, and when it says by exit code 99 that the attack got what it wanted.
 */
void attack(const char *name, void (*function)(uint64_t argument), uint64_t argument,
            long milliseconds);
/* The same, but an end by the time limit is a failure: the attack waits for something. */
void attack_that_ends(const char *name, void (*function)(uint64_t argument), uint64_t argument,
                      long milliseconds);

/* True when the process ended in that time; *status as wait4 says. */
bool ended_within(pid_t pid, long milliseconds, int *status);

void sleep_ms(long milliseconds);
int64_t now_ms(void);

/* xorshift with a fixed seed: an attack is the same each time. */
uint64_t random_next(void);
void random_seed(uint64_t seed);

/* A thread by clone with a small stack of its own; -1 when there is none. */
int thread_start(int (*function)(void *), void *argument, int more_flags);

/* What main returns: 0 when no attack succeeded. */
int attacks_result(void);
