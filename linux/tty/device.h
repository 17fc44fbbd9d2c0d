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
    bool hung_up;
    bool input_refused; /* the driver waits for input_wanted */
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
/* The line's settings or flow changed under the lock: wake whom it concerns. */
void tty_changed(struct tty *tty);

long tty_ioctl(struct file *file, uint32_t request, uint64_t argument);
