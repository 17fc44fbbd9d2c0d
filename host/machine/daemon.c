/*
 * The daemon's process: set-up and the poll loop. It inherits the state directory's lock, held, and
 * a pipe to the command that waits for it.
 */
#include "host/machine/daemon.h"

#include "host/machine/machine.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define FIXED_POLLS 4

struct rounds {
    struct pollfd *polls;
    size_t capacity;
};

static int poll_timeout_ms(const struct machine *machine)
{
    if (machine->deadline_ns == INT64_MAX) {
        return -1;
    }
    int64_t left_ns = machine->deadline_ns - clock_now_ns();
    return left_ns <= 0 ? 0 : (int)MIN((left_ns + 999999) / 1000000, (int64_t)60000);
}

static short client_events(const struct machine *machine, const struct client *client)
{
    short events = frame_queue_length(&client->out) > 0 ? POLLOUT : 0;
    if (machine->phase == MACHINE_READY &&
        frame_queue_length(&machine->port_out) < PORT_QUEUE_PAUSE &&
        frame_queue_length(&client->out) < CLIENT_QUEUE_PAUSE) {
        events |= POLLIN;
    }
    return events;
}

/* Fills the poll set: the fixed descriptors, then the clients in the list's order. */
static size_t polls_fill(const struct machine *machine, struct rounds *rounds)
{
    size_t needed = FIXED_POLLS + machine->client_count;
    if (needed > rounds->capacity) {
        struct pollfd *polls = realloc(rounds->polls, 2 * needed * sizeof(*polls));
        if (polls == NULL) {
            needed = FIXED_POLLS;
        } else {
            rounds->polls = polls;
            rounds->capacity = 2 * needed;
        }
    }
    short port = POLLIN;
    port |= frame_queue_length(&machine->port_out) > 0 ? POLLOUT : 0;
    rounds->polls[0] = (struct pollfd){.fd = machine->signal_fd, .events = POLLIN};
    rounds->polls[1] = (struct pollfd){.fd = machine->process_fd, .events = POLLIN};
    rounds->polls[2] = (struct pollfd){.fd = machine->port_fd, .events = port};
    rounds->polls[3] = (struct pollfd){
        .fd = machine->phase == MACHINE_READY ? machine->listen_fd : -1, .events = POLLIN};
    size_t count = FIXED_POLLS;
    for (struct client *client = machine->clients; client != NULL && count < needed;
         client = client->next) {
        rounds->polls[count++] =
            (struct pollfd){.fd = client->fd, .events = client_events(machine, client)};
    }
    return count;
}

static void clients_serve(struct machine *machine, const struct pollfd *polls, size_t count)
{
    struct client *client = machine->clients;
    for (size_t i = FIXED_POLLS; i < count && client != NULL; i++, client = client->next) {
        short events = polls[i].revents;
        if ((events & (POLLIN | POLLHUP | POLLERR)) != 0 &&
            client_events(machine, client) & POLLIN) {
            client_readable(machine, client);
        } else if ((events & (POLLHUP | POLLERR)) != 0) {
            client->dead = true;
        }
    }
}

static void clients_write(struct machine *machine)
{
    for (struct client *client = machine->clients; client != NULL; client = client->next) {
        if (frame_queue_length(&client->out) > 0) {
            client_flush(client);
        }
    }
}

static void signal_take(struct machine *machine)
{
    struct signalfd_siginfo about;
    if (read(machine->signal_fd, &about, sizeof(about)) == (ssize_t)sizeof(about) &&
        machine->phase != MACHINE_STOPPING) {
        machine_stop_begin(machine);
    }
}

/* Serves what poll found. True when the daemon is to end. */
static bool round_serve(struct machine *machine, const struct pollfd *polls, size_t count)
{
    if (polls[0].revents != 0) {
        signal_take(machine);
    }
    status_t port = STATUS_OK;
    if (polls[2].revents != 0 && machine->port_fd >= 0) {
        port = port_readable(machine);
    }
    if (port == STATUS_CORRUPT || port == STATUS_OUT_OF_RANGE) {
        return machine_process_ended(machine, "its engine broke the protocol");
    }
    if (port != STATUS_OK || polls[1].revents != 0) {
        return machine_process_ended(machine, "QEMU ended");
    }
    clients_serve(machine, polls, count);
    if (polls[3].revents != 0) {
        client_accept(machine);
    }
    clients_sweep(machine);
    if (port_flush(machine) != STATUS_OK) {
        return machine_process_ended(machine, "QEMU ended");
    }
    clients_write(machine);
    if (machine->synchronised) {
        return machine_process_ended(machine, "it was stopped");
    }
    return clock_now_ns() >= machine->deadline_ns && machine_deadline(machine);
}

static void machine_loop(struct machine *machine)
{
    struct rounds rounds = {.polls = calloc(64, sizeof(struct pollfd)), .capacity = 64};
    if (rounds.polls == NULL) {
        machine_report(machine, "fail", "out of memory");
        return;
    }
    bool ended = port_flush(machine) != STATUS_OK;
    while (!ended) {
        size_t count = polls_fill(machine, &rounds);
        if (poll(rounds.polls, count, poll_timeout_ms(machine)) < 0 && errno != EINTR) {
            break;
        }
        ended = round_serve(machine, rounds.polls, count);
    }
    free(rounds.polls);
}

static bool arguments_take(struct machine *machine, int argc, char **argv)
{
    for (int i = 0; i < argc; i++) {
        char *value = strchr(argv[i], '=');
        if (strncmp(argv[i], "--", 2) != 0 || value == NULL) {
            return false;
        }
        *value++ = '\0';
        if (strcmp(argv[i], "--lock-fd") == 0) {
            machine->lock_fd = atoi(value);
        } else if (strcmp(argv[i], "--report-fd") == 0) {
            machine->report_fd = atoi(value);
        } else if (machine_options_set(&machine->options, argv[i] + 2, value) != STATUS_OK) {
            return false;
        }
    }
    return machine->lock_fd > STDERR_FILENO && machine->report_fd > STDERR_FILENO;
}

static void standard_descriptors(const struct machine *machine)
{
    int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    int log_fd = openat(machine->state.directory_fd, STATE_DAEMON_LOG,
                        O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    dup2(null_fd, STDIN_FILENO);
    dup2(null_fd, STDOUT_FILENO);
    dup2(log_fd >= 0 ? log_fd : null_fd, STDERR_FILENO);
    setvbuf(stderr, NULL, _IOLBF, 0);
    if (chdir("/") != 0) {
        perror("chdir");
    }
}

static int signals_prepare(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

int machine_daemon(int argc, char **argv)
{
    static struct machine machine = {
        .lock_fd = -1, .report_fd = -1, .process_fd = -1, .port_fd = -1, .deadline_ns = INT64_MAX};
    char problem[512];
    machine_options_init(&machine.options);
    if (!arguments_take(&machine, argc, argv) ||
        state_open(&machine.state, problem, sizeof(problem)) != STATUS_OK) {
        fprintf(stderr, "oak: this command belongs to `oak machine start`\n");
        return 125;
    }
    fcntl(machine.lock_fd, F_SETFD, FD_CLOEXEC);
    fcntl(machine.report_fd, F_SETFD, FD_CLOEXEC);
    standard_descriptors(&machine);
    machine.signal_fd = signals_prepare();
    machine.listen_fd = state_listen(&machine.state);
    if (machine.signal_fd < 0 || machine.listen_fd < 0) {
        snprintf(problem, sizeof(problem), "cannot listen in %.200s: %s", machine.state.directory,
                 strerror(errno));
        machine_report(&machine, "fail", problem);
        return 125;
    }
    if (machine_begin(&machine, problem, sizeof(problem)) != STATUS_OK) {
        machine_report(&machine, "fail", problem);
    } else {
        machine_loop(&machine);
    }
    unlinkat(machine.state.directory_fd, STATE_SOCKET, 0);
    return 0;
}
