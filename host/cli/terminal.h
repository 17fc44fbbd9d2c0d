/*
 * The user's terminal: raw while attached, and put back as it was on every way out of the process
 * that can be caught. One terminal, stdin's.
 */
#pragma once

#include "host/cli/cli.h"

/* Makes stdin raw; false when it is no terminal. */
bool terminal_raw(void);
/* Puts it back; safe to call at any time, in a signal handler too. */
void terminal_restore(void);

/* rows << 16 | columns of the first of stdout, stdin that is a terminal; 0 without. */
uint32_t terminal_window(void);

/* The keys that detach: docker's syntax, "ctrl-p,ctrl-q" by default. */
#define DETACH_KEYS_MAX 16
struct detach_keys {
    uint8_t keys[DETACH_KEYS_MAX];
    size_t count;
    size_t matched; /* so many of them were typed last */
};

/* False: text is not a sequence of keys. */
bool detach_keys_parse(struct detach_keys *keys, const char *text);

/*
 * Passes typed bytes on to out (room for length_bytes + DETACH_KEYS_MAX) without a detach sequence:
 * what may become one is held back. Returns how many bytes came out; *detach when it is complete.
 */
size_t detach_keys_filter(struct detach_keys *keys, const uint8_t *typed, size_t length_bytes,
                          uint8_t *out, bool *detach);
