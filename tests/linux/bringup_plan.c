/* From the kernel's command line to a specification, in the records that a client would send. */
#include "tests/linux/bringup.h"

#include "abi/control.h"
#include "lib/base/record.h"
#include "lib/base/string.h"

static const char *const environment[] = {
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME=/root",
    "HOSTNAME=bringup",
};

/* One word of the options, and where the command begins. */
struct word {
    const char *text;
    size_t length;
};

static bool word_next(const char **next, struct word *out)
{
    while (**next == ' ') {
        (*next)++;
    }
    out->text = *next;
    while (**next != '\0' && **next != ' ') {
        (*next)++;
    }
    out->length = (size_t)(*next - out->text);
    return out->length > 0;
}

static bool word_is(const struct word *word, const char *text)
{
    return word->length == strlen(text) && memcmp(word->text, text, word->length) == 0;
}

/* The value of NAME=, where name carries the equals sign. */
static bool word_value(const struct word *word, const char *name, struct word *out)
{
    size_t length = strlen(name);
    if (word->length < length || memcmp(word->text, name, length) != 0) {
        return false;
    }
    *out = (struct word){word->text + length, word->length - length};
    return true;
}

static uint64_t number(const struct word *word)
{
    uint64_t value = 0;
    for (size_t i = 0; i < word->length && word->text[i] >= '0' && word->text[i] <= '9'; i++) {
        value = value * 10 + (uint64_t)(word->text[i] - '0');
    }
    return value;
}

static void input_read(const struct word *word, struct plan *plan)
{
    plan->input_bytes = 0;
    for (size_t i = 0; i < word->length; i++) {
        char byte = word->text[i];
        if (byte == '\\' && i + 1 < word->length) {
            byte = word->text[++i];
            byte = byte == 'n' ? '\n' : byte == 's' ? ' ' : byte;
        }
        plan->input[plan->input_bytes++] = byte;
    }
}

/* Options that need more than one record wait here until the words have been read. */
struct options {
    bool exec;
    bool terminal;
    bool read_only;
    bool input;
    struct word user;
};

static void option_read(const struct word *word, struct options *options, struct plan *plan)
{
    struct word value;
    if (word_value(word, "runs=", &value)) {
        plan->runs = MAX(number(&value), 1);
    } else if (word_value(word, "memory=", &value)) {
        plan->memory_limit_bytes = number(&value) << 20;
    } else if (word_value(word, "wall=", &value)) {
        plan->wall_seconds = number(&value);
    } else if (word_value(word, "stdin=", &value)) {
        options->input = true;
        input_read(&value, plan);
    } else if (word_value(word, "user=", &value)) {
        options->user = value;
    }
    if (word_is(word, "open")) {
        plan->domain_flags = DOMAIN_OPEN;
    }
    options->exec |= word_is(word, "exec");
    options->terminal |= word_is(word, "tty");
    options->read_only |= word_is(word, "readonly");
}

static void arguments_put(struct record_writer *writer, const struct options *options,
                          const char *command)
{
    if (!options->exec) {
        record_put_text(writer, RECORD_ARGUMENT, "/bin/sh");
        record_put_text(writer, RECORD_ARGUMENT, "-c");
        record_put_text(writer, RECORD_ARGUMENT, command);
        return;
    }
    struct word word;
    while (word_next(&command, &word)) {
        record_put(writer, RECORD_ARGUMENT, word.text, word.length);
    }
}

static void specification_put(struct record_writer *writer, const struct options *options,
                              const char *command)
{
    char id[65];
    memset(id, '0', sizeof(id) - 1);
    id[64] = '\0';
    record_put_text(writer, RECORD_ID, id);
    record_put_text(writer, RECORD_NAME, "bringup");
    record_put_text(writer, RECORD_HOSTNAME, "bringup");
    arguments_put(writer, options, command);
    for (size_t i = 0; i < ARRAY_LENGTH(environment); i++) {
        record_put_text(writer, RECORD_ENVIRONMENT, environment[i]);
    }
    record_put_text(writer, RECORD_WORKING_DIRECTORY, "/");
    if (options->user.length > 0) {
        record_put(writer, RECORD_USER, options->user.text, options->user.length);
    }
    if (options->terminal) {
        record_put_text(writer, RECORD_ENVIRONMENT, "TERM=xterm");
        record_put_number(writer, RECORD_TERMINAL, 1);
        record_put_number(writer, RECORD_WINDOW, 24 << 16 | 80);
    }
    if (options->input) {
        record_put_number(writer, RECORD_OPEN_STDIN, 1);
    }
    if (options->read_only) {
        record_put_number(writer, RECORD_READ_ONLY, 1);
    }
}

status_t plan_read(const char *command_line, struct plan *out)
{
    out->runs = 1;
    out->memory_limit_bytes = UINT64_MAX;
    out->domain_flags = 0;
    out->input_bytes = 0;
    struct options options = {0};
    struct word word;
    do {
        if (!word_next(&command_line, &word)) {
            return STATUS_INVALID_ARGUMENT;
        }
        option_read(&word, &options, out);
    } while (!word_is(&word, "--"));
    while (*command_line == ' ') {
        command_line++;
    }
    struct record_writer writer;
    record_writer_init(&writer, out->specification, sizeof(out->specification));
    specification_put(&writer, &options, command_line);
    out->specification_bytes = (uint32_t)writer.length_bytes;
    return writer.overflow || *command_line == '\0' ? STATUS_INVALID_ARGUMENT : STATUS_OK;
}
