/* What the programs about ptrace share: the call itself, and stops as lines. */
#pragma once

#include <elf.h>
#include <stddef.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>

#include "tests/linux/programs/program.h"

#define EVENT_STOP 128

/* The system call: PEEK stores its word at `data`. */
static inline long trace(long request, pid_t pid, unsigned long address, unsigned long data)
{
    return syscall(SYS_ptrace, request, pid, address, data);
}

static inline const char *event_name(int event)
{
    static const char *const names[] = {"none", "FORK",       "VFORK", "CLONE",
                                        "EXEC", "VFORK_DONE", "EXIT",  "SECCOMP"};
    return event == EVENT_STOP ? "STOP" : event < 8 ? names[event] : "unknown";
}

/* "WHAT: stop SIGTRAP", "WHAT: stop at a call", "WHAT: event FORK SIGTRAP", or how it ended. */
static inline void say_stop(const char *what, int status)
{
    if (!WIFSTOPPED(status)) {
        say_status(what, status);
        return;
    }
    int code = status >> 8;
    if (code == (SIGTRAP | 0x80)) {
        say("%s: stop at a call", what);
    } else if (code >> 8 != 0) {
        say("%s: event %s %s", what, event_name(code >> 8), signal_name(code & 0xff));
    } else {
        say("%s: stop %s", what, signal_name(code));
    }
}

/* The next report of PID, or of anyone when it is -1; its status. */
static inline int stop_wait(pid_t pid)
{
    int status = 0;
    pid_t found;
    do {
        found = waitpid(pid, &status, __WALL);
    } while (found < 0 && errno == EINTR);
    must(found > 0, "waitpid");
    return status;
}

static inline void stop_say(const char *what, pid_t pid)
{
    say_stop(what, stop_wait(pid));
}

/* A child that is traced and stopped, about to run FUNCTION(ARGUMENT). */
static inline pid_t traced_child(int (*function)(void *argument), void *argument)
{
    pid_t pid = fork();
    if (pid == 0) {
        if (trace(PTRACE_TRACEME, 0, 0, 0) != 0 || kill(getpid(), SIGSTOP) != 0) {
            _exit(97);
        }
        _exit(function(argument));
    }
    int status = stop_wait(pid);
    must(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP, "the child stops");
    return pid;
}

/* One that is not traced, waits at a pipe, and then runs FUNCTION(ARGUMENT): close *OUT to let it.
 */
static inline pid_t waiting_child(int (*function)(void *argument), void *argument, int *out)
{
    int ends[2];
    must(pipe(ends) == 0, "pipe");
    pid_t pid = fork();
    if (pid == 0) {
        close(ends[1]);
        byte_receive(ends[0]);
        _exit(function(argument));
    }
    close(ends[0]);
    *out = ends[1];
    sleeping_wait(pid, 'S');
    return pid;
}

static inline struct user_regs_struct registers_get(pid_t pid)
{
    struct user_regs_struct registers;
    must(trace(PTRACE_GETREGS, pid, 0, (unsigned long)&registers) == 0, "GETREGS");
    return registers;
}

static inline void registers_set(pid_t pid, const struct user_regs_struct *registers)
{
    must(trace(PTRACE_SETREGS, pid, 0, (unsigned long)registers) == 0, "SETREGS");
}

static inline void resume(long request, pid_t pid, int number)
{
    must(trace(request, pid, 0, (unsigned long)number) == 0, "resume");
}
