/* Moving bytes between the personality and the buffers of a read or write, vector by vector. */
#include "linux/file/io.h"

#include "lib/base/string.h"
#include "linux/core/errno.h"
#include "linux/core/user.h"

/* The copy of entry.S under the fix-up table: a page of the image may be absent for good. */
long user_copy(void *to, const void *from, uint64_t length_bytes);

void io_init_user(struct io *io, uint64_t address, uint64_t length_bytes)
{
    *io = (struct io){.single = {address, length_bytes}, .count = 1, .left_bytes = length_bytes};
    io->vector = &io->single;
}

void io_init_kernel(struct io *io, void *buffer, uint64_t length_bytes)
{
    io_init_user(io, (uint64_t)(uintptr_t)buffer, length_bytes);
    io->kernel = true;
}

long io_init_vectors(struct io *io, struct io_vector *vector, uint64_t user_vector, uint32_t count)
{
    if (copy_from_user(vector, user_vector, count * sizeof(*vector)) != 0) {
        return -EFAULT;
    }
    uint64_t total = 0;
    for (uint32_t i = 0; i < count; i++) {
        if ((int64_t)vector[i].length_bytes < 0) {
            return -EINVAL;
        }
        if (!user_range(vector[i].base, vector[i].length_bytes)) {
            return -EFAULT;
        }
        vector[i].length_bytes = MIN(vector[i].length_bytes, IO_BYTES_MAX - total);
        total += vector[i].length_bytes;
    }
    *io = (struct io){.vector = vector, .count = count, .left_bytes = total};
    return 0;
}

/* The next piece of memory, at most `wanted` bytes long; 0: no room is left. */
static uint64_t io_piece(struct io *io, uint64_t wanted, uint64_t *address)
{
    while (io->index < io->count && io->offset_bytes == io->vector[io->index].length_bytes) {
        io->index++;
        io->offset_bytes = 0;
    }
    if (io->index == io->count) {
        return 0;
    }
    const struct io_vector *vector = &io->vector[io->index];
    *address = vector->base + io->offset_bytes;
    return MIN(MIN(wanted, io->left_bytes), vector->length_bytes - io->offset_bytes);
}

static void io_advance(struct io *io, uint64_t length_bytes)
{
    io->offset_bytes += length_bytes;
    io->left_bytes -= length_bytes;
}

static void *kernel_pointer(uint64_t address)
{
    return (void *)(uintptr_t)address;
}

long io_put(struct io *io, const void *from, uint64_t length_bytes)
{
    const uint8_t *source = from;
    while (length_bytes > 0) {
        uint64_t address;
        uint64_t piece = io_piece(io, length_bytes, &address);
        long result = piece == 0   ? -EFAULT
                      : io->kernel ? user_copy(kernel_pointer(address), source, piece)
                                   : copy_to_user(address, source, piece);
        if (result != 0) {
            return result;
        }
        io_advance(io, piece);
        source += piece;
        length_bytes -= piece;
    }
    return 0;
}

long io_put_zeros(struct io *io, uint64_t length_bytes)
{
    while (length_bytes > 0) {
        uint64_t address;
        uint64_t piece = io_piece(io, length_bytes, &address);
        if (piece == 0) {
            return -EFAULT;
        }
        if (io->kernel) {
            memset(kernel_pointer(address), 0, piece);
        } else if (clear_user(address, piece) != 0) {
            return -EFAULT;
        }
        io_advance(io, piece);
        length_bytes -= piece;
    }
    return 0;
}

long io_take(struct io *io, void *to, uint64_t length_bytes)
{
    uint8_t *target = to;
    while (length_bytes > 0) {
        uint64_t address;
        uint64_t piece = io_piece(io, length_bytes, &address);
        if (piece == 0) {
            return -EFAULT;
        }
        if (io->kernel) {
            memcpy(target, kernel_pointer(address), piece);
        } else if (copy_from_user(target, address, piece) != 0) {
            return -EFAULT;
        }
        io_advance(io, piece);
        target += piece;
        length_bytes -= piece;
    }
    return 0;
}
