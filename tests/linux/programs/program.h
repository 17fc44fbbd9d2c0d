/*
 * What the test programs share. Each prints lines that say what the system did, the same on Linux
 * and in a container: no process numbers, addresses, times or inode numbers. A line is one write,
 * so that the lines of several processes do not mix and a fork repeats nothing.
 */
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ARRAY_LENGTH(array) (sizeof(array) / sizeof((array)[0]))
#define PAGE_BYTES          4096
#define OTHER_USER          1000
#define OTHER_GROUP         1000

void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* "WHAT: RESULT", or the name of the error when RESULT is -1. */
void say_result(const char *what, long result);
/* "WHAT: code 3", "WHAT: signal SIGKILL", "WHAT: stopped SIGSTOP" or "WHAT: continued". */
void say_status(const char *what, int status);
/* End the program when something fails that is not the test's subject. */
void must(bool good, const char *what);

/* "ENOENT"; 0 is "no error". */
const char *error_name(int error);
const char *signal_name(int number);

/* Run FUNCTION(ARGUMENT) in a child, whose exit code it returns; the result is the wait status. */
int child_run(int (*function)(void *argument), void *argument);
/* Wait for PID, through EINTR; the result is its wait status. */
int child_wait(pid_t pid);
/* A byte through a pipe: how processes here tell one another that something has happened. */
void byte_send(int descriptor);
/* False at the end of the file. */
bool byte_receive(int descriptor);

void sleep_ms(long milliseconds);
/* Monotonic. */
int64_t now_ms(void);
/* Until process PID sleeps (state S or T in /proc/PID/stat), so that a test need not guess. */
void sleeping_wait(pid_t pid, char state);

void file_write(const char *path, const char *text);
/* The content, at most 255 bytes, in a buffer of its own that the next call reuses. */
const char *file_read(const char *path);
