/*
 * Proves that the line discipline edits, echoes, translates and signals as POSIX says, in canonical
 * and in raw mode, and that no sequence of bytes or settings makes its rings overrun.
 */
#include <string.h>

#include "lib/base/test/check.h"
#include "linux/proc/signal.h"
#include "linux/tty/line.h"

static struct line line;
static uint64_t signals;

static void begin(void)
{
    memset(&line, 0, sizeof(line));
    line_init(&line);
    signals = 0;
}

static uint32_t type(const char *text)
{
    return line_type(&line, (const uint8_t *)text, (uint32_t)strlen(text), &signals);
}

static bool shown(const char *expected)
{
    char all[LINE_OUTPUT];
    size_t length = 0;
    const uint8_t *bytes;
    uint32_t count;
    while ((count = line_output(&line, &bytes)) > 0) {
        memcpy(all + length, bytes, count);
        length += count;
        line_output_taken(&line, count);
    }
    return length == strlen(expected) && memcmp(all, expected, length) == 0;
}

static bool reads(uint32_t capacity, const char *expected, bool expect_end)
{
    uint8_t bytes[LINE_INPUT];
    bool ended;
    uint32_t count = line_read(&line, bytes, capacity, &ended);
    return count == strlen(expected) && memcmp(bytes, expected, count) == 0 && ended == expect_end;
}

static void local_flags(uint32_t clear, uint32_t set)
{
    struct line_settings settings = line.settings;
    settings.local_flags = (settings.local_flags & ~clear) | set;
    line_set(&line, &settings);
}

/* A line can be read only when it is ended, one line at a time, and is echoed with CR NL. */
static void test_lines(void)
{
    begin();
    CHECK(type("ab") == 2 && !line_readable(&line) && line_available(&line) == 0);
    CHECK(shown("ab"));
    CHECK(type("c\rsecond\n") == 9 && line_readable(&line));
    CHECK(shown("c\r\nsecond\r\n"));
    CHECK(line_available(&line) == 11);
    CHECK(reads(2, "ab", false) && reads(100, "c\n", true));
    CHECK(reads(100, "second\n", true) && !line_readable(&line));
}

/* Erase, word erase and kill change the line and wipe what they showed, in columns. */
static void test_editing(void)
{
    begin();
    (void)type("ax\x7f"
               "b\n");
    CHECK(shown("ax\b \bb\r\n") && reads(100, "ab\n", true));
    (void)type("one two  \x17"
               "2\n");
    CHECK(reads(100, "one 2\n", true));
    (void)shown("");
    begin();
    (void)type("gone\x15"
               "kept\n");
    CHECK(shown("gone\b \b\b \b\b \b\b \bkept\r\n") && reads(100, "kept\n", true));
    (void)type("\x7f\x7f\x17\x15z\n");
    CHECK(shown("z\r\n") && reads(100, "z\n", true));
}

/* A character of several bytes, a control character and a tab are erased whole. */
static void test_wide_editing(void)
{
    begin();
    (void)type("\xc3\xa4\x7f\n");
    CHECK(shown("\xc3\xa4\b \b\r\n") && reads(100, "\n", true));
    (void)type("\x01\x7f\n");
    CHECK(shown("^A\b \b\b \b\r\n") && reads(100, "\n", true));
    (void)type("abc\t\x7f\n");
    CHECK(shown("abc\t\b \b\b \b\b \b\b \b\b \b\r\n") && reads(100, "abc\n", true));
}

/* What a program wrote before the input stays when the input is erased. */
static void test_prompt(void)
{
    begin();
    CHECK(line_write(&line, (const uint8_t *)"$ ", 2) == 2);
    (void)type("\t\x15");
    CHECK(shown("$ \t\b \b\b \b\b \b\b \b\b \b\b \b"));
}

/* End of file ends a read without a byte, alone or behind text. */
static void test_end_of_file(void)
{
    begin();
    (void)type("\x04");
    CHECK(line_readable(&line) && line_available(&line) == 0 && reads(100, "", true));
    CHECK(!line_readable(&line));
    (void)type("abc\x04"
               "d\n");
    CHECK(reads(3, "abc", true) && reads(100, "d\n", true));
    CHECK(shown("abcd\r\n"));
}

/* The next byte is taken as it is after VLNEXT. */
static void test_literal(void)
{
    begin();
    (void)type("\x16\x03\x16\x04\n");
    CHECK(signals == 0 && reads(100, "\x03\x04\n", true));
    CHECK(shown("^\b^C^\b^D\r\n"));
}

/* Keys ask for signals and drop what was typed; not without ISIG, and not with NOFLSH. */
static void test_signals(void)
{
    begin();
    (void)type("lost\x03");
    CHECK(signals == signal_bit(SIGINT) && shown("^C"));
    (void)type("\x1c\x1a");
    CHECK(signals == (signal_bit(SIGINT) | signal_bit(SIGQUIT) | signal_bit(SIGTSTP)));
    signals = 0;
    local_flags(0, NOFLSH);
    (void)type("kept\x03\n");
    CHECK(signals == signal_bit(SIGINT) && reads(100, "kept\n", true));
    signals = 0;
    local_flags(ISIG, 0);
    (void)type("\x03\n");
    CHECK(signals == 0 && reads(100, "\x03\n", true));
}

/* VSTOP keeps output back until VSTART, and neither is input. */
static void test_flow(void)
{
    begin();
    (void)type("\x13");
    CHECK(line_write(&line, (const uint8_t *)"x", 1) == 1 && shown(""));
    (void)type("\x11");
    CHECK(shown("x") && !line_readable(&line));
}

/* Raw mode gives every byte at once, without echo or translation, once there are VMIN of them. */
static void test_raw(void)
{
    struct line_settings settings;
    begin();
    settings = line.settings;
    settings.local_flags = 0;
    settings.input_flags = 0;
    settings.output_flags = 0;
    line_set(&line, &settings);
    (void)type("a\r\x03\x7f");
    CHECK(signals == 0 && line_readable(&line) && reads(100, "a\r\x03\x7f", false) && shown(""));
    CHECK(line_write(&line, (const uint8_t *)"\n", 1) == 1 && shown("\n"));
    settings.control[VMIN] = 3;
    line_set(&line, &settings);
    (void)type("ab");
    CHECK(!line_readable(&line) && line_available(&line) == 2);
    settings.control[VTIME] = 1;
    line_set(&line, &settings);
    CHECK(line_readable(&line));
}

/* Bytes typed stay when the mode changes under them. */
static void test_mode_change(void)
{
    begin();
    (void)type("half");
    local_flags(ICANON, 0);
    CHECK(line_readable(&line) && line_available(&line) == 4);
    local_flags(0, ICANON);
    CHECK(line_readable(&line) && reads(100, "half", true));
}

static void input_flags(uint32_t flags)
{
    struct line_settings settings = line.settings;
    settings.input_flags = flags;
    line_set(&line, &settings);
}

/* The flags that translate carriage return and newline. */
static void test_translation(void)
{
    begin();
    input_flags(IGNCR);
    (void)type("a\rb\n");
    CHECK(reads(100, "ab\n", true));
    input_flags(INLCR);
    local_flags(ICANON, 0);
    (void)type("\n");
    CHECK(reads(100, "\r", false));
}

/* A full ring refuses whole lines, keeps room to end a long one, and still hears the keyboard. */
static void test_full(void)
{
    begin();
    for (uint32_t i = 0; i < LINE_INPUT + 100; i++) {
        CHECK(type("x") == 1);
        (void)shown("");
    }
    CHECK(type("\n") == 1 && line_available(&line) == LINE_INPUT);
    CHECK(type("y") == 0 && type("\x04") == 0);
    CHECK(type("\x03") == 1 && signals == signal_bit(SIGINT) && line_available(&line) == 0);
    local_flags(ICANON | ECHO, 0);
    uint32_t taken = 0;
    while (type("z") == 1) {
        taken++;
    }
    CHECK(taken == LINE_INPUT - 1 && line_available(&line) == taken);
}

/* Output that nobody takes stops writers, and never exceeds the ring with echo on top. */
static void test_output_full(void)
{
    begin();
    uint32_t taken = 0;
    while (line_write(&line, (const uint8_t *)"\n", 1) == 1) {
        taken++;
    }
    CHECK(taken > LINE_OUTPUT / 2 - 8 && !line_writable(&line));
    for (int i = 0; i < 100; i++) {
        (void)type("e");
    }
    CHECK(line.output_tail - line.output_head <= LINE_OUTPUT);
}

/* Whatever comes in whatever mode, the counters keep their order and distance. */
static void test_anything(void)
{
    uint64_t state = 88172645463325252ull;
    begin();
    for (int i = 0; i < 400000; i++) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        uint8_t byte = (uint8_t)(state >> 8);
        uint8_t bytes[64];
        const uint8_t *output;
        bool ended;
        switch (state % 64) {
        case 0: {
            struct line_settings settings = line.settings;
            settings.local_flags = (uint32_t)(state >> 20);
            settings.input_flags = (uint32_t)(state >> 24);
            settings.output_flags = (uint32_t)(state >> 28);
            settings.control[(state >> 32) % LINE_CONTROLS] = (uint8_t)(state >> 40);
            line_set(&line, &settings);
            break;
        }
        case 1:
            (void)line_read(&line, bytes, (uint32_t)(state >> 32) % 64, &ended);
            break;
        case 2:
            line_output_taken(&line, line_output(&line, &output));
            break;
        case 3:
            (void)line_write(&line, &byte, 1);
            break;
        default:
            (void)line_type(&line, &byte, 1, &signals);
            break;
        }
        CHECK(line.tail - line.head <= LINE_INPUT && line.ready - line.head <= LINE_INPUT &&
              line.tail - line.ready <= LINE_INPUT);
        CHECK(line.output_tail - line.output_head <= LINE_OUTPUT);
    }
}

int main(void)
{
    test_lines();
    test_editing();
    test_wide_editing();
    test_prompt();
    test_end_of_file();
    test_literal();
    test_signals();
    test_flow();
    test_raw();
    test_mode_change();
    test_translation();
    test_full();
    test_output_full();
    test_anything();
    return 0;
}
