/*
 * Each stream is a byte ring of the channel (lib/ring/byte_ring.h), one end of which is ours. A
 * stream's lock guards that end; it is held while user memory is copied, because handling a fault
 * never needs a console. Bytes go straight between ring and caller.
 *
 * The channel of the container's own process is mapped when it is first used: programs begin, and
 * some end, without it. Others' have their specification there and are mapped at once.
 *
 * With a tty, the tty is the only user of the streams: `pump_lock` keeps typed bytes in order on
 * their way into it and stands above the tty's lock; the streams' locks stand below.
 */
#include "linux/core/console.h"

#include "abi/container.h"
#include "abi/container.idl.h"
#include "lib/oak/clock.h"
#include "lib/oak/kernel.h"
#include "lib/ring/byte_ring.h"
#include "linux/core/errno.h"
#include "linux/core/heap.h"
#include "linux/core/window.h"
#include "linux/file/file.h"
#include "linux/file/walk.h"
#include "linux/tty/tty.h"

#define CONSOLE_DEVICE DEVICE(5, 1)

#define STREAMS 3
#define STDIN   0
#define STDOUT  1

struct stream {
    struct console *console;
    struct mutex lock;
    struct byte_ring ring;
    struct wait_queue queue; /* the engine moved something */
    bool is_output;
    bool over; /* we have closed it */
};

struct console {
    struct console *next;
    uint32_t references; /* atomic */
    uint32_t process;
    uint32_t slot;
    struct mutex map_lock; /* below a stream's lock */
    uint8_t *channel;      /* NULL: not mapped yet; atomic */
    uint64_t channel_bytes;
    struct tty *tty;
    struct mutex pump_lock;
    struct stream stream[STREAMS];
};

static struct {
    struct mutex lock;
    struct console *first;
} consoles;

/* --- making and ending ----------------------------------------------------------------------- */

static void rings_init(struct console *console, uint8_t *channel)
{
    static const uint32_t offset[STREAMS] = {CHANNEL_RING_STDIN, CHANNEL_RING_STDOUT,
                                             CHANNEL_RING_STDERR};
    struct channel_control *control = (struct channel_control *)(void *)channel;
    for (int i = 0; i < STREAMS; i++) {
        struct stream *stream = &console->stream[i];
        void *bytes = channel + offset[i];
        if (stream->is_output) {
            byte_ring_producer_init(&stream->ring, &control->ring[i], bytes, CHANNEL_RING_BYTES);
        } else {
            byte_ring_consumer_init(&stream->ring, &control->ring[i], bytes, CHANNEL_RING_BYTES);
        }
    }
}

static void channel_map_first(struct console *console)
{
    void *channel;
    mutex_lock(&console->map_lock);
    if (console->channel == NULL &&
        window_map_memory(console->slot, console->channel_bytes, true, &channel) == 0) {
        rings_init(console, channel);
        __atomic_store_n(&console->channel, channel, __ATOMIC_RELEASE);
    }
    mutex_unlock(&console->map_lock);
}

/* Before a ring is used: false: there is no memory for the mapping. */
static bool channel_map(struct console *console)
{
    if (__atomic_load_n(&console->channel, __ATOMIC_ACQUIRE) == NULL) {
        channel_map_first(console);
    }
    return __atomic_load_n(&console->channel, __ATOMIC_ACQUIRE) != NULL;
}

long console_new(uint32_t process, uint32_t slot, uint64_t specification_bytes,
                 struct console **out)
{
    if (specification_bytes > CHANNEL_SPECIFICATION_MAX) {
        return -E2BIG;
    }
    struct console *console = heap_alloc(sizeof(*console));
    if (console == NULL) {
        return -ENOMEM;
    }
    console->references = 1;
    console->process = process;
    console->slot = slot;
    console->channel_bytes = CHANNEL_BYTES_WITH(specification_bytes);
    for (int i = 0; i < STREAMS; i++) {
        struct stream *stream = &console->stream[i];
        stream->console = console;
        stream->is_output = i != STDIN;
        wait_queue_init(&stream->queue);
    }
    mutex_lock(&consoles.lock);
    console->next = consoles.first;
    consoles.first = console;
    mutex_unlock(&consoles.lock);
    *out = console;
    return 0;
}

void console_get(struct console *console)
{
    if (console != NULL) {
        __atomic_fetch_add(&console->references, 1, __ATOMIC_RELAXED);
    }
}

void console_put(struct console *console)
{
    if (console == NULL) {
        return;
    }
    mutex_lock(&consoles.lock);
    bool last = __atomic_sub_fetch(&console->references, 1, __ATOMIC_ACQ_REL) == 0;
    if (last) {
        struct console **link = &consoles.first;
        while (*link != console) {
            link = &(*link)->next;
        }
        *link = console->next;
    }
    mutex_unlock(&consoles.lock);
    if (last) {
        if (console->channel != NULL) {
            window_unmap_memory(console->channel, console->channel_bytes);
        }
        (void)kernel_capability_drop(SLOT_DOMAIN, console->slot);
        slot_free(console->slot);
        heap_free(console);
    }
}

uint32_t console_process(const struct console *console)
{
    return console->process;
}

const void *console_specification(struct console *console, uint64_t specification_bytes)
{
    if (console->process == 0 && specification_bytes <= MESSAGE_BYTES) {
        return thread_frame_self()->message;
    }
    return channel_map(console) ? console->channel + CHANNEL_SPECIFICATION_AT(specification_bytes)
                                : NULL;
}

struct tty *console_tty(struct console *console)
{
    return console == NULL ? NULL : console->tty;
}

/* Of the container's own process; NULL: it is gone, or there is no memory. Under the lock. */
static struct channel_control *main_control(void)
{
    struct console *console = consoles.first;
    while (console != NULL && console->process != 0) {
        console = console->next;
    }
    return console == NULL || !channel_map(console)
               ? NULL
               : (struct channel_control *)(void *)console->channel;
}

void consoles_attended(void)
{
    mutex_lock(&consoles.lock);
    struct channel_control *control = main_control();
    if (control != NULL) {
        __atomic_store_n(&control->attended, 1, __ATOMIC_SEQ_CST);
    }
    mutex_unlock(&consoles.lock);
}

void console_count_missing(uint32_t counter)
{
    mutex_lock(&consoles.lock);
    struct channel_control *control = main_control();
    if (control != NULL) {
        uint32_t *count = &control->missing[counter];
        uint32_t times = __atomic_load_n(count, __ATOMIC_RELAXED);
        __atomic_store_n(count, times == UINT32_MAX ? times : times + 1, __ATOMIC_RELAXED);
    }
    mutex_unlock(&consoles.lock);
}

static void engine_tell(const struct console *console, bool wake)
{
    if (wake) {
        status_t ignored = container_ring_moved(CONTAINER_SLOT_ENGINE, console->process);
        (void)ignored; /* without an engine nobody listens */
    }
}

void console_finish(struct console *console)
{
    for (int i = STDOUT; i < STREAMS; i++) {
        struct stream *stream = &console->stream[i];
        bool wake = false;
        mutex_lock(&stream->lock);
        /* In a channel that was never used the engine finds nothing anyway. */
        if (!stream->over && __atomic_load_n(&console->channel, __ATOMIC_ACQUIRE) != NULL) {
            byte_ring_close(&stream->ring, &wake);
        }
        stream->over = true;
        mutex_unlock(&stream->lock);
        wait_queue_wake(&stream->queue, WAIT_CHANGE);
    }
}

/* --- streams as files ------------------------------------------------------------------------ */

/* Bytes, or the end, to be had? If not, the engine will tell. Under the lock. */
static bool input_there(struct stream *stream)
{
    const uint8_t *bytes;
    uint32_t length;
    status_t status = byte_ring_data(&stream->ring, &bytes, &length);
    return status != STATUS_OK || length > 0 || !byte_ring_consumer_sleep(&stream->ring);
}

static bool output_there(struct stream *stream)
{
    uint8_t *bytes;
    uint32_t length;
    status_t status = byte_ring_room(&stream->ring, &bytes, &length);
    return stream->over || status != STATUS_OK || length > 0 ||
           !byte_ring_producer_sleep(&stream->ring);
}

static bool stream_ready(void *context)
{
    struct stream *stream = context;
    if (!channel_map(stream->console)) {
        return true; /* to be told that there is no memory */
    }
    mutex_lock(&stream->lock);
    bool ready = stream->is_output ? output_there(stream) : input_there(stream);
    mutex_unlock(&stream->lock);
    return ready;
}

/* -EAGAIN: nothing there now. */
static long stream_take(struct stream *stream, struct io *io)
{
    const uint8_t *bytes;
    uint32_t length;
    bool wake = false;
    if (!channel_map(stream->console)) {
        return -ENOMEM;
    }
    mutex_lock(&stream->lock);
    status_t status = byte_ring_data(&stream->ring, &bytes, &length);
    length = status == STATUS_OK ? (uint32_t)MIN(length, io->left_bytes) : 0;
    long result = status == STATUS_CLOSED ? 0 : status != STATUS_OK ? -EIO : -EAGAIN;
    if (length > 0) {
        result = io_put(io, bytes, length);
        if (result == 0) {
            byte_ring_consume(&stream->ring, length, &wake);
            result = length;
        }
    }
    mutex_unlock(&stream->lock);
    engine_tell(stream->console, wake);
    return result;
}

static long stream_give(struct stream *stream, struct io *io)
{
    uint8_t *room;
    uint32_t length;
    bool wake = false;
    if (!channel_map(stream->console)) {
        return -ENOMEM;
    }
    mutex_lock(&stream->lock);
    status_t status = stream->over ? STATUS_CLOSED : byte_ring_room(&stream->ring, &room, &length);
    length = status == STATUS_OK ? (uint32_t)MIN(length, io->left_bytes) : 0;
    long result = status == STATUS_OK ? -EAGAIN : -EIO;
    if (length > 0) {
        result = io_take(io, room, length);
        if (result == 0) {
            byte_ring_produce(&stream->ring, length, &wake);
            result = length;
        }
    }
    mutex_unlock(&stream->lock);
    engine_tell(stream->console, wake);
    return result;
}

static long stream_read(struct file *file, struct io *io, uint64_t *position)
{
    (void)position;
    struct stream *stream = file->data;
    if (stream->is_output || io->left_bytes == 0) {
        return stream->is_output ? -EBADF : 0;
    }
    for (;;) {
        long result = stream_take(stream, io);
        /* stream_ready also has us told, by SIGIO and epoll, of what comes later. */
        if (result != -EAGAIN || ((file->flags & O_NONBLOCK) && !stream_ready(stream))) {
            return result;
        }
        result = wait_event(&stream->queue, stream_ready, stream);
        if (result != 0) {
            return result;
        }
    }
}

static long stream_write(struct file *file, struct io *io, uint64_t *position)
{
    (void)position;
    struct stream *stream = file->data;
    long moved = 0;
    if (!stream->is_output) {
        return -EBADF;
    }
    while (io->left_bytes > 0) {
        long result = stream_give(stream, io);
        if (result == -EAGAIN && !(file->flags & O_NONBLOCK)) {
            result = wait_event(&stream->queue, stream_ready, stream);
            if (result == 0) {
                continue;
            }
        }
        if (result < 0) {
            return moved > 0 ? moved : result;
        }
        moved += result;
    }
    return moved;
}

static uint32_t stream_poll(struct file *file, struct poll_table *table)
{
    struct stream *stream = file->data;
    poll_add(table, &stream->queue);
    if (!stream_ready(stream)) {
        return 0;
    }
    return stream->is_output ? WAIT_POLLOUT : WAIT_POLLIN;
}

static void stream_release(struct file *file)
{
    struct stream *stream = file->data;
    console_put(stream->console);
}

static const struct file_operations stream_operations = {
    .read = stream_read,
    .write = stream_write,
    .poll = stream_poll,
    .release = stream_release,
    .tells_owner = true,
};

/* --- the inode of streams: a pipe, to whoever asks -------------------------------------------- */

struct stream_inode {
    struct inode inode;
    struct stream *stream; /* with a reference to its console */
};

static void stream_inode_release(struct inode *inode)
{
    console_put(CONTAINER_OF(inode, struct stream_inode, inode)->stream->console);
    heap_free(CONTAINER_OF(inode, struct stream_inode, inode));
}

/* Through /dev/stdout and the like. Which way bytes go does not depend on how it was opened. */
static long stream_inode_open(struct inode *inode, struct file *file)
{
    struct stream *stream = CONTAINER_OF(inode, struct stream_inode, inode)->stream;
    if (stream->console->tty != NULL) {
        tty_file_open(stream->console->tty, file);
        return 0;
    }
    console_get(stream->console);
    file->operations = &stream_operations;
    file->data = stream;
    return 0;
}

static const struct inode_operations stream_inode_operations = {
    .open = stream_inode_open,
    .release = stream_inode_release,
};

static struct inode *stream_inode(struct console *console, int stream)
{
    struct stream_inode *made = heap_alloc(sizeof(*made));
    if (made == NULL) {
        return NULL;
    }
    struct inode *inode = &made->inode;
    inode->references = 1;
    inode->mode = S_IFIFO | 0600;
    inode->links = 1;
    inode->number = console->process * 4ull + (uint64_t)stream + 1;
    inode->access_ns = inode->modify_ns = inode->change_ns = (int64_t)clock_wall_ns();
    inode->operations = &stream_inode_operations;
    made->stream = &console->stream[stream];
    console_get(console);
    return inode;
}

/* With a tty the stream is /dev/console, so that ttyname(3) finds it; where that is something else,
 * a device without a name. */
static struct file *console_file(struct console *console, int stream)
{
    struct path path;
    if (path_find(AT_FDCWD, "/dev/console", 0, &path) == 0) {
        bool good = inode_is(path.inode, S_IFCHR) && path.inode->device_number == CONSOLE_DEVICE;
        struct file *file = good ? file_new_at(&path, NULL, NULL, O_RDWR) : NULL;
        path_put(&path);
        if (good) {
            return file;
        }
    }
    struct inode *inode = stream_inode(console, stream);
    if (inode == NULL) {
        return NULL;
    }
    inode->mode = S_IFCHR | 0620;
    inode->device_number = CONSOLE_DEVICE;
    return file_new(inode, O_RDWR, NULL, NULL);
}

struct file *console_open(struct console *console, int stream)
{
    if (console->tty != NULL) {
        struct file *tty_file = console_file(console, stream);
        if (tty_file != NULL) {
            tty_file_open(console->tty, tty_file);
        }
        return tty_file;
    }
    struct inode *inode = stream_inode(console, stream);
    if (inode == NULL) {
        return NULL;
    }
    console_get(console);
    struct file *file = file_new(inode, stream == STDIN ? O_RDONLY : O_WRONLY, &stream_operations,
                                 &console->stream[stream]);
    if (file == NULL) {
        console_put(console);
    }
    return file;
}

/* --- the tty's other end --------------------------------------------------------------------- */

static uint32_t tty_output(void *data, const uint8_t *bytes, uint32_t length_bytes)
{
    struct console *console = data;
    struct stream *stream = &console->stream[STDOUT];
    uint32_t written = 0;
    bool wake = false;
    mutex_lock(&stream->lock);
    if (stream->over) {
        written = length_bytes; /* nobody reads any more */
    } else if (output_there(stream) &&
               byte_ring_write(&stream->ring, bytes, length_bytes, &written, &wake) != STATUS_OK) {
        written = length_bytes;
    }
    mutex_unlock(&stream->lock);
    engine_tell(console, wake);
    return written;
}

static void tty_pump(void *data)
{
    struct console *console = data;
    struct stream *stream = &console->stream[STDIN];
    mutex_lock(&console->pump_lock);
    for (;;) {
        uint8_t piece[256];
        uint32_t length = 0;
        bool wake = false;
        const uint8_t *bytes;
        mutex_lock(&stream->lock);
        if (input_there(stream) && byte_ring_data(&stream->ring, &bytes, &length) == STATUS_OK) {
            length = MIN(length, (uint32_t)sizeof(piece));
            memcpy(piece, bytes, length);
        } else {
            length = 0;
        }
        mutex_unlock(&stream->lock);
        uint32_t taken = length == 0 ? 0 : tty_input(console->tty, piece, length);
        if (taken > 0) {
            mutex_lock(&stream->lock);
            byte_ring_consume(&stream->ring, taken, &wake);
            mutex_unlock(&stream->lock);
            engine_tell(console, wake);
        }
        if (taken == 0 || taken < length) {
            break;
        }
    }
    mutex_unlock(&console->pump_lock);
}

/* The console owns its tty as long as it lives, so the tty holds no reference. */
static void tty_gone(void *data)
{
    (void)data;
}

long console_make_tty(struct console *console)
{
    static const struct tty_driver driver = {
        .output = tty_output, .input_wanted = tty_pump, .release = tty_gone};
    if (channel_map(console)) { /* from here on the tty takes it for granted */
        console->tty = tty_new(&driver, console, CONSOLE_DEVICE);
    }
    if (console->tty == NULL) {
        return -ENOMEM;
    }
    console_get(console); /* for the tty: consoles with one live as long as the container */
    tty_pump(console);
    return 0;
}

/* --- the engine moved something --------------------------------------------------------------- */

static void console_look(struct console *console, uint64_t events)
{
    for (int i = 0; i < STREAMS; i++) {
        wait_queue_wake(&console->stream[i].queue, WAIT_CHANGE);
    }
    if (console->tty != NULL) {
        if (events & EVENT_INPUT) {
            tty_pump(console);
        }
        if (events & EVENT_OUTPUT) {
            tty_output_ready(console->tty);
        }
    }
}

void consoles_look(uint64_t events)
{
    mutex_lock(&consoles.lock);
    struct console *console = consoles.first;
    console_get(console);
    mutex_unlock(&consoles.lock);
    while (console != NULL) {
        console_look(console, events);
        mutex_lock(&consoles.lock);
        struct console *next = console->next;
        console_get(next);
        mutex_unlock(&consoles.lock);
        console_put(console);
        console = next;
    }
}
