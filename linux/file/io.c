/* Moving bytes between the personality and the buffers of a read or write, vector by vector. */
#include "linux/file/io.h"

#include "lib/base/string.h"
#include "linux/core/errno.h"
#include "linux/core/user.h"

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

enum io_way {
    PUT,
    PUT_ZEROS,
    TAKE
};

/* Between a piece of the caller's memory and the personality's own: 0 or -EFAULT. */
static inline long piece_move(const struct io *io, enum io_way way, uint64_t address, uint64_t own,
                              uint64_t length_bytes)
{
    switch (way) {
    case PUT:
        return io->kernel ? user_copy(kernel_pointer(address), kernel_pointer(own), length_bytes)
                          : copy_to_user(address, kernel_pointer(own), length_bytes);
    case PUT_ZEROS:
        if (io->kernel) {
            memset(kernel_pointer(address), 0, length_bytes);
            return 0;
        }
        return clear_user(address, length_bytes);
    case TAKE:
        if (io->kernel) {
            memcpy(kernel_pointer(own), kernel_pointer(address), length_bytes);
            return 0;
        }
        return copy_from_user(kernel_pointer(own), address, length_bytes);
    }
    return -EFAULT;
}

/* The piece cannot be moved as a whole: move the pages before the one that is missing. */
static void pages_move(struct io *io, enum io_way way, uint64_t address, uint64_t own,
                       uint64_t length_bytes)
{
    uint64_t done = 0;
    while (done < length_bytes) {
        uint64_t offset = MAX((address + done) % PAGE_SIZE, (own + done) % PAGE_SIZE);
        uint64_t part = MIN(PAGE_SIZE - offset, length_bytes - done);
        if (piece_move(io, way, address + done, own + done, part) != 0) {
            break;
        }
        done += part;
    }
    io_advance(io, done);
}

static inline long io_move(struct io *io, enum io_way way, uint64_t own, uint64_t length_bytes)
{
    while (length_bytes > 0) {
        uint64_t address;
        uint64_t piece = io_piece(io, length_bytes, &address);
        if (piece == 0) {
            return -EFAULT;
        }
        if (piece_move(io, way, address, own, piece) != 0) {
            pages_move(io, way, address, own, piece);
            return -EFAULT;
        }
        io_advance(io, piece);
        own += piece;
        length_bytes -= piece;
    }
    return 0;
}

long io_put(struct io *io, const void *from, uint64_t length_bytes)
{
    return io_move(io, PUT, (uint64_t)(uintptr_t)from, length_bytes);
}

long io_put_zeros(struct io *io, uint64_t length_bytes)
{
    return io_move(io, PUT_ZEROS, 0, length_bytes);
}

long io_take(struct io *io, void *to, uint64_t length_bytes)
{
    return io_move(io, TAKE, (uint64_t)(uintptr_t)to, length_bytes);
}
