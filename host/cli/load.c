#include "host/cli/load.h"

#include "host/cli/catalog_import.h"
#include "host/cli/options.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

int load_path(struct connection *connection, const char *path, const char *name, bool quiet)
{
    struct import_wish wish = {
        .path = path, .name = name, .quiet = quiet || !isatty(STDERR_FILENO)};
    struct imported imported;
    if (!catalog_import(connection, &wish, &imported)) {
        return 1;
    }
    for (size_t i = 0; i < imported.count; i++) {
        bool named = strcmp(imported.names[i], imported.ids[i]) != 0;
        printf("Loaded image%s: %s\n", named ? "" : " ID", imported.names[i]);
    }
    return 0;
}

int load_command(int argc, char **argv)
{
    const char *input = NULL;
    bool quiet = false;
    const struct option options[] = {
        {"input", 'i', OPTION_TEXT, &input},
        {"quiet", 'q', OPTION_FLAG, &quiet},
        {"platform", 0, OPTION_LATER, NULL},
    };
    struct text_list arguments = {0};
    struct connection connection;
    if (!options_parse(OPTION_SET(options, true), argc, argv, &arguments)) {
        return EXIT_OAK;
    }
    if (arguments.count > 0) {
        return usage_error("load", "-i before the file's name");
    }
    if (input == NULL && isatty(STDIN_FILENO)) {
        return error_line(1, "load reads an archive from stdin, or takes one with -i FILE");
    }
    if (input != NULL && access(input, R_OK) != 0) {
        return error_line(1, "cannot read %s: no such file, or no permission", input);
    }
    if (!connection_open(&connection, NULL)) {
        return EXIT_OAK;
    }
    int code = load_path(&connection, input, NULL, quiet);
    connection_close(&connection);
    return code;
}

/* What oak runs for an image that is a path: prints the identifier of its one image. */
int import_command(int argc, char **argv)
{
    struct connection connection;
    struct imported imported;
    if (argc != 3) {
        return error_line(EXIT_OAK, "this command belongs to `oak run PATH`");
    }
    struct import_wish wish = {
        .path = argv[2], .again = strcmp(argv[1], "--again") == 0, .quiet = !isatty(STDERR_FILENO)};
    if (!connection_open(&connection, NULL) || !catalog_import(&connection, &wish, &imported)) {
        return EXIT_OAK;
    }
    for (size_t i = 1; i < imported.count; i++) {
        if (strcmp(imported.ids[i], imported.ids[0]) != 0) {
            return error_line(EXIT_OAK,
                              "%s holds several images: load it (oak load -i) and run one by name",
                              argv[2]);
        }
    }
    printf("%s\n", imported.ids[0]);
    connection_close(&connection);
    return 0;
}
