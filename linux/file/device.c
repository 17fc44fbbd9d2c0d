/*
 * Character devices. None has state of its own: /dev/tty and /dev/console lead to the terminal or
 * the streams of the caller's console, /dev/ptmx to a new pseudo terminal.
 */
#include "linux/file/device.h"

#include "lib/base/string.h"
#include "linux/core/console.h"
#include "linux/core/errno.h"
#include "linux/core/heap.h"
#include "linux/core/random.h"
#include "linux/file/file.h"
#include "linux/file/tree_fs.h"
#include "linux/proc/task.h"
#include "linux/tty/pty.h"
#include "linux/tty/tty.h"

/* --- null, zero, full, random ---------------------------------------------------------------- */

static long read_end(struct file *file, struct io *io, uint64_t *position)
{
    (void)file, (void)io, (void)position;
    return 0;
}

static long write_discard(struct file *file, struct io *io, uint64_t *position)
{
    (void)file, (void)position;
    uint64_t length = io->left_bytes;
    return (long)length;
}

/* In pieces, so that a signal ends even the longest read. */
#define ZERO_PIECE   (1ull << 20)
#define RANDOM_PIECE 256

static long read_zeros(struct file *file, struct io *io, uint64_t *position)
{
    (void)file, (void)position;
    uint64_t wanted = io->left_bytes;
    long result = 0;
    while (io->left_bytes > 0 && result == 0) {
        result = io_put_zeros(io, MIN(io->left_bytes, ZERO_PIECE));
        if (task_signal_pending(task_current())) {
            break;
        }
    }
    uint64_t moved = wanted - io->left_bytes;
    return moved > 0 ? (long)moved : result;
}

static long write_full(struct file *file, struct io *io, uint64_t *position)
{
    (void)file, (void)io, (void)position;
    return -ENOSPC;
}

static long read_random(struct file *file, struct io *io, uint64_t *position)
{
    (void)file, (void)position;
    uint8_t bytes[RANDOM_PIECE];
    uint64_t wanted = io->left_bytes;
    long result = 0;
    while (io->left_bytes > 0 && result == 0) {
        uint64_t piece = MIN(io->left_bytes, sizeof(bytes));
        random_bytes(bytes, piece);
        result = io_put(io, bytes, piece);
        if (task_signal_pending(task_current())) {
            break;
        }
    }
    memset(bytes, 0, sizeof(bytes));
    uint64_t moved = wanted - io->left_bytes;
    return moved > 0 ? (long)moved : result;
}

/* These devices seek anywhere and stay where they are, as Linux's null_lseek. */
static long seek_nowhere(struct file *file, int64_t offset, uint32_t whence)
{
    (void)offset, (void)whence;
    file->position = 0;
    return 0;
}

static const struct file_operations null_operations = {
    .read = read_end, .write = write_discard, .seek = seek_nowhere};
static const struct file_operations zero_operations = {
    .read = read_zeros, .write = write_discard, .seek = seek_nowhere};
static const struct file_operations full_operations = {
    .read = read_zeros, .write = write_full, .seek = seek_nowhere};
static const struct file_operations random_operations = {
    .read = read_random, .write = write_discard, .seek = seek_nowhere};

/* --- console --------------------------------------------------------------------------------- */

/* Plain streams: reads from the console's first, writes to its second. */
struct console_streams {
    struct file *input;
    struct file *output;
};

static void streams_free(struct console_streams *streams)
{
    if (streams->input != NULL) {
        file_put(streams->input);
    }
    if (streams->output != NULL) {
        file_put(streams->output);
    }
    heap_free(streams);
}

/* The streams know of O_NONBLOCK by their own flags. */
static struct file *stream_as(const struct file *file, struct file *stream)
{
    uint32_t flags = __atomic_load_n(&file->flags, __ATOMIC_RELAXED) & O_NONBLOCK;
    uint32_t old = __atomic_load_n(&stream->flags, __ATOMIC_RELAXED);
    __atomic_store_n(&stream->flags, (old & ~O_NONBLOCK) | flags, __ATOMIC_RELAXED);
    return stream;
}

static long streams_read(struct file *file, struct io *io, uint64_t *position)
{
    const struct console_streams *streams = file->data;
    struct file *input = stream_as(file, streams->input);
    return input->operations->read == NULL ? -EINVAL : input->operations->read(input, io, position);
}

static long streams_write(struct file *file, struct io *io, uint64_t *position)
{
    const struct console_streams *streams = file->data;
    struct file *output = stream_as(file, streams->output);
    return output->operations->write == NULL ? -EINVAL
                                             : output->operations->write(output, io, position);
}

static uint32_t stream_poll(struct file *stream, struct poll_table *table, uint32_t otherwise)
{
    return stream->operations->poll == NULL ? otherwise : stream->operations->poll(stream, table);
}

static uint32_t streams_poll(struct file *file, struct poll_table *table)
{
    const struct console_streams *streams = file->data;
    uint32_t input = stream_poll(streams->input, table, WAIT_POLLIN);
    uint32_t output = stream_poll(streams->output, table, WAIT_POLLOUT);
    return (input & ~WAIT_POLLOUT) | (output & ~WAIT_POLLIN);
}

static void streams_release(struct file *file)
{
    streams_free(file->data);
}

static const struct file_operations streams_operations = {
    .read = streams_read,
    .write = streams_write,
    .poll = streams_poll,
    .release = streams_release,
};

static long streams_open(struct console *console, struct file *file)
{
    struct console_streams *streams = heap_alloc(sizeof(*streams));
    if (streams == NULL) {
        return -ENOMEM;
    }
    streams->input = console_open(console, 0);
    streams->output = console_open(console, 1);
    if (streams->input == NULL || streams->output == NULL) {
        streams_free(streams);
        return -ENOMEM;
    }
    file->operations = &streams_operations;
    file->data = streams;
    return 0;
}

/* The console is there as long as the process that the engine started; the caller may outlive it
 * only after container_process_ended, when the whole container ends. */
static long open_console(struct file *file)
{
    struct console *console = task_current()->group->console;
    if (console == NULL) {
        return -ENXIO;
    }
    console_get(console);
    struct tty *tty = console_tty(console);
    long result = 0;
    if (tty != NULL) {
        tty_file_open(tty, file);
    } else {
        result = streams_open(console, file);
    }
    console_put(console);
    return result;
}

/* The controlling terminal of the caller's session. */
static long open_terminal(struct file *file)
{
    mutex_lock(&tasks_lock);
    struct tty *tty = task_current()->group->terminal;
    if (tty != NULL) {
        tty_get(tty);
    }
    mutex_unlock(&tasks_lock);
    if (tty == NULL) {
        return -ENXIO;
    }
    tty_file_open(tty, file);
    tty_put(tty);
    return 0;
}

/* --- open ------------------------------------------------------------------------------------ */

long device_open(struct inode *inode, struct file *file)
{
    if (!inode_is(inode, S_IFCHR)) {
        return -ENXIO;
    }
    switch (inode->device_number) {
    case DEVICE(1, 3):
        file->operations = &null_operations;
        return 0;
    case DEVICE(1, 5):
        file->operations = &zero_operations;
        return 0;
    case DEVICE(1, 7):
        file->operations = &full_operations;
        return 0;
    case DEVICE(1, 8):
    case DEVICE(1, 9):
        file->operations = &random_operations;
        return 0;
    case DEVICE(5, 0):
        return open_terminal(file);
    case DEVICE(5, 1):
        return open_console(file);
    case DEVICE(5, 2):
        return pty_master_open(file);
    default:
        return -ENXIO;
    }
}

/* --- /dev ------------------------------------------------------------------------------------ */

struct dev_entry {
    const char *name;
    uint32_t mode;
    uint64_t device;
    const char *target;
};

static const struct dev_entry dev_entries[] = {
    {"null", S_IFCHR | 0666, DEVICE(1, 3), NULL},
    {"zero", S_IFCHR | 0666, DEVICE(1, 5), NULL},
    {"full", S_IFCHR | 0666, DEVICE(1, 7), NULL},
    {"random", S_IFCHR | 0666, DEVICE(1, 8), NULL},
    {"urandom", S_IFCHR | 0666, DEVICE(1, 9), NULL},
    {"tty", S_IFCHR | 0666, DEVICE(5, 0), NULL},
    {"console", S_IFCHR | 0620, DEVICE(5, 1), NULL},
    {"ptmx", S_IFLNK | 0777, 0, "pts/ptmx"},
    {"fd", S_IFLNK | 0777, 0, "/proc/self/fd"},
    {"stdin", S_IFLNK | 0777, 0, "/proc/self/fd/0"},
    {"stdout", S_IFLNK | 0777, 0, "/proc/self/fd/1"},
    {"stderr", S_IFLNK | 0777, 0, "/proc/self/fd/2"},
    {"shm", S_IFDIR | S_ISVTX | 0777, 0, NULL},
    {"pts", S_IFDIR | 0755, 0, NULL},
};

long dev_tree_make(struct inode **out_root)
{
    struct inode *root;
    long result = tree_fs_empty(0755, 0, &root);
    for (size_t i = 0; i < ARRAY_LENGTH(dev_entries) && result == 0; i++) {
        const struct dev_entry *entry = &dev_entries[i];
        const struct creation creation = {
            .mode = entry->mode, .device = entry->device, .target = entry->target};
        struct inode *inode;
        result = root->operations->create(root, entry->name, (uint32_t)strlen(entry->name),
                                          &creation, &inode);
        if (result == 0) {
            inode_put(inode);
        } else {
            inode_put(root);
        }
    }
    if (result == 0) {
        *out_root = root;
    }
    return result;
}
