#include "host/cli/catalog.h"
#include "host/cli/helper.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool is_path(const char *reference)
{
    return reference[0] == '/' || strncmp(reference, "./", 2) == 0 ||
           strncmp(reference, "../", 3) == 0 || strcmp(reference, ".") == 0 ||
           strcmp(reference, "..") == 0;
}

static bool path_find(struct connection *connection, const char *path, bool again,
                      struct image *out)
{
    if (access(path, R_OK) != 0) {
        error_line(EXIT_OAK, "cannot read the image %s: no such file, or no permission", path);
        return false;
    }
    char *id = helper_import(path, again);
    if (id == NULL) {
        return false;
    }
    status_t status = catalog_find(&connection->state, id, out);
    free(id);
    if (status == STATUS_OK) {
        out->name = text_copy(path);
    } else if (status == STATUS_NOT_FOUND) {
        error_line(EXIT_OAK, "the image %s was removed while it was used", path);
    }
    return status == STATUS_OK;
}

bool image_find(struct connection *connection, const char *reference, bool again, struct image *out)
{
    if (is_path(reference)) {
        return path_find(connection, reference, again, out);
    }
    if (again && access(reference, F_OK) != 0) {
        error_line(EXIT_OAK, "the store does not hold image %s any more: load or pull it again",
                   reference);
        return false;
    }
    status_t status = catalog_find(&connection->state, reference, out);
    if (status == STATUS_NOT_FOUND && strchr(reference, '/') != NULL &&
        access(reference, F_OK) == 0) {
        return path_find(connection, reference, again, out); /* a/b may be either */
    }
    if (status == STATUS_NOT_FOUND) {
        error_line(EXIT_OAK,
                   "no image %s here: get it with oak pull %s, or oak load -i FILE, or give a path",
                   reference, reference);
    }
    if (status == STATUS_OK) {
        out->name = text_copy(reference);
    }
    return status == STATUS_OK;
}
