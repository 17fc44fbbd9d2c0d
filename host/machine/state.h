/*
 * The state directory: everything one machine keeps on the host. OAK_STATE names it; otherwise it
 * is oak under XDG_DATA_HOME or ~/.local/share. Not under XDG_RUNTIME_DIR: the store lives here and
 * must survive a reboot. Machines in different state directories know nothing of each other.
 *
 *   lock         held (flock) by the daemon and by its QEMU for as long as either lives
 *   machine.sock the daemon's socket
 *   store.img    the machine's disk, sparse
 *   accelerator  what the last try of KVM taught
 *   console.log qemu.log daemon.log
 */
#pragma once

#include "lib/base/types.h"

#include <limits.h>

struct state {
    char directory[PATH_MAX];
    int directory_fd;
};

#define STATE_LOCK        "lock"
#define STATE_SOCKET      "machine.sock"
#define STATE_STORE       "store.img"
#define STATE_ACCELERATOR "accelerator"
#define STATE_CONSOLE     "console.log"
#define STATE_QEMU_LOG    "qemu.log"
#define STATE_DAEMON_LOG  "daemon.log"

/*
 * Finds the directory and makes it (mode 0700) where it is missing. On failure *problem is a line
 * for the user.
 */
MUST_USE status_t state_open(struct state *state, char *problem, size_t problem_bytes);
void state_close(struct state *state);

/* The path of a file in it, cut to out_bytes. */
void state_path(const struct state *state, const char *name, char *out, size_t out_bytes);

/*
 * Connects to the daemon's socket, or makes the listening one. Both go through the directory's
 * descriptor, so that the length of the path does not matter. -1 and errno on failure.
 */
int state_connect(const struct state *state);
int state_listen(const struct state *state);
