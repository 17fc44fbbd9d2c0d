/*
 * Terminals: the line discipline (termios), echo, signals from the keyboard, job control. What is
 * on the other end is a driver: a container's console, or the master of a pseudo terminal (pty.h).
 *
 * Counted: files, the session that it controls and the driver hold references; the groups of that
 * session (thread_group.terminal) share the session's. tty->lock guards everything in it; it is
 * never held while signals are sent.
 */
#pragma once

#include "linux/core/lock.h"
#include "linux/event/wait.h"

struct file;
struct tty;
struct task;

struct tty_driver {
    /* Take output; the bytes taken, 0 when there is no room now. Never blocks; under the tty's
     * lock. */
    uint32_t (*output)(void *data, const uint8_t *bytes, uint32_t length_bytes);
    /* The last file on the tty was closed. May be NULL. */
    void (*closed)(void *data);
    /* tty_input had no room for all; there is some now. */
    void (*input_wanted)(void *data);
    /* The last reference is gone. */
    void (*release)(void *data);
    /* The driver fetches the output when somebody reads it (tty_output_take): nobody waits until it
     * is gone, as nobody does on Linux's pseudo terminals. */
    bool keeps_output;
};

/* With one reference; `device` is its number, as /proc/PID/stat shows it. NULL: no memory. */
struct tty *tty_new(const struct tty_driver *driver, void *data, uint64_t device);
void tty_get(struct tty *tty);
void tty_put(struct tty *tty);

/* Bytes typed: how many were taken (the rest when input_wanted is called). */
uint32_t tty_input(struct tty *tty, const uint8_t *bytes, uint32_t length_bytes);
/* The driver has room for output again. */
void tty_output_ready(struct tty *tty);
/* The window's size; SIGWINCH to the foreground. */
void tty_resize(struct tty *tty, uint32_t rows, uint32_t columns);
/* The other end is gone: reads see end of file, writes -EIO; the session gets SIGHUP and has no
 * controlling terminal any more. */
void tty_hangup(struct tty *tty);

/* Make the file one of this tty (sets operations and data, takes a reference). */
void tty_file_open(struct tty *tty, struct file *file);
/* A session leader without a terminal opened it (without O_NOCTTY): it is its terminal now. */
void tty_adopt(struct tty *tty);
/* The session of the task gets the tty as controlling terminal, its group the foreground. */
void tty_control(struct tty *tty, struct task *task);
/* A session has its terminal no more: SIGHUP and SIGCONT to the foreground. Without locks. */
void tty_session_end(struct tty *tty, int session);
/* Because its leader ends: files that are open on the terminal are hung up, too. */
void tty_leader_end(struct tty *tty, int session);
int tty_foreground(const struct tty *tty);
uint64_t tty_device(const struct tty *tty);
