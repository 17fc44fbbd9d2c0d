/* Proves that the formatter agrees with libc's on what both know, and never overruns its buffer. */
#include <limits.h>
#include <string.h>

#include "lib/base/format.h"
#include "lib/base/test/check.h"

#define SAME(...)                                                                                  \
    do {                                                                                           \
        char ours[128];                                                                            \
        char theirs[128];                                                                          \
        size_t length = format_text(ours, sizeof(ours), __VA_ARGS__);                              \
        CHECK(length == (size_t)snprintf(theirs, sizeof(theirs), __VA_ARGS__));                    \
        CHECK(strcmp(ours, theirs) == 0);                                                          \
    } while (0)

static void test_against_libc(void)
{
    SAME("plain");
    SAME("%d %d %d", 0, INT_MIN, INT_MAX);
    SAME("%u %x %lu %llx", UINT_MAX, 0xbeefu, ULONG_MAX, ULLONG_MAX);
    SAME("%lld %zu %ld", LLONG_MIN, SIZE_MAX, LONG_MAX);
    SAME("[%5d] [%-5d] [%05d] [%016lx]", -42, -42, -42, 0x1234ul);
    SAME("[%8s] [%-8s] [%.3s] [%.*s]", "abc", "abc", "abcdef", 2, "xyz");
    SAME("%c%c%%", 'a', 'b');
    SAME("%p", (void *)(uintptr_t)0x1234);
}

static void test_bounds(void)
{
    char text[8];
    memset(text, 'x', sizeof(text));
    CHECK(format_text(text, 0, "abc") == 0 && text[0] == 'x');
    CHECK(format_text(text, 1, "abc") == 0 && text[0] == '\0');
    CHECK(format_text(text, 4, "%s", "abcdef") == 3 && strcmp(text, "abc") == 0);
    CHECK(format_text(text, 4, "%4000d", 1) == 3 && strcmp(text, "   ") == 0);
    CHECK(text[4] == 'x');
    char unterminated[3] = {'a', 'b', 'c'};
    CHECK(format_text(text, sizeof(text), "%.*s", 3, unterminated) == 3);
    CHECK(strcmp(text, "abc") == 0);
}

/* Past the compiler's check of the format. */
static size_t call_list(char *to, size_t capacity_bytes, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    size_t length = format_text_list(to, capacity_bytes, format, arguments);
    va_end(arguments);
    return length;
}

static void test_unknown(void)
{
    char text[32];
    char format[] = "a%q%s";
    CHECK(call_list(text, sizeof(text), format, 0) == 5);
    CHECK(strcmp(text, "a%q%s") == 0);
    char nothing[] = "%s";
    const char *volatile none = NULL;
    call_list(text, sizeof(text), nothing, none);
    CHECK(strcmp(text, "(null)") == 0);
}

int main(void)
{
    test_against_libc();
    test_bounds();
    test_unknown();
    return 0;
}
