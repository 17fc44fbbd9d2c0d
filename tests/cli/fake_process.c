#include "tests/cli/fake_process.h"

#include <errno.h>
#include <fcntl.h>
#include <pty.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

struct process *process_make(void)
{
    struct process *process = calloc(1, sizeof(*process));
    process->in = process->out[0] = process->out[1] = process->out[2] = -1;
    process->log_end = &process->log;
    process->references = 1;
    return process;
}

void process_release(struct process *process)
{
    if (process == NULL || --process->references > 0) {
        return;
    }
    while (process->log != NULL) {
        struct chunk *chunk = process->log;
        process->log = chunk->next;
        free(chunk);
    }
    for (int i = 0; i < 3; i++) {
        if (process->out[i] >= 0) {
            close(process->out[i]);
        }
    }
    if (process->in >= 0 && process->in != process->out[1]) {
        close(process->in);
    }
    free(process);
}

static void child_exec(const struct process_plan *plan, const int standard[3], int report)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setsid();
    for (int i = 0; i < 3; i++) {
        dup2(standard[i], i);
    }
    if (plan->terminal) {
        ioctl(0, TIOCSCTTY, 0);
    }
    close_range(3, (unsigned)report - 1, 0);
    close_range((unsigned)report + 1, ~0u, 0);
    if (plan->directory == NULL || chdir(plan->directory) == 0) {
        sigset_t none;
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        signal(SIGPIPE, SIG_DFL);
        environ = plan->environment;
        execvp(plan->arguments[0], (char *const *)(uintptr_t)plan->arguments);
    }
    int error = errno;
    _exit(write(report, &error, sizeof(error)) > 0 ? 127 : 126);
}

static void terminal_open(struct process *process, const struct process_plan *plan, int standard[3])
{
    struct winsize size = {.ws_row = (unsigned short)(plan->window >> 16),
                           .ws_col = (unsigned short)(plan->window & 0xffff)};
    int terminal;
    int other;
    if (openpty(&terminal, &other, NULL, NULL, &size) == 0) {
        process->in = process->out[1] = terminal;
        standard[0] = standard[1] = standard[2] = other;
    }
}

static void pipes_open(struct process *process, const struct process_plan *plan, int standard[3])
{
    int in[2];
    int out[2];
    int error[2];
    if (pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0 || pipe2(error, O_CLOEXEC) != 0) {
        abort();
    }
    process->in = in[1];
    process->out[1] = out[0];
    process->out[2] = error[0];
    standard[0] = in[0];
    standard[1] = out[1];
    standard[2] = error[1];
    if (!plan->open_stdin) {
        close(process->in);
        process->in = -1;
    }
}

int process_start(struct process *process, const struct process_plan *plan)
{
    int standard[3] = {-1, -1, -1};
    int report[2];
    process->terminal = plan->terminal;
    if (plan->terminal) {
        terminal_open(process, plan, standard);
    } else {
        pipes_open(process, plan, standard);
    }
    if (pipe2(report, O_CLOEXEC) != 0) {
        abort();
    }
    process->pid = fork();
    if (process->pid == 0) {
        child_exec(plan, standard, report[1]);
    }
    close(report[1]);
    for (int i = 0; i < 3; i++) {
        if (i == 0 || standard[i] != standard[0]) {
            close(standard[i]);
        }
    }
    int error = 0;
    if (read(report[0], &error, sizeof(error)) > 0) {
        waitpid(process->pid, NULL, 0);
        process->pid = 0;
    } else {
        process->started = true;
    }
    close(report[0]);
    int fds[] = {process->in, process->out[1], process->out[2]};
    for (size_t i = 0; i < ARRAY_LENGTH(fds); i++) {
        if (fds[i] >= 0) {
            fcntl(fds[i], F_SETFL, O_NONBLOCK);
            fcntl(fds[i], F_SETFD, FD_CLOEXEC);
        }
    }
    return error;
}

void process_read(struct process *process, int stream)
{
    struct chunk *chunk = malloc(sizeof(*chunk) + 16384);
    ssize_t got = read(process->out[stream], chunk->bytes, 16384);
    if (got > 0) {
        chunk->next = NULL;
        chunk->stream = (uint8_t)stream;
        chunk->length = (uint32_t)got;
        *process->log_end = chunk;
        process->log_end = &chunk->next;
        return;
    }
    free(chunk);
    if (got == 0 || errno == EIO) {
        if (process->in == process->out[stream]) {
            process->in = -1;
        }
        close(process->out[stream]);
        process->out[stream] = -1;
    }
}

void process_reap(struct process *process)
{
    int status;
    if (process->started && !process->ended && waitpid(process->pid, &status, WNOHANG) > 0) {
        process->ended = true;
        process->code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }
}

void process_resize(struct process *process, uint32_t window)
{
    struct winsize size = {.ws_row = (unsigned short)(window >> 16),
                           .ws_col = (unsigned short)(window & 0xffff)};
    if (process->terminal && process->out[1] >= 0) {
        ioctl(process->out[1], TIOCSWINSZ, &size);
    }
}

bool process_finished(const struct process *process)
{
    return process->ended && process->out[1] < 0 && process->out[2] < 0;
}
