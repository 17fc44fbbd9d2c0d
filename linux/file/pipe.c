/*
 * Owns: struct pipe, which belongs to its inode (inode->fifo) while any end is open.
 *
 * Bytes move between the ring and the caller without a bounce: whoever reads holds read_turn,
 * whoever writes holds write_turn, and the ring's bytes lie still for that time. Faults of the
 * caller's memory are handled with a turn held; nothing that handles one ever moves bytes through a
 * pipe. `lock` guards the counters alone and is held for a few instructions.
 *
 * Invariants: bytes [start, start + used) of the ring, modulo its size, are to be read; only the
 * owner of read_turn moves start, only the owner of write_turn writes behind start + used. An empty
 * pipe nobody writes to begins at 0 again, so that small messages stay within one page. While the
 * first bytes are `carried`, nobody else takes any.
 *
 * Locks: inode->lock (the life of the pipe), the turns, lock, wait queues. Nobody waits for the
 * other end with any of them held.
 */
#include "linux/file/pipe.h"

#include "lib/base/string.h"
#include "linux/core/errno.h"
#include "linux/core/heap.h"
#include "linux/core/syscalls.h"
#include "linux/core/user.h"
#include "linux/file/descriptor.h"
#include "linux/file/file.h"
#include "linux/proc/capability.h"
#include "linux/proc/task.h"

#define FIONREAD   0x541bu
#define PIPE_PAGES (PIPE_BYTES / (uint32_t)PAGE_SIZE) /* at first */

/* As Linux's pipe-user-pages-soft: a user whose pipes have more pages gets small pipes. */
#define USER_PAGES_MAX   16384u
#define PIPE_BYTES_SMALL (2 * (uint32_t)PAGE_SIZE)

struct pipe {
    struct mutex read_turn;
    struct mutex write_turn;
    struct mutex lock;
    uint32_t start;
    uint32_t used;
    uint32_t capacity_bytes; /* a power of two pages; changes with both turns and the lock */
    bool writing;            /* bytes are being placed behind start + used */
    bool carried;            /* a splice brings the first bytes elsewhere: readers see none */
    uint32_t readers;
    uint32_t writers;
    uint32_t reader_opens; /* ever, for opens that wait for the other end */
    uint32_t writer_opens;
    uint32_t users; /* files and opens in progress; under the inode's lock */
    uint32_t uid;   /* who made it, and is charged */
    struct wait_queue read_wait;
    struct wait_queue write_wait;
    struct wait_queue open_wait;
    uint8_t **page; /* capacity_bytes of them, each allocated when first written to */
    uint8_t *first[PIPE_PAGES];
};

/* --- life ------------------------------------------------------------------------------------ */

/* How many pages the pipes of users may have; those whose numbers end alike share a place. Atomic.
 */
static uint32_t user_pages[256] LARGE_TABLE;

/* False: it is too many, for one without privilege; charged all the same. */
static bool pages_charge(uint32_t uid, uint32_t bytes)
{
    uint32_t *pages = &user_pages[uid % ARRAY_LENGTH(user_pages)];
    uint32_t now = __atomic_add_fetch(pages, bytes / PAGE_SIZE, __ATOMIC_RELAXED);
    return now <= USER_PAGES_MAX || task_capable(CAP_SYS_RESOURCE) || task_capable(CAP_SYS_ADMIN);
}

static void pages_uncharge(uint32_t uid, uint32_t bytes)
{
    uint32_t *pages = &user_pages[uid % ARRAY_LENGTH(user_pages)];
    __atomic_fetch_sub(pages, bytes / PAGE_SIZE, __ATOMIC_RELAXED);
}

static struct pipe *pipe_new(void)
{
    struct pipe *pipe = heap_alloc(sizeof(*pipe));
    if (pipe == NULL) {
        return NULL;
    }
    pipe->page = pipe->first;
    pipe->capacity_bytes = PIPE_BYTES;
    pipe->uid = task_current()->credentials->uid;
    if (!pages_charge(pipe->uid, PIPE_BYTES)) {
        pages_uncharge(pipe->uid, PIPE_BYTES - PIPE_BYTES_SMALL);
        pipe->capacity_bytes = PIPE_BYTES_SMALL;
    }
    return pipe;
}

static struct pipe *pipe_enter(struct inode *inode)
{
    mutex_lock(&inode->lock);
    if (inode->fifo == NULL) {
        inode->fifo = pipe_new();
    }
    struct pipe *pipe = inode->fifo;
    if (pipe != NULL) {
        pipe->users++;
    }
    mutex_unlock(&inode->lock);
    return pipe;
}

static void pages_free(struct pipe *pipe, uint8_t **page, uint32_t capacity_bytes)
{
    for (uint32_t i = 0; i < capacity_bytes / PAGE_SIZE; i++) {
        heap_free(page[i]);
    }
    if (page != pipe->first) {
        heap_free(page);
    }
}

static void pipe_leave(struct inode *inode, struct pipe *pipe)
{
    mutex_lock(&inode->lock);
    bool last = --pipe->users == 0;
    if (last) {
        inode->fifo = NULL;
    }
    mutex_unlock(&inode->lock);
    if (last) {
        pages_uncharge(pipe->uid, pipe->capacity_bytes);
        pages_free(pipe, pipe->page, pipe->capacity_bytes);
        heap_free(pipe);
    }
}

/* Under the lock. */
static void ends_open(struct pipe *pipe, const struct file *file)
{
    if (file_readable(file)) {
        pipe->readers++;
        pipe->reader_opens++;
    }
    if (file_writable(file)) {
        pipe->writers++;
        pipe->writer_opens++;
    }
}

static void ends_close(struct pipe *pipe, const struct file *file)
{
    mutex_lock(&pipe->lock);
    bool last_reader = file_readable(file) && --pipe->readers == 0;
    bool last_writer = file_writable(file) && --pipe->writers == 0;
    mutex_unlock(&pipe->lock);
    if (last_reader) {
        wait_queue_wake(&pipe->write_wait, WAIT_CHANGE);
    }
    if (last_writer) {
        wait_queue_wake(&pipe->read_wait, WAIT_CHANGE);
    }
}

static void pipe_release(struct file *file)
{
    struct pipe *pipe = file->data;
    ends_close(pipe, file);
    pipe_leave(file->path.inode, pipe);
}

/* --- moving bytes ---------------------------------------------------------------------------- */

/* The longest piece of [at, at + length) of the ring that lies in one page. */
static uint32_t piece_bytes(uint32_t at, uint32_t length_bytes)
{
    return MIN(length_bytes, (uint32_t)PAGE_SIZE - at % (uint32_t)PAGE_SIZE);
}

/* The first bytes are gone; true: writers find room. Under both the read turn and the lock. */
static bool ring_consume(struct pipe *pipe, uint32_t length_bytes)
{
    pipe->used -= length_bytes;
    pipe->start =
        pipe->used == 0 && !pipe->writing ? 0 : (pipe->start + length_bytes) % pipe->capacity_bytes;
    return pipe->capacity_bytes - pipe->used >= PIPE_BUF;
}

/* Take what there is: the bytes moved, 0: none, -EFAULT. *ended: and none will come. */
static long ring_read(struct pipe *pipe, struct io *io, bool *ended)
{
    mutex_lock(&pipe->read_turn);
    mutex_lock(&pipe->lock);
    uint32_t start = pipe->start;
    uint32_t wanted = pipe->carried ? 0 : (uint32_t)MIN((uint64_t)pipe->used, io->left_bytes);
    *ended = pipe->used == 0 && pipe->writers == 0;
    mutex_unlock(&pipe->lock);
    uint32_t moved = 0;
    long result = 0;
    while (moved < wanted && result == 0) {
        uint32_t at = (start + moved) % pipe->capacity_bytes;
        uint32_t piece = piece_bytes(at, wanted - moved);
        result = io_put(io, pipe->page[at / PAGE_SIZE] + at % PAGE_SIZE, piece);
        moved += result == 0 ? piece : 0;
    }
    mutex_lock(&pipe->lock);
    bool room = ring_consume(pipe, moved);
    mutex_unlock(&pipe->lock);
    mutex_unlock(&pipe->read_turn);
    if (moved > 0 && room) {
        wait_queue_wake(&pipe->write_wait, WAIT_POLLOUT);
    }
    return moved > 0 ? (long)moved : result;
}

static long ring_fill(struct pipe *pipe, struct io *io, uint32_t end, uint32_t length_bytes,
                      uint32_t *placed)
{
    while (*placed < length_bytes) {
        uint32_t at = (end + *placed) % pipe->capacity_bytes;
        uint32_t piece = piece_bytes(at, length_bytes - *placed);
        uint8_t **page = &pipe->page[at / PAGE_SIZE];
        if (*page == NULL && (*page = heap_alloc(PAGE_SIZE)) == NULL) {
            return -ENOMEM;
        }
        long result = io_take(io, *page + at % PAGE_SIZE, piece);
        if (result != 0) {
            return result;
        }
        *placed += piece;
    }
    return 0;
}

/*
 * Place what there is room for, or nothing when it is to stay together and there is not enough:
 * the bytes moved, 0: no room, -EPIPE, -EFAULT, -ENOMEM.
 */
static long ring_write(struct pipe *pipe, struct io *io, bool together)
{
    mutex_lock(&pipe->write_turn);
    mutex_lock(&pipe->lock);
    uint32_t end = (pipe->start + pipe->used) % pipe->capacity_bytes;
    uint32_t wanted = (uint32_t)MIN((uint64_t)(pipe->capacity_bytes - pipe->used), io->left_bytes);
    if (together && wanted < io->left_bytes) {
        wanted = 0;
    }
    bool broken = pipe->readers == 0;
    pipe->writing = wanted > 0 && !broken;
    mutex_unlock(&pipe->lock);
    if (wanted == 0 || broken) {
        mutex_unlock(&pipe->write_turn);
        return broken ? -EPIPE : 0;
    }
    uint32_t placed = 0;
    long result = ring_fill(pipe, io, end, wanted, &placed);
    if (together && result != 0) {
        placed = 0;
    }
    mutex_lock(&pipe->lock);
    pipe->used += placed;
    pipe->writing = false;
    mutex_unlock(&pipe->lock);
    mutex_unlock(&pipe->write_turn);
    return placed > 0 ? (long)placed : result;
}

static bool can_read(void *context)
{
    struct pipe *pipe = context;
    mutex_lock(&pipe->lock);
    bool can = (pipe->used > 0 && !pipe->carried) || (pipe->used == 0 && pipe->writers == 0);
    mutex_unlock(&pipe->lock);
    return can;
}

static long pipe_read(struct file *file, struct io *io, uint64_t *position)
{
    (void)position;
    struct pipe *pipe = file->data;
    if (io->left_bytes == 0) {
        return 0;
    }
    for (;;) {
        bool ended;
        long moved = ring_read(pipe, io, &ended);
        if (moved != 0 || ended) {
            return moved;
        }
        if (__atomic_load_n(&file->flags, __ATOMIC_RELAXED) & O_NONBLOCK) {
            return -EAGAIN;
        }
        long result = wait_event(&pipe->read_wait, can_read, pipe);
        if (result != 0) {
            return result;
        }
    }
}

static bool can_write(void *context)
{
    struct pipe *pipe = context;
    mutex_lock(&pipe->lock);
    bool can = pipe->capacity_bytes - pipe->used >= PIPE_BUF || pipe->readers == 0;
    mutex_unlock(&pipe->lock);
    return can;
}

static long write_all(struct pipe *pipe, struct file *file, struct io *io, uint64_t *total)
{
    bool together = io->left_bytes <= PIPE_BUF;
    while (io->left_bytes > 0) {
        long moved = ring_write(pipe, io, together);
        if (moved < 0) {
            return moved;
        }
        *total += (uint64_t)moved;
        if (moved > 0) {
            wait_queue_wake(&pipe->read_wait, WAIT_POLLIN);
            continue;
        }
        if (__atomic_load_n(&file->flags, __ATOMIC_RELAXED) & O_NONBLOCK) {
            return -EAGAIN;
        }
        long result = wait_event(&pipe->write_wait, can_write, pipe);
        if (result != 0) {
            return result;
        }
    }
    return 0;
}

static long pipe_write(struct file *file, struct io *io, uint64_t *position)
{
    (void)position;
    uint64_t total = 0;
    long result = write_all(file->data, file, io, &total);
    if (result == -EPIPE) {
        signal_broken_pipe();
    }
    return total > 0 ? (long)total : result;
}

static uint32_t pipe_poll(struct file *file, struct poll_table *table)
{
    struct pipe *pipe = file->data;
    uint32_t events = 0;
    if (file_readable(file)) {
        poll_add(table, &pipe->read_wait);
    }
    if (file_writable(file)) {
        poll_add(table, &pipe->write_wait);
    }
    mutex_lock(&pipe->lock);
    if (file_readable(file)) {
        events |= pipe->used > 0 ? WAIT_POLLIN : 0;
        /* A reader that came before any writer (position says how many there were) waits for it. */
        bool ended = pipe->writers == 0 && pipe->writer_opens != (uint32_t)file->position;
        events |= ended ? WAIT_POLLHUP : 0;
    }
    if (file_writable(file)) {
        events |= pipe->capacity_bytes - pipe->used >= PIPE_BUF ? WAIT_POLLOUT : 0;
        events |= pipe->readers == 0 ? WAIT_POLLERR : 0;
    }
    mutex_unlock(&pipe->lock);
    return events;
}

static long pipe_ioctl(struct file *file, uint32_t request, uint64_t argument)
{
    struct pipe *pipe = file->data;
    if (request != FIONREAD) {
        return -ENOTTY;
    }
    mutex_lock(&pipe->lock);
    uint32_t used = pipe->used;
    mutex_unlock(&pipe->lock);
    return put_user_u32(argument, used);
}

static const struct file_operations pipe_operations = {
    .read = pipe_read,
    .write = pipe_write,
    .poll = pipe_poll,
    .ioctl = pipe_ioctl,
    .release = pipe_release,
    .tells_owner = true,
};

/* --- for splice ------------------------------------------------------------------------------ */

bool file_is_pipe(const struct file *file)
{
    return file->operations == &pipe_operations;
}

/* Copy the first bytes, which stay. Under the read turn. */
static void ring_copy(const struct pipe *pipe, uint8_t *to, uint32_t length_bytes)
{
    for (uint32_t moved = 0; moved < length_bytes;) {
        uint32_t at = (pipe->start + moved) % pipe->capacity_bytes;
        uint32_t piece = piece_bytes(at, length_bytes - moved);
        memcpy(to + moved, pipe->page[at / PAGE_SIZE] + at % PAGE_SIZE, piece);
        moved += piece;
    }
}

long pipe_look(struct file *file, uint8_t *to, uint32_t capacity_bytes, bool wait, bool carry)
{
    struct pipe *pipe = file->data;
    for (;;) {
        mutex_lock(&pipe->read_turn);
        mutex_lock(&pipe->lock);
        uint32_t length = pipe->carried ? 0 : MIN(pipe->used, capacity_bytes);
        bool ended = pipe->used == 0 && pipe->writers == 0;
        pipe->carried = pipe->carried || (carry && length > 0);
        mutex_unlock(&pipe->lock);
        ring_copy(pipe, to, length);
        mutex_unlock(&pipe->read_turn);
        if (length > 0 || ended) {
            return length;
        }
        long result = wait ? wait_event(&pipe->read_wait, can_read, pipe) : -EAGAIN;
        if (result != 0) {
            return result;
        }
    }
}

void pipe_carried(struct file *file, uint32_t length_bytes)
{
    struct pipe *pipe = file->data;
    mutex_lock(&pipe->read_turn);
    mutex_lock(&pipe->lock);
    pipe->carried = false;
    bool room = ring_consume(pipe, length_bytes);
    mutex_unlock(&pipe->lock);
    mutex_unlock(&pipe->read_turn);
    wait_queue_wake(&pipe->read_wait, WAIT_POLLIN);
    if (room && length_bytes > 0) {
        wait_queue_wake(&pipe->write_wait, WAIT_POLLOUT);
    }
}

static bool has_room(void *context)
{
    struct pipe *pipe = context;
    mutex_lock(&pipe->lock);
    bool has = pipe->used < pipe->capacity_bytes || pipe->readers == 0;
    mutex_unlock(&pipe->lock);
    return has;
}

long pipe_room(struct file *file, bool wait)
{
    struct pipe *pipe = file->data;
    for (;;) {
        mutex_lock(&pipe->lock);
        long room = pipe->readers == 0 ? -EPIPE : (long)(pipe->capacity_bytes - pipe->used);
        mutex_unlock(&pipe->lock);
        if (room != 0) {
            return room;
        }
        long result = wait ? wait_event(&pipe->write_wait, has_room, pipe) : -EAGAIN;
        if (result != 0) {
            return result;
        }
    }
}

/* --- size ------------------------------------------------------------------------------------ */

uint32_t pipe_capacity(const struct file *file)
{
    const struct pipe *pipe = file->data;
    return __atomic_load_n(&pipe->capacity_bytes, __ATOMIC_RELAXED);
}

/* Into fresh pages, from the first on. With both turns. */
static long ring_move(struct pipe *pipe, uint8_t **page)
{
    for (uint32_t moved = 0; moved < pipe->used;) {
        uint32_t at = (pipe->start + moved) % pipe->capacity_bytes;
        uint32_t piece =
            MIN(piece_bytes(at, pipe->used - moved), piece_bytes(moved, pipe->used - moved));
        uint8_t **to = &page[moved / PAGE_SIZE];
        if (*to == NULL && (*to = heap_alloc(PAGE_SIZE)) == NULL) {
            return -ENOMEM;
        }
        memcpy(*to + moved % PAGE_SIZE, pipe->page[at / PAGE_SIZE] + at % PAGE_SIZE, piece);
        moved += piece;
    }
    return 0;
}

long pipe_resize(struct file *file, uint64_t wanted_bytes)
{
    struct pipe *pipe = file->data;
    if (wanted_bytes > INT32_MAX) {
        return -EINVAL;
    }
    uint32_t capacity = (uint32_t)PAGE_SIZE;
    while (capacity < wanted_bytes && capacity < PIPE_BYTES_MAX) {
        capacity *= 2;
    }
    if (capacity < wanted_bytes) {
        return -EPERM;
    }
    uint8_t **page = heap_alloc(capacity / PAGE_SIZE * sizeof(*page));
    if (page == NULL) {
        return -ENOMEM;
    }
    mutex_lock(&pipe->read_turn);
    mutex_lock(&pipe->write_turn);
    uint8_t **unused = page;
    uint32_t unused_bytes = capacity;
    bool may = pages_charge(pipe->uid, capacity) || capacity <= pipe->capacity_bytes;
    long result = !may                                     ? -EPERM
                  : pipe->used > capacity || pipe->carried ? -EBUSY
                                                           : ring_move(pipe, page);
    if (result == 0) {
        unused = pipe->page;
        unused_bytes = pipe->capacity_bytes;
        mutex_lock(&pipe->lock);
        pipe->page = page;
        pipe->capacity_bytes = capacity;
        pipe->start = 0;
        mutex_unlock(&pipe->lock);
    }
    mutex_unlock(&pipe->write_turn);
    mutex_unlock(&pipe->read_turn);
    pages_uncharge(pipe->uid, unused_bytes);
    pages_free(pipe, unused, unused_bytes);
    wait_queue_wake(&pipe->write_wait, WAIT_POLLOUT);
    return result == 0 ? (long)capacity : result;
}

/* --- open ------------------------------------------------------------------------------------ */

/* The other end that an open waits for. */
struct partner {
    uint32_t *opens;
    uint32_t seen;
    bool missing;
};

static bool partner_came(void *context)
{
    const struct partner *partner = context;
    return __atomic_load_n(partner->opens, __ATOMIC_ACQUIRE) != partner->seen;
}

/* In one moment with ends_open, so that a partner that comes and goes at once counts. */
static struct partner partner_look(struct pipe *pipe, struct file *file)
{
    struct partner partner = {.opens = NULL};
    if ((file->flags & O_ACCMODE) == O_RDONLY) {
        partner.opens = &pipe->writer_opens;
        partner.missing = pipe->writers == 0;
        if (partner.missing && file->flags & O_NONBLOCK) {
            file->position = pipe->writer_opens;
        }
    } else if ((file->flags & O_ACCMODE) == O_WRONLY) {
        partner.opens = &pipe->reader_opens;
        partner.missing = pipe->readers == 0;
    }
    partner.seen = partner.opens == NULL ? 0 : *partner.opens;
    return partner;
}

static long pipe_open(struct inode *inode, struct file *file, bool named)
{
    struct pipe *pipe = pipe_enter(inode);
    if (pipe == NULL) {
        return -ENOMEM;
    }
    file->position = UINT64_MAX;
    mutex_lock(&pipe->lock);
    ends_open(pipe, file);
    struct partner partner = partner_look(pipe, file);
    mutex_unlock(&pipe->lock);
    wait_queue_wake(&pipe->open_wait, WAIT_CHANGE);
    long result = 0;
    if (named && partner.missing && !(file->flags & O_NONBLOCK)) {
        result = wait_event_first(&pipe->open_wait, partner_came, &partner, DEADLINE_NEVER);
    } else if (named && partner.missing && file_writable(file)) {
        result = -ENXIO;
    }
    if (result != 0) {
        ends_close(pipe, file);
        pipe_leave(inode, pipe);
        return result;
    }
    file->operations = &pipe_operations;
    file->data = pipe;
    return 0;
}

long fifo_open(struct inode *inode, struct file *file)
{
    return pipe_open(inode, file, true);
}

/* --- pipes without a name -------------------------------------------------------------------- */

static long nameless_open(struct inode *inode, struct file *file)
{
    return pipe_open(inode, file, false);
}

static const struct inode_operations nameless_operations = {
    .open = nameless_open,
    .release = inode_nameless_release,
};

/* One end: takes over a reference to the inode. NULL: no memory. */
static struct file *end_new(struct inode *inode, uint32_t flags)
{
    inode_get(inode);
    struct file *file = file_new(inode, flags, NULL, NULL);
    if (file != NULL && nameless_open(inode, file) != 0) {
        file_put(file);
        return NULL;
    }
    return file;
}

static long pipe_make(uint64_t user_descriptors, uint32_t flags)
{
    if (flags & ~(O_CLOEXEC | O_NONBLOCK)) {
        return -EINVAL;
    }
    if (clear_user(user_descriptors, 2 * sizeof(int)) != 0) {
        return -EFAULT;
    }
    struct inode *inode = inode_new_nameless(S_IFIFO | 0600, &nameless_operations);
    struct file *reader = inode == NULL ? NULL : end_new(inode, O_RDONLY | (flags & O_NONBLOCK));
    struct file *writer = reader == NULL ? NULL : end_new(inode, O_WRONLY | (flags & O_NONBLOCK));
    inode_put(inode);
    if (writer == NULL) {
        if (reader != NULL) {
            file_put(reader);
        }
        return -ENOMEM;
    }
    int descriptors[2];
    long first = descriptor_add(reader, flags & O_CLOEXEC);
    if (first < 0) {
        file_put(writer);
        return first;
    }
    long second = descriptor_add(writer, flags & O_CLOEXEC);
    if (second < 0) {
        (void)linux_close((uint64_t)first, 0, 0, 0, 0, 0);
        return second;
    }
    descriptors[0] = (int)first;
    descriptors[1] = (int)second;
    if (copy_to_user(user_descriptors, descriptors, sizeof(descriptors)) != 0) {
        (void)linux_close((uint64_t)first, 0, 0, 0, 0, 0);
        (void)linux_close((uint64_t)second, 0, 0, 0, 0, 0);
        return -EFAULT;
    }
    return 0;
}

long linux_pipe(uint64_t user_descriptors, uint64_t b, uint64_t c, uint64_t d, uint64_t e,
                uint64_t f)
{
    (void)b, (void)c, (void)d, (void)e, (void)f;
    return pipe_make(user_descriptors, 0);
}

long linux_pipe2(uint64_t user_descriptors, uint64_t flags, uint64_t c, uint64_t d, uint64_t e,
                 uint64_t f)
{
    (void)c, (void)d, (void)e, (void)f;
    return pipe_make(user_descriptors, (uint32_t)flags);
}
