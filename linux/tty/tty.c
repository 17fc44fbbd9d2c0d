/*
 * Owns: struct tty, and the files on it.
 *
 * tty->lock guards the line, the size, the session and the foreground. It is held while the driver
 * takes output (which never blocks), never while signals are sent, waiters are woken or user memory
 * is touched. A session that the tty controls holds one reference for all its groups, whose
 * `terminal` points here until the session ends; those pointers change under tasks_lock.
 */
#include "linux/tty/tty.h"

#include "lib/base/string.h"
#include "linux/core/container.h"
#include "linux/core/errno.h"
#include "linux/core/heap.h"
#include "linux/file/file.h"
#include "linux/proc/task.h"
#include "linux/tty/device.h"

#define BOUNCE_BYTES 1024
#define TENTH_NS     100000000ull

/* --- life ------------------------------------------------------------------------------------ */

struct tty *tty_new(const struct tty_driver *driver, void *data, uint64_t device)
{
    struct tty *tty = heap_alloc(sizeof(*tty));
    if (tty != NULL) {
        tty->references = 1;
        tty->driver = driver;
        tty->data = data;
        tty->device = device;
        wait_queue_init(&tty->input_wait);
        wait_queue_init(&tty->output_wait);
        line_init(&tty->line);
    }
    return tty;
}

void tty_get(struct tty *tty)
{
    __atomic_fetch_add(&tty->references, 1, __ATOMIC_RELAXED);
}

void tty_put(struct tty *tty)
{
    if (tty != NULL && __atomic_sub_fetch(&tty->references, 1, __ATOMIC_ACQ_REL) == 0) {
        if (tty->driver->release != NULL) {
            tty->driver->release(tty->data);
        }
        heap_free(tty);
    }
}

bool tty_file_hung_up(const struct file *file)
{
    const struct tty *tty = file->data;
    return tty->hung_up || (uint32_t)file->position != tty->hangups;
}

/* --- the driver's side ----------------------------------------------------------------------- */

/* Give the driver what it takes; true: there is room for writers. Under the lock. */
static bool output_push(struct tty *tty)
{
    const uint8_t *bytes;
    uint32_t length = 0;
    uint32_t taken = 0;
    while (taken == length && (length = line_output(&tty->line, &bytes)) > 0) {
        taken = tty->hung_up ? length : tty->driver->output(tty->data, bytes, length);
        taken = MIN(taken, length);
        line_output_taken(&tty->line, taken);
    }
    return line_writable(&tty->line);
}

static void signals_send(int process_group, uint64_t signals)
{
    while (signals != 0 && process_group > 0) {
        signal_process_group(process_group, __builtin_ctzll(signals) + 1);
        signals &= signals - 1;
    }
}

uint32_t tty_input(struct tty *tty, const uint8_t *bytes, uint32_t length_bytes)
{
    uint64_t signals = 0;
    mutex_lock(&tty->lock);
    bool stopped = tty->line.stopped;
    uint32_t taken = line_type(&tty->line, bytes, length_bytes, &signals);
    if (tty->line.stopped != stopped) {
        tty->changes |= stopped ? TTY_STARTED : TTY_STOPPED;
    }
    tty->input_refused = taken < length_bytes;
    bool writable = output_push(tty);
    bool readable = line_readable(&tty->line) || line_available(&tty->line) > 0;
    int foreground = tty->foreground;
    mutex_unlock(&tty->lock);
    signals_send(foreground, signals);
    if (readable) {
        wait_queue_wake(&tty->input_wait, WAIT_POLLIN);
    }
    if (writable) {
        wait_queue_wake(&tty->output_wait, WAIT_POLLOUT);
    }
    return taken;
}

void tty_output_ready(struct tty *tty)
{
    mutex_lock(&tty->lock);
    bool writable = output_push(tty);
    mutex_unlock(&tty->lock);
    if (writable) {
        wait_queue_wake(&tty->output_wait, WAIT_POLLOUT);
    }
}

uint32_t tty_output_take(struct tty *tty, uint8_t *to, uint32_t capacity_bytes)
{
    const uint8_t *bytes;
    uint32_t length;
    uint32_t moved = 0;
    mutex_lock(&tty->lock);
    while (moved < capacity_bytes && (length = line_output(&tty->line, &bytes)) > 0) {
        length = MIN(length, capacity_bytes - moved);
        memcpy(to + moved, bytes, length);
        line_output_taken(&tty->line, length);
        moved += length;
    }
    bool writable = line_writable(&tty->line);
    mutex_unlock(&tty->lock);
    if (moved > 0 && writable) {
        wait_queue_wake(&tty->output_wait, WAIT_POLLOUT);
    }
    return moved;
}

void tty_resize(struct tty *tty, uint32_t rows, uint32_t columns)
{
    struct tty_size size = {.rows = (uint16_t)MIN(rows, 65535u),
                            .columns = (uint16_t)MIN(columns, 65535u)};
    tty_size_set(tty, &size);
}

void tty_size_set(struct tty *tty, const struct tty_size *size)
{
    mutex_lock(&tty->lock);
    bool changed = memcmp(&tty->size, size, sizeof(*size)) != 0;
    tty->size = *size;
    int foreground = tty->foreground;
    mutex_unlock(&tty->lock);
    if (changed) {
        signals_send(foreground, signal_bit(SIGWINCH));
    }
}

void tty_hangup(struct tty *tty)
{
    mutex_lock(&tty->lock);
    bool first = !tty->hung_up;
    tty->hung_up = true;
    (void)output_push(tty);
    int session = tty->session;
    int foreground = tty->foreground;
    mutex_unlock(&tty->lock);
    if (!first) {
        return;
    }
    if (session > 0 && foreground != session) {
        (void)signal_group_by_pid(session, SIGHUP);
        (void)signal_group_by_pid(session, SIGCONT);
    }
    tty_session_end(tty, session);
    wait_queue_wake(&tty->input_wait, WAIT_CHANGE);
    wait_queue_wake(&tty->output_wait, WAIT_CHANGE);
}

void tty_leader_end(struct tty *tty, int session)
{
    mutex_lock(&tty->lock);
    bool ours = tty->session == session;
    tty->hangups += ours;
    mutex_unlock(&tty->lock);
    if (ours) {
        wait_queue_wake(&tty->input_wait, WAIT_CHANGE);
        wait_queue_wake(&tty->output_wait, WAIT_CHANGE);
    }
    tty_session_end(tty, session);
}

/* --- read ------------------------------------------------------------------------------------ */

static bool input_ready(void *context)
{
    const struct file *file = context;
    struct tty *tty = file->data;
    mutex_lock(&tty->lock);
    bool ready = line_readable(&tty->line) || tty_file_hung_up(file);
    mutex_unlock(&tty->lock);
    return ready;
}

static bool byte_ready(void *context)
{
    const struct file *file = context;
    struct tty *tty = file->data;
    mutex_lock(&tty->lock);
    bool ready =
        line_available(&tty->line) > 0 || line_readable(&tty->line) || tty_file_hung_up(file);
    mutex_unlock(&tty->lock);
    return ready;
}

/* More bytes than a read found before, or all it may have. */
struct more {
    const struct file *file;
    uint32_t before;
    uint32_t enough;
};

static bool more_ready(void *context)
{
    struct more *more = context;
    struct tty *tty = more->file->data;
    mutex_lock(&tty->lock);
    uint32_t available = line_available(&tty->line);
    bool ready =
        available > more->before || available >= more->enough || tty_file_hung_up(more->file);
    mutex_unlock(&tty->lock);
    return ready;
}

static uint32_t available_now(struct tty *tty)
{
    mutex_lock(&tty->lock);
    uint32_t available = line_available(&tty->line);
    mutex_unlock(&tty->lock);
    return available;
}

/* MIN > 0, TIME > 0: after the first byte, each further one has TIME to come. */
static long wait_between_bytes(struct file *file, uint32_t minimum, uint64_t time_ns)
{
    struct tty *tty = file->data;
    long result = wait_event_first(&tty->input_wait, byte_ready, file, DEADLINE_NEVER);
    while (result == 0) {
        struct more more = {file, available_now(tty), minimum};
        if (more.before >= minimum || tty_file_hung_up(file)) {
            break;
        }
        result = wait_event_until(&tty->input_wait, more_ready, &more, clock_now_ns() + time_ns);
    }
    return result == -ETIMEDOUT ? 0 : result;
}

/* Until a read has what termios says it is to have. */
static long read_wait(struct file *file, uint64_t wanted_bytes)
{
    struct tty *tty = file->data;
    mutex_lock(&tty->lock);
    const struct line_settings *settings = &tty->line.settings;
    bool canonical = settings->local_flags & ICANON;
    uint32_t minimum = (uint32_t)MIN((uint64_t)settings->control[VMIN], wanted_bytes);
    uint64_t time_ns = settings->control[VTIME] * TENTH_NS;
    mutex_unlock(&tty->lock);
    if (canonical) {
        return wait_event_first(&tty->input_wait, input_ready, file, DEADLINE_NEVER);
    }
    if (minimum == 0) {
        long result = time_ns == 0 ? 0
                                   : wait_event_first(&tty->input_wait, byte_ready, file,
                                                      clock_now_ns() + time_ns);
        return result == -ETIMEDOUT ? 0 : result;
    }
    if (time_ns != 0) {
        return wait_between_bytes(file, minimum, time_ns);
    }
    struct more more = {file, UINT32_MAX, minimum};
    return wait_event_first(&tty->input_wait, more_ready, &more, DEADLINE_NEVER);
}

/* Move what is ready, at most one line; true in *ended at its end. */
static long read_ready(struct tty *tty, struct io *io, bool *ended)
{
    uint8_t bytes[BOUNCE_BYTES];
    uint64_t moved = 0;
    long result = 0;
    *ended = false;
    while (io->left_bytes > 0 && !*ended && result == 0) {
        uint32_t piece = (uint32_t)MIN(io->left_bytes, sizeof(bytes));
        mutex_lock(&tty->lock);
        uint32_t count = line_read(&tty->line, bytes, piece, ended);
        bool wanted = tty->input_refused && (count > 0 || *ended);
        tty->input_refused = tty->input_refused && !wanted;
        mutex_unlock(&tty->lock);
        if (wanted && tty->driver->input_wanted != NULL) {
            tty->driver->input_wanted(tty->data);
        }
        if (count == 0) {
            break;
        }
        result = io_put(io, bytes, count);
        moved += result == 0 ? count : 0;
    }
    return moved > 0 ? (long)moved : result;
}

static bool nonblocking(const struct file *file)
{
    return __atomic_load_n(&file->flags, __ATOMIC_RELAXED) & O_NONBLOCK;
}

static long tty_read(struct file *file, struct io *io, uint64_t *position)
{
    (void)position;
    struct tty *tty = file->data;
    while (io->left_bytes > 0 && !tty_file_hung_up(file)) {
        long result = tty_check_reader(tty);
        if (result == 0 && !nonblocking(file)) {
            result = read_wait(file, io->left_bytes);
        }
        if (result != 0) {
            return result;
        }
        bool ended;
        long moved = read_ready(tty, io, &ended);
        if (moved != 0 || ended || tty_file_hung_up(file)) {
            return moved;
        }
        if (nonblocking(file)) {
            return -EAGAIN;
        }
        mutex_lock(&tty->lock);
        const struct line_settings *settings = &tty->line.settings;
        bool may_be_empty = !(settings->local_flags & ICANON) && settings->control[VMIN] == 0;
        mutex_unlock(&tty->lock);
        if (may_be_empty) {
            return 0;
        }
        /* Another reader was faster. */
    }
    return 0;
}

/* --- write ----------------------------------------------------------------------------------- */

static bool output_ready(void *context)
{
    const struct file *file = context;
    struct tty *tty = file->data;
    mutex_lock(&tty->lock);
    bool ready = output_push(tty) || tty_file_hung_up(file);
    mutex_unlock(&tty->lock);
    return ready;
}

/* All of the bytes; *placed says how many, also on failure. */
static long write_bytes(struct tty *tty, struct file *file, const uint8_t *bytes,
                        uint32_t length_bytes, uint32_t *placed)
{
    for (*placed = 0; *placed < length_bytes;) {
        mutex_lock(&tty->lock);
        bool hung_up = tty_file_hung_up(file);
        if (!hung_up) {
            *placed += line_write(&tty->line, bytes + *placed, length_bytes - *placed);
            (void)output_push(tty);
        }
        mutex_unlock(&tty->lock);
        if (hung_up) {
            return -EIO;
        }
        if (*placed < length_bytes && nonblocking(file)) {
            return -EAGAIN;
        }
        long result =
            *placed < length_bytes ? wait_event(&tty->output_wait, output_ready, file) : 0;
        if (result != 0) {
            return result;
        }
    }
    return 0;
}

static long tty_write(struct file *file, struct io *io, uint64_t *position)
{
    (void)position;
    struct tty *tty = file->data;
    uint8_t bytes[BOUNCE_BYTES];
    uint64_t total = 0;
    long result = tty_check_writer(tty);
    while (result == 0 && io->left_bytes > 0) {
        uint32_t piece = (uint32_t)MIN(io->left_bytes, sizeof(bytes));
        uint32_t placed = 0;
        result = io_take(io, bytes, piece);
        if (result == 0) {
            result = write_bytes(tty, file, bytes, piece, &placed);
        }
        total += placed;
    }
    return total > 0 ? (long)total : result;
}

/* --- files ----------------------------------------------------------------------------------- */

static uint32_t tty_poll(struct file *file, struct poll_table *table)
{
    struct tty *tty = file->data;
    poll_add(table, &tty->input_wait);
    poll_add(table, &tty->output_wait);
    mutex_lock(&tty->lock);
    uint32_t events = line_readable(&tty->line) ? WAIT_POLLIN : 0;
    events |= line_writable(&tty->line) ? WAIT_POLLOUT : 0;
    events |= tty_file_hung_up(file) ? WAIT_POLLIN | WAIT_POLLOUT | WAIT_POLLHUP | WAIT_POLLERR : 0;
    mutex_unlock(&tty->lock);
    return events;
}

static void tty_release(struct file *file)
{
    struct tty *tty = file->data;
    mutex_lock(&tty->lock);
    bool last = --tty->files == 0;
    mutex_unlock(&tty->lock);
    if (last && tty->driver->closed != NULL) {
        tty->driver->closed(tty->data);
    }
    tty_put(tty);
}

/* -ESPIPE, as for every terminal. */
static const struct file_operations tty_operations = {
    .read = tty_read,
    .write = tty_write,
    .poll = tty_poll,
    .ioctl = tty_ioctl,
    .release = tty_release,
    .tells_owner = true,
};

void tty_file_open(struct tty *tty, struct file *file)
{
    tty_get(tty);
    mutex_lock(&tty->lock);
    tty->files++;
    file->position = tty->hangups; /* a terminal has no position */
    mutex_unlock(&tty->lock);
    file->operations = &tty_operations;
    file->data = tty;
}

/* Output that was stopped or waits for the driver is on its way; for TCSETSW and TCSBRK. */
static bool output_gone(void *context)
{
    struct tty *tty = context;
    const uint8_t *bytes;
    mutex_lock(&tty->lock);
    (void)output_push(tty);
    bool gone = line_output(&tty->line, &bytes) == 0 || tty->hung_up;
    mutex_unlock(&tty->lock);
    return gone;
}

long tty_drain(struct tty *tty)
{
    return tty->driver->keeps_output
               ? 0
               : wait_event_first(&tty->output_wait, output_gone, tty, DEADLINE_NEVER);
}
