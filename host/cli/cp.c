#include "host/cli/copy.h"
#include "host/cli/options.h"

#include <stdlib.h>
#include <string.h>

bool copy_path_trim(char *path)
{
    size_t length = strlen(path);
    bool contents = false;
    if (length >= 2 && strcmp(path + length - 2, "/.") == 0) {
        contents = true;
        length--;
    } else if (strcmp(path, ".") == 0) {
        contents = true;
    }
    while (length > 1 && path[length - 1] == '/') {
        length--;
    }
    path[length] = '\0';
    return contents;
}

/* CONTAINER:PATH; a path with a slash before the colon, or ".", is the host's. */
static bool container_split(const char *text, char **container, const char **path)
{
    const char *colon = strchr(text, ':');
    const char *slash = strchr(text, '/');
    if (colon == NULL || colon == text || text[0] == '.' || (slash != NULL && slash < colon)) {
        return false;
    }
    *container = text_format("%.*s", (int)(colon - text), text);
    *path = colon + 1;
    return true;
}

int cp_command(int argc, char **argv)
{
    bool quiet = false; /* no progress is shown anyway */
    const struct option options[] = {
        {"quiet", 'q', OPTION_FLAG, &quiet},
        {"archive", 'a', OPTION_LATER, NULL},
        {"follow-link", 'L', OPTION_LATER, NULL},
    };
    struct text_list arguments = {0};
    struct connection connection;
    if (!options_parse(OPTION_SET(options, true), argc, argv, &arguments)) {
        return EXIT_OAK;
    }
    char *container = NULL;
    const char *path = NULL;
    bool out = arguments.count == 2 && container_split(arguments.items[0], &container, &path);
    bool in =
        arguments.count == 2 && !out && container_split(arguments.items[1], &container, &path);
    if (!in && !out) {
        return usage_error("cp", "one CONTAINER:PATH and one path of the host");
    }
    if (out && strchr(arguments.items[1], ':') != NULL &&
        container_split(arguments.items[1], &(char *){NULL}, &(const char *){NULL})) {
        return error_line(EXIT_OAK, "cp: copying between containers is not supported");
    }
    char *absolute = text_format("%s%s", path[0] == '/' ? "" : "/", path);
    int code = containers_connect(&connection);
    if (code == 0) {
        code = out ? copy_out(&connection, container, absolute, arguments.items[1])
                   : copy_in(&connection, arguments.items[0], container, absolute);
        connection_close(&connection);
    }
    free(absolute);
    free(container);
    return code;
}
