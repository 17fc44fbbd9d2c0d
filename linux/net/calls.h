/* What the system calls of sockets share: descriptors and addresses of the application. */
#pragma once

#include "linux/net/socket.h"

/* The socket's file, with a reference: -EBADF, -ENOTSOCK. */
long socket_file_get(uint64_t fd, struct file **out);
/* -EINVAL, -EFAULT. */
long address_read(struct socket_address *address, uint64_t user_address, uint64_t length_bytes);
/* As much as *user_length has room for; *user_length becomes the whole length. -EINVAL, -EFAULT. */
long address_write(const struct socket_address *address, uint64_t user_address,
                   uint64_t user_length);
