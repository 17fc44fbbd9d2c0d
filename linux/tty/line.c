#include "linux/tty/line.h"

#include "lib/base/string.h"
#include "linux/proc/signal.h"

#define TAB_COLUMNS  8
#define OUTPUT_WORST 8 /* bytes that one written byte may become */
#define DISABLED     0 /* _POSIX_VDISABLE */
#define DELETE       0x7f

static const struct line_settings defaults = {
    .input_flags = ICRNL | IXON | IUTF8,
    .output_flags = OPOST | ONLCR,
    .control_flags = 0xbf, /* 38400 baud, 8 bits, CREAD */
    .local_flags = ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE | IEXTEN,
    .control = {[VINTR] = 3,
                [VQUIT] = 28,
                [VERASE] = DELETE,
                [VKILL] = 21,
                [VEOF] = 4,
                [VMIN] = 1,
                [VSTART] = 17,
                [VSTOP] = 19,
                [VSUSP] = 26,
                [VREPRINT] = 18,
                [13] = 15, /* VDISCARD, which nothing implements */
                [VWERASE] = 23,
                [VLNEXT] = 22},
};

static bool local(const struct line *line, uint32_t flag)
{
    return (line->settings.local_flags & flag) != 0;
}

static bool is_control(const struct line *line, enum line_control which, uint8_t byte)
{
    return byte != DISABLED && line->settings.control[which] == byte;
}

static bool bit_get(const uint64_t *words, uint32_t at)
{
    at %= LINE_INPUT;
    return words[at / 64] >> (at % 64) & 1;
}

static void bit_set(uint64_t *words, uint32_t at, bool value)
{
    at %= LINE_INPUT;
    words[at / 64] &= ~(1ull << (at % 64));
    words[at / 64] |= (uint64_t)value << (at % 64);
}

/* --- output ---------------------------------------------------------------------------------- */

static uint32_t output_room(const struct line *line)
{
    return LINE_OUTPUT - (line->output_tail - line->output_head);
}

static void output_raw(struct line *line, uint8_t byte)
{
    if (output_room(line) > 0) {
        line->output[line->output_tail++ % LINE_OUTPUT] = byte;
    }
}

static void column_advance(struct line *line, uint8_t byte)
{
    bool continuation = line->settings.input_flags & IUTF8 && (byte & 0xc0) == 0x80;
    if (byte == '\r') {
        line->column = 0;
    } else if (byte == '\b') {
        line->column -= line->column > 0;
    } else if (byte == '\t') {
        line->column = (line->column | (TAB_COLUMNS - 1)) + 1;
    } else if (byte >= ' ' && byte != DELETE && !continuation) {
        line->column++;
    }
}

static void output_tab(struct line *line)
{
    do {
        output_raw(line, ' ');
        line->column++;
    } while (line->column % TAB_COLUMNS != 0);
}

/* One byte with the processing that OPOST asks for. */
static void output_byte(struct line *line, uint8_t byte)
{
    uint32_t flags = line->settings.output_flags;
    if (!(flags & OPOST)) {
        column_advance(line, byte);
        output_raw(line, byte);
        return;
    }
    if (byte == '\r' && flags & ONOCR && line->column == 0) {
        return;
    }
    if (byte == '\r' && flags & OCRNL) {
        byte = '\n';
    } else if (byte == '\n' && flags & ONLCR) {
        output_raw(line, '\r');
        line->column = 0;
    } else if (byte == '\n' && flags & ONLRET) {
        line->column = 0;
    } else if (byte == '\t' && (flags & TABDLY) == XTABS) {
        output_tab(line);
        return;
    }
    column_advance(line, byte);
    output_raw(line, byte);
}

uint32_t line_write(struct line *line, const uint8_t *bytes, uint32_t length_bytes)
{
    uint32_t taken = 0;
    while (taken < length_bytes && line_writable(line)) {
        output_byte(line, bytes[taken++]);
    }
    return taken;
}

bool line_writable(const struct line *line)
{
    return output_room(line) >= OUTPUT_WORST;
}

uint32_t line_output(const struct line *line, const uint8_t **bytes)
{
    uint32_t at = line->output_head % LINE_OUTPUT;
    *bytes = line->output + at;
    return line->stopped ? 0 : MIN(line->output_tail - line->output_head, LINE_OUTPUT - at);
}

void line_output_taken(struct line *line, uint32_t length_bytes)
{
    line->output_head += length_bytes;
}

void line_flush_output(struct line *line)
{
    line->output_head = line->output_tail;
}

/* --- echo ------------------------------------------------------------------------------------ */

static bool shown_as_control(const struct line *line, uint8_t byte)
{
    return (byte < ' ' || byte == DELETE) && byte != '\t' && local(line, ECHOCTL);
}

static void echo(struct line *line, uint8_t byte)
{
    if (shown_as_control(line, byte) && byte != '\n') {
        output_byte(line, '^');
        output_byte(line, byte ^ 0x40);
    } else {
        output_byte(line, byte);
    }
}

static void echo_if_wanted(struct line *line, uint8_t byte)
{
    if (local(line, ECHO) || (byte == '\n' && local(line, ECHONL))) {
        echo(line, byte);
    }
}

/* --- editing --------------------------------------------------------------------------------- */

static uint8_t edited(const struct line *line, uint32_t at)
{
    return line->input[at % LINE_INPUT];
}

static bool is_continuation(const struct line *line, uint8_t byte)
{
    return line->settings.input_flags & IUTF8 && (byte & 0xc0) == 0x80;
}

static uint32_t byte_columns(const struct line *line, uint8_t byte, uint32_t column)
{
    if (byte == '\t') {
        return TAB_COLUMNS - column % TAB_COLUMNS;
    }
    if (byte < ' ' || byte == DELETE) {
        return local(line, ECHOCTL) ? 2 : 0;
    }
    return is_continuation(line, byte) ? 0 : 1;
}

/* The columns that the bytes of the edited line up to `end` take on the screen. */
static uint32_t columns_until(const struct line *line, uint32_t end)
{
    uint32_t column = line->line_column;
    for (uint32_t at = line->ready; at != end; at++) {
        column += byte_columns(line, edited(line, at), column);
    }
    return column;
}

/* Cut the edited line at `end` and wipe what it showed. */
static void cut(struct line *line, uint32_t end)
{
    uint32_t wiped = columns_until(line, line->tail) - columns_until(line, end);
    line->tail = end;
    if (!local(line, ECHO)) {
        return;
    }
    if (!local(line, ECHOE)) {
        echo(line, line->settings.control[VERASE]);
        return;
    }
    for (uint32_t i = 0; i < wiped; i++) {
        output_byte(line, '\b');
        output_byte(line, ' ');
        output_byte(line, '\b');
    }
}

static uint32_t character_before(const struct line *line, uint32_t end)
{
    do {
        end--;
    } while (end != line->ready && is_continuation(line, edited(line, end)));
    return end;
}

static bool in_word(uint8_t byte)
{
    return (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') ||
           (byte >= 'A' && byte <= 'Z') || byte == '_' || byte >= 0x80;
}

static void erase_character(struct line *line)
{
    if (line->tail != line->ready) {
        cut(line, character_before(line, line->tail));
    }
}

/* As Linux: what stands before the last word's end, then the word. */
static void erase_word(struct line *line)
{
    uint32_t end = line->tail;
    while (end != line->ready && !in_word(edited(line, end - 1))) {
        end--;
    }
    while (end != line->ready && in_word(edited(line, end - 1))) {
        end--;
    }
    if (end != line->tail) {
        cut(line, end);
    }
}

static void erase_line(struct line *line)
{
    if (line->tail == line->ready) {
        return;
    }
    if (local(line, ECHOK) && local(line, ECHOKE) && local(line, ECHOE)) {
        cut(line, line->ready);
        return;
    }
    line->tail = line->ready;
    if (local(line, ECHO)) {
        echo(line, line->settings.control[VKILL]);
        if (local(line, ECHOK)) {
            output_byte(line, '\n');
        }
    }
}

static void reprint(struct line *line)
{
    if (!local(line, ECHO)) {
        return;
    }
    echo(line, line->settings.control[VREPRINT]);
    output_byte(line, '\n');
    line->line_column = line->column;
    for (uint32_t at = line->ready; at != line->tail; at++) {
        echo(line, edited(line, at));
    }
}

/* --- input ----------------------------------------------------------------------------------- */

static uint32_t input_used(const struct line *line)
{
    return line->tail - line->head;
}

static void store(struct line *line, uint8_t byte, bool ends, bool file_ends)
{
    line->input[line->tail % LINE_INPUT] = byte;
    bit_set(line->ends, line->tail, ends);
    bit_set(line->file_ends, line->tail, file_ends);
    line->tail++;
}

static void line_complete(struct line *line)
{
    line->ready = line->tail;
}

/* One place of the ring is kept for what ends a line; a byte that finds no other is lost, with a
 * bell, as on Linux. */
static void type_text(struct line *line, uint8_t byte)
{
    if (input_used(line) >= LINE_INPUT - 1) {
        output_raw(line, '\a');
        return;
    }
    if (line->tail == line->ready) {
        line->line_column = line->column;
    }
    echo_if_wanted(line, byte);
    store(line, byte, false, false);
}

static bool edit(struct line *line, uint8_t byte)
{
    if (is_control(line, VERASE, byte)) {
        erase_character(line);
    } else if (is_control(line, VKILL, byte)) {
        erase_line(line);
    } else if (local(line, IEXTEN) && is_control(line, VWERASE, byte)) {
        erase_word(line);
    } else if (local(line, IEXTEN) && is_control(line, VREPRINT, byte)) {
        reprint(line);
    } else if (local(line, IEXTEN) && is_control(line, VLNEXT, byte)) {
        line->literal_next = true;
        if (local(line, ECHO) && local(line, ECHOCTL)) {
            output_byte(line, '^');
            output_byte(line, '\b');
        }
    } else {
        return false;
    }
    return true;
}

static void type_canonical(struct line *line, uint8_t byte)
{
    if (edit(line, byte)) {
        return;
    }
    bool ends = byte == '\n' || is_control(line, VEOL, byte) ||
                (local(line, IEXTEN) && is_control(line, VEOL2, byte));
    if (ends) {
        echo_if_wanted(line, byte);
        store(line, byte, true, false);
        line_complete(line);
    } else if (is_control(line, VEOF, byte)) {
        store(line, 0, true, true);
        line_complete(line);
    } else {
        type_text(line, byte);
    }
}

static int signal_of(const struct line *line, uint8_t byte)
{
    if (!local(line, ISIG)) {
        return 0;
    }
    return is_control(line, VINTR, byte)   ? SIGINT
           : is_control(line, VQUIT, byte) ? SIGQUIT
           : is_control(line, VSUSP, byte) ? SIGTSTP
                                           : 0;
}

static void type_signal(struct line *line, uint8_t byte, int number, uint64_t *signals)
{
    *signals |= 1ull << (number - 1);
    if (!local(line, NOFLSH)) {
        line_flush_input(line);
        line_flush_output(line);
    }
    line->stopped = false;
    echo_if_wanted(line, byte);
}

/* VSTOP and VSTART; true: nothing else is done with the byte. */
static bool flow(struct line *line, uint8_t byte)
{
    if (!(line->settings.input_flags & IXON)) {
        return false;
    }
    if (is_control(line, VSTOP, byte)) {
        line->stopped = true;
        return true;
    }
    if (is_control(line, VSTART, byte)) {
        line->stopped = false;
        return true;
    }
    if (line->settings.input_flags & IXANY) {
        line->stopped = false;
    }
    return false;
}

/* What the input flags make of the byte; false: it is dropped. */
static bool translate(const struct line *line, uint8_t *byte)
{
    uint32_t flags = line->settings.input_flags;
    if (flags & ISTRIP) {
        *byte &= 0x7f;
    }
    if (*byte == '\r') {
        if (flags & IGNCR) {
            return false;
        }
        *byte = flags & ICRNL ? '\n' : '\r';
    } else if (*byte == '\n' && flags & INLCR) {
        *byte = '\r';
    }
    return true;
}

static void type_byte(struct line *line, uint8_t byte, uint64_t *signals)
{
    if (line->literal_next) {
        line->literal_next = false;
        type_text(line, byte);
        if (!local(line, ICANON)) {
            line_complete(line);
        }
        return;
    }
    int number = signal_of(line, byte);
    if (number != 0) {
        type_signal(line, byte, number, signals);
        return;
    }
    if (flow(line, byte) || !translate(line, &byte)) {
        return;
    }
    if (local(line, ICANON)) {
        type_canonical(line, byte);
    } else {
        type_text(line, byte);
        line_complete(line);
    }
}

uint32_t line_type(struct line *line, const uint8_t *bytes, uint32_t length_bytes,
                   uint64_t *signals)
{
    uint32_t taken = 0;
    while (taken < length_bytes) {
        /* In canonical mode a line that fills the ring must still be ended, edited or interrupted;
           when whole lines fill it, or raw bytes, the rest waits for a reader. */
        bool full = input_used(line) >= LINE_INPUT - 1 && line->ready != line->head;
        if (full && signal_of(line, bytes[taken]) == 0) {
            break;
        }
        type_byte(line, bytes[taken++], signals);
    }
    return taken;
}

/* --- read ------------------------------------------------------------------------------------ */

uint32_t line_available(const struct line *line)
{
    if (!local(line, ICANON)) {
        return line->ready - line->head;
    }
    uint32_t count = 0;
    for (uint32_t at = line->head; at != line->ready; at++) {
        count += !bit_get(line->file_ends, at);
    }
    return count;
}

bool line_readable(const struct line *line)
{
    uint32_t minimum = 1;
    if (!local(line, ICANON) && line->settings.control[VTIME] == 0) {
        minimum = MAX(line->settings.control[VMIN], 1);
    }
    return line->ready - line->head >= minimum;
}

uint32_t line_read(struct line *line, uint8_t *to, uint32_t capacity_bytes, bool *ended)
{
    uint32_t count = 0;
    bool canonical = local(line, ICANON);
    *ended = false;
    while (line->head != line->ready && !*ended) {
        bool file_ends = canonical && bit_get(line->file_ends, line->head);
        if (count == capacity_bytes && !file_ends) {
            break;
        }
        *ended = canonical && bit_get(line->ends, line->head);
        if (!file_ends) {
            to[count++] = line->input[line->head % LINE_INPUT];
        }
        line->head++;
    }
    return count;
}

/* --- settings -------------------------------------------------------------------------------- */

void line_flush_input(struct line *line)
{
    line->head = line->ready = line->tail;
    line->literal_next = false;
}

void line_init(struct line *line)
{
    line->settings = defaults;
}

void line_set(struct line *line, const struct line_settings *settings)
{
    bool was_canonical = local(line, ICANON);
    line->settings = *settings;
    bool canonical = local(line, ICANON);
    if (was_canonical != canonical) {
        /* What was typed can be read at once; raw bytes become one line. */
        for (uint32_t at = line->head; at != line->tail; at++) {
            bit_set(line->ends, at, canonical && at + 1 == line->tail);
            bit_set(line->file_ends, at, false);
        }
        line->ready = line->tail;
        line->literal_next = false;
    }
    if (!(line->settings.input_flags & IXON)) {
        line->stopped = false;
    }
}
