/* ioctl on terminals (asm-generic/ioctls.h, asm-generic/termbits.h). */
#include "lib/base/string.h"
#include "linux/core/errno.h"
#include "linux/core/user.h"
#include "linux/file/file.h"
#include "linux/proc/task.h"
#include "linux/tty/device.h"
#include "linux/tty/speed.h"

enum tty_request {
    TCGETS = 0x5401,
    TCSETS = 0x5402,
    TCSETSW = 0x5403,
    TCSETSF = 0x5404,
    TCSBRK = 0x5409,
    TCXONC = 0x540a,
    TCFLSH = 0x540b,
    TIOCSCTTY = 0x540e,
    TIOCGPGRP = 0x540f,
    TIOCSPGRP = 0x5410,
    TIOCOUTQ = 0x5411,
    TIOCSTI = 0x5412,
    TIOCGWINSZ = 0x5413,
    TIOCSWINSZ = 0x5414,
    FIONREAD = 0x541b,
    TIOCNOTTY = 0x5422,
    TCSBRKP = 0x5425,
    TIOCGSID = 0x5429,
};

#define TIOCGDEV 0x80045432u /* does not fit into an enumeration's int */

/* The same settings with the speeds as numbers. */
#define TCGETS2  0x802c542au
#define TCSETS2  0x402c542bu
#define TCSETSW2 0x402c542cu
#define TCSETSF2 0x402c542du

struct settings_2 { /* struct termios2 */
    struct line_settings settings;
    uint32_t input_speed;
    uint32_t output_speed;
};
_Static_assert(sizeof(struct settings_2) == 44, "struct termios2");

/* The older structure is the first part of the newer one. */
static uint64_t settings_bytes(bool has_speeds)
{
    return has_speeds ? sizeof(struct settings_2) : sizeof(struct line_settings);
}

static long settings_get(struct tty *tty, bool has_speeds, uint64_t user_settings)
{
    struct settings_2 all;
    mutex_lock(&tty->lock);
    all.settings = tty->line.settings;
    mutex_unlock(&tty->lock);
    all.input_speed = all.output_speed = speed_of(all.settings.control_flags);
    return copy_to_user(user_settings, &all, settings_bytes(has_speeds));
}

void tty_changed(struct tty *tty)
{
    tty_output_ready(tty);
    wait_queue_wake(&tty->input_wait, WAIT_CHANGE);
}

void tty_flush_input(struct tty *tty)
{
    mutex_lock(&tty->lock);
    line_flush_input(&tty->line);
    tty->changes |= TTY_FLUSHED_INPUT;
    bool wanted = tty->input_refused;
    tty->input_refused = false;
    mutex_unlock(&tty->lock);
    if (wanted && tty->driver->input_wanted != NULL) {
        tty->driver->input_wanted(tty->data); /* it may have more */
    }
}

void tty_flush_output(struct tty *tty)
{
    mutex_lock(&tty->lock);
    line_flush_output(&tty->line);
    tty->changes |= TTY_FLUSHED_OUTPUT;
    mutex_unlock(&tty->lock);
    tty_changed(tty);
}

/* Does the keyboard stop the output, with the usual characters? */
static bool stops_by_keyboard(const struct line_settings *settings)
{
    return settings->input_flags & IXON && settings->control[VSTOP] == 'S' - '@' &&
           settings->control[VSTART] == 'Q' - '@';
}

static long settings_set(struct tty *tty, uint32_t request, bool has_speeds, uint64_t user_settings)
{
    struct settings_2 all = {.output_speed = 0};
    long result = tty_check_change(tty);
    if (result != 0) {
        return result;
    }
    if (copy_from_user(&all, user_settings, settings_bytes(has_speeds)) != 0) {
        return -EFAULT;
    }
    struct line_settings settings = all.settings;
    if (has_speeds) {
        settings.control_flags = speed_flags(settings.control_flags, all.output_speed);
    }
    if (request != TCSETS) {
        result = tty_drain(tty);
    }
    if (result != 0) {
        return result;
    }
    if (request == TCSETSF) {
        tty_flush_input(tty);
    }
    mutex_lock(&tty->lock);
    settings.discipline = 0;
    if (stops_by_keyboard(&settings) != stops_by_keyboard(&tty->line.settings)) {
        tty->changes |= stops_by_keyboard(&settings) ? TTY_DO_STOP : TTY_NO_STOP;
    }
    line_set(&tty->line, &settings);
    mutex_unlock(&tty->lock);
    tty_changed(tty);
    return 0;
}

static long flush(struct tty *tty, uint64_t which)
{
    long result = tty_check_change(tty);
    if (result != 0 || which > 2) {
        return result != 0 ? result : -EINVAL;
    }
    if (which != 1) {
        tty_flush_input(tty);
    }
    if (which != 0) {
        tty_flush_output(tty);
    }
    return 0;
}

/* tcflow: only the output can be stopped here; TCIOFF and TCION would tell the other end. */
static long flow(struct tty *tty, uint64_t action)
{
    long result = tty_check_change(tty);
    if (result != 0 || action > 3) {
        return result != 0 ? result : -EINVAL;
    }
    if (action < 2) {
        mutex_lock(&tty->lock);
        tty->line.stopped = action == 0;
        tty->changes |= action == 0 ? TTY_STOPPED : TTY_STARTED;
        mutex_unlock(&tty->lock);
        tty_changed(tty);
    }
    return 0;
}

static long count_get(struct tty *tty, uint32_t request, uint64_t user_count)
{
    mutex_lock(&tty->lock);
    uint32_t count = request == FIONREAD ? line_available(&tty->line)
                                         : tty->line.output_tail - tty->line.output_head;
    mutex_unlock(&tty->lock);
    return put_user_u32(user_count, count);
}

static long size_get(struct tty *tty, uint64_t user_size)
{
    mutex_lock(&tty->lock);
    struct tty_size size = tty->size;
    mutex_unlock(&tty->lock);
    return copy_to_user(user_size, &size, sizeof(size));
}

static long size_set(struct tty *tty, uint64_t user_size)
{
    struct tty_size size;
    if (copy_from_user(&size, user_size, sizeof(size)) != 0) {
        return -EFAULT;
    }
    tty_size_set(tty, &size);
    return 0;
}

/* The session or the foreground, for a caller whose terminal it is, or who holds the other end. */
static long job_get(struct tty *tty, bool master, uint32_t request, uint64_t user_number)
{
    const struct thread_group *group = task_current()->group;
    mutex_lock(&tty->lock);
    bool ours = master ? request == TIOCGPGRP || tty->session != 0
                       : group->terminal == tty && tty->session == group->session;
    int number = request == TIOCGSID ? tty->session : tty->foreground;
    mutex_unlock(&tty->lock);
    return ours ? put_user_u32(user_number, (uint32_t)number) : -ENOTTY;
}

static long foreground_set(struct tty *tty, uint64_t user_number)
{
    int32_t number;
    long result = tty_check_change(tty);
    if (result != 0) {
        return result;
    }
    if (copy_from_user(&number, user_number, sizeof(number)) != 0) {
        return -EFAULT;
    }
    return tty_foreground_set(tty, number);
}

long tty_ioctl(struct file *file, uint32_t request, uint64_t argument)
{
    if (tty_file_hung_up(file) && request != TIOCNOTTY) {
        return request == TIOCSPGRP ? -ENOTTY : -EIO;
    }
    return tty_control_request(file->data, false, request, argument);
}

long tty_control_request(struct tty *tty, bool master, uint32_t request, uint64_t argument)
{
    if (tty->hung_up && request != TIOCNOTTY) {
        return -EIO;
    }
    switch (request) {
    case TCGETS:
        return settings_get(tty, false, argument);
    case TCGETS2:
        return settings_get(tty, true, argument);
    case TCSETS:
    case TCSETSW:
    case TCSETSF:
        return settings_set(tty, request, false, argument);
    case TCSETS2:
    case TCSETSW2:
    case TCSETSF2:
        return settings_set(tty, request - TCSETS2 + TCSETS, true, argument);
    case TCSBRK:
    case TCSBRKP:
        return tty_drain(tty);
    case TCXONC:
        return flow(tty, argument);
    case TCFLSH:
        return flush(tty, argument);
    case TIOCOUTQ:
    case FIONREAD:
        return count_get(tty, request, argument);
    case TIOCGWINSZ:
        return size_get(tty, argument);
    case TIOCSWINSZ:
        return size_set(tty, argument);
    case TIOCSCTTY:
        return tty_set_controlling(tty);
    case TIOCNOTTY:
        return tty_give_up(tty);
    case TIOCGPGRP:
    case TIOCGSID:
        return job_get(tty, master, request, argument);
    case TIOCSPGRP:
        return foreground_set(tty, argument);
    case TIOCGDEV:
        return put_user_u32(argument, (uint32_t)tty->device);
    case TIOCSTI: /* typing for others is refused, as with dev.tty.legacy_tiocsti = 0 */
        return -EIO;
    default:
        return -ENOTTY;
    }
}
