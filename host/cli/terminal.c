#include "host/cli/terminal.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

static struct termios original;
static volatile sig_atomic_t is_raw;

void terminal_restore(void)
{
    if (is_raw) {
        is_raw = 0;
        tcsetattr(STDIN_FILENO, TCSADRAIN, &original);
    }
}

static void terminal_die(int number)
{
    terminal_restore();
    signal(number, SIG_DFL);
    raise(number);
}

bool terminal_raw(void)
{
    static const int deadly[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGSEGV, SIGABRT, SIGBUS};
    struct termios raw;
    if (tcgetattr(STDIN_FILENO, &original) != 0) {
        return false;
    }
    for (size_t i = 0; i < ARRAY_LENGTH(deadly); i++) {
        signal(deadly[i], terminal_die);
    }
    atexit(terminal_restore);
    raw = original;
    cfmakeraw(&raw);
    is_raw = 1;
    if (tcsetattr(STDIN_FILENO, TCSADRAIN, &raw) != 0) {
        is_raw = 0;
        return false;
    }
    return true;
}

uint32_t terminal_window(void)
{
    static const int fds[] = {STDOUT_FILENO, STDIN_FILENO};
    struct winsize size;
    for (size_t i = 0; i < ARRAY_LENGTH(fds); i++) {
        if (ioctl(fds[i], TIOCGWINSZ, &size) == 0 && size.ws_row > 0 && size.ws_col > 0) {
            return (uint32_t)size.ws_row << 16 | size.ws_col;
        }
    }
    return 0;
}

/* One key: a character, or ctrl- and one of @ a-z [ \ ] ^ _. */
static bool key_parse(const char *text, size_t length, uint8_t *out)
{
    if (length == 1) {
        *out = (uint8_t)text[0];
        return true;
    }
    if (length != 6 || strncmp(text, "ctrl-", 5) != 0) {
        return false;
    }
    char key = text[5];
    if (key >= 'a' && key <= 'z') {
        *out = (uint8_t)(key - 'a' + 1);
        return true;
    }
    static const char others[] = "[\\]^_";
    const char *place = key != '\0' ? strchr(others, key) : NULL;
    if (key == '@') {
        *out = 0;
        return true;
    }
    if (place != NULL) {
        *out = (uint8_t)(27 + (place - others));
    }
    return place != NULL;
}

bool detach_keys_parse(struct detach_keys *keys, const char *text)
{
    struct detach_keys parsed = {0};
    while (*text != '\0') {
        size_t length = strcspn(text, ",");
        length = length == 0 ? 1 : length;
        if (parsed.count == DETACH_KEYS_MAX ||
            !key_parse(text, length, &parsed.keys[parsed.count++])) {
            return false;
        }
        text += length;
        if (*text == ',' && *++text == '\0') {
            return false;
        }
    }
    *keys = parsed;
    return true;
}

/* Gives up the part of the sequence that turned out to be ordinary typing; returns its length. */
static size_t keys_give_up(struct detach_keys *keys, uint8_t *out)
{
    size_t first = 1;
    /* The longest proper suffix of what was typed that may still begin the sequence. */
    while (first < keys->matched &&
           memcmp(keys->keys, keys->keys + first, keys->matched - first) != 0) {
        first++;
    }
    memcpy(out, keys->keys, first);
    keys->matched -= first;
    return first;
}

size_t detach_keys_filter(struct detach_keys *keys, const uint8_t *typed, size_t length_bytes,
                          uint8_t *out, bool *detach)
{
    size_t used = 0;
    *detach = false;
    if (keys->count == 0) {
        memcpy(out, typed, length_bytes);
        return length_bytes;
    }
    for (size_t i = 0; i < length_bytes; i++) {
        while (keys->matched > 0 && typed[i] != keys->keys[keys->matched]) {
            used += keys_give_up(keys, out + used);
        }
        if (typed[i] != keys->keys[keys->matched]) {
            out[used++] = typed[i];
        } else if (++keys->matched == keys->count) {
            *detach = true;
            return used;
        }
    }
    return used;
}
