/* The importing half of the catalog; only oak-archive has it. */
#pragma once

#include "host/cli/catalog.h"

struct import_wish {
    const char *path; /* NULL: the archive on stdin */
    const char *name; /* of the source's one image, instead of what it brings; may be NULL */
    bool again;       /* the store may have lost the blob: do not trust the catalog */
    bool quiet;       /* no progress */
};

struct imported {
    char **names; /* name:tag, or the identifier of an image without */
    char **ids;
    size_t count;
};

/* Imports all images of one source. False: the error was printed, and nothing is left. */
MUST_USE bool catalog_import(struct connection *connection, const struct import_wish *wish,
                             struct imported *out);
