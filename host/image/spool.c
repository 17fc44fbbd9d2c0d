#include "host/image/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* For file systems without O_TMPFILE: made under a name, which goes at once. */
static int named_open(int directory_fd)
{
    static const char name[] = "spool.new";
    int fd = openat(directory_fd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 && errno == EEXIST) {
        unlinkat(directory_fd, name, 0);
        fd = openat(directory_fd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    }
    if (fd >= 0) {
        unlinkat(directory_fd, name, 0);
    }
    return fd;
}

status_t spool_open(struct spool *spool, int directory_fd, struct problem *problem)
{
    int fd = openat(directory_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0) {
        fd = named_open(directory_fd);
    }
    *spool = (struct spool){.fd = fd};
    return fd >= 0 ? STATUS_OK
                   : problem_set(problem, STATUS_IO_ERROR,
                                 "no temporary file in the state directory: %s", strerror(errno));
}

void spool_close(struct spool *spool)
{
    if (spool->fd >= 0) {
        close(spool->fd);
        spool->fd = -1;
    }
}

uint64_t spool_reserve(struct spool *spool, uint64_t size_bytes)
{
    uint64_t offset = spool->end;
    spool->end += ALIGN_UP(size_bytes, SPOOL_BLOCK_BYTES);
    return offset;
}

status_t spool_write(struct spool *spool, uint64_t offset, const void *bytes, size_t length_bytes,
                     struct problem *problem)
{
    const uint8_t *next = bytes;
    while (length_bytes > 0) {
        ssize_t written = pwrite(spool->fd, next, length_bytes, (off_t)offset);
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written <= 0) {
            return problem_set(problem, STATUS_IO_ERROR,
                               "cannot write to a temporary file in the state directory: %s",
                               written < 0 ? strerror(errno) : "nothing was written");
        }
        next += written;
        offset += (uint64_t)written;
        length_bytes -= (size_t)written;
    }
    return STATUS_OK;
}

status_t spool_read(const struct spool *spool, uint64_t offset, void *bytes, size_t length_bytes,
                    struct problem *problem)
{
    uint8_t *next = bytes;
    while (length_bytes > 0) {
        ssize_t got = pread(spool->fd, next, length_bytes, (off_t)offset);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return problem_set(problem, STATUS_IO_ERROR, "cannot read a temporary file: %s",
                               strerror(errno));
        }
        if (got == 0) {
            memset(next, 0, length_bytes);
            return STATUS_OK;
        }
        next += got;
        offset += (uint64_t)got;
        length_bytes -= (size_t)got;
    }
    return STATUS_OK;
}

void spool_discard(struct spool *spool, uint64_t offset, uint64_t size_bytes)
{
    if (size_bytes > 0) {
        /* Where holes cannot be punched, the room comes back at the end. */
        int result = fallocate(spool->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset,
                               (off_t)ALIGN_UP(size_bytes, SPOOL_BLOCK_BYTES));
        (void)result;
    }
}
