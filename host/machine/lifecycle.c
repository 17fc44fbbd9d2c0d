/*
 * The machine's phases: starting (with KVM first, where that is not known to fail), ready,
 * stopping. The process of QEMU is ours: started here, ended and reaped here.
 */
#include "host/machine/machine.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BOOT_NS      60000000000ll
#define SYNC_NS      10000000000ll
#define TERMINATE_MS 3000

int64_t clock_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

void machine_report(struct machine *machine, const char *word, const char *text)
{
    fprintf(stderr, "%s %s\n", word, text);
    if (machine->report_fd >= 0) {
        dprintf(machine->report_fd, "%s %s\n", word, text);
    }
    if (machine->report_fd >= 0 && strcmp(word, "note") != 0) {
        close(machine->report_fd);
        machine->report_fd = -1;
    }
}

/* The store keeps the size that it was made with. */
static status_t store_prepare(struct machine *machine, char *problem, size_t problem_bytes)
{
    int fd = openat(machine->state.directory_fd, STATE_STORE, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    struct stat about;
    bool good = fd >= 0 && fstat(fd, &about) == 0 &&
                (about.st_size > 0 || ftruncate(fd, (off_t)machine->options.store_bytes) == 0);
    if (!good) {
        snprintf(problem, problem_bytes, "cannot make the store %.200s/%s: %s",
                 machine->state.directory, STATE_STORE, strerror(errno));
    }
    if (fd >= 0) {
        close(fd);
    }
    return good ? STATUS_OK : STATUS_IO_ERROR;
}

static status_t machine_attempt(struct machine *machine, enum accelerator accelerator,
                                int64_t patience_ns, char *problem, size_t problem_bytes)
{
    int engine_fd;
    machine->accelerator = accelerator;
    status_t status = port_open(machine, &engine_fd);
    if (status != STATUS_OK) {
        snprintf(problem, problem_bytes, "cannot make the control channel: %s", strerror(errno));
        return status;
    }
    status = qemu_start(&machine->state, &machine->options, accelerator, engine_fd,
                        machine->lock_fd, &machine->process, problem, problem_bytes);
    if (status != STATUS_OK) {
        port_close(machine);
        return status;
    }
    machine->process_ended = false;
    machine->process_fd = (int)syscall(SYS_pidfd_open, machine->process, 0);
    machine->phase = MACHINE_STARTING;
    machine->deadline_ns = clock_now_ns() + patience_ns;
    return STATUS_OK;
}

/* What to start with, and how long to wait for it. */
static enum accelerator accelerator_choose(struct machine *machine, int64_t *patience_ns)
{
    const char *wish = machine->options.accelerator;
    enum accelerator remembered;
    *patience_ns = BOOT_NS;
    if (strcmp(wish, "auto") != 0) {
        return strcmp(wish, "kvm") == 0 ? ACCELERATOR_KVM : ACCELERATOR_TCG;
    }
    if (accelerator_recall(&machine->state, &remembered) == STATUS_OK) {
        *patience_ns = remembered == ACCELERATOR_KVM ? ACCELERATOR_KNOWN_NS : BOOT_NS;
        return remembered;
    }
    if (!accelerator_kvm_opens()) {
        machine_report(machine, "note", "/dev/kvm cannot be opened: using emulation");
        accelerator_remember(&machine->state, ACCELERATOR_TCG);
        return ACCELERATOR_TCG;
    }
    *patience_ns = ACCELERATOR_TRIAL_NS;
    return ACCELERATOR_KVM;
}

status_t machine_begin(struct machine *machine, char *problem, size_t problem_bytes)
{
    status_t status = store_prepare(machine, problem, problem_bytes);
    if (status != STATUS_OK) {
        return status;
    }
    machine->started_ns = clock_now_ns();
    int64_t patience_ns;
    enum accelerator accelerator = accelerator_choose(machine, &patience_ns);
    return machine_attempt(machine, accelerator, patience_ns, problem, problem_bytes);
}

void machine_engine_ready(struct machine *machine)
{
    machine->phase = MACHINE_READY;
    machine->deadline_ns = INT64_MAX;
    bool tcg_wanted = strcmp(machine->options.accelerator, "tcg") == 0;
    if (!tcg_wanted) {
        accelerator_remember(&machine->state, machine->accelerator);
    }
    machine_report(machine, "ready", accelerator_name(machine->accelerator));
}

void machine_stop_begin(struct machine *machine)
{
    if (machine->phase != MACHINE_READY) {
        machine->stop_wanted = true;
        machine->deadline_ns = 0;
        return;
    }
    struct control_frame header = {.type = CONTROL_REQUEST, .value = CONTROL_MACHINE_SYNC};
    port_send(machine, &header, NULL);
    machine->phase = MACHINE_STOPPING;
    machine->deadline_ns = clock_now_ns() + SYNC_NS;
}

void machine_process_end(struct machine *machine, bool gently)
{
    if (!machine->process_ended && machine->process > 0) {
        struct pollfd wait = {.fd = machine->process_fd, .events = POLLIN};
        if (gently) {
            kill(machine->process, SIGTERM);
            poll(&wait, 1, TERMINATE_MS);
        }
        kill(machine->process, SIGKILL);
        while (waitpid(machine->process, &machine->process_status, 0) < 0 && errno == EINTR) {
        }
        machine->process_ended = true;
    }
    if (machine->process_fd >= 0) {
        close(machine->process_fd);
        machine->process_fd = -1;
    }
    port_close(machine);
}

/* The last line that QEMU wrote, for the user. */
static void qemu_last_words(const struct machine *machine, char *out, size_t out_bytes)
{
    char path[PATH_MAX + 32];
    char line[256];
    out[0] = '\0';
    state_path(&machine->state, STATE_QEMU_LOG, path, sizeof(path));
    FILE *file = fopen(path, "re");
    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        if (line[0] != '\0') {
            snprintf(out, out_bytes, "%s", line);
        }
    }
    if (file != NULL) {
        fclose(file);
    }
}

/* KVM failed its trial: once more without. True when that could not even begin. */
static bool fall_back(struct machine *machine, const char *why)
{
    char note[128];
    char problem[512];
    snprintf(note, sizeof(note),
             "KVM does not work here (%s): using emulation, and remembering that", why);
    machine_report(machine, "note", note);
    accelerator_remember(&machine->state, ACCELERATOR_TCG);
    if (machine_attempt(machine, ACCELERATOR_TCG, BOOT_NS, problem, sizeof(problem)) != STATUS_OK) {
        machine_report(machine, "fail", problem);
        return true;
    }
    return false;
}

static bool start_failed(struct machine *machine, const char *why)
{
    char words[256];
    bool trial = machine->accelerator == ACCELERATOR_KVM && !machine->stop_wanted &&
                 strcmp(machine->options.accelerator, "auto") == 0;
    machine_process_end(machine, false);
    if (trial) {
        return fall_back(machine, why);
    }
    char text[PATH_MAX + 512];
    qemu_last_words(machine, words, sizeof(words));
    snprintf(text, sizeof(text), "the machine did not start: %s%s%s; see %s/%s", why,
             words[0] != '\0' ? ": " : "", words, machine->state.directory, STATE_CONSOLE);
    machine_report(machine, "fail", text);
    return true;
}

bool machine_process_ended(struct machine *machine, const char *why)
{
    if (machine->phase == MACHINE_STARTING) {
        return start_failed(machine, why);
    }
    char text[256];
    machine_process_end(machine, machine->phase == MACHINE_STOPPING);
    if (machine->phase == MACHINE_STOPPING) {
        snprintf(text, sizeof(text), "the machine was stopped");
    } else {
        snprintf(text, sizeof(text), "the machine died (%s): the next command starts a new one",
                 why);
    }
    fprintf(stderr, "%s\n", text);
    clients_dismiss(machine, text);
    return true;
}

bool machine_deadline(struct machine *machine)
{
    const char *why = machine->stop_wanted                 ? "it was stopped"
                      : machine->phase == MACHINE_STARTING ? "its engine does not answer"
                                                           : "it was slow to stop";
    return machine_process_ended(machine, why);
}
