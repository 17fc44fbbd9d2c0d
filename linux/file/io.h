/*
 * The caller's end of a read or write: buffers of the application (struct iovec) or of the
 * personality, consumed from the front. File systems and devices never touch user memory but
 * through these functions, and never with a lock held that handling a fault could need
 * (linux/core/lock.h).
 */
#pragma once

#include "lib/base/types.h"

#define IO_VECTORS_MAX 1024
#define IO_BYTES_MAX   0x7ffff000u /* of one call: MAX_RW_COUNT of Linux */

struct io_vector { /* struct iovec of the system calls */
    uint64_t base;
    uint64_t length_bytes;
};

struct io {
    const struct io_vector *vector; /* a copy that was checked */
    uint32_t count;
    uint32_t index;        /* the vector in progress */
    uint64_t offset_bytes; /* in it */
    uint64_t left_bytes;   /* of all */
    bool kernel;           /* the personality's own buffers */
    struct io_vector single;
};

/* One buffer. The io must stay where it is. */
void io_init_user(struct io *io, uint64_t address, uint64_t length_bytes);
void io_init_kernel(struct io *io, void *buffer, uint64_t length_bytes);
/* Several: copied to `vector`, which has room for count, and checked; what is beyond IO_BYTES_MAX
 * is cut off, as Linux does. -EFAULT, -EINVAL. */
long io_init_vectors(struct io *io, struct io_vector *vector, uint64_t user_vector, uint32_t count);

/* To the caller (read): 0 or -EFAULT; at most left_bytes. The source may be the image's pages. What
 * could be moved before memory that is not there has been, and left_bytes says so. */
long io_put(struct io *io, const void *from, uint64_t length_bytes);
long io_put_zeros(struct io *io, uint64_t length_bytes);
/* From the caller (write). */
long io_take(struct io *io, void *to, uint64_t length_bytes);
