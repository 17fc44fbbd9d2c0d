/*
 * The catalog's files, in images/ of the state directory:
 *
 *   images.json  every image: id, blob, size, creation time, names
 *   HEX.json     the configuration of the image sha256:HEX, byte for byte
 *   lock         held (flock) by whoever changes images.json
 *   import.lock  held by the one import that is under way
 *
 * images.json is replaced as a whole (a new file, fsync, rename), after the configurations that it
 * names: whatever ends the process, it is the old one or the new one. A name belongs to at most one
 * image; an image may have none.
 */
#pragma once

#include "host/cli/catalog.h"

#define CATALOG_ID_BYTES 72 /* "sha256:", 64 digits, zero */

struct catalog_record {
    char id[CATALOG_ID_BYTES];
    uint8_t blob[32];
    uint64_t created_ns;
    uint64_t size_bytes;
    char **names; /* as catalog_name_make writes them */
    size_t name_count;
};

struct catalog_records {
    struct catalog_record *items;
    size_t count;
    int directory_fd; /* images/; -1 when nothing was ever loaded */
    int lock_fd;      /* -1 when only read */
};

/*
 * Reads all. change: the directory is made where it is missing, and no other process changes the
 * catalog until records are freed. False: the error was printed.
 */
MUST_USE bool catalog_records_open(const struct state *state, bool change,
                                   struct catalog_records *records);
void catalog_records_free(struct catalog_records *records);

/* Replaces images.json; removes the configurations of images that are not in it any more. */
MUST_USE bool catalog_records_write(const struct catalog_records *records);

/* NULL without. */
struct catalog_record *catalog_record_by_id(const struct catalog_records *records, const char *id);

/*
 * The image that the text names: a name, an identifier, or a prefix of one that no other has.
 * *name is the name of it that was meant, NULL for an identifier. NOT_FOUND; CLOSED: printed.
 */
MUST_USE status_t catalog_record_find(const struct catalog_records *records, const char *text,
                                      struct catalog_record **out, const char **name);

/* A new record without names. */
struct catalog_record *catalog_record_add(struct catalog_records *records, const char *id);

/* Gives the image the name, and takes it from any other. */
void catalog_name_give(struct catalog_records *records, struct catalog_record *record,
                       const char *name);
void catalog_name_drop(struct catalog_record *record, const char *name);

/*
 * A name in the form that is kept: with a tag, without docker.io/ and library/. NULL when it is no
 * proper image name.
 */
char *catalog_name_make(const char *text);

/* Keeps a configuration. False: the error was printed. */
MUST_USE bool catalog_configuration_write(const struct catalog_records *records, const char *id,
                                          const char *text, size_t length_bytes);
/* NULL: the error was printed. */
json_t *catalog_configuration_read(const struct catalog_records *records, const char *id);

/* Waits until no other import is under way; -1: the error was printed. Closing it ends the turn. */
int catalog_import_turn(const struct state *state);
