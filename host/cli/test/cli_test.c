/*
 * Proves: flags are parsed as docker's pflag does; detach keys are found however they are typed and
 * nothing typed is lost; names, signals, numbers and sizes accept what they should and nothing
 * else; a later variable replaces an earlier one; a template that is too much is refused.
 */
#include "host/cli/format.h"
#include "host/cli/options.h"
#include "host/cli/signals.h"
#include "host/cli/specification.h"
#include "host/cli/terminal.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The CLI's processes are short: what they hold to their end is not given back one by one. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "detect_leaks=0";
}

const struct command commands[] = {{"test", NULL, "", ""}};
const size_t command_count = ARRAY_LENGTH(commands);

struct parsed {
    bool interactive;
    bool terminal;
    const char *name;
    struct text_list environment;
    struct text_list arguments;
};

static bool parse(struct parsed *parsed, bool interspersed, const char *const *words)
{
    const struct option options[] = {
        {"interactive", 'i', OPTION_FLAG, &parsed->interactive},
        {"tty", 't', OPTION_FLAG, &parsed->terminal},
        {"name", 'n', OPTION_TEXT, &parsed->name},
        {"env", 'e', OPTION_LIST, &parsed->environment},
        {"volume", 'v', OPTION_LATER, NULL},
    };
    static char *argv[16];
    int argc = 0;
    argv[argc++] = text_copy("test");
    for (; *words != NULL; words++) {
        argv[argc++] = text_copy(*words);
    }
    memset(parsed, 0, sizeof(*parsed));
    return options_parse(OPTION_SET(options, interspersed), argc, argv, &parsed->arguments);
}

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void test_options(void)
{
    struct parsed parsed;
    assert(parse(&parsed, false, WORDS("-it", "--name", "x", "image", "-e", "A")));
    assert(parsed.interactive && parsed.terminal && strcmp(parsed.name, "x") == 0);
    assert(parsed.arguments.count == 3 && parsed.environment.count == 0);
    assert(parse(&parsed, true, WORDS("image", "-eA=1", "-e=B", "--env", "C", "--", "-i")));
    assert(parsed.environment.count == 3 && strcmp(parsed.environment.items[1], "B") == 0);
    assert(parsed.arguments.count == 2 && !parsed.interactive);
    assert(parse(&parsed, false, WORDS("-tin", "x", "-")));
    assert(strcmp(parsed.name, "x") == 0 && parsed.arguments.count == 1);
    assert(parse(&parsed, false, WORDS("--tty=false", "--name=a=b", "-i=true")));
    assert(!parsed.terminal && parsed.interactive && strcmp(parsed.name, "a=b") == 0);
    assert(parse(&parsed, false, WORDS("--name", "--tty")) && strcmp(parsed.name, "--tty") == 0);
    assert(!parse(&parsed, false, WORDS("-v", "a:b", "image")));
    assert(!parse(&parsed, false, WORDS("--name")));
    assert(!parse(&parsed, false, WORDS("--nam", "x")));
    assert(!parse(&parsed, false, WORDS("-x")));
    assert(!parse(&parsed, false, WORDS("--tty=perhaps")));
}

/* Types the bytes in pieces of that size and returns what came through. */
static size_t typed(const char *keys_text, const char *text, size_t piece, char *out, bool *detach)
{
    struct detach_keys keys;
    size_t used = 0;
    assert(detach_keys_parse(&keys, keys_text));
    *detach = false;
    for (size_t i = 0; i < strlen(text) && !*detach; i += piece) {
        uint8_t passed[64];
        size_t part = MIN(piece, strlen(text) - i);
        size_t got = detach_keys_filter(&keys, (const uint8_t *)text + i, part, passed, detach);
        memcpy(out + used, passed, got);
        used += got;
    }
    out[used] = '\0';
    return used;
}

static void test_detach_keys(void)
{
    char out[64];
    bool detach;
    for (size_t piece = 1; piece < 6; piece++) {
        typed("ctrl-p,ctrl-q", "ab\x10\x11", piece, out, &detach);
        assert(detach && strcmp(out, "ab") == 0);
        typed("ctrl-p,ctrl-q", "a\x10z", piece, out, &detach);
        assert(!detach && strcmp(out, "a\x10z") == 0);
        typed("ctrl-p,ctrl-q", "\x10\x10\x11", piece, out, &detach);
        assert(detach && strcmp(out, "\x10") == 0);
        typed("a,a,b", "aaab", piece, out, &detach);
        assert(detach && strcmp(out, "a") == 0);
        typed("", "\x10\x11", piece, out, &detach);
        assert(!detach && strcmp(out, "\x10\x11") == 0);
    }
    struct detach_keys keys;
    assert(!detach_keys_parse(&keys, "ctrl-"));
    assert(!detach_keys_parse(&keys, "ctrl-p,"));
    assert(!detach_keys_parse(&keys, "ctrl-P"));
    assert(!detach_keys_parse(&keys, "a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q"));
}

static void test_values(void)
{
    uint64_t number;
    assert(signal_parse("TERM") == 15 && signal_parse("sigkill") == 9 && signal_parse("2") == 2);
    assert(signal_parse("RTMIN+1") == 35 && signal_parse("SIGRTMAX") == 64);
    assert(signal_parse("65") == 0 && signal_parse("") == 0 && signal_parse("RTMIN-1") == 0);
    assert(name_valid("a") && name_valid("a_b.c-1") && !name_valid("") && !name_valid("-a"));
    assert(!name_valid("a/b") && !name_valid("a b"));
    assert(number_parse("10", 10, &number) && number == 10);
    assert(!number_parse("11", 10, &number) && !number_parse("-1", 10, &number));
    assert(!number_parse("99999999999999999999", UINT64_MAX, &number));
    assert(size_parse("64m", &number) == STATUS_OK && number == 64u << 20);
    assert(size_parse("1G", &number) == STATUS_OK && number == 1u << 30);
    assert(size_parse("1gb", &number) == STATUS_OK && size_parse("7", &number) == STATUS_OK);
    assert(size_parse("1x", &number) != STATUS_OK && size_parse("", &number) != STATUS_OK);
    assert(size_parse("99999999t", &number) != STATUS_OK);
    char id[ID_DIGITS + 1];
    char name[NAME_MAX_BYTES + 1];
    id_make(id);
    assert(strspn(id, "0123456789abcdef") == ID_DIGITS);
    for (int attempt = 0; attempt < 100; attempt++) {
        name_make(name, attempt);
        assert(name_valid(name));
    }
}

static void test_environment(void)
{
    struct text_list environment = {0};
    environment_set(&environment, "A=1");
    environment_set(&environment, "AB=2");
    environment_set(&environment, "A=3");
    assert(environment.count == 2 && strcmp(environment.items[0], "A=3") == 0);
    text_list_free(&environment);
}

static void test_format(void)
{
    assert(format_check("test", "json") && format_check("test", "a {{.B.C}} {{json .}}"));
    assert(!format_check("test", "{{range .}}") && !format_check("test", "{{.A"));
    assert(!format_check("test", "{{}}") && !format_check("test", "{{ json }}"));
    static const struct {
        uint64_t bytes;
        const char *text;
    } sizes[] = {{0, "0B"}, {999, "999B"}, {4261550, "4.26MB"}, {1u << 30, "1.07GB"}};
    for (size_t i = 0; i < ARRAY_LENGTH(sizes); i++) {
        char *text = size_text(sizes[i].bytes);
        assert(strcmp(text, sizes[i].text) == 0);
        free(text);
    }
}

int main(void)
{
    test_options();
    test_detach_keys();
    test_values();
    test_environment();
    test_format();
    puts("cli_test: ok");
    return 0;
}
