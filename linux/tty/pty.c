/*
 * Masters of pseudo terminals, and the ttys on their other ends.
 *
 * Owns: struct pty, which is the inode of /dev/pts/NUMBER. Its references: the master's file (until
 * it is closed), the tty as its driver's data, and whoever has the inode. `tty` is the master's
 * reference: others use it under ptys.lock while the pty is not closed, as one that holds a
 * reference of the tty does.
 *
 * What is written to the tty stays in its line until the master reads it. Bytes of the master go
 * into the line as if typed.
 *
 * Locks: ptys.lock (the list, closed, locked, packet) stands above the tty's, which is held when
 * the driver's operations wake the master's queue.
 */
#include "linux/tty/pty.h"

#include "linux/core/container.h"
#include "linux/core/errno.h"
#include "linux/core/heap.h"
#include "linux/core/user.h"
#include "linux/file/descriptor.h"
#include "linux/file/file.h"
#include "linux/proc/task.h"
#include "linux/tty/device.h"

#define PTS_MAJOR    136
#define PTS_GROUP    5 /* "tty", as docker mounts it: gid=5,mode=620 */
#define BOUNCE_BYTES 1024

struct pty {
    struct inode inode;
    struct pty *next; /* by number */
    uint32_t number;
    struct tty *tty;
    bool closed;     /* by the master */
    bool locked;     /* until unlockpt */
    bool was_opened; /* a master that nobody was connected to yet waits */
    bool packet;     /* reads begin with a byte that says what happened */
    struct wait_queue queue;
};

static struct {
    struct mutex lock;
    struct pty *first;
    uint32_t count;
} ptys;

static struct pty *pty_of(struct inode *inode)
{
    return CONTAINER_OF(inode, struct pty, inode);
}

/* --- the tty's driver ------------------------------------------------------------------------ */

static uint32_t output_there(void *data, const uint8_t *bytes, uint32_t length_bytes)
{
    (void)bytes, (void)length_bytes;
    struct pty *pty = data;
    wait_queue_wake(&pty->queue, WAIT_POLLIN);
    return 0;
}

static void input_wanted(void *data)
{
    struct pty *pty = data;
    wait_queue_wake(&pty->queue, WAIT_POLLOUT);
}

static void tty_closed(void *data)
{
    struct pty *pty = data;
    wait_queue_wake(&pty->queue, WAIT_CHANGE);
}

static void tty_gone(void *data)
{
    struct pty *pty = data;
    inode_put(&pty->inode);
}

static const struct tty_driver pty_driver = {
    .output = output_there,
    .input_wanted = input_wanted,
    .closed = tty_closed,
    .release = tty_gone,
    .keeps_output = true,
};

/* --- the tty's inode ------------------------------------------------------------------------- */

static long slave_open(struct inode *inode, struct file *file)
{
    struct pty *pty = pty_of(inode);
    mutex_lock(&ptys.lock);
    bool usable = !pty->closed && !pty->locked;
    struct tty *tty = pty->tty;
    if (usable) {
        tty_get(tty);
    }
    mutex_unlock(&ptys.lock);
    if (!usable) {
        return -EIO;
    }
    tty_file_open(tty, file);
    __atomic_store_n(&pty->was_opened, true, __ATOMIC_RELEASE);
    if (!(file->flags & O_NOCTTY)) {
        tty_adopt(tty);
    }
    tty_put(tty);
    return 0;
}

static long slave_attributes(struct inode *inode, uint32_t mask,
                             const struct attributes *attributes)
{
    if (mask & ATTRIBUTE_SIZE) {
        return -EINVAL;
    }
    mutex_lock(&inode->lock);
    inode->mode =
        mask & ATTRIBUTE_MODE ? (inode->mode & S_IFMT) | (attributes->mode & 07777) : inode->mode;
    inode->uid = mask & ATTRIBUTE_UID ? attributes->uid : inode->uid;
    inode->gid = mask & ATTRIBUTE_GID ? attributes->gid : inode->gid;
    inode->access_ns = mask & ATTRIBUTE_ACCESS_TIME ? attributes->access_ns : inode->access_ns;
    inode->modify_ns = mask & ATTRIBUTE_MODIFY_TIME ? attributes->modify_ns : inode->modify_ns;
    inode->change_ns = (int64_t)clock_wall_ns();
    mutex_unlock(&inode->lock);
    return 0;
}

/* The last reference: nobody finds it in the list, for the master has closed it. */
static void pty_free(struct inode *inode)
{
    struct pty *pty = pty_of(inode);
    mutex_lock(&ptys.lock);
    struct pty **link = &ptys.first;
    while (*link != pty) {
        link = &(*link)->next;
    }
    *link = pty->next;
    ptys.count--;
    mutex_unlock(&ptys.lock);
    heap_free(pty);
}

static const struct inode_operations slave_operations = {
    .open = slave_open,
    .set_attributes = slave_attributes,
    .release = pty_free,
};

/* --- the list -------------------------------------------------------------------------------- */

struct inode *pty_find(uint32_t number)
{
    struct inode *found = NULL;
    mutex_lock(&ptys.lock);
    for (struct pty *pty = ptys.first; pty != NULL && found == NULL; pty = pty->next) {
        if (pty->number == number && !pty->closed) {
            found = &pty->inode;
            inode_get(found);
        }
    }
    mutex_unlock(&ptys.lock);
    return found;
}

int pty_next(uint32_t from)
{
    int found = -1;
    mutex_lock(&ptys.lock);
    for (struct pty *pty = ptys.first; pty != NULL && found < 0; pty = pty->next) {
        found = pty->number >= from && !pty->closed ? (int)pty->number : -1;
    }
    mutex_unlock(&ptys.lock);
    return found;
}

/* At the lowest free number. */
static long pty_enter(struct pty *pty)
{
    mutex_lock(&ptys.lock);
    if (ptys.count >= PTY_MAX) {
        mutex_unlock(&ptys.lock);
        return -ENOSPC;
    }
    struct pty **link = &ptys.first;
    while (*link != NULL && (*link)->number == pty->number) {
        pty->number++;
        link = &(*link)->next;
    }
    pty->next = *link;
    *link = pty;
    ptys.count++;
    pty->inode.number = pty->number + 3ull; /* as devpts */
    pty->inode.device_number =
        DEVICE(PTS_MAJOR, pty->number & 0xff) | (uint64_t)(pty->number & ~0xffu) << 12;
    mutex_unlock(&ptys.lock);
    return 0;
}

static long pty_new(struct pty **out)
{
    const struct credentials *credentials = task_current()->credentials;
    struct pty *pty = heap_alloc(sizeof(*pty));
    if (pty == NULL) {
        return -ENOMEM;
    }
    struct inode *inode = &pty->inode;
    inode->references = 1;
    inode->mode = S_IFCHR | 0620;
    inode->uid = credentials->fsuid;
    inode->gid = PTS_GROUP;
    inode->links = 1;
    inode->access_ns = inode->modify_ns = inode->change_ns = (int64_t)clock_wall_ns();
    inode->operations = &slave_operations;
    mutex_init(&inode->lock);
    wait_queue_init(&pty->queue);
    pty->locked = true;
    pty->closed = true; /* until it has a tty */
    long result = pty_enter(pty);
    if (result != 0) {
        heap_free(pty);
        return result;
    }
    struct tty *tty = tty_new(&pty_driver, pty, inode->device_number);
    if (tty == NULL) {
        inode_put(inode);
        return -ENOMEM;
    }
    inode_get(inode);                         /* the tty's */
    tty->line.settings.input_flags &= ~IUTF8; /* as Linux's: who wants it says so */
    mutex_lock(&ptys.lock);
    pty->tty = tty;
    pty->closed = false;
    mutex_unlock(&ptys.lock);
    *out = pty;
    return 0;
}

/* --- reading and writing the master ---------------------------------------------------------- */

/* What the master can do now, as poll says it. */
static uint32_t master_events(struct pty *pty)
{
    struct tty *tty = pty->tty;
    const uint8_t *bytes;
    mutex_lock(&tty->lock);
    bool told = pty->packet && tty->changes != 0;
    uint32_t events = line_output(&tty->line, &bytes) > 0 || told ? WAIT_POLLIN : 0;
    events |= told ? WAIT_POLLPRI : 0;
    events |= tty->input_refused ? 0 : WAIT_POLLOUT;
    events |= tty->files == 0 && pty->was_opened ? WAIT_POLLHUP : 0;
    mutex_unlock(&tty->lock);
    return events;
}

static bool master_readable(void *context)
{
    return master_events(context) & (WAIT_POLLIN | WAIT_POLLHUP);
}

static bool master_writable(void *context)
{
    return master_events(context) & WAIT_POLLOUT;
}

static bool nonblocking(const struct file *file)
{
    return __atomic_load_n(&file->flags, __ATOMIC_RELAXED) & O_NONBLOCK;
}

/* Packet mode: what happened to the tty since the last read. */
static uint8_t changes_take(struct tty *tty)
{
    mutex_lock(&tty->lock);
    uint8_t changes = tty->changes;
    tty->changes = 0;
    mutex_unlock(&tty->lock);
    return changes;
}

static long packet_begin(struct pty *pty, struct io *io, bool *over)
{
    uint8_t changes = changes_take(pty->tty);
    *over = changes != 0;
    return io_put(io, &changes, 1);
}

static long output_move(struct pty *pty, struct io *io)
{
    uint8_t bytes[BOUNCE_BYTES];
    uint64_t moved = 0;
    long result = 0;
    while (io->left_bytes > 0 && result == 0) {
        uint32_t piece = (uint32_t)MIN(io->left_bytes, sizeof(bytes));
        uint32_t count = tty_output_take(pty->tty, bytes, piece);
        if (count == 0) {
            break;
        }
        result = io_put(io, bytes, count);
        moved += result == 0 ? count : 0;
    }
    return moved > 0 ? (long)moved : result;
}

static long master_read(struct file *file, struct io *io, uint64_t *position)
{
    (void)position;
    struct pty *pty = file->data;
    while (io->left_bytes > 0) {
        uint32_t events = master_events(pty);
        if (events & WAIT_POLLIN) {
            bool over = false;
            long begun = pty->packet ? packet_begin(pty, io, &over) : 0;
            long moved = begun != 0 || over ? begun : output_move(pty, io);
            if (pty->packet && begun == 0) {
                return moved < 0 ? moved : moved + 1;
            }
            if (moved != 0) {
                return moved;
            }
            continue; /* another reader was faster */
        }
        if (events & WAIT_POLLHUP) {
            return -EIO;
        }
        if (nonblocking(file)) {
            return -EAGAIN;
        }
        long result = wait_event(&pty->queue, master_readable, pty);
        if (result != 0) {
            return result;
        }
    }
    return 0;
}

static long master_write(struct file *file, struct io *io, uint64_t *position)
{
    (void)position;
    struct pty *pty = file->data;
    uint8_t bytes[BOUNCE_BYTES];
    uint64_t total = 0;
    long result = 0;
    while (result == 0 && io->left_bytes > 0) {
        uint32_t piece = (uint32_t)MIN(io->left_bytes, sizeof(bytes));
        result = master_events(pty) & WAIT_POLLHUP ? -EIO : io_take(io, bytes, piece);
        for (uint32_t typed = 0; result == 0 && typed < piece;) {
            uint32_t taken = tty_input(pty->tty, bytes + typed, piece - typed);
            typed += taken;
            total += taken;
            if (typed < piece) {
                result =
                    nonblocking(file) ? -EAGAIN : wait_event(&pty->queue, master_writable, pty);
            }
        }
    }
    return total > 0 ? (long)total : result;
}

static uint32_t master_poll(struct file *file, struct poll_table *table)
{
    struct pty *pty = file->data;
    poll_add(table, &pty->queue);
    return master_events(pty);
}

/* --- controlling the master ------------------------------------------------------------------ */

enum master_request {
    TCXONC = 0x540a,
    TCFLSH = 0x540b,
    TIOCSCTTY = 0x540e,
    TIOCOUTQ = 0x5411,
    FIONREAD = 0x541b,
    TIOCPKT = 0x5420,
    TIOCNOTTY = 0x5422,
    TIOCGPTPEER = 0x5441,
    TIOCSPTLCK = 0x40045431,
    TIOCSIG = 0x40045436,
};

/* These do not fit into an enumeration's int. */
#define TIOCGPTN   0x80045430u
#define TIOCGPKT   0x80045438u
#define TIOCGPTLCK 0x80045439u

/* TIOCSPTLCK, TIOCPKT: set what the user's int says. */
static long flag_set(bool *flag, uint64_t user_value)
{
    int value;
    if (copy_from_user(&value, user_value, sizeof(value)) != 0) {
        return -EFAULT;
    }
    mutex_lock(&ptys.lock);
    *flag = value != 0;
    mutex_unlock(&ptys.lock);
    return 0;
}

static long packet_set(struct pty *pty, uint64_t user_value)
{
    bool packet = pty->packet;
    long result = flag_set(&packet, user_value);
    if (result == 0 && packet != pty->packet) {
        (void)changes_take(pty->tty); /* what happened before is not told */
        pty->packet = packet;
    }
    return result;
}

/* From here the tty's output is what comes in. */
static long master_flush(struct pty *pty, uint64_t which)
{
    if (which > 2) {
        return -EINVAL;
    }
    if (which != 1) {
        tty_flush_output(pty->tty);
    }
    if (which != 0) {
        tty_flush_input(pty->tty);
    }
    return 0;
}

static long peer_open(struct pty *pty, uint64_t flags)
{
    uint32_t open_flags = (uint32_t)flags;
    struct file *file;
    long result = pts_open(&pty->inode, pty->number, open_flags, &file);
    return result != 0 ? result : descriptor_add(file, open_flags & O_CLOEXEC);
}

static long signal_foreground(struct pty *pty, uint64_t number)
{
    int group = tty_foreground(pty->tty);
    if (number != SIGINT && number != SIGQUIT && number != SIGTSTP) {
        return -EINVAL;
    }
    if (group > 0) {
        signal_process_group(group, (int)number);
    }
    return 0;
}

static uint32_t readable_bytes(struct pty *pty)
{
    struct tty *tty = pty->tty;
    mutex_lock(&tty->lock);
    uint32_t count = tty->line.stopped ? 0 : tty->line.output_tail - tty->line.output_head;
    mutex_unlock(&tty->lock);
    return count;
}

static long master_ioctl(struct file *file, uint32_t request, uint64_t argument)
{
    struct pty *pty = file->data;
    switch (request) {
    case TIOCGPTN:
        return put_user_u32(argument, pty->number);
    case TIOCSPTLCK:
        return flag_set(&pty->locked, argument);
    case TIOCGPTLCK:
        return put_user_u32(argument, pty->locked);
    case TIOCPKT:
        return packet_set(pty, argument);
    case TIOCGPKT:
        return put_user_u32(argument, pty->packet);
    case TIOCGPTPEER:
        return peer_open(pty, argument);
    case TIOCSIG:
        return signal_foreground(pty, argument);
    case FIONREAD:
        return put_user_u32(argument, readable_bytes(pty));
    case TIOCOUTQ: /* what was typed is there at once */
        return put_user_u32(argument, 0);
    case TCFLSH:
        return master_flush(pty, argument);
    case TCXONC:
        return argument > 3 ? -EINVAL : 0;
    case TIOCSCTTY:
    case TIOCNOTTY:
        return -ENOTTY;
    default:
        return tty_control_request(pty->tty, true, request, argument);
    }
}

/* --- the master's life ----------------------------------------------------------------------- */

static void master_release(struct file *file)
{
    struct pty *pty = file->data;
    struct tty *tty = pty->tty;
    mutex_lock(&ptys.lock);
    pty->closed = true;
    mutex_unlock(&ptys.lock);
    tty_hangup(tty);
    tty_put(tty);
    inode_put(&pty->inode);
}

static const struct file_operations master_operations = {
    .read = master_read,
    .write = master_write,
    .poll = master_poll,
    .ioctl = master_ioctl,
    .release = master_release,
    .tells_owner = true,
};

long pty_master_open(struct file *file)
{
    struct pty *pty;
    long result = pty_new(&pty);
    if (result == 0) {
        file->operations = &master_operations;
        file->data = pty;
    }
    return result;
}
