/* What went wrong with an image, as one line for the user. */
#pragma once

#include "lib/base/types.h"

struct problem {
    char text[512];
};

/* Writes the line and returns status. The first problem stays: later ones follow from it. */
__attribute__((format(printf, 3, 4))) MUST_USE status_t problem_set(struct problem *problem,
                                                                    status_t status,
                                                                    const char *format, ...);
