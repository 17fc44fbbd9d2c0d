/*
 * Ancillary data of messages (cmsg(3)): open files and credentials that go with the bytes of a Unix
 * socket, and what another family notes of a packet.
 */
#pragma once

#include "linux/net/socket.h"

#define RIGHTS_MAX 253u /* SCM_MAX_FD */

/* Open files on their way, each with a reference. */
struct rights {
    uint32_t count;
    struct file *file[RIGHTS_MAX];
};

/* Put the files; rights may be NULL. */
void rights_drop(struct rights *rights);
/* The same files, with references of their own. NULL: no memory. */
struct rights *rights_copy(const struct rights *rights);

/* What the current task may say of itself without being asked. */
struct socket_credentials credentials_own(void);

/*
 * Read the control buffer of a sendmsg into the message, which has notes: -EINVAL, -EBADF, -EPERM,
 * -ENOBUFS, -EFAULT; message->rights are the caller's then too.
 */
long control_read(const struct socket *socket, struct socket_message *message,
                  uint64_t user_control, uint64_t length_bytes);

/*
 * Write what a recvmsg got into the control buffer, opening descriptors for the files that fit; the
 * others are dropped, with MSG_CTRUNC. Takes message->rights. *used_bytes says how much was
 * written.
 */
long control_write(const struct socket *socket, struct socket_message *message,
                   uint64_t user_control, uint64_t capacity_bytes, uint64_t *used_bytes);
