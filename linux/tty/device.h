/* What the files of tty/ share: the tty itself, its checks and controls. */
#pragma once

#include "linux/tty/line.h"
#include "linux/tty/tty.h"

struct tty_size { /* struct winsize of the system calls */
    uint16_t rows;
    uint16_t columns;
    uint16_t width_pixels;
    uint16_t height_pixels;
};

enum tty_change { /* TIOCPKT_* */
    TTY_FLUSHED_INPUT = 1,
    TTY_FLUSHED_OUTPUT = 2,
    TTY_STOPPED = 4,
    TTY_STARTED = 8,
    TTY_NO_STOP = 16, /* the keyboard does not stop the output any more */
    TTY_DO_STOP = 32,
};

struct tty {
    uint32_t references; /* atomic */
    struct mutex lock;
    const struct tty_driver *driver;
    void *data;
    struct wait_queue input_wait;
    struct wait_queue output_wait;
    struct tty_size size;
    int session;    /* that it controls; 0: none */
    int foreground; /* process group; 0: none */
    uint64_t device;
    uint32_t files;     /* open on it */
    uint32_t hangups;   /* how often all files on it were hung up */
    bool hung_up;       /* for ever: the other end is gone */
    bool input_refused; /* the driver waits for input_wanted */
    uint8_t changes;    /* enum tty_change, for the master of a pseudo terminal in packet mode */
    struct line line;
};

/*
 * Job control (job.c). May the current task go on? 0; -ERESTARTSYS: its group got SIGTTIN or
 * SIGTTOU and the call comes again after it; -EIO: nobody could ever continue it.
 */
long tty_check_reader(struct tty *tty);
long tty_check_writer(struct tty *tty);
long tty_check_change(struct tty *tty);

long tty_set_controlling(struct tty *tty);
long tty_give_up(struct tty *tty);
long tty_foreground_set(struct tty *tty, int process_group);

/* Wait until the driver has taken what was written. */
long tty_drain(struct tty *tty);
void tty_size_set(struct tty *tty, const struct tty_size *size);
/* Take output out of the line, for a driver that keeps it there: the bytes taken. */
uint32_t tty_output_take(struct tty *tty, uint8_t *to, uint32_t capacity_bytes);
/* Forget what was typed, or what was written. Without locks. */
void tty_flush_input(struct tty *tty);
void tty_flush_output(struct tty *tty);
/* The line's settings or flow changed under the lock: wake whom it concerns. */
void tty_changed(struct tty *tty);

/* Reads see the end, writes and ioctl -EIO: the other end is gone, or the session's leader ended
 * after the file was opened. */
bool tty_file_hung_up(const struct file *file);

long tty_ioctl(struct file *file, uint32_t request, uint64_t argument);
/* The same on the tty itself; `master`: asked from the other end, whatever the caller's terminal
 * is. */
long tty_control_request(struct tty *tty, bool master, uint32_t request, uint64_t argument);
