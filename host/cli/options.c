#include "host/cli/options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct cursor {
    const struct option_set *set;
    int argc;
    char **argv;
    int index;
};

static const struct command *command_find(const char *name)
{
    for (size_t i = 0; i < command_count; i++) {
        if (strcmp(commands[i].name, name) == 0) {
            return &commands[i];
        }
    }
    return NULL;
}

void usage_print(const char *name)
{
    const struct command *command = command_find(name);
    if (command != NULL) {
        printf("Usage: oak %s %s\n\n%s\n", name, command->usage, command->summary);
    }
}

int usage_error(const char *name, const char *needs)
{
    const struct command *command = command_find(name);
    return error_line(EXIT_OAK, "%s needs %s: oak %s %s", name, needs, name,
                      command != NULL ? command->usage : "");
}

static bool option_later(const char *command, const char *flag)
{
    error_line(EXIT_OAK, "%s: %s is not supported yet (docs/cli.md lists the flags that are)",
               command, flag);
    return false;
}

static bool flag_value(const char *text, bool *out)
{
    if (strcmp(text, "true") == 0 || strcmp(text, "1") == 0) {
        *out = true;
        return true;
    }
    if (strcmp(text, "false") == 0 || strcmp(text, "0") == 0) {
        *out = false;
        return true;
    }
    return false;
}

static bool value_store(const struct option *option, const char *value)
{
    if (option->kind == OPTION_LIST) {
        text_list_add(option->target, value);
    } else {
        *(const char **)option->target = value;
    }
    return true;
}

/* The value of an option that needs one: attached, or the next argument. */
static const char *value_take(struct cursor *cursor, const char *attached)
{
    if (attached != NULL) {
        return attached;
    }
    return cursor->index + 1 < cursor->argc ? cursor->argv[++cursor->index] : NULL;
}

static bool option_apply(struct cursor *cursor, const struct option *option, const char *flag,
                         const char *attached)
{
    const char *command = cursor->argv[0];
    if (option->kind == OPTION_LATER) {
        return option_later(command, flag);
    }
    if (option->kind == OPTION_FLAG) {
        bool *target = option->target;
        *target = true;
        if (attached != NULL && !flag_value(attached, target)) {
            error_line(EXIT_OAK, "%s: %s takes true or false, not '%s'", command, flag, attached);
            return false;
        }
        return true;
    }
    const char *value = value_take(cursor, attached);
    if (value == NULL) {
        error_line(EXIT_OAK, "%s: flag needs an argument: %s", command, flag);
        return false;
    }
    return value_store(option, value);
}

static bool long_option(struct cursor *cursor)
{
    const char *word = cursor->argv[cursor->index];
    size_t length = strcspn(word + 2, "=");
    const char *attached = word[2 + length] == '=' ? word + 2 + length + 1 : NULL;
    char flag[64];
    snprintf(flag, sizeof(flag), "--%.*s", (int)MIN(length, sizeof(flag) - 3), word + 2);
    for (size_t i = 0; i < cursor->set->count; i++) {
        const struct option *option = &cursor->set->options[i];
        if (strlen(option->name) == length && strncmp(option->name, word + 2, length) == 0) {
            return option_apply(cursor, option, flag, attached);
        }
    }
    error_line(EXIT_OAK, "%s: unknown flag: %s (see oak help %s)", cursor->argv[0], flag,
               cursor->argv[0]);
    return false;
}

static bool short_options(struct cursor *cursor)
{
    const char *word = cursor->argv[cursor->index];
    for (const char *letter = word + 1; *letter != '\0'; letter++) {
        const struct option *option = NULL;
        for (size_t i = 0; i < cursor->set->count && option == NULL; i++) {
            const struct option *candidate = &cursor->set->options[i];
            option = candidate->letter == *letter ? candidate : NULL;
        }
        char flag[3] = {'-', *letter, '\0'};
        if (option == NULL) {
            error_line(EXIT_OAK, "%s: unknown shorthand flag: '%c' in %s", cursor->argv[0], *letter,
                       word);
            return false;
        }
        const char *attached = letter[1] == '=' ? letter + 2 : NULL;
        if (option->kind != OPTION_FLAG && attached == NULL && letter[1] != '\0') {
            attached = letter + 1;
        }
        if (!option_apply(cursor, option, flag, attached)) {
            return false;
        }
        if (attached != NULL || option->kind != OPTION_FLAG) {
            break;
        }
    }
    return true;
}

bool options_parse(const struct option_set *set, int argc, char **argv, struct text_list *arguments)
{
    struct cursor cursor = {.set = set, .argc = argc, .argv = argv, .index = 1};
    bool flags_over = false;
    for (; cursor.index < argc; cursor.index++) {
        const char *word = argv[cursor.index];
        if (flags_over || word[0] != '-' || word[1] == '\0') {
            text_list_add(arguments, word);
            flags_over = flags_over || !set->interspersed;
        } else if (strcmp(word, "--") == 0) {
            flags_over = true;
        } else if (strcmp(word, "--help") == 0) {
            usage_print(argv[0]);
            exit(0);
        } else if (word[1] == '-' ? !long_option(&cursor) : !short_options(&cursor)) {
            return false;
        }
    }
    return true;
}
