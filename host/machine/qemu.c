#include "host/machine/qemu.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#define CHANNEL_FD 3
#define LOCK_FD    4

/* A machine type, and its names for the two virtio devices. */
struct machine_type {
    const char *name;
    const char *machine;
    const char *serial_device;
    const char *block_device;
};

static const struct machine_type machine_types[] = {
    {"q35", "q35,hpet=off,usb=off,vmport=off", "virtio-serial-pci,disable-legacy=on",
     "virtio-blk-pci,disable-legacy=on"},
    {"microvm", "microvm,acpi=off,pit=on,pic=off,rtc=on,isa-serial=on,auto-kernel-cmdline=on",
     "virtio-serial-device", "virtio-blk-device"},
};

static const struct machine_type *machine_type_find(const char *name)
{
    for (size_t i = 0; i < ARRAY_LENGTH(machine_types); i++) {
        if (strcmp(machine_types[i].name, name) == 0) {
            return &machine_types[i];
        }
    }
    return NULL;
}

bool qemu_machine_type_known(const char *name)
{
    return machine_type_find(name) != NULL;
}

const char *accelerator_name(enum accelerator accelerator)
{
    return accelerator == ACCELERATOR_KVM ? "kvm" : "tcg";
}

static bool path_search(const char *name, char *out, size_t out_bytes)
{
    const char *path = getenv("PATH");
    path = path != NULL ? path : "/usr/bin:/bin";
    while (*path != '\0') {
        size_t length = strcspn(path, ":");
        int written = snprintf(out, out_bytes, "%.*s/%s", (int)length, path, name);
        if (written > 0 && (size_t)written < out_bytes && access(out, X_OK) == 0) {
            return true;
        }
        path += length + (path[length] == ':');
    }
    return false;
}

status_t qemu_find(char *out, size_t out_bytes)
{
    const char *chosen = getenv("OAK_QEMU");
    if (chosen != NULL && chosen[0] != '\0') {
        int written = snprintf(out, out_bytes, "%s", chosen);
        return (size_t)written < out_bytes && access(out, X_OK) == 0 ? STATUS_OK : STATUS_NOT_FOUND;
    }
    return path_search("qemu-system-x86_64", out, out_bytes) ? STATUS_OK : STATUS_NOT_FOUND;
}

status_t kernel_find(char *out, size_t out_bytes)
{
    const char *chosen = getenv("OAK_KERNEL");
    if (chosen != NULL && chosen[0] != '\0') {
        int written = snprintf(out, out_bytes, "%s", chosen);
        return (size_t)written < out_bytes && access(out, R_OK) == 0 ? STATUS_OK : STATUS_NOT_FOUND;
    }
    char executable[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", executable, sizeof(executable) - 1);
    if (length <= 0) {
        return STATUS_NOT_FOUND;
    }
    executable[length] = '\0';
    /* build/host/oak -> build/oak.elf */
    for (int i = 0; i < 2; i++) {
        char *slash = strrchr(executable, '/');
        if (slash == NULL) {
            return STATUS_NOT_FOUND;
        }
        *slash = '\0';
    }
    int written = snprintf(out, out_bytes, "%s/oak.elf", executable);
    return (size_t)written < out_bytes && access(out, R_OK) == 0 ? STATUS_OK : STATUS_NOT_FOUND;
}

/* The command line, in memory that lives until the exec. */
struct command_line {
    const char *arguments[64];
    size_t count;
    char text[8 * PATH_MAX];
    size_t used_bytes;
};

__attribute__((format(printf, 2, 3))) static void argument_add(struct command_line *line,
                                                               const char *format, ...)
{
    va_list values;
    va_start(values, format);
    char *place = line->text + line->used_bytes;
    int length = vsnprintf(place, sizeof(line->text) - line->used_bytes, format, values);
    va_end(values);
    line->used_bytes += (size_t)length + 1;
    line->arguments[line->count++] = place;
}

/* QEMU takes a comma for the end of a value; two are one. */
static void option_path(const struct state *state, const char *name, char *out, size_t out_bytes)
{
    char path[PATH_MAX + 32];
    snprintf(path, sizeof(path), "%s/%s", state->directory, name);
    size_t used = 0;
    for (const char *c = path; *c != '\0' && used + 2 < out_bytes; c++) {
        if (*c == ',') {
            out[used++] = ',';
        }
        out[used++] = *c;
    }
    out[used] = '\0';
}

static void flags_add(struct command_line *line, const char *const *flags, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        argument_add(line, "%s", flags[i]);
    }
}

static void command_line_make(struct command_line *line, const struct state *state,
                              const struct machine_options *options, enum accelerator accelerator,
                              const char *qemu, const char *kernel)
{
    static const char *const fixed[] = {"-nodefaults",
                                        "-no-user-config",
                                        "-display",
                                        "none",
                                        "-no-reboot",
                                        "-global",
                                        "virtio-mmio.force-legacy=false"};
    const struct machine_type *type = machine_type_find(options->machine_type);
    bool kvm = accelerator == ACCELERATOR_KVM;
    char path[2 * PATH_MAX];
    argument_add(line, "%s", qemu);
    flags_add(line, fixed, ARRAY_LENGTH(fixed));
    argument_add(line, "-name");
    argument_add(line, "oak");
    argument_add(line, "-machine");
    argument_add(line, "%s", type->machine);
    argument_add(line, "-accel");
    argument_add(line, "%s", kvm ? "kvm" : "tcg,thread=multi");
    argument_add(line, "-cpu");
    argument_add(line, "%s", kvm ? "host" : "max");
    argument_add(line, "-smp");
    argument_add(line, "%" PRIu32, options->cpus);
    argument_add(line, "-m");
    argument_add(line, "%" PRIu64, options->memory_bytes >> 20);
    argument_add(line, "-kernel");
    argument_add(line, "%s", kernel);
    argument_add(line, "-serial");
    option_path(state, STATE_CONSOLE, path, sizeof(path));
    argument_add(line, "file:%s", path);
    argument_add(line, "-chardev");
    argument_add(line, "socket,id=oak,fd=%d", CHANNEL_FD);
    argument_add(line, "-device");
    argument_add(line, "%s", type->serial_device);
    argument_add(line, "-device");
    /* Not a virtconsole: QEMU throws away what a console's full socket does not take. */
    argument_add(line, "virtserialport,chardev=oak,name=oak.control");
    /* Writes go to the host's page cache; the guest's FLUSH is an fdatasync. */
    option_path(state, STATE_STORE, path, sizeof(path));
    argument_add(line, "-drive");
    argument_add(line, "if=none,id=store,format=raw,cache=writeback,discard=unmap,file=%s", path);
    argument_add(line, "-device");
    argument_add(line, "%s,drive=store", type->block_device);
}

static void keep_descriptor(int from, int to)
{
    if (from == to) {
        fcntl(from, F_SETFD, 0);
    } else {
        dup2(from, to);
    }
}

/* In the child; does not return. */
static void child_run(const struct state *state, const struct command_line *line, int channel_fd,
                      int lock_fd, pid_t parent)
{
    char log[PATH_MAX + 32];
    state_path(state, STATE_QEMU_LOG, log, sizeof(log));
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) {
        _exit(127);
    }
    int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    int log_fd = open(log, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    /* Above the places that they go to, so that no dup2 closes the next one's source. */
    channel_fd = fcntl(channel_fd, F_DUPFD_CLOEXEC, 16);
    lock_fd = fcntl(lock_fd, F_DUPFD_CLOEXEC, 16);
    keep_descriptor(null_fd, STDIN_FILENO);
    keep_descriptor(log_fd, STDOUT_FILENO);
    keep_descriptor(log_fd, STDERR_FILENO);
    keep_descriptor(channel_fd, CHANNEL_FD);
    keep_descriptor(lock_fd, LOCK_FD);
    close_range(LOCK_FD + 1, ~0u, 0);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    execv(line->arguments[0], (char *const *)(uintptr_t)line->arguments);
    _exit(127);
}

status_t qemu_start(const struct state *state, const struct machine_options *options,
                    enum accelerator accelerator, int channel_fd, int lock_fd, pid_t *process,
                    char *problem, size_t problem_bytes)
{
    static struct command_line line;
    char qemu[PATH_MAX];
    char kernel[PATH_MAX];
    status_t status = qemu_find(qemu, sizeof(qemu));
    if (status != STATUS_OK) {
        snprintf(problem, problem_bytes,
                 "qemu-system-x86_64 was not found: install qemu-system-x86 or set OAK_QEMU");
        close(channel_fd);
        return status;
    }
    status = kernel_find(kernel, sizeof(kernel));
    if (status != STATUS_OK) {
        snprintf(problem, problem_bytes,
                 "the machine's kernel oak.elf was not found: run make or set OAK_KERNEL");
        close(channel_fd);
        return status;
    }
    memset(&line, 0, sizeof(line));
    command_line_make(&line, state, options, accelerator, qemu, kernel);
    pid_t parent = getpid();
    pid_t child = fork();
    if (child == 0) {
        child_run(state, &line, channel_fd, lock_fd, parent);
    }
    close(channel_fd);
    if (child < 0) {
        snprintf(problem, problem_bytes, "cannot start QEMU: %s", strerror(errno));
        return STATUS_NO_MEMORY;
    }
    *process = child;
    return STATUS_OK;
}
