#include "host/cli/catalog.h"
#include "host/cli/options.h"
#include "host/cli/store.h"

#include <stdio.h>

/*
 * Takes the name away, and with the last name of an image its blob. The blob goes first: while a
 * container uses it, the image keeps its name.
 */
static int remove_one(struct connection *connection, const char *reference)
{
    struct image image;
    bool last = false;
    status_t status = catalog_find(&connection->state, reference, &image);
    if (status == STATUS_NOT_FOUND) {
        return error_line(1, "no such image: %s (oak images lists them)", reference);
    }
    if (status == STATUS_OK) {
        status = catalog_last_use(&connection->state, reference, &last);
    }
    status_t removed = status == STATUS_OK && last ? store_remove(connection, image.blob) : status;
    if (removed == STATUS_BUSY) {
        return error_line(1, "image %s is used by a container: remove that first (oak ps -a)",
                          reference);
    }
    if (removed == STATUS_CLOSED) {
        return EXIT_OAK;
    }
    if (removed != STATUS_OK && removed != STATUS_NOT_FOUND) {
        return error_line(1, "cannot remove image %s: %s", reference, status_text(removed));
    }
    if (catalog_remove(&connection->state, reference) != STATUS_OK) {
        return EXIT_OAK;
    }
    printf("Untagged: %s\n", reference);
    if (last) {
        printf("Deleted: %s\n", image.id);
    }
    return 0;
}

int rmi_command(int argc, char **argv)
{
    const struct option options[] = {
        {"force", 'f', OPTION_LATER, NULL},
        {"no-prune", 0, OPTION_LATER, NULL},
    };
    struct text_list arguments = {0};
    struct connection connection;
    int code = 0;
    if (!options_parse(OPTION_SET(options, true), argc, argv, &arguments)) {
        return EXIT_OAK;
    }
    if (arguments.count == 0) {
        return usage_error("rmi", "an image");
    }
    if (!connection_open(&connection, NULL)) {
        return EXIT_OAK;
    }
    for (size_t i = 0; i < arguments.count && code != EXIT_OAK; i++) {
        int result = remove_one(&connection, arguments.items[i]);
        code = result != 0 ? result : code;
    }
    connection_close(&connection);
    return code;
}
