/*
 * QEMU as a child of the daemon: its command line and its start. It gets one descriptor, the
 * control channel, and holds the state directory's lock for as long as it lives, so that no second
 * machine can open the store while the first is still dying. It is killed when its parent dies.
 */
#pragma once

#include "host/machine/options.h"
#include "host/machine/state.h"

#include <sys/types.h>

enum accelerator {
    ACCELERATOR_TCG,
    ACCELERATOR_KVM,
};

const char *accelerator_name(enum accelerator accelerator);
bool qemu_machine_type_known(const char *name);

/* The program that is the machine: OAK_QEMU, or qemu-system-x86_64 in PATH. NOT_FOUND without. */
MUST_USE status_t qemu_find(char *out, size_t out_bytes);

/* The kernel: OAK_KERNEL, or oak.elf beside the executable's directory. NOT_FOUND without. */
MUST_USE status_t kernel_find(char *out, size_t out_bytes);

/*
 * Starts it. channel_fd is QEMU's end and is closed here; lock_fd stays open in both. On failure
 * *problem is a line for the user.
 */
MUST_USE status_t qemu_start(const struct state *state, const struct machine_options *options,
                             enum accelerator accelerator, int channel_fd, int lock_fd,
                             pid_t *process, char *problem, size_t problem_bytes);
