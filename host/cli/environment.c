/* -e and --env-file, as docker reads them. */
#include "host/cli/specification.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void environment_set(struct text_list *environment, const char *entry)
{
    size_t name_length = strcspn(entry, "=");
    for (size_t i = 0; i < environment->count; i++) {
        const char *old = environment->items[i];
        if (strncmp(old, entry, name_length) == 0 && old[name_length] == '=') {
            environment->items[i] = entry;
            return;
        }
    }
    text_list_add(environment, entry);
}

/* NAME alone takes the value that this process has, or nothing. */
static void entry_add(struct text_list *environment, const char *entry)
{
    if (strchr(entry, '=') != NULL) {
        environment_set(environment, entry);
        return;
    }
    const char *value = getenv(entry);
    if (value != NULL) {
        environment_set(environment, text_format("%s=%s", entry, value));
    }
}

static bool file_add(struct text_list *environment, const char *command, const char *path)
{
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        error_line(EXIT_OAK, "%s: cannot read --env-file %s: %s", command, path, strerror(errno));
        return false;
    }
    char *line = NULL;
    size_t capacity = 0;
    ssize_t length;
    bool good = true;
    while (good && (length = getline(&line, &capacity, file)) >= 0) {
        line[strcspn(line, "\r\n")] = '\0';
        char *start = line + strspn(line, " \t");
        if (*start == '\0' || *start == '#') {
            continue;
        }
        size_t name_length = strcspn(start, "=");
        if (name_length == 0 || strcspn(start, " \t") < name_length) {
            error_line(EXIT_OAK, "%s: --env-file %s: '%s' has no proper variable name", command,
                       path, start);
            good = false;
        } else {
            entry_add(environment, text_copy(start));
        }
    }
    free(line);
    fclose(file);
    return good;
}

bool environment_add(struct text_list *environment, const char *command,
                     const struct text_list *files, const struct text_list *flags)
{
    for (size_t i = 0; i < files->count; i++) {
        if (!file_add(environment, command, files->items[i])) {
            return false;
        }
    }
    for (size_t i = 0; i < flags->count; i++) {
        if (flags->items[i][0] == '=' || flags->items[i][0] == '\0') {
            error_line(EXIT_OAK, "%s: -e '%s' has no variable name", command, flags->items[i]);
            return false;
        }
        entry_add(environment, flags->items[i]);
    }
    return true;
}
