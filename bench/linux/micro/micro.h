/*
 * What one operation of Linux costs, measured from within: the same static program runs in an Oak
 * container and in a Linux guest. An item is one operation, done many times.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct item {
    const char *name;
    uint32_t rounds;       /* how often `operate` is called in one pass */
    uint32_t per_round;    /* operations in one call of it */
    void (*prepare)(void); /* or NULL; not measured */
    void (*operate)(void);
    void (*finish)(void); /* or NULL; not measured */
};

/* Each ends with an item without a name. */
extern const struct item call_items[];
extern const struct item pair_items[];
extern const struct item memory_items[];
extern const struct item process_items[];

/* A file of the image, of 4 MiB, and a program that does nothing. */
#define IMAGE_FILE       "data/file"
#define IMAGE_FILE_BYTES (4u << 20)
#define NOTHING          "./nothing"
/* A file that is written. */
#define WRITTEN_FILE "/tmp/micro"

/* Ends the program with a word about what failed unless `good`. */
void must(bool good, const char *what);
