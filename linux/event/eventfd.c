/* eventfd(2): a counter that is read and written as a file. */
#include "linux/core/errno.h"
#include "linux/core/heap.h"
#include "linux/core/syscalls.h"
#include "linux/file/anonymous.h"

#define EFD_SEMAPHORE 1u
#define COUNT_MAX     (UINT64_MAX - 1)

struct eventfd {
    struct mutex lock;
    uint64_t count;
    bool is_semaphore; /* a read takes one, not all */
    struct wait_queue wait;
};

static bool nonblocking(const struct file *file)
{
    return __atomic_load_n(&file->flags, __ATOMIC_RELAXED) & O_NONBLOCK;
}

/* What a read gives; 0: nothing yet. */
static uint64_t count_take(struct eventfd *eventfd)
{
    mutex_lock(&eventfd->lock);
    uint64_t taken = eventfd->is_semaphore ? MIN(eventfd->count, 1) : eventfd->count;
    eventfd->count -= taken;
    mutex_unlock(&eventfd->lock);
    return taken;
}

static bool can_read(void *context)
{
    const struct eventfd *eventfd = context;
    return __atomic_load_n(&eventfd->count, __ATOMIC_ACQUIRE) != 0;
}

static long eventfd_read(struct file *file, struct io *io, uint64_t *position)
{
    (void)position;
    struct eventfd *eventfd = file->data;
    uint64_t taken;
    if (io->left_bytes < sizeof(taken)) {
        return -EINVAL;
    }
    while ((taken = count_take(eventfd)) == 0) {
        if (nonblocking(file)) {
            return -EAGAIN;
        }
        long result = wait_event(&eventfd->wait, can_read, eventfd);
        if (result != 0) {
            return result;
        }
    }
    wait_queue_wake(&eventfd->wait, WAIT_POLLOUT);
    return io_put(io, &taken, sizeof(taken)) == 0 ? (long)sizeof(taken) : -EFAULT;
}

static bool count_add(struct eventfd *eventfd, uint64_t value)
{
    mutex_lock(&eventfd->lock);
    bool fits = value <= COUNT_MAX - eventfd->count;
    eventfd->count += fits ? value : 0;
    mutex_unlock(&eventfd->lock);
    return fits;
}

struct addition {
    const struct eventfd *eventfd;
    uint64_t value;
};

static bool can_write(void *context)
{
    const struct addition *addition = context;
    return addition->value <=
           COUNT_MAX - __atomic_load_n(&addition->eventfd->count, __ATOMIC_ACQUIRE);
}

static long eventfd_write(struct file *file, struct io *io, uint64_t *position)
{
    (void)position;
    struct addition addition = {.eventfd = file->data};
    struct eventfd *eventfd = file->data;
    if (io->left_bytes < sizeof(addition.value)) {
        return -EINVAL;
    }
    if (io_take(io, &addition.value, sizeof(addition.value)) != 0) {
        return -EFAULT;
    }
    if (addition.value > COUNT_MAX) {
        return -EINVAL;
    }
    while (!count_add(eventfd, addition.value)) {
        if (nonblocking(file)) {
            return -EAGAIN;
        }
        long result = wait_event(&eventfd->wait, can_write, &addition);
        if (result != 0) {
            return result;
        }
    }
    wait_queue_wake(&eventfd->wait, WAIT_POLLIN);
    return sizeof(addition.value);
}

static uint32_t eventfd_poll(struct file *file, struct poll_table *table)
{
    struct eventfd *eventfd = file->data;
    poll_add(table, &eventfd->wait);
    uint64_t count = __atomic_load_n(&eventfd->count, __ATOMIC_ACQUIRE);
    return (count > 0 ? WAIT_POLLIN : 0) | (count < COUNT_MAX ? WAIT_POLLOUT : 0);
}

static void eventfd_release(struct file *file)
{
    heap_free(file->data);
}

static const struct file_operations eventfd_operations = {
    .read = eventfd_read,
    .write = eventfd_write,
    .poll = eventfd_poll,
    .release = eventfd_release,
};

long linux_eventfd2(uint64_t count, uint64_t flags, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
    (void)c, (void)d, (void)e, (void)f;
    if ((uint32_t)flags & ~(EFD_SEMAPHORE | O_CLOEXEC | O_NONBLOCK)) {
        return -EINVAL;
    }
    struct eventfd *eventfd = heap_alloc(sizeof(*eventfd));
    if (eventfd == NULL) {
        return -ENOMEM;
    }
    eventfd->count = (uint32_t)count;
    eventfd->is_semaphore = flags & EFD_SEMAPHORE;
    return anonymous_descriptor_new("[eventfd]",
                                    O_RDWR | ((uint32_t)flags & (O_CLOEXEC | O_NONBLOCK)),
                                    &eventfd_operations, eventfd);
}

long linux_eventfd(uint64_t count, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
    (void)b, (void)c, (void)d, (void)e, (void)f;
    return linux_eventfd2(count, 0, 0, 0, 0, 0);
}
