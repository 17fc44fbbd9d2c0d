#include "host/machine/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WAIT_NS  120000000000ll /* for another command's start */
#define SLOW_MS  1000
#define PAUSE_NS 5000000l

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

status_t launch_connect(const struct state *state, int *fd)
{
    int connected = state_connect(state);
    if (connected >= 0) {
        *fd = connected;
        return STATUS_OK;
    }
    return errno == ENOENT || errno == ECONNREFUSED ? STATUS_NOT_FOUND : STATUS_IO_ERROR;
}

static void absolute_variable(const char *name)
{
    const char *value = getenv(name);
    char *path = value != NULL && value[0] != '\0' ? realpath(value, NULL) : NULL;
    if (path != NULL) {
        setenv(name, path, 1);
        free(path);
    }
}

/* In the grandchild: becomes the daemon. */
static void daemon_exec(const struct state *state, const struct machine_options *options,
                        int lock_fd, int report_fd)
{
    char lock[32];
    char report[32];
    const char *arguments[8 + MACHINE_OPTION_ARGUMENTS] = {"oak", "machine", "daemon", lock,
                                                           report};
    snprintf(lock, sizeof(lock), "--lock-fd=%d", lock_fd);
    snprintf(report, sizeof(report), "--report-fd=%d", report_fd);
    size_t count = 5;
    for (const char *const *flag = machine_options_arguments(options); *flag != NULL; flag++) {
        arguments[count++] = *flag;
    }
    setenv("OAK_STATE", state->directory, 1);
    absolute_variable("OAK_KERNEL");
    absolute_variable("OAK_QEMU");
    /* Nothing else that the first command was started with: the daemon outlives who waits for it.
     */
    close_range(STDERR_FILENO + 1, ~0u, CLOSE_RANGE_CLOEXEC);
    fcntl(lock_fd, F_SETFD, 0);
    fcntl(report_fd, F_SETFD, 0);
    execv("/proc/self/exe", (char *const *)(uintptr_t)arguments);
    dprintf(report_fd, "fail cannot run the daemon: %s\n", strerror(errno));
    _exit(127);
}

static bool daemon_fork(const struct state *state, const struct machine_options *options,
                        int lock_fd, int report_fd)
{
    pid_t child = fork();
    if (child == 0) {
        setsid();
        if (fork() == 0) {
            daemon_exec(state, options, lock_fd, report_fd);
        }
        _exit(0);
    }
    return child > 0 && waitpid(child, NULL, 0) == child;
}

/* Follows the daemon's report until it is ready or has failed. */
static status_t report_follow(int fd, const struct launch_notes *notes, char *problem,
                              size_t problem_bytes)
{
    FILE *report = fdopen(fd, "r");
    char line[PATH_MAX + 1024];
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    if (report == NULL) {
        close(fd);
        return STATUS_NO_MEMORY;
    }
    if (poll(&wait, 1, SLOW_MS) == 0) {
        notes->slow();
    }
    status_t status = STATUS_CLOSED;
    snprintf(problem, problem_bytes, "the machine's daemon ended while it started");
    while (fgets(line, sizeof(line), report) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        if (strncmp(line, "note ", 5) == 0) {
            notes->note(line + 5);
        } else if (strncmp(line, "fail ", 5) == 0) {
            snprintf(problem, problem_bytes, "%s", line + 5);
        } else if (strncmp(line, "ready ", 6) == 0) {
            status = STATUS_OK;
        }
    }
    fclose(report);
    return status;
}

static status_t machine_start(const struct state *state, const struct machine_options *options,
                              int lock_fd, const struct launch_notes *notes, char *problem,
                              size_t problem_bytes)
{
    int report[2];
    if (pipe2(report, O_CLOEXEC) != 0) {
        snprintf(problem, problem_bytes, "cannot start a machine: %s", strerror(errno));
        return STATUS_NO_MEMORY;
    }
    bool forked = daemon_fork(state, options, lock_fd, report[1]);
    close(report[1]);
    if (!forked) {
        close(report[0]);
        snprintf(problem, problem_bytes, "cannot start a machine: no more processes");
        return STATUS_NO_MEMORY;
    }
    return report_follow(report[0], notes, problem, problem_bytes);
}

/* The lock, held: OK; BUSY when a daemon, or a QEMU that is still dying, has it. */
static status_t lock_try(const struct state *state, int *fd, char *problem, size_t problem_bytes)
{
    int lock_fd = openat(state->directory_fd, STATE_LOCK, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (lock_fd < 0) {
        snprintf(problem, problem_bytes, "cannot use the state directory %.200s: %s",
                 state->directory, strerror(errno));
        return STATUS_IO_ERROR;
    }
    if (flock(lock_fd, LOCK_EX | LOCK_NB) != 0) {
        close(lock_fd);
        return STATUS_BUSY;
    }
    *fd = lock_fd;
    return STATUS_OK;
}

status_t launch_machine(const struct state *state, const struct machine_options *options,
                        const struct launch_notes *notes, int *fd, bool *started, char *problem,
                        size_t problem_bytes)
{
    int64_t begin_ns = now_ns();
    bool told = false;
    *started = false;
    while (launch_connect(state, fd) != STATUS_OK) {
        int lock_fd;
        if (*started) {
            snprintf(problem, problem_bytes,
                     "the machine ended right after its start; see %.200s/%s", state->directory,
                     STATE_DAEMON_LOG);
            return STATUS_CLOSED;
        }
        status_t status = lock_try(state, &lock_fd, problem, problem_bytes);
        if (status == STATUS_OK) {
            status = machine_start(state, options, lock_fd, notes, problem, problem_bytes);
            close(lock_fd);
            if (status != STATUS_OK) {
                return status;
            }
            *started = true;
            continue;
        }
        if (status != STATUS_BUSY) {
            return status;
        }
        int64_t waited_ns = now_ns() - begin_ns;
        if (waited_ns > WAIT_NS) {
            snprintf(problem, problem_bytes,
                     "another process holds %.200s/%s and does not answer: end it and try again",
                     state->directory, STATE_LOCK);
            return STATUS_TIMED_OUT;
        }
        if (waited_ns > SLOW_MS * 1000000ll && !told) {
            notes->slow();
            told = true;
        }
        nanosleep(&(struct timespec){.tv_nsec = PAUSE_NS}, NULL);
    }
    return STATUS_OK;
}
