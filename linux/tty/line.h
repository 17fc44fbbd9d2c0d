/*
 * The line discipline: what a terminal does with the bytes typed and the bytes written (POSIX
 * General Terminal Interface; the Linux termios). No locks, no memory, no files: the tty that owns
 * the line guards it.
 *
 * Input lies in a ring: [head, ready) may be read, [ready, tail) is the line being edited
 * (canonical mode only). `ends` marks bytes that end a line, `file_ends` those that are an end of
 * file and are not themselves read. Output and echo lie in another ring until the driver takes
 * them; echo that finds it full is lost.
 */
#pragma once

#include "lib/base/types.h"

#define LINE_INPUT    4096u
#define LINE_OUTPUT   4096u
#define LINE_CONTROLS 19

#define IGNBRK 0000001u
#define ISTRIP 0000040u
#define INLCR  0000100u
#define IGNCR  0000200u
#define ICRNL  0000400u
#define IXON   0002000u
#define IXANY  0004000u
#define IUTF8  0040000u

#define OPOST  0000001u
#define ONLCR  0000004u
#define OCRNL  0000010u
#define ONOCR  0000020u
#define ONLRET 0000040u
#define TABDLY 0014000u
#define XTABS  0014000u

#define ISIG    0000001u
#define ICANON  0000002u
#define ECHO    0000010u
#define ECHOE   0000020u
#define ECHOK   0000040u
#define ECHONL  0000100u
#define NOFLSH  0000200u
#define TOSTOP  0000400u
#define ECHOCTL 0001000u
#define ECHOKE  0004000u
#define IEXTEN  0100000u

enum line_control {
    VINTR = 0,
    VQUIT = 1,
    VERASE = 2,
    VKILL = 3,
    VEOF = 4,
    VTIME = 5,
    VMIN = 6,
    VSTART = 8,
    VSTOP = 9,
    VSUSP = 10,
    VEOL = 11,
    VREPRINT = 12,
    VWERASE = 14,
    VLNEXT = 15,
    VEOL2 = 16,
};

struct line_settings { /* struct termios of the system calls */
    uint32_t input_flags;
    uint32_t output_flags;
    uint32_t control_flags;
    uint32_t local_flags;
    uint8_t discipline;
    uint8_t control[LINE_CONTROLS];
};

struct line {
    struct line_settings settings;
    uint32_t head; /* counted on and on; an index is taken modulo the size */
    uint32_t ready;
    uint32_t tail;
    bool literal_next;
    bool stopped;         /* by VSTOP: output stays in the ring */
    uint32_t column;      /* of the cursor */
    uint32_t line_column; /* where the line being edited began */
    uint32_t output_head;
    uint32_t output_tail;
    uint8_t input[LINE_INPUT];
    uint8_t output[LINE_OUTPUT];
    uint64_t ends[LINE_INPUT / 64];
    uint64_t file_ends[LINE_INPUT / 64];
};

/* The settings of a new terminal. The line must be zero. */
void line_init(struct line *line);
/* Change the settings; what was typed stays. */
void line_set(struct line *line, const struct line_settings *settings);

/*
 * Bytes typed: how many were taken; fewer when the ring is full. *signals gets a bit (1 << (n - 1))
 * for each signal n that the keyboard asks for.
 */
uint32_t line_type(struct line *line, const uint8_t *bytes, uint32_t length_bytes,
                   uint64_t *signals);
/* The bytes that a read could have now; a whole line ready to read may be empty (end of file). */
uint32_t line_available(const struct line *line);
/* Read would not have to wait: a line is complete, or a byte is there in raw mode. */
bool line_readable(const struct line *line);
/* Take what is ready, at most one line in canonical mode; *ended: a line or the file ended here. */
uint32_t line_read(struct line *line, uint8_t *to, uint32_t capacity_bytes, bool *ended);

/* Write: the bytes taken; fewer when there is no room. */
uint32_t line_write(struct line *line, const uint8_t *bytes, uint32_t length_bytes);
/* Output for the driver: the first bytes in a row; none while stopped. */
uint32_t line_output(const struct line *line, const uint8_t **bytes);
void line_output_taken(struct line *line, uint32_t length_bytes);
/* A write of any byte finds room. */
bool line_writable(const struct line *line);

void line_flush_input(struct line *line);
void line_flush_output(struct line *line);
